"""The birth of a registry: the first fact of each."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime

from promptops.store.facts.kind import KeyedKind, Line
from promptops.store.schema import tables
from promptops.store.schema.rows import AnyRow, Values


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryInfo:
    """A registry itself: its name, and the lineage that distinguishes it from others of that name."""

    name: str
    lineage: str
    created_at: datetime


class _Registries(KeyedKind[RegistryInfo]):
    name = "registry"
    noun = RegistryInfo
    table = tables.registry
    key = ("lineage",)

    def line(self, fact: RegistryInfo) -> Line:
        return {"action": "init", "after": f"{fact.name} {fact.lineage}", "at": fact.created_at}

    def values(self, fact: RegistryInfo) -> Values:
        return {"id": 1, **asdict(fact)}

    def fact(self, row: AnyRow) -> RegistryInfo:
        return RegistryInfo(name=row.name, lineage=row.lineage, created_at=row.created_at)


KIND = _Registries()
