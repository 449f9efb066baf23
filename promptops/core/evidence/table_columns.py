"""The columns of a case table: read from JSON, each checked as a whole, and made into nouns, or into a gate's answers.

A table has up to 200,000 rows. To make each of them an object and to let it check itself takes most of the time of a
gate, so what the nouns ask of their fields is asked of each distinct value of a column once.
"""

from __future__ import annotations

import operator
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from functools import cached_property
from itertools import pairwise, repeat, starmap
from typing import Any, Final, NamedTuple, TypeVar, cast

from promptops.core.errors import Invalid
from promptops.core.evidence.case_table import FITS, ORDER, TOGETHER, Arm, Case, Row, RowOutcome, row_at

T = TypeVar("T", Case, Row)


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Values by the names of fields; a field that is not there has its default in every line."""

    values: Mapping[str, Sequence[Any]]
    length: int

    def of(self, name: str, default: object) -> Iterator[Any]:
        """Returns the value of a field in each line."""
        return iter(self.values[name]) if name in self.values else repeat(default, self.length)

    def line(self, number: int) -> dict[str, Any]:
        """Returns the fields of one line."""
        return {name: values[number] for name, values in self.values.items()}

    def sorted_by(self, keys: Sequence[Any]) -> Columns:
        """Returns the lines in the order of their keys."""
        order = sorted(range(self.length), key=keys.__getitem__)
        values = {name: [column[at] for at in order] for name, column in self.values.items()}
        return Columns(values=values, length=self.length)


class _Column(NamedTuple):
    """Values, and where they repeat, the place of the one of each line."""

    values: list[Any]
    at: list[int] | None

    def lines(self) -> list[Any]:
        return self.values if self.at is None else list(map(self.values.__getitem__, self.at))


def read_columns(kind: type[T], document: Any, most: int) -> Columns:
    """Returns the columns that JSON holds of nouns of a kind, of which each line can be one.

    Raises:
        Invalid
    """
    known = {each.name: each for each in fields(kind)}
    if not isinstance(document, dict) or not document.keys() <= known.keys():
        raise Invalid("the case table has columns that are not known", hint="A newer promptops may have written it.")
    if not document:
        return Columns(values={}, length=0)
    missing = next((name for name, each in known.items() if each.default is MISSING and name not in document), "")
    if missing:
        raise Invalid(f"the case table has no column {missing}")
    length = max(map(_length, document.values()))
    if length > most:
        raise Invalid(f"the case table has {length:,} lines, and at most {most:,} are kept")
    read = {name: _read(column, length, name, str(known[name].type)) for name, column in document.items()}
    columns = Columns(values={name: column.lines() for name, column in read.items()}, length=length)
    rules = FITS[kind]
    fit = all(rules[name](column.values) for name, column in read.items() if name in rules)
    if not fit or not _together(kind, columns):
        for number in range(length):  # the line that does not fit raises, with what is wrong
            kind(**columns.line(number))
    return columns


def nouns(kind: type[T], columns: Columns) -> tuple[T, ...]:
    """Returns the nouns, of which a whole column is set at a time: in half the time of one after the other."""
    made = [object.__new__(kind) for _ in range(columns.length)]
    for each in fields(kind):
        deque(map(getattr(kind, each.name).__set__, made, columns.of(each.name, each.default)), maxlen=0)
    return tuple(made)


class Answer(NamedTuple):
    """What an answer was worth: the part of a row that most of them have in common."""

    outcome: RowOutcome
    score: float | None
    first_attempt_failed: bool


class Call(NamedTuple):
    """What an answer took and cost."""

    outcome: RowOutcome
    latency_ms: float | None
    cost_usd: float | None
    reused: bool


Part = TypeVar("Part", bound="Answer | Call")
ByCase = Mapping[int, Sequence[Part | None]]
"""Of each case, by its place, what came of its repeats 1, 2, …; None for one that is missing before another one."""


@dataclass(frozen=True, kw_only=True)  # no slots: answers are put in order once
class AnswerTable:
    """A case table as a gate reads it: the part that a check asks about, of each arm."""

    cases: tuple[Case, ...]
    rows: Columns = field(default_factory=lambda: Columns(values={}, length=0))

    def __post_init__(self) -> None:
        """Raises Invalid: two rows have one place, or one is of no case."""
        object.__setattr__(self, "rows", _in_order(self.rows, len(self.cases)))

    @cached_property
    def answers(self) -> Mapping[Arm, ByCase[Answer]]:
        """What the answers were worth."""
        return _by_case(self.rows, Answer)

    @cached_property
    def calls(self) -> Mapping[Arm, ByCase[Call]]:
        """What the answers took and cost."""
        return _by_case(self.rows, Call)


def _by_case(rows: Columns, kind: type[Part]) -> Mapping[Arm, ByCase[Part]]:
    found: dict[Arm, dict[int, tuple[Part | None, ...]]] = {arm: {} for arm in Arm}
    lines = zip(*(rows.of(name, _DEFAULTS[name]) for name in kind._fields), strict=True)
    known: dict[tuple[Any, ...], tuple[Part]] = {}  # most answers are worth the same, and are one object
    for case, arm, number, values in zip(*(rows.of(name, None) for name in _PLACE), lines, strict=True):
        one = known.get(values) or known.setdefault(values, (cast("Part", kind._make(values)),))
        if number == 1:
            found[arm][case] = one
        else:
            before = found[arm].get(case, ())
            found[arm][case] = (*before, *(None,) * (number - 1 - len(before)), *one)
    return found


_DEFAULTS: Final = {each.name: each.default for each in fields(Row)}
_PLACE: Final = ("case", "arm", "repeat")


def _in_order(rows: Columns, cases: int) -> Columns:
    if not rows.length:
        return rows
    case, arm, number = (rows.values[name] for name in _PLACE)
    places = list(zip(case, map(ORDER.__getitem__, arm), number, strict=True))
    if not all(map(operator.lt, places, places[1:])):
        rows = rows.sorted_by(places)
        places.sort()
        for first, second in pairwise(places):
            if first == second:
                raise Invalid(f"the {row_at(first[0], tuple(Arm)[first[1]], first[2])} is there twice")
    if places[-1][0] >= cases:
        raise Invalid(f"there is a row of case {places[-1][0]}, and there are {cases} cases")
    return rows


def _together(kind: type[T], columns: Columns) -> bool:
    names, fit = TOGETHER[kind]
    defaults = {each.name: each.default for each in fields(kind)}
    lines = zip(*(columns.of(name, defaults[name]) for name in names), strict=True)
    return columns.values.keys().isdisjoint(names) or all(starmap(fit, set(lines)))


def _length(column: Any) -> int:
    if isinstance(column, dict):
        column = column.get("at", [None])
    return len(column) if isinstance(column, list) else 0


def _read(column: Any, length: int, name: str, kind: str) -> _Column:
    """The values of a column as the fields of a noun have them."""
    values, at = column, None
    if isinstance(column, dict) and column.keys() <= {"of", "at"} and isinstance(column.get("of"), list):
        values = column["of"]
        at = column.get("at", [0] * length if len(values) == 1 else None)
        if not isinstance(at, list) or not _are_places(at, len(values)):
            raise Invalid(f"the column {name} of the case table is damaged")
    if not isinstance(values, list) or len(values if at is None else at) != length:
        raise Invalid(f"the column {name} of the case table is not as long as the others")
    try:
        return _Column(_READERS[kind](values), at)
    except (TypeError, ValueError, OverflowError) as error:
        raise Invalid(f"the column {name} of the case table has a value that cannot be there") from error


def _are_places(at: list[Any], count: int) -> bool:
    return not at or (set(map(type, at)) == {int} and min(at) >= 0 and max(at) < count)


# --- values ----------------------------------------------------------------------------------------


def _lists(values: list[Any]) -> list[tuple[str, ...]]:
    _require_types(values, list)
    return [tuple(_texts(value)) for value in values]


def _numbers(values: list[Any]) -> list[float | None]:
    _require_types(values, int, float, type(None))
    return [None if value is None else float(value) for value in values]


def _of(*kinds: type) -> Callable[[list[Any]], list[Any]]:
    def read(values: list[Any]) -> list[Any]:
        _require_types(values, *kinds)
        return values

    return read


_texts = _of(str)


def _require_types(values: list[Any], *kinds: type) -> None:
    if not set(map(type, values)) <= set(kinds):  # not isinstance: True is no number
        raise TypeError


_READERS: Final[Mapping[str, Callable[[list[Any]], list[Any]]]] = {
    "str": _texts,
    "tuple[str, ...]": _lists,
    "int": _of(int),
    "bool": _of(bool),
    "float | None": _numbers,
    "int | None": _of(int, type(None)),
    "Arm": lambda values: list(map(Arm, values)),
    "RowOutcome": lambda values: list(map(RowOutcome, values)),
}
"""How the values of a column are read, by the annotation of its field."""
