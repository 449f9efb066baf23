"""Facts of lines that have no digest of their own, as the first promptops wrote them: bound by one line about all.

The table has the digest of each such fact, so that a fact that is changed later can be named; the line that an upgrade
or a rebuild adds seals one digest over the whole table. What happened to a fact before that cannot be known.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import Connection, func, insert, select

from promptops.core.errors import ChangeNotKept
from promptops.core.record import bind
from promptops.core.token import Token, commit
from promptops.store import tables
from promptops.store.journal import Entries, entries, load, read_binding
from promptops.store.rows import Values
from promptops.store.writer import Writer

_PAGE = 200
_audit, _binding, _secret = tables.audit, tables.binding, tables.token_secret


def bind_older(connection: Connection, *, actor: str, at: datetime | None = None) -> None:
    """Bind the fact of every line that has no digest of its own and was not bound yet; nothing where there is none.

    ``at`` is when; where nobody knows, the time of the newest line.
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
    writer.record(read_binding(connection, seqs[-1]), at=at, actor=actor)
    writer.prove()


def _rows(connection: Connection, page: Entries) -> Iterator[Values]:
    """A fact that cannot be read is bound as what it is; the other checks name it."""
    facts = load(connection, page)
    known = [fact.id for fact in facts.values() if isinstance(fact, Token)]
    found = connection.execute(select(_secret.c.token, _secret.c.digest).where(_secret.c.token.in_(known)))
    digests = {row.token: row.digest for row in found}
    for entry in page:
        fact = facts.get(entry.seq)
        digest = digests.get(fact.id, "") if isinstance(fact, Token) else ""
        yield {
            "seq": entry.seq,
            "record": bind(entry.ref, fact) if fact is not None else "",
            "secret": commit(fact.id, digest) if isinstance(fact, Token) and digest else "",
        }
