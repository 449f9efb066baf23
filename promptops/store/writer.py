"""What one transaction may change: inserts of facts, and the moves of the two heads.

Locks are always taken in the same order, so that two writers never wait for each other: the app's row, heads by app and
channel, the head of the audit log. On SQLite a writer holds the one write lock from the start; locking is only reading.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row, Select, Table, and_, bindparam, delete, func, insert, or_, select, update

from promptops.core.audit import seal
from promptops.core.errors import ChangeNotKept, ConcurrentDeployment, Conflict
from promptops.core.model import AuditEntry, Channel, Deployment, Policy, Profile
from promptops.store.engine.database import TOPIC
from promptops.store.reader import LAST_DRAINED, Reader, the_head
from promptops.store.schema import tables
from promptops.store.schema.guards import GUARDED
from promptops.store.schema.rows import Values

if TYPE_CHECKING:
    from promptops.core.evidence import case_table
    from promptops.core.evidence.run import Run
    from promptops.core.heartbeat import Beat, Room
    from promptops.core.origin import Origin
    from promptops.core.token import Token
    from promptops.store.facts.kind import Fact
    from promptops.store.queries.deliveries import DeliveryDesk
    from promptops.store.queries.outcome_desk import OutcomeDesk

_head, _audit_head, _drained = tables.head, tables.audit_head, tables.drained
# Items of one query: few queries, below the limits of SQLite, which are 999 values and expressions 1,000 levels deep.
_PAIRS_AT_ONCE = 200

# Built once: building a statement takes as long as running it.
_HERE = and_(_head.c.app == bindparam("at_app"), _head.c.channel == bindparam("at_channel"))
_LOCK = select(_head.c.app, _head.c.channel).order_by(_head.c.app, _head.c.channel).with_for_update()
_LOCK_ONE = _LOCK.where(_HERE)
_MOVE = update(_head).where(_HERE, _head.c.revision == bindparam("expected")).values(revision=bindparam("next"))
_LAST = select(_audit_head.c.seq, _audit_head.c.hash).with_for_update()
_LAST_AND_NOTIFY = _LAST.add_columns(func.pg_notify(bindparam("topic"), ""))
_LOCK_DRAINED = LAST_DRAINED.with_for_update()
_REACHED = (
    update(_drained)
    .where(_drained.c.algorithm == bindparam("of"))
    .values(seq=bindparam("reached"), commit=bindparam("at"))
)
_TAKE_OUT = delete(tables.outbox).where(tables.outbox.c.seq <= bindparam("until"))
# NO KEY UPDATE: what other transactions insert about the app refers to its row, and need not wait.
_LOCK_APP = select(tables.app.c.name).where(tables.app.c.name == bindparam("app")).with_for_update(key_share=True)
_SEAL = update(_audit_head).values(seq=bindparam("last_seq"), hash=bindparam("last_hash"))
_INSERT = {
    name: insert(table).inline().execution_options(preserve_rowcount=True)
    for name, table in tables.metadata.tables.items()
}
_FACTS = GUARDED.keys() - {"audit", "journal"}


class Writer(Reader):
    """A :class:`Reader` that can also change the registry, all or nothing. Only :meth:`Registry.write` makes one."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._facts: list[tuple[Table, Values]] = []
        self._lines: list[tuple[AuditEntry, str]] = []

    # --- locks ---

    def lock_app(self, app: str) -> None:
        """Make this the only release of the app at a time. Creates the app where it is new."""
        if self._connection.execute(_LOCK_APP, {"app": app}).first() is None:
            self._insert(tables.app, {"name": app})

    def lock_heads(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Lock these apps on these channels: nothing a decision about them rests on changes until the end.

        Raises:
            AppNotFound: an app was never released.
        """
        wanted = sorted(set(pairs))
        locked: set[tuple[str, str]] = set()
        if len(wanted) == 1:
            locked = self._lock(_LOCK_ONE, at_app=wanted[0][0], at_channel=wanted[0][1])
        else:
            for start in range(0, len(wanted), _PAIRS_AT_ONCE):
                batch = wanted[start : start + _PAIRS_AT_ONCE]
                conditions = [and_(_head.c.app == app, _head.c.channel == channel) for app, channel in batch]
                locked |= self._lock(_LOCK.where(or_(*conditions)))
        new = [pair for pair in wanted if pair not in locked]
        for app in dict.fromkeys(app for app, _ in new):
            self.require_app(app)
            self.lock_app(app)
        if new:
            self._insert(tables.head, *({"app": app, "channel": channel, "revision": 0} for app, channel in new))

    def lock_channel(self, channel: str) -> tuple[str, ...]:
        """Lock every app on the channel; answers those that are live there, in order."""
        self._lock(_LOCK.where(_head.c.channel == channel))
        live = select(_head.c.app).where(_head.c.channel == channel, _head.c.revision > 0).order_by(_head.c.app)
        return tuple(row[0] for row in self._connection.execute(live))

    def lock_log(self) -> None:
        """Lock the head of the audit log, so that no other change is recorded meanwhile: do it last."""
        self._connection.execute(_LAST)

    def lock_all_channels_of(self, app: str) -> None:
        """Lock the app on every channel there is, so that it cannot appear on one meanwhile.

        Raises:
            AppNotFound: the app was never released.
        """
        self.require_app(app)
        self.lock_app(app)
        heads = self._connection.execute(select(_head.c.channel).where(_head.c.app == app))
        names = {row[0] for row in heads} | {channel.name for channel in self.channels()}
        self.lock_heads((app, name) for name in names)

    def _lock(self, statement: Select[*tuple[Any, ...]], **parameters: str) -> set[tuple[str, str]]:
        return {(row[0], row[1]) for row in self._connection.execute(statement, parameters)}

    # --- releases and channels; everything else that happens to them is a fact to :meth:`record` ---

    def set_profile(self, app: str, profile: Profile, *, actor: str, at: datetime, key: str = "") -> bool:
        """Record a version of the app's profile; False where the newest says the same."""
        from promptops.store.facts.profile import ProfileVersion

        if self.profile(app) == profile:
            return False
        self.record(ProfileVersion(app=app, profile=profile), actor=actor, at=at, key=key)
        return True

    def append(self, deployment: Deployment, *, key: str = "") -> None:
        """Record the next entry of a log, and move its head there.

        Raises:
            ConcurrentDeployment: the log is not at the revision before this one.
        """
        self._move_head(deployment)
        self.record(deployment, key=key)

    def _move_head(self, deployment: Deployment) -> None:
        here = {"at_app": deployment.app, "at_channel": deployment.channel}
        expected = deployment.revision - 1
        moved = self._connection.execute(_MOVE, here | {"expected": expected, "next": deployment.revision})
        if moved.rowcount != 1:
            actual = self._connection.execute(select(_head.c.revision).where(_HERE), here).scalar()
            if actual == expected:
                raise ChangeNotKept(f"the head of {deployment.app}:{deployment.channel}")
            raise ConcurrentDeployment(deployment.app, deployment.channel, expected=expected, actual=actual or 0)

    def set_policy(
        self, channel: str, policy: Policy, *, actor: str, at: datetime, origin: Origin | None = None, reason: str = ""
    ) -> Channel | None:
        """Record a version of the channel's policy, the first of which makes the channel; None if nothing changes."""
        known = {found.name: found for found in self.channels()}.get(channel)
        if known is not None and known.policy == policy and (origin is None or known.origin == origin):
            return None
        version = self.last_version(channel) + 1
        changed = Channel(
            name=channel, policy=policy, version=version, actor=actor, at=at, origin=origin, reason=reason
        )
        self.record(changed)
        return changed

    # --- clients ---

    def put_beats(self, beats: Iterable[Beat], now: datetime, room: Room) -> None:
        """Replace the last heartbeats of these clients. Now and then, forget clients that were silent for a day."""
        from promptops.store.queries.heartbeats import put_beats

        put_beats(self._connection, beats, now, room)

    # --- outcomes ---

    def keep_report_secret(self, lineage: str, secret: str) -> str:
        """Keep a secret of reporting clients unless there is one; answers the one that is there."""
        from promptops.store.queries.report_keys import keep_secret

        return keep_secret(self._connection, lineage, secret)

    def outcomes(self) -> OutcomeDesk:
        """Where this transaction takes reports."""
        from promptops.store.queries.outcome_desk import OutcomeDesk

        return OutcomeDesk(self._connection, self.epoch())

    # --- notifications ---

    def deliveries(self) -> DeliveryDesk:
        """Where this transaction changes how far the receivers of notifications are."""
        from promptops.store.queries.deliveries import DeliveryDesk

        return DeliveryDesk(self._connection)

    # --- tokens ---

    def add_token(self, token: Token, secret_digest: str) -> AuditEntry:
        """Record a token, and keep the digest of its secret."""
        line = self.record(token)
        self._insert(tables.token_secret, {"digest": secret_digest, "token": token.id})
        return line

    # --- evidence ---

    def lock_run(self, run: str) -> Run:
        """Lock a run: what it reported, and whether it is closed, stays so until the end. Before the log.

        Raises:
            RunNotFound
        """
        from promptops.store.queries.evidence import find_run

        return find_run(self._connection, run, lock=True)

    def add_rows(self, run: str, rows: Sequence[case_table.Row]) -> None:
        """Keep what a run reports; its run is locked, and no such row is there."""
        from promptops.store.queries.evidence import row_values

        if rows:
            self._insert(tables.run_row, *(row_values(run, row) for row in rows))

    # --- the record ---

    def record(
        self,
        fact: Fact,
        *,
        actor: str = "",
        at: datetime | None = None,
        action: str = "",
        before: str = "",
        key: str = "",
    ) -> AuditEntry:
        """Add a fact: its rows, its line of the audit log, chained to the newest one, and its name in the journal. From
        there it goes to git. Locks the log: record after all other locks.

        The fact determines its name and its line. Beside it goes only what it does not say: who made a profile and
        when, the action of a fact that can have several, the value that it replaced.
        """
        from promptops.store.facts.kind import kind_of
        from promptops.store.facts.record import bind

        kind = kind_of(fact)
        blank = {"action": action, "app": "", "channel": "", "before": before, "after": "", "reason": "", "key": key}
        line: dict[str, Any] = {**blank, "at": at, "actor": actor, **kind.line(fact)}
        if line["at"] is None or not line["actor"]:
            raise TypeError(f"a fact of {kind.name} does not say who and when: pass actor= and at=")
        for table, values in kind.rows(fact, actor=line["actor"], at=line["at"]):
            self._insert(table, values)
        head = self._lock_log()
        ref = kind.ref(fact, head.seq + 1)
        unsealed = AuditEntry(seq=head.seq + 1, **line, previous=head.hash, hash="", record=bind(ref, fact))
        entry = replace(unsealed, hash=seal(unsealed))
        self._insert(tables.audit, asdict(entry))
        self._insert(tables.journal, {"seq": entry.seq, "ref": ref})
        self._insert(tables.outbox, {"seq": entry.seq})
        sealed = self._connection.execute(_SEAL, {"last_seq": entry.seq, "last_hash": entry.hash})
        if sealed.rowcount != 1:
            raise ChangeNotKept("the head of the audit log")
        self._lines.append((entry, ref))
        return entry

    def prove(self) -> None:
        """Read every row back that was written here: the last step of a change.

        Raises:
            ChangeNotKept: the database accepted a row and has another one, or none.
        """
        if self._facts or self._lines:
            from promptops.store.engine.read_back import prove

            prove(self._connection, self._facts, self._lines)

    def _lock_log(self) -> Row[*tuple[Any, ...]]:
        """Lock the head of the audit log. On PostgreSQL, the commit notifies the watches of the registry, once."""
        if self._connection.dialect.name == "postgresql":
            return the_head(self._connection.execute(_LAST_AND_NOTIFY, {"topic": TOPIC}).all())
        return the_head(self._connection.execute(_LAST).all())

    def lock_drained(self, algorithm: str) -> int:
        """Lock what is known of the journal in git until the end of the change; returns the number of its newest line
        there, 0 if that is unknown.
        """
        return self._connection.execute(_LOCK_DRAINED, {"algorithm": algorithm}).scalar() or 0

    def drain(self, algorithm: str, seq: int, commit: str) -> int:
        """Remove the changes up to this line from the outbox, since git has them, and remember the line's commit.

        Returns how many were removed.
        """
        moved = self._connection.execute(_REACHED, {"of": algorithm, "reached": seq, "at": commit})
        if not moved.rowcount:
            self._insert(_drained, {"algorithm": algorithm, "seq": seq, "commit": commit})
        return self._connection.execute(_TAKE_OUT, {"until": seq}).rowcount

    def raise_epoch(
        self, *, at: datetime, actor: str, action: str, reason: str = "", to: int | None = None, leaves: str = ""
    ) -> int:
        """Begin the next epoch, or the one given: what was numbered before may have been numbered differently.

        Raises:
            Conflict: the registry is in that epoch already, or in a later one.
        """
        from promptops.store.facts.epoch import EpochInfo

        before = self.epoch()
        after = before + 1 if to is None else to
        if after <= before:
            raise Conflict(f"the registry is in epoch {before} already")
        begun = EpochInfo(epoch=after, at=at, actor=actor, reason=reason, leaves=leaves)
        self.record(begun, action=action, before=f"epoch {before}")
        return after

    def remember(self, key: str, request: str, body: bytes, at: datetime, *, token: str = "") -> None:
        """Keep the answer to the request with this key and token, in the transaction of its change."""
        self._insert(tables.idempotency, {"token": token, "key": key, "request": request, "body": body, "at": at})

    def _insert(self, table: Table, *rows: Values) -> None:
        """Insert rows, and keep those of facts for :meth:`prove`.

        Raises:
            ChangeNotKept: the database did not insert all of them, because of a trigger or a rule.
        """
        done = self._connection.execute(_INSERT[table.name], rows if len(rows) > 1 else rows[0])
        if done.rowcount != len(rows):
            raise ChangeNotKept(f"a row of {table.name}")
        if table.name in _FACTS:
            self._facts += [(table, row) for row in rows]
