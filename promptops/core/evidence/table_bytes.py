"""A case table <-> bytes: JSON by columns, compressed. A table is named by the digest of its bytes, which are kept as
they were hashed and never made again.

``{"schema": "promptops.case-table/1", "cases": {"suite": …}, "rows": {"case": […], "arm": …}}``. A column is a list;
where values repeat it is ``{"of": [distinct values], "at": [their places]}``, and where all are one, ``{"of": [it]}``.
A column of defaults is left out, so a later one changes no bytes of before. ``cases`` is left out where the run has
them.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, Final, NoReturn, TypeVar

from promptops.core.digest import check_text
from promptops.core.errors import Invalid
from promptops.core.evidence.case_table import (
    MAX_CASES,
    MAX_ROWS,
    Case,
    CaseTable,
    Row,
    require_distinct,
)
from promptops.core.evidence.table_columns import AnswerTable, Columns, nouns, read_columns
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
    own, rows = _read(data, cases)
    return CaseTable(cases=own, rows=nouns(Row, rows))


def decode_answers(data: bytes, cases: Sequence[Case] | None = None) -> AnswerTable:
    """Read what :func:`encode_table` wrote as a gate does: in a third of the time, without an object for each row.

    Raises:
        Invalid: as :func:`decode_table` does.
    """
    own, rows = _read(data, cases)
    if cases is None:  # those of a run are, since its plan is a table
        require_distinct(own)
    return AnswerTable(cases=own, rows=rows)


def _read(data: bytes, cases: Sequence[Case] | None) -> tuple[tuple[Case, ...], Columns]:
    document = _document(inflated(data))
    if document.keys() - {"cases"} != {"schema", "rows"} or document["schema"] != SCHEMA:
        raise Invalid(f"not a case table of the schema {SCHEMA}", hint="A newer promptops may have written it.")
    if ("cases" in document) == (cases is not None):
        raise Invalid("the case table has cases of its own beside those of its run, or neither has any")
    rows = read_columns(Row, document["rows"], MAX_ROWS)
    if cases is not None:
        return tuple(cases), rows
    return nouns(Case, read_columns(Case, document["cases"], MAX_CASES)), rows


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
    if b"\\u" in text:  # only an escape can be a NUL or a lone surrogate
        _require_characters(value)
    return value


def _require_characters(value: Any) -> None:
    if isinstance(value, str):
        check_text(value, "a name in the case table")
    elif isinstance(value, list | dict):
        for each in value if isinstance(value, list) else (*value, *value.values()):
            _require_characters(each)


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
