"""The fields of a request, and how their values go over HTTP."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from promptops.core.errors import ReferenceInvalid, RequestInvalid
from promptops.core.json_codec import to_json
from promptops.core.reference import Reference, parse_reference

CHANGE: Final = 256 << 10
"""Bytes of a change that names an app or a few, and has a reason."""

COMMIT_OR_EMPTY: Final = "^(?:[0-9a-f]{40}(?:[0-9a-f]{24})?)?$"
"""The id of a commit, by either hash function of git."""


class RequestPart(StrEnum):
    """Where in an HTTP request a field is."""

    PATH = "path"
    QUERY = "query"
    BODY = "body"
    KEY = "Idempotency-Key"
    REVISION = "If-Match"


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """How a value goes over the wire where that is not its JSON: its type there, and both directions."""

    hint: object
    write: Callable[[Any], Any]
    read: Callable[[Any], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A field of a request over HTTP, and the ``attribute`` of the request that it becomes.

    Its type and its default are those of the attribute, unless it has a ``form`` of its own. ``rules`` are what a value
    has to keep, as pydantic names it (``max_length``). ``example`` is for the documentation.
    """

    name: str
    place: RequestPart
    attribute: str
    form: Form | None = None
    rules: Mapping[str, Any] = field(default_factory=dict)
    example: Any = None


class Rules(dict[str, Any]):
    """The rules of a field inside a value: ``Annotated[str, Rules(max_length=100)]``."""


def path(name: str, attribute: str = "") -> Field:
    """A part of the address; the server knows which texts can be one of this name."""
    return Field(name=name, place=RequestPart.PATH, attribute=attribute or name)


def query(name: str, attribute: str = "", *, form: Form | None = None, **rules: Any) -> Field:
    """A parameter after the question mark. One whose attribute is a tuple may be given several times."""
    return Field(name=name, place=RequestPart.QUERY, attribute=attribute or name, form=form, rules=rules)


def body(name: str, attribute: str = "", *, form: Form | None = None, example: Any = None, **rules: Any) -> Field:
    """A key of the JSON body."""
    return Field(
        name=name, place=RequestPart.BODY, attribute=attribute or name, form=form, rules=rules, example=example
    )


KEY: Final = Field(name="key", place=RequestPart.KEY, attribute="key")
REVISION: Final = Field(name="expect_revision", place=RequestPart.REVISION, attribute="expect_revision")


# --- forms -----------------------------------------------------------------------------------------


def _reference(text: str) -> Reference:
    """Raises ReferenceInvalid: for what is no reference to a release, or to what a channel serves."""
    reference = parse_reference(text)
    if reference.prompt:
        raise ReferenceInvalid(f"'{text}' names a prompt, and releases are of whole apps", hint=f"{reference.app}@…")
    return reference


def read_moment(text: str) -> datetime:
    """A moment, in UTC.

    Raises:
        RequestInvalid: the text is no moment, or has no time zone.
    """
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):  # the first and the last day may be no day in UTC
        pass
    raise RequestInvalid("this is not a moment", hint="ISO 8601 with an offset: 2026-03-01T18:30:00Z")


def _seconds(lifetime: timedelta | None) -> int | None:
    return None if lifetime is None else int(lifetime.total_seconds())


REFERENCE: Final = Form(hint=str, write=str, read=_reference)
MOMENT: Final = Form(hint=str | None, write=to_json, read=lambda text: None if text is None else read_moment(text))
MOMENT_OR_EMPTY: Final = Form(
    hint=str, write=lambda at: to_json(at) or "", read=lambda text: read_moment(text) if text else None
)
SECONDS: Final = Form(hint=int, write=_seconds, read=lambda seconds: timedelta(seconds=seconds))
SECONDS_OR_NONE: Final = Form(
    hint=int | None, write=_seconds, read=lambda seconds: None if seconds is None else timedelta(seconds=seconds)
)
