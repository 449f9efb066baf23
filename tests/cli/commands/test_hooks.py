"""Hooks of git with real pushes: a clone, a bare repository, and no registry."""

from __future__ import annotations

import io
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from promptops.core.token import Scope
from promptops.store import Registry
from tests.cli.commands.test_ci import prompt
from tests.cli.commands.test_eval import answering
from tests.cli.conftest import Promptops
from tests.gateway.serving import mint, serving
from tests.support import factory
from tests.support.model_server import model_server

BROKEN = "messages: 1\n"
PROMPT = "texts/apps/bot/prompts/answer.prompt.yml"


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A bare repository, and in `clone` a workspace below the root of its repository that was pushed there."""
    root = factory.make_workspace(
        tmp_path / "clone", {"texts/promptops.yml": "registry: team\napps: [apps/*]\n", PROMPT: prompt()}
    )
    factory.git(tmp_path, "init", "-q", "--bare", "--initial-branch=main", "bare.git")
    factory.git(root, "remote", "add", "origin", str(tmp_path / "bare.git"))
    factory.git(root, "push", "-q", "origin", "main")
    return tmp_path / "bare.git"


def push(bare: Path, *arguments: str) -> tuple[bool, str]:
    """Pushes from the clone; whether it was taken, and what was said."""
    done = subprocess.run(
        ["git", "push", "origin", *(arguments or ("HEAD:main",))],
        cwd=bare.parent / "clone",
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode == 0, done.stderr + done.stdout


def receive(promptops: Promptops, bare: Path, *more: str) -> Path:
    words = ("hooks", "install", "--pre-receive", "--folder", "texts", "--seconds", "60")
    promptops("-C", str(bare), *words, *more)
    return bare / "hooks/pre-receive"


def test_a_bare_repository_refuses_errors_and_takes_what_is_mended(bare: Path, promptops: Promptops) -> None:
    receive(promptops, bare)
    clone = bare.parent / "clone"
    factory.commit(clone, {PROMPT: BROKEN})
    taken, said = push(bare)
    assert not taken and "promptops refuses refs/heads/main" in said and "promptops check --full" in said
    assert PROMPT in said and "Traceback" not in said
    factory.commit(clone, {PROMPT: prompt("Good day {{name}}")})
    assert push(bare)[0]
    assert factory.git(bare, "rev-parse", "main") == factory.git(clone, "rev-parse", "HEAD")


def test_only_the_refs_of_the_hook_are_judged(bare: Path, promptops: Promptops) -> None:
    receive(promptops, bare, "--ref", "refs/heads/main", "--ref", "refs/heads/release/*")
    factory.commit(bare.parent / "clone", {PROMPT: BROKEN})
    assert push(bare, "HEAD:draft")[0]
    assert not push(bare, "HEAD:release/1")[0]
    assert push(bare, ":draft")[0], "a deleted ref has nothing to judge"


def test_a_workspace_cannot_be_taken_away_from_a_hook(bare: Path, promptops: Promptops) -> None:
    receive(promptops, bare)
    clone = bare.parent / "clone"
    factory.git(clone, "mv", "texts", "elsewhere")
    factory.commit(clone, {})
    taken, said = push(bare)
    assert not taken and "would have no texts/promptops.yml" in said


def test_a_hook_that_takes_too_long_refuses(bare: Path, promptops: Promptops) -> None:
    receive(promptops, bare, "--seconds", "0.001", "--replace")
    factory.commit(bare.parent / "clone", {PROMPT: prompt("Good day {{name}}")})
    taken, said = push(bare)
    assert not taken and "Traceback" not in said


def test_reading_a_push_leaves_nothing_behind(bare: Path, promptops: Promptops) -> None:
    receive(promptops, bare)
    before = sorted(path.relative_to(bare) for path in bare.rglob("*"))
    factory.commit(bare.parent / "clone", {PROMPT: BROKEN})
    assert not push(bare)[0]
    assert sorted(path.relative_to(bare) for path in bare.rglob("*")) == before


def test_a_clone_refuses_before_it_pushes(bare: Path, promptops: Promptops, monkeypatch: pytest.MonkeyPatch) -> None:
    clone = bare.parent / "clone"
    monkeypatch.chdir(clone / "texts")
    promptops("hooks", "install", "--pre-push")
    factory.commit(clone, {PROMPT: BROKEN})
    taken, said = push(bare)
    assert not taken and "promptops refuses refs/heads/main" in said
    factory.commit(clone, {PROMPT: prompt("Good day {{name}}")})
    assert push(bare)[0]


def test_a_hook_of_another_is_kept(bare: Path, promptops: Promptops) -> None:
    hook = bare / "hooks/pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nexit 0\n")
    words = ("-C", str(bare), "hooks", "install", "--pre-receive")
    assert "there is a hook" in promptops(*words, exits=4).err
    promptops(*words, "--replace")
    promptops(*words)


def test_a_hook_holds_no_password(bare: Path, promptops: Promptops) -> None:
    url = "postgresql://bot:secret@db.example/prompts"
    said = promptops("-C", str(bare), "--registry", url, "hooks", "install", "--pre-receive", "--channel", "prod").err
    assert "PROMPTOPS_REGISTRY" in said and "secret" not in (bare / "hooks/pre-receive").read_text() + said


@pytest.mark.parametrize("kind", ["pre-receive", "pre-push"])
def test_what_git_would_not_give_a_hook_is_refused(
    kind: str, bare: Path, promptops: Promptops, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("one two\n"))
    place = bare if kind == "pre-receive" else bare.parent / "clone/texts"
    assert "as a hook of git" in promptops("-C", str(place), "hooks", kind, exits=2).err


def test_a_place_without_the_repository_it_needs_is_refused(bare: Path, promptops: Promptops) -> None:
    assert (
        "no bare repository"
        in promptops("-C", str(bare.parent / "clone"), "hooks", "install", "--pre-receive", exits=2).err
    )
    promptops("-C", str(bare), "hooks", "install", "--pre-push", exits=3)
    promptops("-C", str(bare), "hooks", "install", exits=2)


# --- with the gate of a channel ----------------------------------------------------------------------


@pytest.fixture
def gated(bare: Path, promptops: Promptops, monkeypatch: pytest.MonkeyPatch) -> str:
    """A registry beside the bare repository, whose gate asks for another person; and a hook that asks it."""
    url = f"sqlite:///{bare.parent}/registry.db"
    clone = bare.parent / "clone/texts"
    channels = "channels:\n  prod: {gate: {approvals: {count: 1, proven: false}}}\n"
    factory.commit(bare.parent / "clone", {"texts/promptops.yml": f"registry: team\napps: [apps/*]\n{channels}"})
    monkeypatch.setenv("PROMPTOPS_SYNC", "off")
    promptops("-C", str(clone), "--registry", url, "init")
    assert push(bare)[0]
    receive(promptops, bare, "--registry", url, "--channel", "prod", "--ref", "refs/heads/main")
    return url


def test_the_gate_of_a_channel_is_asked_of_what_arrives(bare: Path, gated: str, promptops: Promptops) -> None:
    clone = bare.parent / "clone"
    factory.commit(clone, {PROMPT: prompt("Good day {{name}}")})
    taken, said = push(bare)
    assert not taken and "approvals is inconclusive" in said and "promptops release bot" in said
    promptops("-C", str(clone / "texts"), "--registry", gated, "release")
    taken, said = push(bare)
    assert (
        not taken and "approvals is inconclusive: 0 of 1 people approved" in said and "promptops gate bot@0.1.0" in said
    )
    approve = ("approve", "bot@0.1.0", "--channel", "prod", "--actor", "Bob <bob@example.org>")
    promptops("--registry", gated, *approve)
    assert push(bare)[0]


def test_a_push_is_taken_once_its_content_was_evaluated(
    bare: Path, promptops: Promptops, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, clone = f"sqlite:///{bare.parent}/registry.db", bare.parent / "clone"
    here = ("-C", str(clone / "texts"), "--registry", url)
    channels = "channels: {prod: {gate: {required: {agree: 1 of 1}}}}\n"
    suite = "prompts: answer\nkind: required\nchecks: [{contains: Ada}]\ncases: [{name: Ada}]\n"
    files = {"texts/promptops.yml": f"registry: team\napps: [apps/*]\n{channels}"}
    factory.commit(clone, {**files, "texts/apps/bot/evals/must.suite.yml": suite})
    monkeypatch.setenv("PROMPTOPS_SYNC", "off")
    promptops(*here, "init")
    assert push(bare)[0]
    receive(promptops, bare, "--registry", url, "--channel", "prod")
    factory.commit(clone, {PROMPT: prompt("Greet {{name}}", model="local/echo-2026-01-01")})
    taken, said = push(bare)
    assert not taken and "required of answer is inconclusive" in said
    command = "promptops eval run bot --channel prod"
    assert command in [line.removeprefix("remote:").strip() for line in said.splitlines()], "on a line to copy"
    with model_server(answering) as server:
        monkeypatch.setenv("LOCAL_BASE_URL", server.url)
        promptops(*here, *command.split()[1:])
    assert push(bare)[0], "what was evaluated before it is released is accepted"
    promptops(*here, "release", "bot")
    promptops(*here, "promote", "bot@0.1.0", "--channel", "prod")


def test_a_hook_asks_a_server_with_the_token_of_its_own_environment(
    bare: Path, gated: str, promptops: Promptops, monkeypatch: pytest.MonkeyPatch
) -> None:
    clone, registry = bare.parent / "clone", Registry.open(gated)
    held = mint(registry, "hook", Scope.READ)
    with serving(gated) as address:
        receive(promptops, bare, "--registry", address, "--channel", "prod", "--ref", "refs/heads/main")
        factory.commit(clone, {PROMPT: prompt("Good day {{name}}")})
        taken, said = push(bare)
        assert not taken and "Put a token into PROMPTOPS_TOKEN" in said
        monkeypatch.setenv("PROMPTOPS_TOKEN", held.secret)
        taken, said = push(bare)
        assert not taken and "approvals is inconclusive" in said and held.secret not in said
        promptops("-C", str(clone / "texts"), "--registry", gated, "release")
        approve = ("approve", "bot@0.1.0", "--channel", "prod", "--actor", "Bob <bob@example.org>")
        monkeypatch.delenv("PROMPTOPS_TOKEN")
        promptops("--registry", gated, *approve)
        monkeypatch.setenv("PROMPTOPS_TOKEN", held.secret)
        assert push(bare)[0]
    registry.close()
    assert held.secret not in (bare / "hooks/pre-receive").read_text()


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of what accepts every connection and never answers: a server, or its TLS."""
    with closing(socket.create_server(("127.0.0.1", 0), backlog=50)) as listening:
        yield f"127.0.0.1:{listening.getsockname()[1]}"


@pytest.mark.parametrize(
    "url", ["https://{}", "postgresql://bot@{}/prompts", "http://{}"], ids=["TLS", "PostgreSQL", "HTTP"]
)
def test_a_registry_that_never_answers_is_away(url: str, bare: Path, silent: str, promptops: Promptops) -> None:
    receive(promptops, bare, "--registry", url.format(silent), "--channel", "prod", "--seconds", "10")
    factory.commit(bare.parent / "clone", {PROMPT: prompt("Good day {{name}}")})
    taken, said = push(bare)
    assert not taken and "Traceback" not in said
    assert "the registry cannot be asked" in said or "could not be judged within" in said


def test_a_commit_that_was_never_judged_is_judged_when_a_push_goes_back_to_it(
    bare: Path, gated: str, promptops: Promptops
) -> None:
    """Where one tip left the other there is no difference: it is that commit itself."""
    clone = bare.parent / "clone"
    good = factory.git(clone, "show", f"HEAD:{PROMPT}")
    never = factory.commit(clone, {PROMPT: prompt("Insult {{name}}")})
    factory.commit(clone, {PROMPT: good})
    assert push(bare)[0], "the tip has the content that was there"
    taken, said = push(bare, "--force", f"{never}:main")
    assert not taken and "approvals is inconclusive" in said
    taken, said = push(bare, f"{never}:refs/heads/new")
    assert taken, "the hook is about main alone"
    factory.git(clone, "checkout", "-q", "-b", "merged", never)
    factory.git(clone, "merge", "-q", "-s", "ours", "--no-edit", "main")
    taken, said = push(bare, "merged:main")
    assert not taken and "approvals is inconclusive" in said, "a merge that keeps the other side"


def test_many_refs_deleted_refs_tags_and_histories(bare: Path, promptops: Promptops) -> None:
    receive(promptops, bare, "--ref", "refs/*")
    clone = bare.parent / "clone"
    factory.commit(clone, {PROMPT: prompt("Good day {{name}}")})
    assert push(bare, *(f"HEAD:refs/heads/b{n}" for n in range(90)))[0], "one content is judged once"
    assert push(bare, ":b1", ":b2", "HEAD:main")[0]
    taken, said = push(bare, *(f"HEAD:refs/heads/c{n}" for n in range(101)))
    assert not taken and "at most 100 are looked at" in said
    factory.git(clone, "tag", "-a", "-m", "a tree", "tree", "HEAD^{tree}")
    taken, said = push(bare, "tree")
    assert not taken and "there is no commit" in said and "Traceback" not in said
    stream = "".join(
        f"commit refs/heads/long\ncommitter A <a@b> {1_700_000_000 + n} +0000\ndata 1\nx\n"
        f"{'' if n else 'from refs/heads/main^0' + chr(10)}M 100644 inline f{n}.txt\ndata 1\n1\n"
        for n in range(2_000)
    )
    factory.git(clone, "fast-import", "--quiet", stdin=stream)
    assert push(bare, "long:main")[0]
    factory.git(clone, "checkout", "-q", "--orphan", "unrelated")
    factory.commit(clone, {PROMPT: BROKEN})
    assert "promptops refuses refs/heads/main" in push(bare, "--force", "unrelated:main")[1]


@pytest.mark.parametrize(
    "files",
    [
        {"texts/promptops.yml": "registry: team\napps: [apps/*]\nchannels: {prod: {}}\n"},
        {"texts/promptops.yml": "registry: other\napps: [apps/*]\n"},
        {"texts/apps/bot/app.yml": "name: another\n"},
    ],
    ids=["the gate is dropped", "another registry", "another name"],
)
def test_what_is_pushed_changes_nothing_of_what_is_asked(files: dict[str, str], bare: Path, gated: str) -> None:
    factory.commit(bare.parent / "clone", {PROMPT: prompt("Good day {{name}}"), **files})
    taken, said = push(bare)
    assert not taken and "approvals is inconclusive: 0 of 1" in said


def test_a_registry_that_is_away_refuses_unless_the_hook_says_otherwise(
    bare: Path, gated: str, promptops: Promptops
) -> None:
    (bare.parent / "registry.db").rename(bare.parent / "away.db")
    factory.commit(bare.parent / "clone", {PROMPT: prompt("Good day {{name}}")})
    taken, said = push(bare)
    assert not taken and "the registry cannot be asked" in said and "Traceback" not in said
    receive(promptops, bare, "--registry", gated, "--channel", "prod", "--away", "accept")
    assert push(bare)[0]
