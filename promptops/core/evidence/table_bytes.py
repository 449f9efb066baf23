"""A case table <-> bytes: JSON by columns, compressed. A table is named by the digest of its bytes, which are kept as
they were hashed and never made again.

``{"schema": "promptops.case-table/1", "cases": {"suite": …}, "rows": {"case": […], "arm": …}}``. A column is a list;
where values repeat it is ``{"of": [distinct values], "at": [their places]}``, and where all are one, ``{"of": [it]}``.
A column of defaults is left out, so a later one changes no bytes of before. ``cases`` is left out where the run has
them.
"""

from __future__ import annotations

import itertools
import json
import zlib
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, Field, fields
from typing import Any, Final, NoReturn, TypeVar

from promptops.core.digest import check_text
from promptops.core.errors import Invalid
from promptops.core.evidence.case_table import MAX_CASES, MAX_ROWS, Arm, Case, CaseTable, Row, RowOutcome
from promptops.core.json_size import require_few

SCHEMA: Final = "promptops.case-table/1"
MAX_BYTES: Final = 64 << 20
"""Bytes of a table that is not compressed."""
MAX_COMPRESSED: Final = 8 << 20
"""Bytes of a table as it is kept: 100,000 cases with digests of their own."""

_MAX_VALUES: Final = (len(fields(Case)) + 4) * MAX_CASES + len(fields(Row)) * MAX_ROWS
"""Values in a table, with a few tags a case."""
_LEVEL: Final = 9
_WHOLE: Final = 2**53

T = TypeVar("T", Case, Row)


def encode_table(table: CaseTable, *, with_cases: bool = True) -> bytes:
    """Returns the bytes of a table; without its cases where they are kept elsewhere, with the run.

    Raises:
        Invalid: it is over the limits.
    """
    document: dict[str, Any] = {"schema": SCHEMA, "rows": _columns(Row, table.rows)}
    if with_cases:
        document["cases"] = _columns(Case, table.cases)
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))
    try:
        data = text.encode()
    except UnicodeEncodeError as error:
        raise Invalid("a name in the case table has a lone surrogate, which is not a character") from error
    if b"\\u0000" in data:
        raise Invalid("a name in the case table has NUL characters")
    _require_small(len(data), MAX_BYTES)
    compressed = zlib.compress(data, _LEVEL)
    _require_small(len(compressed), MAX_COMPRESSED)
    return compressed


def decode_table(data: bytes, cases: Sequence[Case] | None = None) -> CaseTable:
    """Read what :func:`encode_table` wrote; ``cases`` are those of the run, for a table without its own.

    Raises:
        Invalid: it is damaged, over the limits, or not a table.
    """
    document = _document(inflated(data))
    if document.keys() - {"cases"} != {"schema", "rows"} or document["schema"] != SCHEMA:
        raise Invalid(f"not a case table of the schema {SCHEMA}", hint="A newer promptops may have written it.")
    if ("cases" in document) == (cases is not None):
        raise Invalid("the case table has cases of its own beside those of its run, or neither has any")
    own = _read(Case, document["cases"], MAX_CASES) if "cases" in document else tuple(cases or ())
    return CaseTable(cases=own, rows=_read(Row, document["rows"], MAX_ROWS))


# --- bytes -----------------------------------------------------------------------------------------


def _require_small(size: int, most: int, what: str = "case table") -> None:
    if size > most:
        raise Invalid(f"the {what} is {size:,} bytes, over the limit of {most:,}")


def inflated(data: bytes, what: str = "case table") -> bytes:
    """Returns what was compressed.

    Raises:
        Invalid: it is damaged or over the limits; the message calls it ``what``.
    """
    _require_small(len(data), MAX_COMPRESSED, what)
    reader = zlib.decompressobj()
    try:
        text = reader.decompress(data, MAX_BYTES + 1)
    except zlib.error as error:
        raise Invalid(f"the {what} is damaged: it cannot be decompressed") from error
    _require_small(len(text), MAX_BYTES, what)
    if not reader.eof or reader.unused_data:
        raise Invalid(f"the {what} is damaged: it ends too early, or more follows it")
    return text


def _document(text: bytes) -> Mapping[str, Any]:
    require_few(text, _MAX_VALUES)
    try:
        value = json.loads(text.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise Invalid(f"the case table is damaged: {error}") from error
    if not isinstance(value, dict):
        raise Invalid("the case table is damaged: it is no object")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a key is there twice")
    return members


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


# --- columns ---------------------------------------------------------------------------------------


def _columns(kind: type[T], items: Sequence[T]) -> dict[str, Any]:
    columns: dict[str, Any] = {}
    for each in fields(kind):
        values = [getattr(item, each.name) for item in items]
        if values and not all(value == each.default for value in values):
            columns[each.name] = _column(list(map(_plain, values)))
    return columns


def _column(values: list[Any]) -> Any:
    keys = [json.dumps(value) if isinstance(value, list) else value for value in values]
    # True and 1 are one key of a dict, and never in one column.
    places: dict[Any, int] = {}
    for key in keys:
        places.setdefault(key, len(places))
    if len(places) > len(values) // 2 and len(values) > 1:
        return values
    distinct = list(dict(zip(keys, values, strict=True)).values())
    return {"of": distinct} if len(distinct) == 1 else {"of": distinct, "at": [places[key] for key in keys]}


def _plain(value: Any) -> Any:
    if isinstance(value, float):  # 1.0 and 1 are one value, and so one text
        return int(value) if value.is_integer() and abs(value) < _WHOLE else value
    return list(value) if isinstance(value, tuple) else value


def _read(kind: type[T], columns: Any, most: int) -> tuple[T, ...]:
    known = {each.name: each for each in fields(kind)}
    if not isinstance(columns, dict) or not columns.keys() <= known.keys():
        raise Invalid("the case table has columns that are not known", hint="A newer promptops may have written it.")
    if not columns:
        return ()
    missing = next((name for name, each in known.items() if each.default is MISSING and name not in columns), "")
    if missing:
        raise Invalid(f"the case table has no column {missing}")
    length = max((_length(column) for column in columns.values()), default=0)
    if length > most:
        raise Invalid(f"the case table has {length:,} lines, and at most {most:,} are kept")
    read = {name: _values(column, length, known[name]) for name, column in columns.items()}
    return _made(kind, read, length)


def _made(kind: type[T], columns: Mapping[str, list[Any]], length: int) -> tuple[T, ...]:
    """Returns nouns, of which a whole column is set at a time: in half the time of one after the other.

    Raises:
        Invalid: one of them cannot be.
    """
    nouns = [object.__new__(kind) for _ in range(length)]
    for each in fields(kind):
        values = columns.get(each.name) or itertools.repeat(each.default, length)
        deque(map(getattr(kind, each.name).__set__, nouns, values), maxlen=0)
    for noun in nouns:
        noun.__post_init__()
    return tuple(nouns)


def _length(column: Any) -> int:
    if isinstance(column, dict):
        column = column.get("at", [None])
    return len(column) if isinstance(column, list) else 0


def _values(column: Any, length: int, of: Field[Any]) -> list[Any]:
    """The values of a column as the fields of a noun have them."""
    distinct, places = column, None
    if isinstance(column, dict) and column.keys() <= {"of", "at"} and isinstance(column.get("of"), list):
        distinct = column["of"]
        places = column.get("at", [0] * length if len(distinct) == 1 else None)
        if not isinstance(places, list) or not all(type(at) is int and 0 <= at < len(distinct) for at in places):
            raise Invalid(f"the column {of.name} of the case table is damaged")
    if not isinstance(distinct, list) or len(distinct if places is None else places) != length:
        raise Invalid(f"the column {of.name} of the case table is not as long as the others")
    read = _READERS[str(of.type)]
    try:
        values = [read(value) for value in distinct]
    except (TypeError, ValueError, OverflowError) as error:
        raise Invalid(f"the column {of.name} of the case table has a value that cannot be there") from error
    return values if places is None else [values[at] for at in places]


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    check_text(value, "a name in the case table")
    return value


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise TypeError
    return tuple(map(_text, value))


def _whole(value: Any) -> int:
    if type(value) is not int:
        raise TypeError
    return value


def _number(value: Any) -> float:
    if type(value) not in (int, float):
        raise TypeError
    return float(value)


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


def _or_none(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else read(value)


_READERS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "str": _text,
    "tuple[str, ...]": _texts,
    "int": _whole,
    "bool": _flag,
    "float | None": _or_none(_number),
    "int | None": _or_none(_whole),
    "Arm": Arm,
    "RowOutcome": RowOutcome,
}
"""How a value is read, by the annotation of its field."""
