"""The keys with which the journal is signed, each time another one, or the mode, was set."""

from __future__ import annotations

from dataclasses import asdict

from promptops.core import registry_key
from promptops.core.registry_key import RegistryKey
from promptops.store.facts.kind import KeyedKind, Line
from promptops.store.schema import tables
from promptops.store.schema.rows import AnyRow, Values


class _RegistryKeys(KeyedKind[RegistryKey]):
    name = "registry-keys"
    noun = RegistryKey
    table = tables.registry_key
    key = ("number",)

    def line(self, fact: RegistryKey) -> Line:
        after = str(fact)
        return {"action": "registry-key", "after": after, "actor": fact.actor, "at": fact.at, "reason": fact.reason}

    def values(self, fact: RegistryKey) -> Values:
        return asdict(fact)

    def fact(self, row: AnyRow) -> RegistryKey:
        return RegistryKey(**row._mapping)

    def flaw(self, fact: RegistryKey) -> str:
        return registry_key.flaw(fact)


KIND = _RegistryKeys()
