"""Evidence goes to git with its case table, and comes back from there with it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from promptops.core.digest import digest
from promptops.core.errors import Invalid
from promptops.core.evidence.approval import Approval, Waiver, standing
from promptops.core.evidence.case_table import Arm, CaseTable
from promptops.core.evidence.evidence import Evidence, table_of
from promptops.core.evidence.release_suites import ReleaseSuites
from promptops.core.evidence.run import Run, Source
from promptops.core.faults import Condition
from promptops.core.verdict import Outcome
from promptops.operations.fsck import RegistryLocation, check
from promptops.operations.rebuild import RebuildRequest, rebuild
from promptops.source.git.repository import Repository
from promptops.store import Registry, Writer
from promptops.store.facts.record import Record
from tests.support.evidence import evidence_of, row, run, suites
from tests.support.factory import ACTOR, NAME, git, make_token, minutes
from tests.support.journal import commit_of, drain, records_of, write_signed

ROWS = (row(0), row(0, Arm.LIVE, passed=False), row(1))
FIRST, SECOND = run(1, app="bot"), run(2, app="bot")
HERE: dict[str, Any] = {"app": "bot", "actor": "Bob <bob@example.org>", "at": minutes(900)}


def words(release: str) -> tuple[Evidence | Approval | Waiver, ...]:
    """A verdict of another system; an approval that was taken back, and given again; a waiver."""
    about = {**HERE, "digest": release}
    person: dict[str, Any] = {"channel": "prod", "person": "bob@example.org", **about}
    verdict: dict[str, Any] = {"source": Source.EXTERNAL, "check": "red-team", "verdict": Outcome.FAIL, **about}
    word = Approval(number=6, policy_version=2, position=3, subject="release", proven=True, **person)
    waiver = Waiver(number=6, check="latency", reason="it cannot wait", expires_at=minutes(2000), **person)
    again = (word, replace(word, number=7, withdraws=6), replace(word, number=8))
    return (Evidence(id="e" * 32, note="leaks", **verdict), *again, waiver)


@pytest.fixture
def archive(world: Registry, repository: Repository, root: Path) -> Path:
    """The world's repository, with two runs of one plan, of which one was closed, and the suites of a release."""
    with world.read() as reader:
        made = reader.find_release("bot", version="0.1.0").digest

    def work(writer: Writer) -> None:
        for each in (FIRST, SECOND):
            writer.record(each)
        writer.add_rows(FIRST.id, ROWS)
        writer.record(evidence_of(FIRST, *ROWS))
        writer.record(suites("bot", made, "answer", "rules"))

    def say(writer: Writer) -> None:
        for word in words(made):
            writer.record(word)

    world.write(work)
    assert drain(world, repository).pending == 0  # few at a time: git packs many into one file
    world.write(say)
    make_token(world, "bob", person="bob@example.org")
    assert drain(world, repository).pending == 0
    return root


def test_a_table_is_a_file_beside_its_record_and_a_plan_is_kept_once(archive: Path) -> None:
    opened, again = commit_of(archive, f"runs/{FIRST.id}"), commit_of(archive, f"runs/{SECOND.id}")
    closed = commit_of(archive, f"evidence/{FIRST.id}.1")
    assert git(archive, "ls-tree", "--name-only", opened).split() == ["plan.zlib", "record.json"]
    assert git(archive, "ls-tree", "--name-only", closed).split() == ["record.json", "table.zlib"]
    assert git(archive, "rev-parse", f"{opened}:plan.zlib") == git(archive, "rev-parse", f"{again}:plan.zlib")
    assert git(archive, "log", "-1", "--format=%s", closed) == "evidence bot"


def test_evidence_comes_back_with_its_cases_and_without_the_rows_of_the_run(
    world: Registry, archive: Path, empty_url: str
) -> None:
    rebuild(str(archive), empty_url, actor=ACTOR, now=minutes(1000))
    with closing(Registry.open(empty_url)) as new, new.read() as reader, world.read() as before:
        assert reader.runs("bot") == before.runs("bot") == (FIRST, SECOND)
        assert reader.evidence(tables=True) == before.evidence(tables=True)
        [evidence] = reader.evidence(run=FIRST.id, tables=True)
        assert table_of(evidence, reader.run(FIRST.id)) == CaseTable(cases=FIRST.cases, rows=ROWS)
        [release] = [each for each in reader.releases("bot") if each.version == "0.1.0"]
        assert reader.suites("bot", release.digest) == before.suites("bot", release.digest)
        assert (reader.run_rows(FIRST.id), before.run_rows(FIRST.id)) == ((), ROWS)
        said = reader.approvals("bot", "prod", release.digest)
        assert said == before.approvals("bot", "prod", release.digest)
        assert [each.number for each in standing(said)] == [8]
        assert words(release.digest)[-1] in reader.waivers(minutes(1000)) == before.waivers(minutes(1000))
        people = {token.name: token.person for token in before.tokens()}
        assert {token.name: token.person for token in reader.tokens()} == people and any(people.values())
    faults = check(RegistryLocation(url=empty_url, root=archive, name=NAME)).faults
    assert [fault for fault in faults if fault.severity is Condition.DAMAGE] == []


@pytest.mark.parametrize("name", [f"runs/{FIRST.id}:plan.zlib", f"evidence/{FIRST.id}.1:table.zlib"])
def test_a_lost_table_is_named_and_nothing_is_made(archive: Path, empty_url: str, name: str) -> None:
    fact, _, file = name.partition(":")
    blob = git(archive, "rev-parse", f"{commit_of(archive, fact)}:{file}")
    (archive / ".git/objects" / blob[:2] / blob[2:]).unlink()
    with pytest.raises(Invalid, match=f"{fact}.*nothing was made"):
        rebuild(str(archive), empty_url, actor=ACTOR, now=minutes(1000))


def _other(kind: type, **changes: Any) -> Callable[[list[Record]], list[Record]]:
    """The last fact of this kind with other values; its line stays."""

    def change(records: list[Record]) -> list[Record]:
        at = max(number for number, record in enumerate(records) if isinstance(record.fact, kind))
        fact: Any = records[at].fact
        return [*records[:at], replace(records[at], fact=replace(fact, **changes)), *records[at + 1 :]]

    return change


OTHER_TABLE = evidence_of(FIRST, row(0), row(1, passed=False)).table
FORGED: dict[str, Callable[[list[Record]], list[Record]]] = {
    "another verdict": _other(Evidence, verdict=Outcome.PASS),
    "another person": _other(Approval, person="eve@example.org"),
    "another policy": _other(Approval, policy_version=3),
    "a longer waiver": _other(Waiver, expires_at=minutes(9000)),
    "another plan": _other(Run, plan=run(3, cases=2).plan),
    "a suite less": _other(ReleaseSuites, suites=()),
    "a withdrawal removed": lambda records: [each for each in records if each.ref != "approvals/7"],
    "an approval removed": lambda records: [each for each in records if each.ref != "approvals/8"],
    "words in another order": lambda records: [*records[:-3], records[-2], records[-3], records[-1]],
    "a table of other rows": lambda records: [
        replace(each, fact=replace(each.fact, table=OTHER_TABLE)) if _has_table(each) else each for each in records
    ],
    "a table of other rows, with its digest": lambda records: [
        replace(each, fact=replace(each.fact, table=OTHER_TABLE, table_digest=digest(OTHER_TABLE)))
        if _has_table(each)
        else each
        for each in records
    ],
}


def _has_table(record: Record) -> bool:
    return isinstance(record.fact, Evidence) and bool(record.fact.table)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.parametrize("what", FORGED)
def test_what_was_changed_in_git_is_named_and_does_not_come_back(
    world: Registry, archive: Path, registry_url: str, empty_url: str, tmp_path: Path, what: str
) -> None:
    ours = records_of(world)
    write_signed(FORGED[what](ours), archive, lambda _: None)
    faults = check(RegistryLocation(url=registry_url, root=archive, name=NAME)).faults
    assert [fault for fault in faults if fault.severity is Condition.DAMAGE]

    done = rebuild(str(archive), empty_url, actor=ACTOR, now=minutes(1000))
    assert done.ignored and done.seq < len(ours)
    with closing(Registry.open(empty_url)) as new:
        assert records_of(new)[:-1] == ours[: done.seq], "what is before the first line that is not ours"
    anchored = RebuildRequest(anchor=ours[-1].audit.hash)
    with pytest.raises(Invalid):
        rebuild(str(archive), f"sqlite:///{tmp_path}/other.db", anchored, actor=ACTOR, now=minutes(1000))
