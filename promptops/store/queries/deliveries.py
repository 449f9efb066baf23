"""Receivers of notifications, and how far each is. Only the receivers are facts."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime

from sqlalchemy import Connection, and_, bindparam, delete, func, insert, or_, select, update

from promptops.core.notifications.delivery import Delivery
from promptops.core.notifications.receiver import Receiver
from promptops.store.schema import tables
from promptops.store.schema.rows import AnyRow, Values, origin_of, origin_values, settings_of, settings_text

_receiver, _delivery, _audit, _journal = tables.receiver, tables.delivery, tables.audit, tables.journal
_other = _receiver.alias("other")
_NEWEST = (
    select(_receiver)
    .where(
        _receiver.c.version
        == select(func.max(_other.c.version)).where(_other.c.name == _receiver.c.name).scalar_subquery()
    )
    .order_by(_receiver.c.name)
)
_ROWS = select(_delivery).order_by(_delivery.c.receiver)
_HEAD = select(tables.audit_head.c.seq)
_REMOVED = select(func.coalesce(func.max(_receiver.c.version), 0)).where(
    _receiver.c.name == bindparam("name"), _receiver.c.settings == ""
)
_LINE_OF = select(_journal.c.seq).where(_journal.c.ref == bindparam("ref"))
_BEFORE = select(_audit.c.seq).where(_audit.c.at < bindparam("at")).order_by(_audit.c.seq.desc()).limit(1)
_ONE = _delivery.c.receiver == bindparam("of")
_TAKE = (
    update(_delivery)
    .where(
        _ONE,
        or_(_delivery.c.holder == "", _delivery.c.held_until <= bindparam("now")),
        or_(_delivery.c.next_try <= bindparam("now"), _delivery.c.tests > _delivery.c.tested),
    )
    .values(holder=bindparam("by"), held_until=bindparam("until"))
)
_KEPT = ("seq", "held_until", "next_try", "failures", "failing_since", "error", "sent_at", "given_up", "tested")
_KEEP = (
    update(_delivery)
    .where(and_(_ONE, _delivery.c.holder == bindparam("by")))
    .values({name: bindparam(f"to_{name}") for name in (*_KEPT, "test_error", "holder")})
)
_RENEW = update(_delivery).where(_ONE).values(seq=bindparam("to"), holder="")
_ASK = update(_delivery).where(_ONE).values(tests=_delivery.c.tests + 1)


def receiver_of(row: AnyRow) -> Receiver:
    """A version of a receiver's settings."""
    who = {"actor": row.actor, "at": row.at, "reason": row.reason}
    settings = settings_of(row.settings)
    return Receiver(name=row.name, version=row.version, settings=settings, origin=origin_of(row), **who)


def receiver_values(receiver: Receiver) -> Values:
    """What :func:`receiver_of` reads."""
    who = {"actor": receiver.actor, "at": receiver.at, "reason": receiver.reason}
    named = {"name": receiver.name, "version": receiver.version, "settings": settings_text(receiver.settings)}
    return {**named, **origin_values(receiver.origin), **who}


class DeliveryReader:
    """Reads receivers, and how far they are."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def receivers(self) -> tuple[Receiver, ...]:
        """The newest version of every receiver, also of those that were removed, by name.

        Raises:
            ValueError: a row is not what was written.
        """
        return tuple(map(receiver_of, self._connection.execute(_NEWEST)))

    def all(self) -> tuple[Delivery, ...]:
        """How far each receiver is."""
        return tuple(Delivery(**row._mapping) for row in self._connection.execute(_ROWS))

    def newest(self) -> int:
        """The newest line of the audit log."""
        return self._connection.execute(_HEAD).scalar() or 0

    def start_of(self, receiver: str, since: datetime) -> int:
        """The line behind which a receiver's events begin where it is not known how far it is, as after a rebuild.

        That is where it was declared, or the last line before ``since``, whichever is later.
        """
        version = self._connection.execute(_REMOVED, {"name": receiver}).scalar_one() + 1
        declared = self._connection.execute(_LINE_OF, {"ref": f"receivers/{receiver}/{version}"}).scalar() or 0
        return max(declared, self._connection.execute(_BEFORE, {"at": since}).scalar() or 0)


class DeliveryDesk(DeliveryReader):
    """Changes how far receivers are, in one transaction."""

    def begin(self, receiver: str, seq: int, now: datetime) -> None:
        """Start a receiver behind this line of the log."""
        fresh = Delivery(receiver=receiver, seq=seq, held_until=now, next_try=now)
        self._connection.execute(insert(_delivery), asdict(fresh))

    def renew(self, receiver: str, seq: int) -> None:
        """Go on behind this line with a receiver's new settings: its holder, which has the old ones, loses it."""
        self._connection.execute(_RENEW, {"of": receiver, "to": seq})

    def end(self, receiver: str) -> None:
        """Forget how far a receiver is: it was removed."""
        self._connection.execute(delete(_delivery).where(_ONE), {"of": receiver})

    def take(self, receiver: str, holder: str, now: datetime, until: datetime) -> Delivery | None:
        """Make a process the one that sends to a receiver until then; None if there is another, or nothing is due."""
        taken = self._connection.execute(_TAKE, {"of": receiver, "by": holder, "now": now, "until": until})
        if taken.rowcount != 1:
            return None
        row = self._connection.execute(_ROWS.where(_ONE), {"of": receiver}).one()
        return Delivery(**row._mapping)

    def keep(self, delivery: Delivery, holder: str) -> bool:
        """Keep what its holder did; False if another process took over meanwhile, so that nothing was kept."""
        values = {f"to_{name}": getattr(delivery, name) for name in (*_KEPT, "test_error", "holder")}
        return self._connection.execute(_KEEP, {"of": delivery.receiver, "by": holder, **values}).rowcount == 1

    def ask_test(self, receiver: str) -> int:
        """Ask for a test of a receiver that was begun; returns its number."""
        self._connection.execute(_ASK, {"of": receiver})
        row = self._connection.execute(select(_delivery.c.tests).where(_ONE), {"of": receiver})
        return int(row.scalar_one())
