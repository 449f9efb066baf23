"""Nouns and bytes in the bodies of requests about evidence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from enum import StrEnum
from types import NoneType, UnionType
from typing import Any, Final, get_args, get_origin, get_type_hints

from promptops.core.errors import RequestInvalid
from promptops.core.json_codec import to_json
from promptops.use_cases.fields import Form
from promptops.wire.documents.evidence import as_base64, from_base64

LARGEST: Final = 5 << 20
"""Bytes of a request with a case table: one of about 40,000 cases with digests of their own."""
ROWS: Final = 1 << 20
ELEMENTS: Final = 40_000


def _base64(text: str) -> bytes:
    """Raises RequestInvalid: it is not base64."""
    try:
        return from_base64(text)
    except ValueError as error:
        raise RequestInvalid("the table is not base64") from error


BASE64: Final = Form(hint=str, write=as_base64, read=_base64)


def word(kind: type[StrEnum]) -> Form:
    """The form of a word that has a default: the default of a body is not read as its values are."""
    return Form(hint=kind, write=str, read=kind)


def nouns(kind: type) -> Form:
    """The form of a list of nouns: their fields are the keys of its objects."""
    return Form(
        hint=list[kind],  # type: ignore[valid-type]
        write=lambda items: [to_json(item) for item in items],
        read=lambda items: tuple(noun(kind, item) for item in items),
    )


def noun(hint: Any, value: Any) -> Any:
    """A value of a body as the noun that it stands for."""
    if is_dataclass(hint):
        hints = get_type_hints(hint)
        make: Callable[..., Any] = hint  # type: ignore[assignment]
        return make(**{each.name: noun(hints[each.name], getattr(value, each.name)) for each in fields(hint)})
    if get_origin(hint) is UnionType:
        inner = next(each for each in get_args(hint) if each is not NoneType)
        return None if value is None else noun(inner, value)
    if get_origin(hint) is tuple:
        return tuple(noun(get_args(hint)[0], item) for item in value)
    return value
