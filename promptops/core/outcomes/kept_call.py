"""A call that is kept by itself, so that one answer can be explained: bad calls, and a few others by chance.

It has no content of messages or answers. Variables are there only where the app declares ``capture: variables``: a
release never changes, so the exact request can be made again from them.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from promptops.core.digest import canonical
from promptops.core.errors import Invalid
from promptops.core.json_size import require_few
from promptops.core.outcomes.call_id import LONGEST as LONGEST_CALL_ID
from promptops.core.outcomes.call_outcome import LONGEST_ERROR, Count, Tokens
from promptops.core.outcomes.counters import MAX_COUNT
from promptops.core.outcomes.series import LONGEST_LINE, LONGEST_PROMPT, MAX_MINUTE, Assignment, require_line

MAX_VARIABLES: Final = 16 << 10
"""Bytes of the variables of a call, in canonical JSON. A call with more is kept without them."""
MAX_TOOLS: Final = 20
MAX_CALLS: Final = 20
"""Calls that are kept by themselves in a report: those of a flush."""
SAMPLED: Final = 0.01
"""The share of calls that were not bad that are kept."""
APIS: Final = ("", "chat", "responses", "messages")
"""For what a prompt is rendered: messages alone, or the arguments of one of these APIs."""
PRIVATE: Final = "private:"
"""How the hash of a private variable begins."""
_MAX_VALUES: Final = 2_000
_FLAGS: Final = frozenset(
    {Count.REFUSED, Count.SCHEMA_FAILED, Count.CHECK_FAILED, Count.CANCELLED, Count.UNREAD, Count.PIN_MISMATCH,
     Count.TRUNCATED, Count.BAD}
)  # fmt: skip


_CALL: Final = 2_500
_TOOL: Final = 300
_VALUE: Final = 250
_CHARACTER: Final = 4
"""Bytes of a call, a tool, a value among the variables with its place there, and a character, in CPython."""


class Kept(StrEnum):
    """Why a call is kept."""

    BAD = "bad"
    SAMPLED = "sampled"


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolUse:
    """A tool that the model called: its name, how long it took in milliseconds, and the class of its error.

    Raises:
        Invalid: a part is not one line, or the time is negative.
    """

    name: str
    latency_ms: int | None = None
    error: str = ""

    def __post_init__(self) -> None:
        require_line(self.name, "the name of a tool", LONGEST_LINE)
        require_line(self.error, "the class of an error", LONGEST_ERROR)
        _require_times(self.latency_ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptCall:
    """One call, by its id, which says of what release and side it is.

    ``prompt`` is the prompt's name within the app, ``at`` when it began, in whole seconds since 1970. ``version`` is
    that of the release, and ``reason`` why the call got it: ``split``, ``held``, ``fallback``. ``asked`` is the pinned
    model and ``model`` the one that answered. ``flags`` are what it counts as, in the order of their names. ``trace``
    and ``response`` are the ids of its trace and of the provider's answer. Times are in milliseconds. ``api`` is for
    which API the prompt was rendered: ``chat``, ``responses``, ``messages``, empty for messages alone. ``rendered`` is
    the :func:`rendering_digest` of the messages, with the secret of reporting clients.

    Raises:
        Invalid: a part is malformed or too large.
    """

    call: str
    prompt: str
    at: int
    kept: Kept
    version: str = ""
    reason: str = ""
    asked: str = ""
    model: str = ""
    flags: tuple[Count, ...] = ()
    error: str = ""
    finish: str = ""
    tokens: Tokens | None = None
    latency_ms: int | None = None
    first_token_ms: int | None = None
    attempts: int = 1
    trace: str = ""
    response: str = ""
    tools: tuple[ToolUse, ...] = ()
    api: str = ""
    rendered: str = ""
    variables: Mapping[str, object] | None = None

    def __post_init__(self) -> None:
        if not self.call or not self.prompt:
            raise Invalid("a kept call names its call and its prompt")
        require_line(self.call, "a call id", LONGEST_CALL_ID)
        require_line(self.prompt, "a prompt's name", LONGEST_PROMPT)
        require_line(self.error, "the class of an error", LONGEST_ERROR)
        for text in (self.version, self.reason, self.asked, self.model, self.finish, self.trace, self.response):
            require_line(text, "what is kept of a call", LONGEST_LINE)
        if list(self.flags) != sorted(set(self.flags)) or not _FLAGS.issuperset(self.flags):
            raise Invalid("a kept call counts as what a call can be, each once, in the order of the names")
        if not 0 <= self.at <= 60 * MAX_MINUTE or not 0 <= self.attempts <= MAX_COUNT:
            raise Invalid(f"no call began {self.at} seconds after 1970 and took {self.attempts} attempts")
        _require_times(self.latency_ms, self.first_token_ms)
        require_line(self.rendered, "the digest of messages", LONGEST_LINE)
        if self.api not in APIS:
            raise Invalid(f"{self.api[:80]!r} is not an API for which a prompt is rendered")
        if len(self.tools) > MAX_TOOLS:
            raise Invalid(f"a call keeps {MAX_TOOLS} uses of tools at most")
        if self.variables is not None:
            require_variables(self.variables)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedCall:
    """A kept call with what its id says: what it was assigned to, and the id of its unit, empty without one."""

    call: KeptCall
    assignment: Assignment
    unit: str = ""


def captured(
    variables: Mapping[str, object], *, private: Collection[str] = (), secret: bytes = b""
) -> Mapping[str, object] | None:
    """Returns the variables as they are kept; None if they are too large or no JSON.

    A private one is kept as a keyed hash, by which equal values are recognised and no value can be guessed; without a
    secret it is left out.
    """
    kept = {}
    for name, value in variables.items():
        if name not in private:
            kept[name] = value
        elif secret:
            said = f"promptops/private-v1\0{name}\0{value}".encode("utf-8", "backslashreplace")
            kept[name] = f"{PRIVATE}{hmac.digest(secret, said, 'sha256')[:8].hex()}"
    try:
        require_variables(kept)
    except (Invalid, TypeError, ValueError, RecursionError):
        return None
    return kept


def messages_digest(messages: Sequence[Mapping[str, Any]]) -> bytes:
    """Returns the SHA-256 of rendered messages, in their order."""
    return hashlib.sha256(json.dumps(list(messages), sort_keys=True).encode()).digest()


def rendering_digest(messages: bytes, secret: bytes) -> str:
    """Returns 16 hex digits by which messages with this :func:`messages_digest` are recognised, and never guessed."""
    return hmac.digest(secret, b"promptops/rendered-v1\0" + messages, "sha256")[:8].hex()


def require_variables(variables: Mapping[str, object]) -> None:
    """Checks the variables of a call.

    Raises:
        Invalid: they are no JSON, or too large.
    """
    data = canonical(variables, limit=MAX_VARIABLES)  # type: ignore[arg-type]
    require_few(data, _MAX_VALUES)


class KeptCalls:
    """The calls that a process keeps until its next report, within so many bytes. Bad ones go before others, and what
    came first before what comes later.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: list[KeptCall] = []

    def add(self, call: KeptCall) -> None:
        """Keeps a call, as far as there is room."""
        kept = [*self._kept, call]
        while len(kept) > MAX_CALLS or sum(map(room_of, kept)) > self._most:
            sampled = [place for place, each in enumerate(kept) if each.kept is Kept.SAMPLED]
            del kept[sampled[-1] if sampled else -1]
        self._kept = kept

    def take(self) -> tuple[KeptCall, ...]:
        """Takes out all of them, and begins anew."""
        kept, self._kept = self._kept, []
        return tuple(kept)


def room_of(call: KeptCall) -> int:
    """Returns the bytes that a call takes in a process, at most."""
    names = (call.call, call.prompt, call.version, call.asked, call.model, call.error, call.trace, call.response)
    texts = sum(map(len, names)) + sum(len(tool.name) + len(tool.error) for tool in call.tools)
    return _CALL + _TOOL * len(call.tools) + _CHARACTER * texts + _held(call.variables)


def _held(value: object) -> int:
    """The bytes that variables take."""
    if isinstance(value, str):
        return _VALUE + sys.getsizeof(value)
    if isinstance(value, Mapping):
        return _VALUE + sum(_held(name) + _held(item) for name, item in value.items())
    if isinstance(value, list | tuple):
        return _VALUE + sum(map(_held, value))
    return _VALUE


def _require_times(*times: int | None) -> None:
    if any(time is not None and not 0 <= time <= MAX_COUNT for time in times):
        raise Invalid(f"{times} are not milliseconds")
