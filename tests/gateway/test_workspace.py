"""Releases that are built here and kept there: tags, pushes, completion, the audit log with its anchors in git."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from click.shell_completion import ShellComplete

from promptops.cli.main import cli
from promptops.core.digest import digest
from promptops.core.model import Json
from promptops.core.token import Scope
from promptops.operations import git_sync
from promptops.store import Registry
from tests.cli.conftest import Promptops
from tests.gateway.serving import Held, Serve, mint, rows
from tests.store.facts import note
from tests.store.vandal import vandalise
from tests.support import factory
from tests.support.journal import sync


@pytest.fixture
def workspace(
    registry: Registry,
    registry_url: str,
    admin: Held,
    serve: Serve,
    promptops: Promptops,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """A workspace whose registry is a server's, with its channels applied."""
    root = factory.make_workspace(tmp_path / "prompts")
    monkeypatch.chdir(root)
    monkeypatch.setenv("PROMPTOPS_REGISTRY", serve(registry_url))
    monkeypatch.setenv("PROMPTOPS_TOKEN", admin.secret)
    promptops("channels", "apply")
    return root


def test_a_release_is_built_here_kept_there_and_tagged_here(
    workspace: Path, registry: Registry, promptops: Promptops
) -> None:
    said = promptops("release", "--notes", "hello").out
    assert "✓ Released bot 0.1.0" in said
    assert "tag     bot/v0.1.0" in said
    with registry.read() as reader:
        kept = reader.find_release("bot", version="0.1.0")
        assert reader.pending_count() > 0, "records are brought to git where the database is"
    assert kept.provenance.commit == factory.git(workspace, "rev-parse", "bot/v0.1.0^{commit}")
    written = factory.git(workspace, "cat-file", "tag", "bot/v0.1.0")
    assert f"Digest: {kept.digest}" in written
    assert "tagger Ada Lovelace via token ops <ada@example.org>" in written
    assert factory.git(workspace, "for-each-ref", "refs/heads/promptops") == ""
    again = promptops("release", "--json").json
    assert (again["created"], again["tag"]) == (False, "bot/v0.1.0")


def test_the_tag_is_the_one_that_the_registry_would_write(
    workspace: Path, registry: Registry, promptops: Promptops, tmp_path: Path
) -> None:
    from promptops.source.git.repository import Repository

    subprocess.run(["git", "clone", "--quiet", str(workspace), str(tmp_path / "clone")], check=True)
    promptops("release")
    with registry.read() as reader:
        release = reader.find_release("bot", version="0.1.0")
    repository = Repository.open(tmp_path / "clone")
    [tagged] = git_sync.tag(registry, repository, [release])
    repository.close()
    assert tagged.problem == ""
    here, there = (factory.git(root, "rev-parse", "refs/tags/bot/v0.1.0") for root in (workspace, tmp_path / "clone"))
    assert here == there


def test_push_sends_the_tags_and_nothing_else(workspace: Path, promptops: Promptops, tmp_path: Path) -> None:
    factory.git(tmp_path, "init", "--quiet", "--bare", "origin.git")
    factory.git(workspace, "remote", "add", "origin", str(tmp_path / "origin.git"))
    factory.git(workspace, "tag", "mine")
    assert "bot/v0.1.0 (pushed)" in promptops("release", "--push").out
    assert factory.git(tmp_path / "origin.git", "for-each-ref", "--format=%(refname)") == "refs/tags/bot/v0.1.0"
    assert promptops("release", "--push", "--json").json["tag_problem"] == ""


def test_a_tag_that_is_something_else_is_said_and_the_release_stands(workspace: Path, promptops: Promptops) -> None:
    factory.git(workspace, "tag", "-a", "bot/v0.1.0", "-m", "mine")
    answer = promptops("release", "--json").json
    assert (answer["created"], answer["tag"]) == (True, None)
    assert "git show bot/v0.1.0" in str(answer["tag_problem"])


def test_a_workspace_of_another_registry_gets_nothing(workspace: Path, promptops: Promptops) -> None:
    text = (workspace / "promptops.yml").read_text(encoding="utf-8")
    factory.commit(workspace, {"promptops.yml": text.replace("registry: test", "registry: elsewhere")})
    for command in ("release", "channels apply"):
        assert promptops(*command.split(), "--json", exits=5).error["code"] == "registry-mismatch"


Publish = Callable[..., httpx.Response]


@pytest.fixture
def publish(registry: Registry, registry_url: str, serve: Serve) -> Publish:
    """Sends what no promptops would send to where releases go; keywords change the app that is sent."""
    secret = mint(registry, "ci", Scope.RELEASE, apps=("bot",)).secret
    url = serve(registry_url)

    def send(name: str = "test", **changed: Json) -> httpx.Response:
        built = factory.built(factory.content())
        app: dict[str, Json] = {
            "content": built.data.decode(),
            "digest": built.digest,
            "profile": {},
            "provenance": {
                "repository": "example",
                "commit": "c" * 40,
                "path": "bot",
                "author": "Ada",
                "builder": "tests",
            },
        }
        headers = {"authorization": f"Bearer {secret}", "idempotency-key": factory.key()}
        body = {"registry": name, "apps": [app | changed]}
        return httpx.post(f"{url}/v1/releases", json=body, headers=headers, timeout=60)

    return send


def test_what_is_released_is_judged_again_where_it_is_kept(publish: Publish, registry: Registry) -> None:
    sound = factory.built(factory.content()).data.decode()
    spaced = sound.replace(",", ", ", 1)
    foreign = sound.replace('"app":"bot"', '"app":"other"')
    lawless = sound.replace('"app":"bot"', '"app":"../bot"')
    unknown = sound.replace('"app":"bot"', '"app":"bot","more":1')
    provenance = {"repository": "x", "commit": "c" * 40, "path": "bot", "author": "Ada", "builder": "t"}
    refused = {
        "the digest is another one's": publish(digest="sha256:" + "0" * 64),
        "not canonical": publish(content=spaced, digest=digest(spaced.encode())),
        "no app's name": publish(content=lawless, digest=digest(lawless.encode())),
        "more than a release": publish(content=unknown, digest=digest(unknown.encode())),
        "no JSON": publish(content="hello", digest=digest(b"hello")),
        "no commit": publish(provenance=provenance | {"commit": "HEAD"}),
        "two lines": publish(provenance=provenance | {"author": "Ada\nDigest: sha256:1"}),
        "an unknown field": publish(provenance=provenance | {"by": "me"}),
        "no profile": publish(profile=None),
    }
    assert {why: answer.status_code for why, answer in refused.items()} == dict.fromkeys(refused, 422)
    other = publish(content=foreign, digest=digest(foreign.encode()))
    assert (other.status_code, other.json()["code"]) == (403, "not-allowed")
    assert publish(name="elsewhere").json()["code"] == "registry-mismatch"
    with registry.read() as reader:
        assert reader.apps() == ()
    assert publish().json()["releases"][0]["created"] is True


def test_a_workspace_larger_than_other_requests_may_be_is_released(publish: Publish) -> None:
    large = factory.built(factory.content(text="Hello {{name}}! " + "é" * 400_000))
    answer = publish(content=large.data.decode(), digest=large.digest, profile={"description": "x" * 10_000})
    assert answer.status_code == 200, answer.text[:500]


def test_words_are_offered_as_the_server_has_them(
    workspace: Path, promptops: Promptops, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    promptops("release")
    promptops("promote", "bot@0.1.0", "--channel", "dev")

    def offered(line: str) -> list[str]:
        *words, incomplete = line.split(" ")
        return [item.value for item in ShellComplete(cli, {}, "promptops", "_X").get_completions(words, incomplete)]

    assert offered("rollback ") == ["bot"]
    assert offered("rollback --channel ") == ["prod", "staging", "dev"]
    assert offered("promote b") == ["bot:dev", "bot@0.1.0"]
    assert offered("render ") == ["bot/greet"]
    assert offered("token revoke o") == ["ops"]
    capsys.readouterr()
    monkeypatch.setenv("PROMPTOPS_TOKEN", "none")
    assert offered("rollback ") == []
    assert capsys.readouterr() == ("", "")


def test_a_log_that_was_changed_is_seen_through_a_server_too(
    workspace: Path, registry: Registry, registry_url: str, promptops: Promptops
) -> None:
    promptops("release")
    promptops("promote", "bot@0.1.0", "--channel", "dev")
    sync(registry, workspace)
    whole = promptops("audit", "--verify", "--json").json
    assert (whole["whole"], whole["git"]) == (True, "compared")
    anchor = str(whole["head"])
    assert promptops("audit", "--verify", "--anchor", anchor, "--json").json["faults"] == []
    vandalise(registry_url, "UPDATE audit SET reason = 'nobody' WHERE seq = 3")
    assert "✗ The audit log is not what was written" in promptops("audit", "--verify", exits=2).out
    direct = promptops("audit", "--verify", "--json", "--registry", registry_url, exits=2).json
    assert promptops("audit", "--verify", "--json", exits=2).json == direct
    vandalise(registry_url, "DELETE FROM audit WHERE seq > 7")
    assert (
        promptops("audit", "--verify", "--anchor", anchor, "--json", exits=2).json
        == promptops("audit", "--verify", "--anchor", anchor, "--json", "--registry", registry_url, exits=2).json
    )


def test_a_log_of_many_pages_is_read_to_its_end(workspace: Path, registry: Registry, promptops: Promptops) -> None:
    def fill(count: int) -> None:
        registry.write(lambda writer: [note(writer, f"n{n}", at=factory.minutes(n)) for n in range(count)])

    promptops("release")
    fill(2100)
    answer = promptops("audit", "--verify", "--json").json
    with registry.read() as reader:
        seq, hash = reader.audit_head()
    assert (answer["whole"], answer["entries"], answer["head"]) == (True, seq, hash)
    entries = rows(promptops("audit", "--json"), "entries")
    assert [entry["seq"] for entry in entries] == list(range(seq, 0, -1))
    assert len(rows(promptops("audit", "--json", "--limit", "1500"), "entries")) == 1500
