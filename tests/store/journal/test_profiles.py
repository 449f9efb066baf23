"""The n-th name of an app's profiles is the n-th row, whichever part of the journal is read."""

from __future__ import annotations

from datetime import timedelta

from promptops.core.model import Profile
from promptops.store import Registry, Writer
from promptops.store.facts.profile import ProfileVersion
from tests.support import factory
from tests.support.factory import ACTOR, START

COUNT = 60


def test_each_page_has_the_profiles_of_its_lines(registry: Registry) -> None:
    factory.make_channels(registry)
    for app in ("bot", "bot-2"):
        factory.make_releases(registry, app, 1)

    def work(writer: Writer) -> None:
        for number in range(COUNT):
            at = START + timedelta(hours=1, seconds=number // 3)  # some at the same moment
            for app in ("bot", "bot-2")[: 1 + number % 2]:
                writer.record(ProfileVersion(app=app, profile=Profile(owner=f"{app} {number}")), actor=ACTOR, at=at)

    registry.write(work)
    with registry.read() as reader:
        lines = [entry for entry in reader.journal() if entry.ref.startswith("profiles/")][-COUNT * 3 // 2 :]
        expected = [f"{app} {number}" for number in range(COUNT) for app in ("bot", "bot-2")[: 1 + number % 2]]
        for pages in (lines,), [lines[at : at + 7] for at in range(0, len(lines), 7)], [[line] for line in lines]:
            read = [record for page in pages for record in reader.facts(page)]
            assert [record.ref for record in read] == [line.ref for line in lines]
            owners = [record.fact.profile.owner for record in read if isinstance(record.fact, ProfileVersion)]
            assert owners == expected
        ends = list(reader.facts([lines[0], lines[-1]]))
        assert [record.ref for record in ends] == [lines[0].ref, lines[-1].ref]
