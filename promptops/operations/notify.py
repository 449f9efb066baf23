"""The receivers of promptops.yml -> the receivers of the registry; and how far each is.

A receiver belongs to the workspace that declared it: another one takes it over explicitly, or changes nothing. What a
workspace no longer declares is removed, because it would go on to be sent what happens.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from promptops.core.advice import WHICH_REGISTRY, Sentence, option
from promptops.core.errors import Invalid, NotFound, Refused, RegistryMismatch
from promptops.core.notifications.delivery import Delivery
from promptops.core.notifications.receiver import MAX_RECEIVERS, Receiver, read_receiver
from promptops.operations.channels import USUAL, Terms
from promptops.operations.sending import begin_again, first_for, pending

if TYPE_CHECKING:
    from promptops.store import Reader, Registry, Writer

COUNTED: Final = 1000
"""Lines of the log in which pending events are counted: with more, the number is not what matters."""


class ReceiverChanged(StrEnum):
    """What applying did to a receiver; one that another workspace declared stays as it was."""

    CREATED = "created"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    REMOVED = "removed"
    KEPT = "kept"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiverChange:
    """A receiver after applying; ``change`` is one of :class:`ReceiverChanged`.

    ``owner`` is the other workspace that it belonged to, empty without one.

    ``new_secret`` says that its URL changed, so that the server needs a secret for it: none is kept for another URL.
    """

    name: str
    url: str
    version: int
    change: str
    owner: str = ""
    new_secret: bool = False

    @property
    def is_change(self) -> bool:
        return self.change not in (ReceiverChanged.UNCHANGED, ReceiverChanged.KEPT)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiverState:
    """A receiver and how far it is; no secret is part of it.

    ``pending`` events wait, the oldest since ``oldest``; of at most a thousand lines. ``failures`` are those in a row,
    since ``failing_since``, the last one with ``error``; the next try is at ``next_try``. ``given_up`` events never
    arrived. ``tests`` are those that people wanted and ``tested`` those that were made; the last one failed with
    ``test_error``.
    """

    name: str
    url: str
    format: str
    events: tuple[str, ...]
    channel_patterns: tuple[str, ...]
    app_patterns: tuple[str, ...]
    version: int
    actor: str
    at: datetime
    pending: int
    oldest: datetime | None
    failures: int
    failing_since: datetime | None
    error: str
    next_try: datetime | None
    sent_at: datetime | None
    given_up: int
    tests: int
    tested: int
    test_error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TestAsked:
    """A test of a receiver that is made next, and its number."""

    __test__ = False

    name: str
    number: int


def apply_receivers(
    registry: Registry,
    name: str,
    declared: Mapping[str, Mapping[str, object]],
    *,
    actor: str,
    now: datetime,
    terms: Terms = USUAL,
) -> tuple[ReceiverChange, ...]:
    """Make the registry's receivers those that a workspace declares. All are applied or none is; twice changes nothing.

    Raises:
        Invalid: the settings of one cannot be a receiver's, or there would be too many.
        RegistryMismatch: the declaration belongs to another registry.
        Refused: one belongs to another workspace.
    """
    if name != registry.name:
        raise RegistryMismatch(
            f"promptops.yml belongs to the registry '{name}', and this is '{registry.name}'", hint=WHICH_REGISTRY
        )
    for each, settings in declared.items():
        read_receiver(each, settings)
    if terms.dry_run:
        with registry.read() as reader:
            return tuple(change for change, _ in _planned(reader, declared, actor, now, terms))

    def work(writer: Writer) -> tuple[ReceiverChange, ...]:
        writer.lock_log()
        planned = _planned(writer, declared, actor, now, terms)
        _require_own([change for change, _ in planned], terms)
        for change, fact in planned:
            if change.is_change:
                _record(writer, change, fact, now)
        return tuple(change for change, _ in planned)

    return registry.write(work)


def _record(writer: Writer, change: ReceiverChange, fact: Receiver, now: datetime) -> None:
    if change.change == ReceiverChanged.CHANGED:
        _renew(writer, fact.name)
    line = writer.record(fact)
    if change.change == ReceiverChanged.CREATED:
        writer.deliveries().begin(fact.name, line.seq, now)
    elif change.change == ReceiverChanged.REMOVED:
        writer.deliveries().end(fact.name)


def _renew(writer: Writer, name: str) -> None:
    """Let new settings count from here on: what the old ones left out is over, and who sends by them ends."""
    desk = writer.deliveries()
    delivery = next((each for each in desk.all() if each.receiver == name), None)
    old = next(each for each in desk.receivers() if each.name == name)
    if delivery is None or old.settings is None:
        return
    until = delivery.seq
    with suppress(Invalid):  # a newer promptops wrote it
        _, until = first_for(writer, read_receiver(name, old.settings), until)
    desk.renew(name, until)


def _planned(
    reader: Reader, declared: Mapping[str, Mapping[str, object]], actor: str, now: datetime, terms: Terms
) -> list[tuple[ReceiverChange, Receiver]]:
    """What applying would do to each receiver, whatever the terms allow, with the fact that it would record."""
    newest = {each.name: each for each in reader.deliveries().receivers()}
    others = [name for name, each in newest.items() if each.settings is not None and name not in declared]
    planned = []
    for name in [*declared, *others]:
        fact = Receiver(
            name=name,
            version=newest[name].version + 1 if name in newest else 1,
            settings=declared.get(name),
            actor=actor,
            at=now,
            origin=terms.origin,
            reason=terms.reason,
        )
        planned.append((_change_to(fact, newest.get(name), terms), fact))
    count = sum(change.change != ReceiverChanged.REMOVED for change, _ in planned)
    if count > MAX_RECEIVERS:
        raise Invalid(f"the registry would have {count} receivers, and at most {MAX_RECEIVERS} are taken")
    return planned


def _change_to(fact: Receiver, known: Receiver | None, terms: Terms) -> ReceiverChange:
    live = known if known is not None and known.settings is not None else None
    change = _change(live, fact.settings, terms)
    before, after = (str((settings or {}).get("url", "")) for settings in (live and live.settings, fact.settings))
    owner = live.origin if live is not None and not _is_ours(live, terms) else None
    stays = change in (ReceiverChanged.UNCHANGED, ReceiverChanged.KEPT)
    return ReceiverChange(
        name=fact.name,
        url=after or before,
        version=fact.version - 1 if stays else fact.version,
        change=change.value,
        owner=str(owner) if owner else "",
        new_secret=bool(after) and after != before,
    )


def _change(known: Receiver | None, settings: Mapping[str, object] | None, terms: Terms) -> ReceiverChanged:
    if known is None:
        return ReceiverChanged.CREATED
    ours = _is_ours(known, terms)
    if settings is None:
        return ReceiverChanged.REMOVED if ours else ReceiverChanged.KEPT
    if known.settings == settings and (ours or not terms.take_over):
        return ReceiverChanged.UNCHANGED
    return ReceiverChanged.CHANGED


def _is_ours(known: Receiver, terms: Terms) -> bool:
    if known.origin is None or terms.origin is None:
        return known.origin is terms.origin
    return known.origin.same(terms.origin)


def _require_own(changes: Iterable[ReceiverChange], terms: Terms) -> None:
    elsewhere = [each for each in changes if each.owner and each.change == ReceiverChanged.CHANGED]
    if elsewhere and not terms.take_over:
        named = "; ".join(f"{each.name} belongs to {each.owner}" for each in elsewhere)
        raise Refused(
            f"receivers belong to the workspace that applied them before: {named}; nothing was applied",
            hint=Sentence("Give this one another name, or ", option("take_over", "take it over"), " with a reason."),
        )


def receivers(registry: Registry) -> tuple[ReceiverState, ...]:
    """Returns every receiver and how far it is, by name."""
    with registry.read() as reader:
        desk = reader.deliveries()
        known = {each.receiver: each for each in desk.all()}
        return tuple(
            _state(reader, each, each.settings, known) for each in desk.receivers() if each.settings is not None
        )


def _state(
    reader: Reader, receiver: Receiver, settings: Mapping[str, object], known: Mapping[str, Delivery]
) -> ReceiverState:
    delivery = known.get(receiver.name) or Delivery(
        receiver=receiver.name, seq=reader.deliveries().newest(), held_until=receiver.at, next_try=receiver.at
    )
    try:
        read = read_receiver(receiver.name, settings)
    except Invalid as error:  # a newer promptops wrote it
        read, delivery = None, replace(delivery, error=error.message)
    count, oldest = pending(reader, delivery, read, COUNTED) if read else (0, None)
    return ReceiverState(
        name=receiver.name,
        url=str(settings.get("url", "")),
        format=read.format.value if read else "",
        events=read.events if read else (),
        channel_patterns=read.channels if read else (),
        app_patterns=read.apps if read else (),
        version=receiver.version,
        actor=receiver.actor,
        at=receiver.at,
        pending=count,
        oldest=oldest,
        failures=delivery.failures,
        failing_since=delivery.failing_since,
        error=delivery.error if delivery.failures else "",
        next_try=delivery.next_try if delivery.failures else None,
        sent_at=delivery.sent_at,
        given_up=delivery.given_up,
        tests=delivery.tests,
        tested=delivery.tested,
        test_error=delivery.test_error,
    )


def ask_test(registry: Registry, name: str, *, now: datetime) -> TestAsked:
    """Ask for a test of a receiver: the process that sends notifications sends it next, and keeps what came of it.

    Raises:
        NotFound: listing the receivers that there are.
    """

    def work(writer: Writer) -> TestAsked:
        desk = writer.deliveries()
        known = [each.name for each in desk.receivers() if each.settings is not None]
        if name not in known:
            raise NotFound(f"there is no receiver '{name[:80]}'", known=known)
        begin_again(writer, name, now)
        return TestAsked(name=name, number=desk.ask_test(name))

    return registry.write(work)
