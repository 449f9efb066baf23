"""What was captured of calls, as cases: the newest ones of a channel whose variables are known.

A case is known by a keyed hash, so evidence of it does not show what a user wrote.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Final, cast

from promptops.core.declarations import Capture
from promptops.core.digest import canonical
from promptops.core.errors import Invalid
from promptops.core.evidence.content import normalised
from promptops.core.media_values import lacks_bytes
from promptops.core.model import Json
from promptops.core.names import AppName, ChannelName
from promptops.core.outcomes.kept_call import PRIVATE, SAMPLED, Kept, PlacedCall

if TYPE_CHECKING:
    from promptops.store import Reader, Registry

MOST: Final = 1_000
"""Calls of one answer, of 16 KiB of variables each at most."""
_SHARES: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class CapturedRequest:
    """The newest ``last`` calls of an app on a channel that came until a moment; None: until now.

    Without ``bad``, they are a sample of all calls; with it, those that were bad. ``prompt`` is the prompt's name
    within the app; empty for all.
    """

    app: AppName
    channel: ChannelName
    last: int = 200
    bad: bool = False
    prompt: str = ""
    until: datetime | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.last <= MOST:
            raise Invalid(f"{self.last} calls are wanted, and 1 to {MOST:,} are given at a time")


@dataclass(frozen=True, slots=True, kw_only=True)
class CapturedCase:
    """The variables of a call. ``id`` is a keyed hash of them and the prompt, ``cluster`` one of the call's key; empty
    where the call had none. ``version`` is that of the release that answered.
    """

    id: str
    prompt: str
    at: datetime
    variables: Mapping[str, object]
    cluster: str = ""
    version: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Captured:
    """The newest cases, each once, the newest first. ``private`` are calls that were left out since a variable of them
    is private, or an image or a file whose bytes are not kept. ``captures`` says whether the app captures variables
    now. No call came after ``until``.
    """

    app: AppName
    channel: ChannelName
    until: datetime
    captures: bool
    cases: tuple[CapturedCase, ...]
    private: int = 0


def captured_calls(registry: Registry, request: CapturedRequest, *, now: datetime) -> Captured:
    """Returns what was captured of calls.

    Raises:
        AppNotFound, ChannelNotFound: listing those that exist. RegistryDamaged: a row is not what was written.
    """
    until = min(request.until or now, now)
    with registry.read() as reader:
        reader.require_app(request.app)
        reader.channel(request.channel)
        declared = reader.declarations(request.app)
        secret = bytes.fromhex(reader.report_secret(registry.lineage))
        found: dict[str, CapturedCase] = {}
        private = 0
        for placed in _wanted(reader, request, until):
            variables = placed.call.variables or {}
            if any(map(_is_unknown, variables.values())):
                private += 1
                continue
            case = _case(placed, secret)
            found.setdefault(case.id, case)
            if len(found) == request.last:
                break
    return Captured(
        app=request.app,
        channel=request.channel,
        until=until,
        captures=declared is not None and declared.declared.capture is Capture.VARIABLES,
        cases=tuple(found.values()),
        private=private,
    )


def _wanted(reader: Reader, request: CapturedRequest, until: datetime) -> Iterator[PlacedCall]:
    """The calls that a request wants, the newest first.

    All bad calls are kept and one in a hundred others; so of the bad ones as many are taken, else a sample would be of
    failures.
    """

    def wanted(call: str, kept: Kept) -> bool:
        return kept is Kept.BAD if request.bad else kept is Kept.SAMPLED or _is_drawn(call)

    found = reader.captured_calls(request.app, request.channel, until=until, wanted=wanted)
    return (placed for placed in found if not request.prompt or placed.call.prompt == request.prompt)


def _is_drawn(call: str) -> bool:
    """Whether a call is one of those that would have been kept by chance: that follows from its id, which is random."""
    return int.from_bytes(sha256(call.encode()).digest()[:8], "big") % _SHARES < SAMPLED * _SHARES


def _is_unknown(value: object) -> bool:
    return lacks_bytes(value) or (isinstance(value, str) and value.startswith(PRIVATE))


def _case(placed: PlacedCall, secret: bytes) -> CapturedCase:
    call, place = placed.call, placed.assignment
    variables = call.variables or {}
    said = canonical([place.app, call.prompt, normalised(cast("Json", variables))])
    return CapturedCase(
        id=_keyed(secret, "case", said),
        prompt=call.prompt,
        at=datetime.fromtimestamp(call.at, UTC),
        variables=variables,
        cluster=_keyed(secret, "cluster", placed.unit.encode())[:16] if placed.unit else "",
        version=call.version,
    )


def _keyed(secret: bytes, what: str, said: bytes) -> str:
    return hmac.digest(secret, f"promptops/{what}-v1\0".encode() + said, "sha256").hex()
