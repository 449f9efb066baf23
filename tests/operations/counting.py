"""Reports as a registry takes them, and what it then has of them."""

from __future__ import annotations

from datetime import timedelta

from promptops.core.model import Policy
from promptops.core.outcomes.outcome_row import OutcomeRow
from promptops.core.outcomes.report import OutcomeReport
from promptops.core.outcomes.sums import Sums
from promptops.operations.outcomes import Document, Reported, take
from promptops.store import Registry
from promptops.store.schema import tables
from tests.support import factory
from tests.support.reports import total


def fill(registry: Registry) -> None:
    """`bot` at revision 3 of prod, and `other` at revision 1."""
    factory.make_channels(registry, prod=Policy())
    for app, count in (("bot", 3), ("other", 1)):
        for release in factory.make_releases(registry, app, count):
            factory.go_live(registry, f"{app}@{release.version}")


def send(registry: Registry, *reports: OutcomeReport, minutes: float = 0) -> list[Reported]:
    """What is answered to documents that come together."""
    done = take(registry, [Document(report=each) for each in reports], now=factory.minutes(minutes))
    found = []
    for answer in done.answers:
        assert isinstance(answer, Reported), answer
        found.append(answer)
    return found


def rows(registry: Registry, app: str = "bot", *, days: float = 1, minutes: float = 0) -> list[OutcomeRow]:
    """What is read of the last days."""
    now = factory.minutes(minutes)
    with registry.read() as reader:
        return list(reader.outcome_rows(app, since=now - timedelta(days=days), now=now))


def counted(registry: Registry, app: str = "bot", *, days: float = 1, minutes: float = 0) -> Sums:
    """The sums of all that is read."""
    return total([row.sums for row in rows(registry, app, days=days, minutes=minutes)])


def stored(registry: Registry, table: str) -> list[dict[str, object]]:
    with registry.read() as reader:
        return [dict(row._mapping) for row in reader._connection.execute(tables.metadata.tables[table].select())]
