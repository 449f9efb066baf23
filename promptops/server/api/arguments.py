"""What a request says in text: the key of a change, a reference to a release, a moment."""

from __future__ import annotations

from datetime import UTC, datetime

from pydantic import BeforeValidator

from promptops.core.errors import ReferenceInvalid, RequestInvalid
from promptops.core.reference import Reference, parse_reference
from promptops.server.http.call import Call


def _require_digits(typed: object) -> object:
    """A number as text, in the one way that everybody writes it: pydantic would take ``1_0``, and digits of any script.

    Raises:
        ValueError: it has anything but digits of ASCII.
    """
    if isinstance(typed, str) and not (typed.isascii() and typed.removeprefix("-").isdigit()):
        raise ValueError("it is not a whole number")
    return typed


Digits = BeforeValidator(_require_digits)
"""A whole number in a query."""


def key_of(call: Call) -> str:
    """The key of a change.

    Raises:
        RequestInvalid: there is none.
    """
    if not call.key:
        raise RequestInvalid(
            "a change needs an Idempotency-Key, so that a retry is done once",
            hint="Idempotency-Key: a UUID, or the number of your pipeline's run.",
        )
    return call.key


def reference_of(text: str) -> Reference:
    """The reference to a release, or to what a channel serves, in a body.

    Raises:
        ReferenceInvalid
    """
    reference = parse_reference(text)
    if reference.prompt:
        raise ReferenceInvalid(f"'{text}' names a prompt, and releases are of whole apps", hint=f"{reference.app}@…")
    return reference


def moment_of(text: str) -> datetime:
    """A moment, in UTC.

    Raises:
        RequestInvalid: it is none, or does not say in which time zone.
    """
    try:
        found = datetime.fromisoformat(text)
        if found.tzinfo is not None:
            return found.astimezone(UTC)
    except (ValueError, OverflowError):  # the first and the last day may be no day in UTC
        pass
    raise RequestInvalid("this is not a moment", hint="ISO 8601 with an offset: 2026-03-01T18:30:00Z")
