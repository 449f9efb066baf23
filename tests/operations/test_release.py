"""From a commit to a release: versions, idempotence, races, tags, dirt."""

from __future__ import annotations

import os
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from promptops.core.errors import AppNotFound, DirtyTree, RegistryMismatch, SourceInvalid, VersionInvalid, VersionTaken
from promptops.core.model import Bump, Release
from promptops.core.reference import parse_reference
from promptops.operations import queries
from promptops.operations.build import build
from promptops.operations.git_sync import Tagged, tag
from promptops.operations.homes import Changed, Declared, settle
from promptops.operations.quarantine import WithholdRequest, yank
from promptops.operations.release import Released, ReleaseRequest, release
from promptops.source.git.repository import Repository
from promptops.store import Registry
from tests.support.factory import (
    ACTOR,
    NAME,
    PROMPT,
    WORKSPACE,
    commit,
    content,
    git,
    key,
    make_release,
    make_workspace,
    minutes,
    write,
)


def cut(
    registry: Registry, root: Path, *apps: str, allow_dirty: bool = False, at: str = "HEAD", **more: object
) -> list[Released]:
    with closing(Repository.open(root)) as repository:
        workspace = build(repository, root, apps, commit=at, allow_dirty=allow_dirty, builder="tests")
    request = ReleaseRequest(key=key(), **more)  # type: ignore[arg-type]
    return list(release(registry, workspace, request, actor=ACTOR, now=minutes(0)))


def tagged_in(registry: Registry, root: Path, *releases: Release, remote: str = "") -> tuple[Tagged, ...]:
    with closing(Repository.open(root)) as repository:
        return tag(registry, repository, releases, remote=remote)


def test_the_first_release_of_a_commit_is_0_1_0(registry: Registry, tmp_path: Path) -> None:
    root = make_workspace(tmp_path / "repo")
    [made] = cut(registry, root)
    assert made.created
    assert (made.release.app, made.release.version) == ("bot", "0.1.0")
    assert made.release.provenance.commit == git(root, "rev-parse", "HEAD")
    assert made.release.provenance.path == "bot"
    with registry.read() as reader:
        assert reader.find_release("bot", version="0.1.0").digest == made.release.digest


def test_the_same_content_is_the_same_release(registry: Registry, tmp_path: Path) -> None:
    root = make_workspace(tmp_path / "repo")
    [first] = cut(registry, root)
    commit(root, {"bot/prompts/greet.prompt.yml": PROMPT.replace("name: Greeting", "# a comment\nname: 'Other'")})
    [again] = cut(registry, root)
    assert not again.created
    assert again.release == first.release


def test_a_better_test_makes_no_release(registry: Registry, tmp_path: Path) -> None:
    root = make_workspace(tmp_path / "repo")
    cut(registry, root)
    commit(root, {"bot/prompts/greet.prompt.yml": PROMPT + "testData:\n  - name: Ada\n    expected: Hello\n"})
    assert not cut(registry, root)[0].created


def test_wording_is_a_patch_and_a_pin_is_minor(registry: Registry, tmp_path: Path) -> None:
    root = make_workspace(tmp_path / "repo")
    cut(registry, root, version="1.0.0")
    commit(root, {"bot/prompts/greet.prompt.yml": PROMPT.replace("You greet people.", "You greet people warmly.")})
    [wording] = cut(registry, root)
    assert (wording.release.version, wording.release.bump) == ("1.0.1", Bump.PATCH)
    commit(root, {"bot/prompts/greet.prompt.yml": PROMPT.replace("2024-08-06", "2024-11-20")})
    [pin] = cut(registry, root)
    assert (pin.release.version, pin.release.bump) == ("1.1.0", Bump.MINOR)
    commit(root, {"bot/prompts/greet.prompt.yml": PROMPT.replace("{{name}}", "{{name}} of {{city}}")})
    [contract] = cut(registry, root)
    assert (contract.release.version, contract.release.bump) == ("2.0.0", Bump.MAJOR)
    assert any("city" in change for change in contract.release.changes)


def test_a_bump_can_only_be_raised(registry: Registry, tmp_path: Path) -> None:
    root = make_workspace(tmp_path / "repo")
    cut(registry, root, version="1.0.0")
    commit(root, {"bot/prompts/greet.prompt.yml": PROMPT.replace("{{name}}", "{{name}} of {{city}}")})
    assert cut(registry, root, bump=Bump.PATCH)[0].release.version == "2.0.0"
    commit(root, {"bot/prompts/greet.prompt.yml": PROMPT.replace("You greet", "Greet")})
    with pytest.raises(VersionInvalid):
        cut(registry, root, version="2.0.1")  # a variable went away: that is 3.0.0


def test_one_content_has_one_version(registry: Registry, tmp_path: Path) -> None:
    root = make_workspace(tmp_path / "repo")
    cut(registry, root)
    with pytest.raises(VersionTaken):
        cut(registry, root, version="0.2.0")


def test_a_dirty_tree_is_refused_by_name_and_only_for_files_that_count(registry: Registry, tmp_path: Path) -> None:
    root = make_workspace(tmp_path / "repo")
    write(root, {"notes.txt": "not part of an app\n"})
    cut(registry, root)
    write(
        root, {"bot/prompts/greet.prompt.yml": PROMPT.replace("hello", "goodbye"), "bot/prompts/new.prompt.yml": PROMPT}
    )
    with pytest.raises(DirtyTree) as caught:
        cut(registry, root)
    assert caught.value.files == ("bot/prompts/greet.prompt.yml", "bot/prompts/new.prompt.yml")
    [dirty] = cut(registry, root, allow_dirty=True)
    assert dirty.created
    assert dirty.release.provenance.dirty
    commit(root, {})
    [clean] = cut(registry, root)
    assert clean.release.digest == dirty.release.digest
    assert not clean.release.provenance.dirty


def test_what_no_release_reads_is_never_in_its_way(registry: Registry, tmp_path: Path) -> None:
    """As with LFS or git-crypt: git stores something else than the file, and a new time makes it compare again."""
    files = {".gitattributes": "*.png filter=store\n", "bot/logo.png": "pixels\n", "bot/README.md": "hello\n"}
    root = make_workspace(tmp_path / "repo", {"promptops.yml": WORKSPACE, "bot/prompts/greet.prompt.yml": PROMPT})
    git(root, "config", "filter.store.clean", "sed s/pixels/pointer/")
    git(root, "config", "filter.store.required", "true")
    commit(root, files)
    assert git(root, "show", "HEAD:bot/logo.png") == "pointer"
    os.utime(root / "bot/logo.png", (1, 1))
    write(root, {"bot/README.md": "hello again\n", "bot/notes.txt": "new\n"})
    for allow_dirty in (False, True):
        [made] = cut(registry, root, allow_dirty=allow_dirty)
        assert not made.release.provenance.dirty


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_line_ends_that_git_converts_are_no_change(registry: Registry, tmp_path: Path, line_end: str) -> None:
    root = make_workspace(tmp_path / "repo")
    git(root, "config", "core.autocrlf", "true")
    text = (root / "bot/prompts/greet.prompt.yml").read_text()
    (root / "bot/prompts/greet.prompt.yml").write_bytes(text.replace("\n", line_end).encode())
    [made] = cut(registry, root)
    assert not made.release.provenance.dirty


@pytest.mark.parametrize("hidden", ["ignored", "assumed"])
def test_a_release_of_the_files_as_they_are_says_so_whatever_git_hides(
    registry: Registry, tmp_path: Path, hidden: str
) -> None:
    root = make_workspace(tmp_path / "repo")
    if hidden == "ignored":
        (root / ".git/info/exclude").write_text("new.prompt.yml\n")
        write(root, {"bot/prompts/new.prompt.yml": PROMPT})
    else:
        git(root, "update-index", "--assume-unchanged", "bot/prompts/greet.prompt.yml")
        write(root, {"bot/prompts/greet.prompt.yml": PROMPT.replace("hello", "goodbye")})
    [dirty] = cut(registry, root, allow_dirty=True)
    assert dirty.release.provenance.dirty
    [clean] = cut(registry, root)
    assert clean.release.digest != dirty.release.digest


def test_an_older_commit_can_be_released_whatever_lies_about(registry: Registry, tmp_path: Path) -> None:
    root = make_workspace(tmp_path / "repo")
    first = git(root, "rev-parse", "HEAD")
    commit(root, {"bot/prompts/greet.prompt.yml": PROMPT.replace("hello", "goodbye")})
    write(root, {"bot/prompts/greet.prompt.yml": "broken: ["})
    assert cut(registry, root, at=first)[0].release.provenance.commit == first


def test_a_workspace_below_the_repository_root_works(registry: Registry, tmp_path: Path) -> None:
    repo = make_workspace(
        tmp_path / "repo", {"ai/promptops.yml": WORKSPACE, "ai/bot/greet.prompt.yml": PROMPT, "README": "x"}
    )
    [made] = cut(registry, repo / "ai")
    assert made.release.provenance.path == "ai/bot"
    write(repo, {"ai/bot/greet.prompt.yml": PROMPT + "# dirt\n"})
    with pytest.raises(DirtyTree, match="ai/bot/greet"):
        cut(registry, repo / "ai")


def test_all_changed_apps_are_released_together(registry: Registry, tmp_path: Path) -> None:
    files = {
        "promptops.yml": WORKSPACE.replace("[bot]", "['*']"),
        "bot/greet.prompt.yml": PROMPT,
        "faq/greet.prompt.yml": PROMPT,
    }
    root = make_workspace(tmp_path / "repo", files)
    cut(registry, root)
    commit(root, {"faq/greet.prompt.yml": PROMPT.replace("hello", "hi")})
    assert {r.release.app: r.created for r in cut(registry, root)} == {"bot": False, "faq": True}
    assert len(cut(registry, root, "faq")) == 1
    with pytest.raises(AppNotFound):
        cut(registry, root, "nobody")


def test_an_error_in_the_files_stops_the_release(registry: Registry, tmp_path: Path) -> None:
    root = make_workspace(tmp_path / "repo")
    commit(root, {"bot/prompts/greet.prompt.yml": PROMPT.replace("{{name}}", "{{your name here}}")})
    with pytest.raises(SourceInvalid) as caught:
        cut(registry, root)
    assert caught.value.findings[0].line == 10


def test_a_workspace_of_another_registry_is_refused(registry: Registry, tmp_path: Path) -> None:
    root = make_workspace(
        tmp_path / "repo",
        {"promptops.yml": WORKSPACE.replace("registry: test", "registry: other"), "bot/greet.prompt.yml": PROMPT},
    )
    with pytest.raises(RegistryMismatch):
        cut(registry, root)


def test_two_at_once_never_give_one_version_to_two_contents(registry: Registry) -> None:
    made: list[Release] = []

    def releases(start: int) -> None:
        made.extend(make_release(registry, content(text=f"take {n} {{{{name}}}}")) for n in range(start, start + 8))

    threads = [threading.Thread(target=releases, args=(start,)) for start in (0, 0, 100, 200)]  # two of them the same
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 32
    by_version = {(one.version, one.digest) for one in made}
    assert (
        len(by_version)
        == len({version for version, _ in by_version})
        == len({digest for _, digest in by_version})
        == 24
    )


def test_the_tag_carries_digest_and_provenance(registry: Registry, tmp_path: Path) -> None:
    root = make_workspace(tmp_path / "repo")
    [made] = cut(registry, root, notes="The first one.")
    [tagged] = tagged_in(registry, root, made.release)
    assert (tagged.name, tagged.problem) == ("bot/v0.1.0", "")
    message = git(root, "for-each-ref", "--format=%(objecttype) %(*objectname)%0a%(contents)", "refs/tags/bot/v0.1.0")
    assert message.startswith(f"tag {git(root, 'rev-parse', 'HEAD')}")
    assert f"Digest: {made.release.digest}" in message
    assert "The first one." in message
    assert tagged_in(registry, root, made.release) == (tagged,)  # again is the same


def test_a_tag_that_says_something_else_is_reported_and_never_moved(registry: Registry, tmp_path: Path) -> None:
    root = make_workspace(tmp_path / "repo")
    [made] = cut(registry, root)
    git(root, "tag", "-a", "bot/v0.1.0", "-m", "mine")
    before = git(root, "rev-parse", "refs/tags/bot/v0.1.0")
    [tagged] = tagged_in(registry, root, made.release)
    assert (tagged.name, "made as" in tagged.problem or "says no digest" in tagged.problem) == ("bot/v0.1.0", True)
    assert git(root, "rev-parse", "refs/tags/bot/v0.1.0") == before


def test_a_tag_is_pushed_where_asked(registry: Registry, tmp_path: Path) -> None:
    root = make_workspace(tmp_path / "repo")
    git(tmp_path, "init", "--quiet", "--bare", "origin.git")
    git(root, "remote", "add", "origin", str(tmp_path / "origin.git"))
    [made] = cut(registry, root)
    assert tagged_in(registry, root, made.release, remote="origin")[0].problem == ""
    assert git(tmp_path / "origin.git", "tag", "--list") == "bot/v0.1.0"


def test_one_repository_is_enough_for_many_releases_with_their_tags(registry: Registry, tmp_path: Path) -> None:
    root = make_workspace(tmp_path / "repo")
    with closing(Repository.open(root)) as repository:
        settle(registry, repository, Declared(registry=NAME), Changed(actor=ACTOR, at=minutes(0)), claim=True)
        for take in range(3):
            commit(root, {"bot/prompts/greet.prompt.yml": PROMPT.replace("hello", f"hello {take} times")})
            workspace = build(repository, root, ["bot"], builder="tests")
            [made] = release(registry, workspace, ReleaseRequest(key=key()), actor=ACTOR, now=minutes(take))
            assert tag(registry, repository, [made.release]) == (Tagged(name=f"bot/v0.1.{take}"),)
            assert git(root, "rev-parse", f"bot/v0.1.{take}^{{commit}}") == git(root, "rev-parse", "HEAD")
    with registry.read() as reader:
        assert reader.pending_count() == 0


@pytest.mark.parametrize("script", ["exec sleep 300", "exit 128", None])
def test_a_release_stands_whatever_becomes_of_git_after_its_build(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str | None
) -> None:
    root = make_workspace(tmp_path / "repo")
    folder = tmp_path / "bin"
    folder.mkdir()
    if script is not None:
        (folder / "git").write_text(f"#!/bin/sh\n{script}\n")
        (folder / "git").chmod(0o755)
    with closing(Repository.open(root)) as repository:
        workspace = build(repository, root, ["bot"], builder="tests")
        monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin" if script else str(folder))
        [made] = release(registry, workspace, ReleaseRequest(key=key()), actor=ACTOR, now=minutes(0))
        start = time.monotonic()
        [tagged] = tag(registry, repository, [made.release], seconds=1.0)
        assert time.monotonic() - start < 5
        assert (tagged.name, bool(tagged.problem)) == ("bot/v0.1.0", True)
        monkeypatch.undo()
        assert tag(registry, repository, [made.release]) == (Tagged(name="bot/v0.1.0"),)


def test_diff_of_the_working_tree_says_what_it_would_be_released_as(registry: Registry, tmp_path: Path) -> None:
    root = make_workspace(tmp_path / "repo")
    cut(registry, root, version="1.0.0")
    write(root, {"bot/prompts/greet.prompt.yml": PROMPT.replace("{{name}}", "{{name}} of {{city}}")})
    old = queries.named(registry, parse_reference("bot@1.0.0"))
    difference = queries.diff(old, queries.working_tree(parse_reference("bot"), root))
    assert (difference.bump, difference.version) == (Bump.MAJOR, "2.0.0")
    assert difference.changes[0].bump is Bump.MAJOR


def test_render_shows_what_an_application_would_send(registry: Registry, tmp_path: Path) -> None:
    root = make_workspace(tmp_path / "repo")
    cut(registry, root)
    named = queries.named(registry, parse_reference("bot/greet@0.1.0"))
    rendered = queries.render(named, {"name": "Ada"})
    assert rendered.messages[1] == {"role": "user", "content": "Say hello to Ada.\n"}
    assert rendered.prompt.parameters == {"temperature": 0.2}


def test_a_version_is_never_given_again_also_after_a_yank(registry: Registry, tmp_path: Path) -> None:
    """Case 35 of the fault list: whoever pinned it must never get another content under the same name."""
    root = make_workspace(tmp_path / "repo")
    cut(registry, root)
    request = WithholdRequest(reference=parse_reference("bot@0.1.0"), reason="leaks a name", key=key())
    yank(registry, request, actor=ACTOR, now=minutes(1))
    [same] = cut(registry, root)
    assert (same.created, same.release.version) == (False, "0.1.0")
    assert "leaks a name" in same.warnings[0]
    commit(root, {"bot/prompts/greet.prompt.yml": PROMPT.replace("hello", "goodbye")})
    with pytest.raises(VersionInvalid, match="not above"):
        cut(registry, root, version="0.1.0")
    assert cut(registry, root)[0].release.version == "0.1.1"
