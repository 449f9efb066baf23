"""Removes what was captured of calls: of one call, or of all calls of a key. Counts, sums and the fact itself stay.

The key itself is in no table and no log: what is kept of an erasure are the units of the key, HMACs with the secret of
reporting clients.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from promptops.core.bucketing import utf8
from promptops.core.errors import Invalid
from promptops.core.free_text import require_words
from promptops.core.names import AppName
from promptops.core.outcomes.call_id import LONGEST, CallId, read_call_id
from promptops.core.outcomes.call_id import Standing as Seal
from promptops.core.outcomes.erasure import Erasure
from promptops.core.outcomes.units import Unit
from promptops.operations.idempotency import Once

if TYPE_CHECKING:
    from promptops.store import Registry, Writer

LONGEST_KEY = 2_000
"""Characters of a key: users, conversations and orders are named with far fewer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EraseRequest:
    """Whose calls: those of a key, ``of_key``, of an app or of every one; or one call by its id. And why.

    ``token`` is the id of the token that the idempotency key belongs to. ``repr`` leaves the user's key out.
    """

    key: str
    of_key: str = ""
    call: str = ""
    app: AppName = ""
    reason: str = ""
    token: str = ""

    def __post_init__(self) -> None:
        require_words(self.reason)
        if bool(self.of_key) == bool(self.call):
            raise Invalid("an erasure is of a key or of a call", hint="Give one of them.")
        if len(self.of_key) > LONGEST_KEY or len(self.call) > LONGEST:
            raise Invalid(f"a key has at most {LONGEST_KEY:,} characters, and a call id {LONGEST}")
        if self.call and self.app:
            raise Invalid("a call id names its app", hint="Leave the app out.")

    def __repr__(self) -> str:
        return f"EraseRequest(call={self.call!r}, app={self.app!r})"


def erase(registry: Registry, request: EraseRequest, *, actor: str, now: datetime) -> Erasure:
    """Remove what was captured of a call, or of all calls of a key until now. A report that comes later changes nothing
    about it.

    Raises:
        Invalid: it is no call id, or no client of this registry made it. RegistryMismatch: it is of another registry.
        AppNotFound: this registry has no such app. KeyReused: the idempotency key belongs to another request.
    """

    def work(writer: Writer) -> Erasure:
        desk = writer.outcomes()
        desk.lock()
        secret = bytes.fromhex(writer.report_secret(registry.lineage))
        call = _call(request, registry.lineage, secret)
        app = call.assignment.app if call else request.app
        if app:
            writer.require_app(app)
        once = _once(request, secret)
        if (seen := once.answered(writer)) is not None:
            return writer.erasure(int(seen[0][0]))
        apps = (app,) if app else desk.capturing_apps()
        units = {Unit.of(secret, each, request.of_key).id for each in apps} if secret and not call else set()
        made = Erasure(
            number=desk.next_erasure(),
            app=app,
            call=request.call,
            units=tuple(sorted(units)),
            calls=desk.erase(call=request.call, units=units),
            reason=request.reason,
            actor=actor,
            at=now,
        )
        writer.record(made, key=request.key)
        once.remember(writer, [(made.number,)], now)
        return made

    return registry.write(work)


def _call(request: EraseRequest, lineage: str, secret: bytes) -> CallId | None:
    if not request.call:
        return None
    from promptops.core.outcomes.admission import seal_of

    call = read_call_id(request.call, lineage=lineage)
    if seal_of(call, secret) is Seal.FORGED:
        raise Invalid("no client of this registry made this call id: its seal is not right")
    return call


def _once(request: EraseRequest, secret: bytes) -> Once:
    """The request without the user's key: who has the database could guess at a digest of it."""
    said = hmac.digest(secret, b"promptops/erase-v1\0" + utf8(request.of_key), "sha256").hex() if secret else ""
    return Once(
        key=request.key,
        token=request.token,
        operation="erase",
        arguments={"of": said, "call": request.call, "app": request.app},
        words=request.reason,
    )
