"""Profiles: who and what an app is, each time it changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import Connection, Table, func, select

from promptops.core.faults import Fault
from promptops.core.model import Profile
from promptops.store.facts.kind import Entries, FactKind, Facts, Line
from promptops.store.facts.lookup import names_below, ranks, signed, surplus
from promptops.store.queries.releases import PROFILE_COLUMNS
from promptops.store.schema import tables
from promptops.store.schema.rows import AnyRow, Values

_profile = tables.profile


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileVersion:
    """What an app's profile became."""

    app: str
    profile: Profile


class _Profiles(FactKind[ProfileVersion]):
    name = "profiles"
    noun = ProfileVersion

    def ref(self, fact: ProfileVersion, seq: int) -> str:
        return f"{self.name}/{fact.app}/{seq}"

    def line(self, fact: ProfileVersion) -> Line:
        return {"action": "profile", "app": fact.app}

    def rows(self, fact: ProfileVersion, *, actor: str, at: datetime) -> Iterable[tuple[Table, Values]]:
        yield _profile, {"app": fact.app, "actor": actor, "at": at, **asdict(fact.profile)}

    def load(self, connection: Connection, page: Entries) -> Facts:
        rank = ranks(connection, page)
        places: dict[str, list[int]] = {}
        for entry in page:
            places.setdefault(entry.segment(1), []).append(rank.get(entry.seq, 0))
        rows = {app: _rows(connection, app, min(of_app), max(of_app)) for app, of_app in places.items()}
        return {
            entry.seq: ProfileVersion(
                app=entry.segment(1), profile=Profile(**{name: there[0]._mapping[name] for name in PROFILE_COLUMNS})
            )
            for entry in page
            if signed(entry, there := rows[entry.segment(1)].get(rank.get(entry.seq, 0), []))
        }

    def unrecorded(self, connection: Connection) -> Iterator[Fault]:
        recorded = connection.execute(select(_profile.c.app, func.count()).group_by(_profile.c.app))
        names = names_below(connection, self.name).values()
        counts = {f"{self.name}/{app}": count for app, count in recorded}
        return surplus(counts, (name.rpartition("/")[0] for name in names))


def _rows(connection: Connection, app: str, first: int, last: int) -> dict[int, list[AnyRow]]:
    """The row at each of these places of an app: it may have had thousands of profiles."""
    query = select(_profile).where(_profile.c.app == app).order_by(_profile.c.id).offset(first).limit(last - first + 1)
    return {place: [row] for place, row in enumerate(connection.execute(query), first)}


KIND = _Profiles()
