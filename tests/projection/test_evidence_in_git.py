"""Evidence goes to git with its case table, and comes back from there with it."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from promptops.core.errors import Invalid
from promptops.core.evidence.case_table import Arm, CaseTable
from promptops.core.evidence.evidence import table_of
from promptops.core.faults import Condition
from promptops.operations.fsck import RegistryLocation, check
from promptops.operations.rebuild import rebuild
from promptops.source.git.repository import Repository
from promptops.store import Registry, Writer
from tests.support.evidence import evidence_of, row, run, suites
from tests.support.factory import ACTOR, NAME, git, minutes
from tests.support.journal import commit_of, drain

ROWS = (row(0), row(0, Arm.LIVE, passed=False), row(1))
FIRST, SECOND = run(1, app="bot"), run(2, app="bot")


@pytest.fixture
def archive(world: Registry, repository: Repository, root: Path) -> Path:
    """The world's repository, with two runs of one plan, of which one was closed, and the suites of a release."""
    with world.read() as reader:
        digest = reader.find_release("bot", version="0.1.0").digest

    def work(writer: Writer) -> None:
        for each in (FIRST, SECOND):
            writer.record(each)
        writer.add_rows(FIRST.id, ROWS)
        writer.record(evidence_of(FIRST, *ROWS))
        writer.record(suites("bot", digest, "answer", "rules"))

    world.write(work)
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
    faults = check(RegistryLocation(url=empty_url, root=archive, name=NAME)).faults
    assert [fault for fault in faults if fault.severity is Condition.DAMAGE] == []


@pytest.mark.parametrize("name", [f"runs/{FIRST.id}:plan.zlib", f"evidence/{FIRST.id}.1:table.zlib"])
def test_a_lost_table_is_named_and_nothing_is_made(archive: Path, empty_url: str, name: str) -> None:
    fact, _, file = name.partition(":")
    blob = git(archive, "rev-parse", f"{commit_of(archive, fact)}:{file}")
    (archive / ".git/objects" / blob[:2] / blob[2:]).unlink()
    with pytest.raises(Invalid, match=f"{fact}.*nothing was made"):
        rebuild(str(archive), empty_url, actor=ACTOR, now=minutes(1000))
