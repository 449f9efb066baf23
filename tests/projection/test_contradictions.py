"""Lines that prove themselves and contradict those before them: they are left out of a rebuild, and named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from promptops.core.audit import seal
from promptops.core.model import Deployment
from promptops.operations.rebuild import rebuild
from promptops.source import vouched
from promptops.source.vouched import Vouched
from promptops.store import Registry
from promptops.store.facts.kind import Fact, kind_of
from promptops.store.facts.record import Record, bind
from tests.support.factory import ACTOR, minutes
from tests.support.journal import bring, records_of, write_signed


def _again(name: str) -> Callable[[list[Record]], tuple[Record, Fact]]:
    def pick(records: list[Record]) -> tuple[Record, Fact]:
        record = next(each for each in records if each.ref.startswith(name))
        return record, record.fact

    return pick


def _deployment(**changes: object) -> Callable[[list[Record]], tuple[Record, Fact]]:
    def pick(records: list[Record]) -> tuple[Record, Fact]:
        record = [each for each in records if isinstance(each.fact, Deployment)][-1]
        fact = record.fact
        assert isinstance(fact, Deployment) and fact.stable
        if "digest" in changes:
            return record, replace(fact, revision=fact.revision + 1, stable=replace(fact.stable, **changes))  # type: ignore[arg-type]
        return record, replace(fact, revision=fact.revision + 40)

    return pick


@pytest.mark.parametrize(
    "forge",
    [_again("policies/"), _again("releases/"), _deployment(digest="sha256:" + "0" * 64), _deployment()],
    ids=["a policy again", "a release again", "a release that never was", "a revision too far"],
)
def test_a_line_that_contradicts_those_before_it_is_left_out(
    world: Registry, root: Path, empty_url: str, forge: Callable[[list[Record]], tuple[Record, Fact]]
) -> None:
    bring(world, root)
    vouched.update(world.lineage, lambda _: Vouched())
    records = records_of(world)
    last = records[-1].audit
    record, fact = forge(records)
    kind = kind_of(fact)
    ref = kind.ref(fact, last.seq + 1)
    line = replace(record.audit, seq=last.seq + 1, previous=last.hash, record=bind(ref, fact), **kind.line(fact))
    forged = Record(ref=ref, audit=replace(line, hash=seal(line)), fact=fact)
    write_signed([*records, forged], root, lambda _: None)
    done = rebuild(str(root), empty_url, actor=ACTOR, now=minutes(900))
    assert (done.seq, done.hash, len(done.ignored)) == (last.seq, last.hash, 1)
    assert done.ignored[0].startswith(f"{ref}: it contradicts the lines before it")
