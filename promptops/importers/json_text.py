"""A JSON file of another tool, of which parts are read one at a time: memory follows the largest part, not the file.

What no reader asks for is skipped and never decoded. So only the named fields of a file come in, and what else it
holds, keys of a provider among it, is in no value of ours.
"""

from __future__ import annotations

import codecs
import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, NoReturn, cast

from promptops.core.errors import Invalid
from promptops.core.escape import one_line
from promptops.core.json_size import MAX_DEPTH, require_few
from promptops.core.model import Json

MAX_VALUE: Final = 4 << 20
"""Bytes of one field that is read: the variables of a case with a long document."""

MAX_VALUES: Final = 100_000
"""Values in one field that is read, and members of one object."""

MAX_NESTED: Final = 4_000_000
"""Lists and objects in a whole text: four times as many as the files of these tools have in 64 MiB."""

_WHITE = re.compile(rb"[ \t\n\r]*")
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[\]{}]', re.DOTALL)
"""A text or a bracket. A text that does not end is one to the end of the file, so that each byte is looked at once."""
_PLAIN = re.compile(rb"[^\s\[\]{},:\"]+")
_OPENING, _CLOSING, _QUOTE = b"[{", b"]}", b'"'


@dataclass(frozen=True, slots=True)
class Part:
    """A value in a JSON text, by its place: not decoded yet. ``path`` is for messages."""

    text: bytes
    start: int
    end: int
    path: str = "$"

    @property
    def is_object(self) -> bool:
        return self.text[self.start : self.start + 1] == b"{"

    @property
    def is_list(self) -> bool:
        return self.text[self.start : self.start + 1] == b"["

    @property
    def is_null(self) -> bool:
        return self.end - self.start == 4 and self.text.startswith(b"null", self.start)

    def members(self) -> Mapping[str, Part]:
        """Returns the parts of an object by their names.

        Raises:
            Invalid: it is no object, is not JSON, has a name twice, or over :data:`MAX_VALUES` of them.
        """
        if not self.is_object:
            raise Invalid(f"{self.path} is not an object")
        found: dict[str, Part] = {}
        place = _next(self.text, self.start + 1)
        while self.text[place : place + 1] != b"}":
            ends = _end(self.text, place, self.path)
            name = _decoded(self.text[place:ends], self.path) if self.text[place : place + 1] == _QUOTE else None
            colon = _next(self.text, ends)
            if not isinstance(name, str) or self.text[colon : colon + 1] != b":":
                raise Invalid(f"{self.path} is not JSON: a name and a colon are missing")
            part = _part(self.text, colon + 1, f"{self.path}.{one_line(name, 60)}")
            if name in found or len(found) >= MAX_VALUES:
                raise Invalid(f"{part.path} is there twice" if name in found else f"{self.path} has too many names")
            found[name] = part
            place = _after(self.text, part.end, b"}", self.path)
        return found

    def items(self) -> Iterator[Part]:
        """Yields the parts of a list.

        Raises:
            Invalid: it is no list, or is not JSON.
        """
        if not self.is_list:
            raise Invalid(f"{self.path} is not a list")
        place, number = _next(self.text, self.start + 1), 0
        while self.text[place : place + 1] != b"]":
            part = _part(self.text, place, f"{self.path}[{number}]")
            yield part
            place, number = _after(self.text, part.end, b"]", self.path), number + 1

    def value(self) -> Json:
        """Decodes the part.

        Raises:
            Invalid: it is not JSON, is too large, or has NaN, infinity or a name twice.
        """
        if self.end - self.start > MAX_VALUE:
            raise Invalid(f"{self.path} has over {MAX_VALUE >> 20} MiB")
        return _decoded(self.text[self.start : self.end], self.path)


def parsed(text: bytes, path: str = "$") -> Part:
    """Returns the one value of a JSON text as a part, whose path in messages is given.

    Raises:
        Invalid: the text is not UTF-8, has something behind the value, or too many values or levels.
    """
    require_utf8(text)
    if text.count(b"[") + text.count(b"{") > MAX_NESTED:
        raise Invalid(f"{path} has over {MAX_NESTED:,} lists and objects")
    whole = _part(text, 0, path)
    if _next(text, whole.end) != len(text):
        raise Invalid(f"{path} is not JSON: something stands behind its value")
    return whole


def require_utf8(text: bytes) -> None:
    """Checks the encoding, in pieces: the whole as text would need four times the memory.

    Raises:
        Invalid: it is UTF-16, begins with a byte order mark, or is no UTF-8.
    """
    if text[:2] in (b"\xff\xfe", b"\xfe\xff") or text[:3] == b"\xef\xbb\xbf":
        raise Invalid("the file begins with a byte order mark", hint="Write it as UTF-8 without one.")
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for start in range(0, len(text), 1 << 16):
            decoder.decode(text[start : start + (1 << 16)])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        raise Invalid("the file is not UTF-8 text") from error


def _part(text: bytes, place: int, path: str) -> Part:
    start = _next(text, place)
    return Part(text, start, _end(text, start, path), path)


def _next(text: bytes, place: int) -> int:
    """Returns the place of the next character that is no blank."""
    return cast("re.Match[bytes]", _WHITE.match(text, place)).end()


def _after(text: bytes, place: int, closing: bytes, path: str) -> int:
    """Returns the place behind a comma, or that of the closing bracket."""
    place = _next(text, place)
    found = text[place : place + 1]
    if found == closing:
        return place
    following = _next(text, place + 1)
    if found != b"," or text[following : following + 1] == closing:
        raise Invalid(f"{path} is not JSON: it does not go on with a comma, or ends with one")
    return following


def _end(text: bytes, start: int, path: str) -> int:
    """Returns where the value ends that starts here."""
    first = text[start : start + 1]
    if not first:
        raise Invalid(f"the file ends within {path}")
    if first == _QUOTE or first in _OPENING:
        return _end_of_nested(text, start, path)
    plain = _PLAIN.match(text, start)
    if plain is None:
        raise Invalid(f"{path} is not JSON: there is no value")
    return plain.end()


def _end_of_nested(text: bytes, start: int, path: str) -> int:
    depth = 0
    for token in _TOKEN.finditer(text, start):
        first = text[token.start()]
        if first in _OPENING:
            depth += 1
            if depth > MAX_DEPTH:
                raise Invalid(f"{path} is nested deeper than {MAX_DEPTH} levels")
        elif first in _CLOSING:
            depth -= 1
        if depth == 0:
            return token.end()
    raise Invalid(f"the file ends within {path}")


def _decoded(data: bytes, path: str) -> Json:
    try:
        if data[:1] in (b"[", b"{"):
            require_few(data, MAX_VALUES)
        return cast(Json, _DECODER.decode(data.decode("utf-8")))
    except Invalid as error:
        raise Invalid(f"{path}: {error.message}") from error
    except (ValueError, RecursionError) as error:
        raise Invalid(f"{path} is not JSON: {one_line(str(error), 120)}") from error


def _unique(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a name is there twice")
    return members


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"{digits[:20]} is too large a number")
    return number


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse, parse_float=_finite)
