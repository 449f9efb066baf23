"""Bindings: the digests of the facts of older lines, which have none themselves (ADR 0023)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Table, select

from promptops.core.faults import Fault
from promptops.store.facts.kind import Entries, FactKind, Facts, Line, number_in
from promptops.store.facts.lookup import names_below
from promptops.store.faults import damage
from promptops.store.schema import tables
from promptops.store.schema.rows import Values

_binding = tables.binding.c


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """The digests of the facts of older lines, which have none themselves, as a newer promptops first saw them.

    ``records`` is one digest over all of them up to line ``until``; ``secrets`` has, by the number of the line that
    made a token, what :func:`promptops.core.token.commit` says of its secret.
    """

    until: int
    records: str
    secrets: Mapping[str, str]


class _Bindings(FactKind[Binding]):
    name = "bindings"
    noun = Binding

    def ref(self, fact: Binding, seq: int) -> str:
        return f"{self.name}/{fact.until}"

    def line(self, fact: Binding) -> Line:
        return {"action": "bind", "after": f"lines 1 to {fact.until} {fact.records}"}

    def rows(self, fact: Binding, *, actor: str, at: datetime) -> Iterable[tuple[Table, Values]]:
        """None: the rows are about other facts, and are there before (:mod:`promptops.store.binding`)."""
        return ()

    def load(self, connection: Connection, page: Entries) -> Facts:
        return {entry.seq: read_binding(connection, number_in(entry.segment(1))) for entry in page}

    def unrecorded(self, connection: Connection) -> Iterator[Fault]:
        names = names_below(connection, self.name).values()
        until = max((number_in(name.rpartition("/")[2]) for name in names), default=0)
        for (seq,) in connection.execute(select(_binding.seq).where(_binding.seq > until).order_by(_binding.seq)):
            yield damage("fact-unrecorded", "no line of the audit log names it", f"binding {seq}")


def read_binding(connection: Connection, until: int) -> Binding:
    """The digests in the table for the lines up to this one."""
    digest, secrets = hashlib.sha256(), {}
    rows = select(_binding.seq, _binding.record, _binding.secret).where(_binding.seq <= until)
    for seq, record, secret in connection.execute(rows.order_by(_binding.seq)):
        digest.update(f"{seq} {record}\n".encode())
        if secret:
            secrets[str(seq)] = secret
    return Binding(until=until, records=digest.hexdigest(), secrets=secrets)


KIND = _Bindings()
