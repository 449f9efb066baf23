"""Epochs: the registry came back from a backup or from git."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime

from promptops.store.facts.kind import KeyedKind, Line
from promptops.store.schema import tables
from promptops.store.schema.rows import AnyRow, Values


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochInfo:
    """A registry came back from a backup or from git: what was numbered before may have been numbered differently.

    ``leaves`` is the newest commit of the journal in git, where the registry goes on without the lines it has there.
    """

    epoch: int
    at: datetime
    actor: str
    reason: str
    leaves: str = ""


class _Epochs(KeyedKind[EpochInfo]):
    name = "epochs"
    noun = EpochInfo
    table = tables.epoch
    key = ("epoch",)

    def line(self, fact: EpochInfo) -> Line:
        return {"after": f"epoch {fact.epoch}", "actor": fact.actor, "at": fact.at, "reason": fact.reason}

    def values(self, fact: EpochInfo) -> Values:
        return asdict(fact)

    def fact(self, row: AnyRow) -> EpochInfo:
        return EpochInfo(**row._mapping)


KIND = _Epochs()
