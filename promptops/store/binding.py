"""Binds the facts of lines without a digest, as promptops 0.1 wrote them, by one line about all of them.

The table has the digest of each such fact, so that a later edit can be named; the line that an upgrade or a rebuild
adds seals one digest over the whole table. An edit before that cannot be detected.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import Connection, func, insert, select

from promptops.core.errors import ChangeNotKept
from promptops.core.token import Token, commit
from promptops.store.facts.binding import read_binding
from promptops.store.facts.kind import Entries
from promptops.store.facts.record import bind
from promptops.store.journal.records import entries, load
from promptops.store.schema import tables
from promptops.store.schema.rows import Values
from promptops.store.writer import Writer

_PAGE = 200  # facts in memory at a time, releases with their contents among them
_audit, _binding, _secret = tables.audit, tables.binding, tables.token_secret


def bind_older(connection: Connection, *, actor: str, at: datetime | None = None) -> None:
    """Bind the fact of every line that has no digest and is not bound yet; does nothing if there is no such line.

    ``at`` is the time of the binding, by default that of the newest line.
    """
    after = connection.execute(select(func.coalesce(func.max(_binding.c.seq), 0))).scalar_one()
    unbound = select(_audit.c.seq).where(_audit.c.record == "", _audit.c.seq > after)
    seqs = list(connection.execute(unbound.order_by(_audit.c.seq)).scalars())
    if not seqs:
        return
    for start in range(0, len(seqs), _PAGE):
        page = entries(connection, seqs[start : start + _PAGE])
        rows = list(_rows(connection, page))
        done = connection.execute(insert(_binding).inline().execution_options(preserve_rowcount=True), rows)
        if done.rowcount != len(rows):
            raise ChangeNotKept("a row of binding")
    at = at or connection.execute(select(_audit.c.at).order_by(_audit.c.seq.desc()).limit(1)).scalar_one()
    writer = Writer(connection)
    writer.record(read_binding(connection, seqs[-1]), actor=actor, at=at)
    writer.prove()


def _rows(connection: Connection, page: Entries) -> Iterator[Values]:
    """The rows of a page. A fact that cannot be read gets an empty digest; other checks name it."""
    facts = load(connection, page)
    known = [fact.id for fact in facts.values() if isinstance(fact, Token)]
    secrets = connection.execute(select(_secret.c.token, _secret.c.digest).where(_secret.c.token.in_(known)))
    digests = {row.token: row.digest for row in secrets}
    for entry in page:
        fact = facts.get(entry.seq)
        digest = digests.get(fact.id, "") if isinstance(fact, Token) else ""
        yield {
            "seq": entry.seq,
            "record": bind(entry.ref, fact) if fact is not None else "",
            "secret": commit(fact.id, digest) if isinstance(fact, Token) and digest else "",
        }
