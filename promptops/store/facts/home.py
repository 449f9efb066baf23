"""Homes: the repository in which the journal of a registry lives, each time another one was named."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime

from promptops.store.facts.kind import KeyedKind, Line
from promptops.store.schema import tables
from promptops.store.schema.rows import AnyRow, Values


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """The repository in which the journal lives, and the ref of its chain of commits there.

    Either ``address`` says where it is, a URL or an absolute path; or ``workspace`` is the random id that the
    repository of a workspace keeps in its git folder, and ``hint`` its path when it was named, for messages only.
    """

    number: int
    ref: str
    actor: str
    at: datetime
    address: str = ""
    workspace: str = ""
    hint: str = ""
    reason: str = ""

    def __str__(self) -> str:
        return self.address or f"the workspace {self.hint}"


class _Homes(KeyedKind[Home]):
    name = "homes"
    noun = Home
    table = tables.home
    key = ("number",)

    def line(self, fact: Home) -> Line:
        after = f"{fact.address or f'workspace {fact.workspace}'} {fact.ref}"
        return {"action": "home", "after": after, "actor": fact.actor, "at": fact.at, "reason": fact.reason}

    def values(self, fact: Home) -> Values:
        return asdict(fact)

    def fact(self, row: AnyRow) -> Home:
        return Home(**row._mapping)


KIND = _Homes()
