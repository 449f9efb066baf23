"""JSON values -> canonical bytes -> digest.

The canonical form is RFC 8785 (JSON Canonicalization Scheme, https://www.rfc-editor.org/rfc/rfc8785) over a profile
without its traps: string keys, no NUL, no lone surrogates, no NaN or infinity, no number of 2^53 or more in
magnitude (a float that size prints as an integer that RFC 8785 then refuses), nesting up to 32, 1 MiB in all.

Bytes are stored as they were hashed. Verifying hashes the stored bytes and never canonicalises again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import NoReturn, cast

from promptops.core.errors import Invalid
from promptops.core.model import LISTS, OBJECTS, Json

MAX_BYTES = 1 << 20
"""Bytes of a release's content: thousands of prompts of usual length, and little for a client to hold."""

MAX_DEPTH = 32
"""Levels of nesting: every parser of JSON takes them, and recursion over them stays shallow."""

MAX_NUMBER = 2**53
"""From here on, JSON parsers with double precision, such as JavaScript's, round whole numbers."""

_MOST = (str, bool)
_EASY = frozenset((str, bool, type(None)))
_NO_ARRAYS = (*OBJECTS, bytes, bytearray, memoryview)


def canonical(value: Json, *, limit: int = MAX_BYTES) -> bytes:
    """Returns the canonical bytes of a JSON value; ``limit`` is larger for a file that holds a release and more.

    Raises:
        Invalid: the profile refuses a part of it; the message names the path (``$.prompts.answer.inputs``).
    """
    hard: list[object] = []
    plain = _plain(value, 0, hard) if _is_hard(value, 0) else value  # most values need no copy
    encoded = b"" if hard else _encoded(plain)
    if not encoded or b"\\u0000" in encoded:
        _check(value, "$", 0)  # names the part that is refused, if one is
    if hard:
        import rfc8785

        encoded = rfc8785.dumps(plain)
    if len(encoded) > limit:
        raise Invalid(f"the content is {len(encoded):,} bytes, over the limit of {limit:,}")
    return encoded


def digest(data: bytes) -> str:
    """Returns ``sha256:<64 hex digits>`` of the bytes."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def parse_canonical(data: bytes, *, limit: int = MAX_BYTES) -> Json:
    """Read JSON strictly: UTF-8 without BOM, no duplicate keys, no NaN, and everything else :func:`canonical` refuses.

    Raises:
        Invalid: :func:`canonical` could not have written this.
    """
    if len(data) > limit:
        raise Invalid(f"{len(data):,} bytes are over the limit of {limit:,}")
    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise Invalid(f"not JSON: {error}") from error
    if b"\\u" in data or _is_hard(value, 0):  # only an escape can be a NUL or a lone surrogate
        _check(value, "$", 0)
    return cast(Json, value)


def _unique(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("duplicate key")
    return members


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _check(value: object, path: str, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise Invalid(f"{path} is nested deeper than {MAX_DEPTH} levels")
    match value:
        case None | bool():
            return
        case str():
            check_text(value, path)
        case int() | float():
            # In this form the comparison refuses NaN too, and converts no integer to a float or a text.
            if not -MAX_NUMBER < value < MAX_NUMBER:
                shown = repr(value) if isinstance(value, float) else "the integer"
                raise Invalid(f"{path}: {shown} is not a finite number below 2^53 in magnitude")
        case Mapping():
            for key, item in value.items():
                if not isinstance(key, str):
                    raise Invalid(f"{path}: the key {key!r} is not text")
                check_text(key, path)
                _check(item, f"{path}.{key}", depth + 1)
        case Sequence() if not isinstance(value, bytes | bytearray | memoryview):
            for index, item in enumerate(value):
                _check(item, f"{path}[{index}]", depth + 1)
        case _:
            raise Invalid(f"{path}: {type(value).__name__} is not a JSON value")


def check_text(text: str, path: str) -> None:
    """Raise :class:`Invalid` for text with a NUL or a lone surrogate, which the two databases treat differently."""
    if "\0" in text:
        raise Invalid(f"{path}: NUL characters are not allowed")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise Invalid(f"{path}: a lone surrogate is not a character") from error


_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True, check_circular=False)
"""Of what :func:`_plain` returns, in which nothing can be circular."""


def _encoded(plain: Json) -> bytes:
    """The bytes that RFC 8785 makes of a value without hard parts, in a fifth of the time; empty for text with a lone
    surrogate.
    """
    try:
        return _JSON.encode(plain).encode()
    except UnicodeEncodeError:
        return b""


def _plain(value: object, depth: int, hard: list[object]) -> Json:
    """Returns the value in plain dicts and lists, and adds to ``hard`` what needs a closer look.

    That is what :func:`_check` may refuse, except characters, and what Python's JSON writes unlike RFC 8785: keys
    beyond ASCII, which the RFC sorts by UTF-16, and floats that are whole or have an exponent.
    """
    if value is None or isinstance(value, _MOST):  # most values are these, and the check is the cheapest
        return value
    if isinstance(value, int):
        if not -MAX_NUMBER < value < MAX_NUMBER:
            hard.append(value)
        return value
    if isinstance(value, float):
        if value.is_integer() or not 1e-4 <= abs(value) < 1e16:
            hard.append(value)
        return value
    if depth >= MAX_DEPTH and value:  # what is in it is too deep, and will be refused
        hard.append(depth)
        return None
    # Lists are before mappings and sequences of other classes, which take Python longer to tell apart.
    if isinstance(value, LISTS) or (not isinstance(value, _NO_ARRAYS) and isinstance(value, Sequence)):
        return [item if type(item) is str else _plain(item, depth + 1, hard) for item in value]
    if isinstance(value, OBJECTS):
        if not _ascii(value):
            hard += [key for key in value if not (isinstance(key, str) and key.isascii())]
        return {
            key: item if type(item) is str else _plain(item, depth + 1, hard)  # saves most of the calls
            for key, item in value.items()
        }
    hard.append(value)
    return None


def _is_hard(value: object, depth: int) -> bool:
    """Returns whether a value needs a closer look, or is of a class that Python's JSON does not know."""
    if isinstance(value, dict):
        if not _ascii(value):
            return True
        items: Iterable[object] = value.values()
    elif isinstance(value, LISTS):
        items = value
    elif isinstance(value, float):
        return value.is_integer() or not 1e-4 <= abs(value) < 1e16
    elif isinstance(value, int):
        return not -MAX_NUMBER < value < MAX_NUMBER
    else:
        return value is not None and not isinstance(value, str)
    if depth >= MAX_DEPTH:
        return True
    for item in items:  # noqa: SIM110  # any() would start a generator for each list and each object
        if type(item) not in _EASY and _is_hard(item, depth + 1):
            return True
    return False


def _ascii(keys: Iterable[object]) -> bool:
    """True if all keys are text in ASCII."""
    try:
        return "".join(keys).isascii()  # type: ignore[arg-type]
    except TypeError:
        return False
