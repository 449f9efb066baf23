"""A registry with a random past, made again from git: every row is there again, and every question gets its answer."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from promptops.operations.rebuild import rebuild
from promptops.store import Reader, Registry
from tests.harness.faults.killing import ANSWERS, next_order
from tests.harness.faults.orders import carry_out
from tests.harness.faults.scenarios import judge
from tests.harness.faults.state import facts
from tests.harness.faults.worlds import World, begin
from tests.support.factory import ACTOR, NAME, minutes
from tests.support.journal import sync

NOT_IN_GIT = frozenset({"idempotency", "outbox", "drained", "epoch", "run_row"})  # rows of a run are in its evidence


def grow(world: World, changes: int) -> None:
    """A past of all that a gate reads, and of changes by lot, refused ones included; all of it in git."""
    judge(world)
    lot = random.Random(42)
    commit = world.commit()
    with world.registry() as registry:
        for _ in range(changes):
            with suppress(*ANSWERS):
                carry_out(registry, next_order(registry, lot, commit))
        sync(registry, world.work)


def answers(reader: Reader, until: int) -> Iterator[object]:
    """Every question there is, about everything there is, up to a line of the audit log."""
    yield reader.apps(), reader.channels(), reader.overview(depth=100)
    yield [entry for entry in reader.audit_trail() if entry.seq <= until]
    entries = [entry for entry in reader.journal() if entry.seq <= until]
    yield entries, reader.facts(entries), reader.evidence(tables=True), reader.waivers(minutes(0))
    for app in reader.apps():
        releases = reader.releases(app)
        yield releases, reader.profile(app), reader.newest_release(app), reader.runs(app)
        for release in releases:
            yield reader.find_release(app, version=release.version), reader.release_by_digest(app, release.digest)
            yield reader.channels_serving(app, release.digest)
        for channel in reader.channels():
            name = channel.name
            yield reader.live_on(name), reader.live(app, name), reader.history(app, name)
            yield reader.quarantines(app, name), tuple(reader.past(app, name, before=1000))
            yield [reader.live_at(app, name, minutes(part / 10)) for part in range(11)]
            for release in releases:
                yield reader.was_stable(app, name, release.digest), reader.quarantine(app, name, release.digest)
                yield reader.approvals(app, name, release.digest)


def test_a_registry_made_from_git_answers_every_question_like_the_one_that_was_lost(
    empty_url: str, tmp_path: Path
) -> None:
    world = World(url=f"sqlite:///{tmp_path}/lost.db", root=tmp_path)
    begin(world)
    grow(world, changes=150)
    made = rebuild(str(world.work), empty_url, actor=ACTOR, now=minutes(10))
    with world.registry() as lost, lost.read() as before:
        seq, head = before.audit_head()
        wanted = list(answers(before, seq))
        assert (made.seq, made.hash) == (seq, head)
    found = Registry.open(empty_url)
    try:
        assert (found.name, found.lineage) == (NAME, made.lineage)
        with found.read() as after:
            assert list(answers(after, seq)) == wanted
            assert (after.epoch(), after.audit_head()[0], after.pending_count()) == (2, seq + 1, 1)
    finally:
        found.close()


def test_every_row_that_git_knows_comes_back(tmp_path: Path) -> None:
    world = World(url=f"sqlite:///{tmp_path}/lost.db", root=tmp_path)
    begin(world)
    grow(world, changes=60)
    lost = facts(world.url)
    assert all(lost[table] for table in ("run", "evidence", "approval", "waiver"))
    url = f"sqlite:///{tmp_path}/found.db"
    rebuild(str(world.work), url, actor=ACTOR, now=minutes(10))
    found = facts(url)
    for table, rows in lost.items():
        if table in ("audit", "journal"):  # and one line more: that it was rebuilt
            assert set(rows) < set(found[table])
            assert len(found[table]) == len(rows) + 1
        elif table not in {*NOT_IN_GIT, "audit_head"}:
            assert found[table] == rows, table
