"""Small facts for the store's own tests: releases, deployments, quarantines, without any operation."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from promptops.core.digest import digest
from promptops.core.model import (
    AuditEntry,
    Bump,
    Content,
    Deployment,
    Kind,
    Message,
    Policy,
    Prompt,
    Provenance,
    Quarantine,
    Release,
    ReleaseRef,
    Role,
    Yank,
)
from promptops.core.origin import Origin
from promptops.core.release_bytes import encode
from promptops.core.token import Scope, Token
from promptops.store import Reader, Registry, Writer
from promptops.store.facts.quarantine import QuarantineEvent
from promptops.store.facts.transfer import Transfer
from promptops.store.facts.yank import Withdrawal

ACTOR = "Ada Lovelace <ada@example.org>"
START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
T = TypeVar("T")


def minutes(count: float) -> datetime:
    return START + timedelta(minutes=count)


def provenance(*, commit: str = "c" * 40, dirty: bool = False) -> Provenance:
    return Provenance(repository="shop", commit=commit, path="bot", author=ACTOR, builder="tests", dirty=dirty)


def release(number: int, app: str = "bot", *, dirty: bool = False) -> Release:
    """Release 0.1.``number``: one message that says its number."""
    message = Message(role=Role.USER, content=f"Say {number}.")
    content = encode(Content(app=app, prompts=(Prompt(name="answer", messages=(message,)),)))
    return Release(
        app=app,
        version=f"0.1.{number}",
        digest=digest(content),
        created_at=minutes(number),
        created_by=ACTOR,
        bump=Bump.PATCH,
        changes=(f"wording {number}", "größer"),
        notes="",
        provenance=provenance(dirty=dirty),
        content=content,
    )


def token(name: str, **more: Any) -> Token:
    """A token that may read and lives for an hour, unless more is said; its id follows from its name."""
    usual = {"scopes": (Scope.READ,), "prefix": "pops_rt_Ab3d", "created_by": ACTOR, "created_at": START}
    return Token(**{"id": f"t{name:X<11.11}", "name": name, "expires_at": minutes(60), **usual, **more})


def ref(number: int, app: str = "bot") -> ReleaseRef:
    return release(number, app).ref


def deployment(
    revision: int, number: int, app: str = "bot", channel: str = "prod", *, restores: int | None = None
) -> Deployment:
    return Deployment(
        app=app,
        channel=channel,
        revision=revision,
        kind=Kind.PROMOTE if restores is None else Kind.ROLLBACK,
        stable=ref(number, app),
        before=ref(number - 1, app) if revision > 1 else None,
        restores=restores,
        actor=ACTOR,
        reason="",
        at=minutes(revision),
    )


def quarantine(number: int, app: str = "bot", channel: str = "prod", reason: str = "wrong answers") -> Quarantine:
    return Quarantine(app=app, channel=channel, release=ref(number, app), reason=reason, actor=ACTOR, at=minutes(0))


def yank(reason: str = "leaks data") -> Yank:
    return Yank(reason=reason, actor=ACTOR, at=minutes(0))


def transfer(number: int = 1, app: str = "bot") -> Transfer:
    """A transfer of an app."""
    origin = Origin(repository="git@example.org:shop/other.git", path="bot", root="a" * 40)
    return Transfer(app=app, number=number, origin=origin, reason="größer ☃", actor=ACTOR, at=minutes(number))


def withhold(writer: Writer, held: Quarantine, *, lifted: bool = False) -> None:
    """A quarantine, or the end of one."""
    writer.record(QuarantineEvent(quarantine=held, lifted=lifted))


def withdraw(writer: Writer, number: int, app: str = "bot") -> None:
    """A yank of a release."""
    writer.record(Withdrawal(app=app, release=ref(number, app), yank=yank()))


def note(writer: Writer, name: str, *, at: datetime = START) -> AuditEntry:
    """A line of the audit log about a fact of its own: a new token, which takes no lock but the log's."""
    fact = token(name, created_at=at, expires_at=None)
    return writer.add_token(fact, name.rjust(64, "0"))


def fill(registry: Registry, count: int = 3, app: str = "bot", channels: Iterable[str] = ("prod",)) -> None:
    """Releases 1 … count of an app, each in turn promoted to every channel: revision n serves release n."""

    def work(writer: Writer) -> None:
        writer.lock_app(app)
        for number in range(1, count + 1):
            writer.record(release(number, app))
        for channel in channels:
            writer.set_policy(channel, Policy(), actor=ACTOR, at=START)
            writer.lock_heads([(app, channel)])
            for number in range(1, count + 1):
                writer.append(deployment(number, number, app, channel))

    registry.write(work)


def do(registry: Registry, change: Callable[[Writer], object]) -> None:
    """One change in a transaction of its own."""
    registry.write(change)


def ask(registry: Registry, question: Callable[[Reader], T]) -> T:
    """One answer from a transaction of its own."""
    with registry.read() as reader:
        return question(reader)
