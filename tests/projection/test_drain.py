"""The outbox goes to git: every fact once, in any order, by anybody, and never over something else."""

from __future__ import annotations

import threading
from contextlib import closing
from pathlib import Path

import pytest

from promptops.core.errors import GitUnavailable
from promptops.core.model import Policy
from promptops.projection import Archive, Drained, read_release
from promptops.source.git.repository import Repository
from promptops.store import Registry, create
from promptops.store.facts.record import encode
from tests.projection.conftest import Tamper
from tests.support import factory
from tests.support.factory import git
from tests.support.journal import REF, commit_of, drain


def refs(root: Path) -> dict[str, str]:
    lines = git(
        root, "for-each-ref", "--format=%(refname) %(objectname)", "refs/heads/promptops", "refs/tags"
    ).splitlines()
    return dict(line.split(" ") for line in lines)


def pending(registry: Registry) -> int:
    with registry.read() as reader:
        return reader.pending_count()


def test_every_kind_of_fact_comes_to_git_and_back(world: Registry, repository: Repository, root: Path) -> None:
    before = pending(world)
    assert drain(world, repository) == Drained(done=before)
    assert list(refs(root)) == [REF, *(f"refs/tags/bot/v0.1.{n}" for n in range(4))]
    assert git(root, "fsck", "--strict", "--no-dangling") == ""
    archive = Archive(repository)
    assert {line.name.split("/")[0] for line in archive.lines} == {
        "registry", "releases", "confirmations", "profiles", "yanks", "policies", "channels", "quarantines",
        "tokens", "revocations",
    }  # fmt: skip
    stored = list(archive.stored(archive.lines))
    assert [item.problem for item in stored if item.problem] == []
    with world.read() as reader:
        records = list(reader.facts(reader.journal()))
        chain = [(entry.seq, entry.hash) for entry in reader.audit_trail()]
    assert [item.record for item in stored] == records
    assert [(line.seq, line.hash) for line in archive.lines] == chain
    assert drain(world, repository) == Drained()


def test_a_commit_says_what_happened_and_holds_the_bytes(world: Registry, repository: Repository, root: Path) -> None:
    drain(world, repository)
    commit = commit_of(root, "channels/prod/bot/4")
    who, committer, at, subject, body = git(root, "log", "-1", "--format=%an <%ae>|%cn|%aI|%s|%b", commit).split("|")
    assert (who, committer, at) == (factory.ACTOR, "promptops", "2026-03-01T12:20:00+00:00")
    with world.read() as reader:
        entry = next(entry for entry in reader.journal() if entry.ref == "channels/prod/bot/4")
        [record] = reader.facts([entry])
        content = reader.find_release("bot", version="0.1.0").content
    assert (subject, body.strip()) == ("rollback bot@0.1.1 on prod", entry.audit.hash)
    assert git(root, "show", f"{commit}:record.json").encode() == encode(record)
    assert git(root, "show", f"{commit_of(root, 'releases/bot/0.1.0')}:content.json").encode() == content


def test_a_release_is_read_from_git_alone(world: Registry, repository: Repository) -> None:
    drain(world, repository)
    with world.read() as reader:
        release = reader.find_release("bot", version="0.1.2")
    assert read_release(Archive(repository), "bot", "0.1.2").content == release.content
    with pytest.raises(Exception, match=r"no release bot@9\.9\.9") as missing:
        read_release(Archive(repository), "bot", "9.9.9")
    assert "0.1.2" in str(getattr(missing.value, "hint", ""))


def test_the_archive_that_was_deleted_is_made_again_byte_by_byte(
    world: Registry, repository: Repository, root: Path, tmp_path: Path, tamper: Tamper
) -> None:
    """Case 22, and that ids depend on nothing but the rows: another repository, in pieces, another day."""
    drain(world, repository)
    other = tmp_path / "other"
    git(tmp_path, "clone", "--quiet", "--no-tags", str(root), str(other))
    tamper("INSERT INTO outbox (seq) SELECT seq FROM journal", "DELETE FROM drained")
    again = Repository.open(other)
    while drain(world, again, limit=3).pending:
        pass
    assert refs(other) == refs(root)


def test_many_drainers_at_once_are_one(world: Registry, root: Path, registry_url: str) -> None:
    """Case 24."""
    results: list[Drained | Exception] = []

    def work() -> None:
        registry = Registry.open(registry_url)
        repository = Repository.open(root)
        try:
            results.append(drain(registry, repository))
        except Exception as error:  # noqa: BLE001 - shown by the assertion
            results.append(error)
        finally:
            repository.close()
            registry.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [result for result in results if not isinstance(result, Drained) or result.alarms] == []
    assert pending(world) == 0
    assert all(len(git(root, "cat-file", "-t", name)) for name in refs(root))


def test_a_chain_that_says_something_else_is_an_alarm_and_stays(
    world: Registry, repository: Repository, root: Path
) -> None:
    """Case 25, on one host."""
    drain(world, repository, limit=5)
    mine = git(root, "commit-tree", "HEAD^{tree}", "-p", REF, "-m", "mine")
    git(root, "update-ref", REF, mine)
    left = pending(world)
    done = drain(world, repository)
    assert [(alarm.code, alarm.where) for alarm in done.alarms] == [("journal-diverged", "promptops/test")]
    assert (done.done, done.pending) == (0, left)
    assert refs(root)[REF] == mine


def test_a_tag_that_says_something_else_is_an_alarm_and_keeps_nothing_waiting(
    world: Registry, repository: Repository, root: Path
) -> None:
    git(root, "tag", "bot/v0.1.0", "-m", "mine")
    mine = git(root, "rev-parse", "bot/v0.1.0")
    done = drain(world, repository)
    assert {alarm.where: alarm.code for alarm in done.alarms} == {"refs/tags/bot/v0.1.0": "tag-differs"}
    assert (done.pending, refs(root)["refs/tags/bot/v0.1.0"]) == (0, mine)
    assert "refs/tags/bot/v0.1.1" in refs(root)


@pytest.mark.parametrize(
    ("how", "code"), [("delete", "journal-missing"), ("shorten", "journal-shortened"), ("extend", "journal-diverged")]
)
def test_a_chain_that_was_moved_is_an_alarm(
    world: Registry, repository: Repository, root: Path, how: str, code: str
) -> None:
    drain(world, repository)
    moved = git(root, "rev-parse", REF)
    moves = {
        "delete": ["update-ref", "-d", REF],
        "shorten": ["update-ref", REF, f"{REF}~3"],
        "extend": ["update-ref", REF, git(root, "commit-tree", "HEAD^{tree}", "-p", REF, "-m", "mine")],
    }
    git(root, *moves[how])
    factory.go_live(world, "bot@0.1.3")
    done = drain(world, repository)
    assert [alarm.code for alarm in done.alarms] == [code]
    assert (done.done, done.pending, refs(root).get(REF) == moved) == (0, 1, False)


def test_a_checked_out_journal_is_not_moved(world: Registry, repository: Repository, root: Path) -> None:
    drain(world, repository, limit=5)
    git(root, "worktree", "add", "--quiet", "../look", "promptops/test")
    with pytest.raises(GitUnavailable, match="checked out"):
        drain(world, repository)
    git(root, "worktree", "remove", "--force", "../look")
    assert drain(world, repository).pending == 0


def test_a_tag_in_other_words_about_the_same_is_as_good(world: Registry, repository: Repository, root: Path) -> None:
    with world.read() as reader:
        release = reader.find_release("bot", version="0.1.0")
    git(root, "tag", "bot/v0.1.0", release.provenance.commit, "-m", f"Old words\n\nDigest: {release.digest}")
    assert drain(world, repository).alarms == ()


def test_a_release_of_a_commit_that_is_not_here_gets_no_tag_and_waits_for_nothing(
    registry: Registry, repository: Repository, root: Path
) -> None:
    factory.make_channels(registry, prod=Policy())
    factory.make_release(registry)
    assert (drain(registry, repository).waiting, pending(registry)) == ((), 0)
    assert list(refs(root)) == [REF]


def test_a_lock_that_is_left_is_named(world: Registry, repository: Repository, root: Path) -> None:
    """Case 20."""
    before = pending(world)
    lock = root / ".git" / f"{REF}.lock"
    lock.parent.mkdir(parents=True)
    lock.touch()
    with pytest.raises(GitUnavailable, match=r"\.lock"):
        drain(world, repository)
    assert (pending(world), lock.exists()) == (before, True)


@pytest.mark.parametrize("script", ["exit 128", "echo garbage", "sleep 300", None])
def test_whatever_git_does_the_outbox_keeps_what_it_did_not_do(
    world: Registry, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str | None
) -> None:
    """Case 21: git missing, hanging, failing, printing garbage."""
    before = pending(world)
    repository = Repository.open(root)
    folder = tmp_path / "bin"
    folder.mkdir()
    if script is not None:
        (folder / "git").write_text(f"#!/bin/sh\n{script}\n")
        (folder / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin" if script else str(folder))
    repository.patience.limit(1.0)
    with pytest.raises(GitUnavailable):
        drain(world, repository)
    assert pending(world) == before
    factory.go_live(world, "bot@0.1.3")  # a change needs no git
    assert pending(world) == before + 1
    monkeypatch.undo()
    assert drain(world, Repository.open(root)).pending == 0


def test_a_repository_that_takes_no_refs_is_said_and_nothing_is_lost(
    world: Registry, repository: Repository, root: Path
) -> None:
    before = pending(world)
    git(root, "branch", "promptops")
    with pytest.raises(GitUnavailable, match="refs/heads/promptops"):
        drain(world, repository)
    assert pending(world) == before
    git(root, "branch", "-D", "promptops")
    assert drain(world, repository).pending == 0


def test_two_registries_do_not_share_a_chain(
    world: Registry, repository: Repository, root: Path, empty_url: str
) -> None:
    create(empty_url, name=factory.NAME, now=factory.START, actor=factory.ACTOR)
    with closing(Registry.open(empty_url)) as other:
        drain(other, repository)
    assert [alarm.code for alarm in drain(world, repository).alarms] == ["lineage-foreign"]


def test_a_clock_that_jumps_changes_no_order(registry: Registry, repository: Repository, root: Path) -> None:
    """Case 26: ten years back, ten years on, before 1970."""
    factory.make_channels(registry, prod=Policy())
    for take, years in enumerate((-10, 10, -60)):
        at = factory.START.replace(year=factory.START.year + years)
        factory.make_release(registry, factory.content(text=f"take {take}"), now=at, dirty=True)
    assert drain(registry, repository).pending == 0
    assert git(root, "fsck", "--strict", "--no-dangling") == ""
    assert [line.seq for line in Archive(repository).lines] == list(range(1, 7))
