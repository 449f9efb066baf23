"""The environment that :mod:`promptops.core.template.jinja` renders in: Jinja's immutable sandbox, cut down to plain
data.

Every filter pays the budget before or as soon as it has made something, and its result is at most a small multiple of
its input. Imports jinja2, so only jinja.py imports it.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Concatenate, ParamSpec, TypeVar, cast

from jinja2 import StrictUndefined, Undefined
from jinja2.runtime import Context, LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import pass_context

from promptops.core.model import Json
from promptops.core.template.budget import MADE, READ, Budget, compared, weigh
from promptops.core.template.jinja_lexer import Counting
from promptops.core.template.values import text_of

P = ParamSpec("P")
T = TypeVar("T")

# A space is in no name that a template can write.
KEY = "the budget"
EACH = "for each"
COMPARED = "compared with"


class Sandbox(ImmutableSandboxedEnvironment):
    """No loader, no globals, strict undefined; fields are keys of the data and never attributes."""

    def __init__(self) -> None:
        super().__init__(
            undefined=StrictUndefined,
            autoescape=False,
            keep_trailing_newline=True,
            finalize=_shown,
            extensions=[Counting],
        )
        self.globals.clear()
        self.filters.clear()
        self.filters.update(_FILTERS)
        self.tests.update(_TESTS)

    def getattr(self, obj: object, attribute: str) -> object:
        # The allow-list lets only loop.index and its like reach a LoopContext.
        if isinstance(obj, LoopContext):
            return super().getattr(obj, attribute)
        return self.getitem(obj, attribute)

    def getitem(self, obj: object, argument: object) -> object:
        if isinstance(obj, Undefined):
            return obj
        key = isinstance(obj, dict) and isinstance(argument, str)
        place = isinstance(obj, list | str) and isinstance(argument, int)
        if key or place:
            try:
                return cast(Mapping[object, object], obj)[argument]
            except LookupError:
                pass
        return self.undefined(hint=str(argument), obj=obj, name=str(argument))


def _shown(value: object) -> object:
    # str() of an undefined value raises the error for the missing variable.
    return str(value) if isinstance(value, Undefined) else text_of(cast(Json, value))


def _budget(context: Context) -> Budget:
    return cast(Budget, context.parent[KEY])


def _metered(filter_: Callable[Concatenate[Budget, P], T]) -> Callable[Concatenate[Context, P], T]:
    """Wraps a filter so that it gets the budget. It depends on the context, so Jinja never runs it at compile time."""

    @pass_context
    def call(context: Context, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return filter_(_budget(context), *args, **kwargs)

    return call


def _each(budget: Budget, value: Iterable[Json], weight: int) -> Sequence[Json]:
    return _items_of(budget, value, weight)


def _items_of(budget: Budget, value: object, weight: int = 1) -> Sequence[Json]:
    """Returns the items of a loop or a filter, and pays: of a list, the characters of a text, the keys of a mapping."""
    size = _length(budget, value)
    budget.spend(weight * size)
    return list(value) if isinstance(value, Mapping) else cast(Sequence[Json], value)


def _text(budget: Budget, value: object) -> str:
    """Returns the value as a message shows it; a text costs nothing, everything else the length of its JSON."""
    if not isinstance(value, str):
        budget.json(value)
    return cast(str, _shown(value))


def _changed(change: Callable[[str], str]) -> Callable[[Budget, Json], str]:
    def apply(budget: Budget, value: Json) -> str:
        text = _text(budget, value)
        budget.text(len(text))
        return change(text)

    return apply


def _default(budget: Budget, value: object, default_value: Json = "", boolean: bool = False) -> object:
    budget.spend(1)
    return default_value if isinstance(value, Undefined) or (boolean and not value) else value


def _first(budget: Budget, value: Json) -> object:
    if not _length(budget, value):
        return StrictUndefined(hint="first", name="first")
    return next(iter(cast(Sequence[Json], value)))


def _last(budget: Budget, value: Json) -> object:
    if not _length(budget, value):
        return StrictUndefined(hint="last", name="last")
    return next(reversed(cast(Sequence[Json], value)))


def _length(budget: Budget, value: object) -> int:
    budget.spend(1)
    if isinstance(value, Undefined):
        str(value)
    if not isinstance(value, Mapping | list | str | tuple):
        raise TypeError(f"{type(value).__name__} is not a list")
    return len(value)


def _list(budget: Budget, value: Json) -> list[Json]:
    return list(_items_of(budget, value))


def _pairs(budget: Budget, value: object) -> list[Json]:
    if isinstance(value, Undefined):
        str(value)
    if not isinstance(value, Mapping):
        raise TypeError(f"{type(value).__name__} is not a mapping")
    budget.spend(1 + 2 * len(value))
    return [[key, item] for key, item in value.items()]


def _join(budget: Budget, value: Json, d: str = "", attribute: str | None = None) -> str:
    items = _items_of(budget, value)
    texts = [_text(budget, item if attribute is None else _field(item, attribute)) for item in items]
    between = _text(budget, d)
    budget.text(sum(map(len, texts)) + len(between) * len(texts))
    return between.join(texts)


def _sort(
    budget: Budget, value: Json, reverse: bool = False, case_sensitive: bool = False, attribute: str | None = None
) -> list[Json]:
    items = _items_of(budget, value, 4)
    comparisons = len(items).bit_length()

    def key(item: Json) -> object:
        sorted_by = item if attribute is None else _field(item, attribute)
        if isinstance(sorted_by, str):
            # A text is converted to lower case once; texts with a long common beginning are compared again and again.
            budget.spend(len(sorted_by) // MADE + comparisons * (len(sorted_by) // READ))
            return sorted_by if case_sensitive else sorted_by.lower()
        weigh(budget, sorted_by, comparisons)
        return sorted_by

    return sorted(items, key=cast("Callable[[Json], str]", key), reverse=bool(reverse))


def _unique(budget: Budget, value: Json) -> list[Json]:
    seen: dict[tuple[bool, str], Json] = {}
    for item in _items_of(budget, value):
        text = _text(budget, item)
        budget.spend(len(text) // READ)
        # 1 and "1" have the same text and are two values.
        seen.setdefault((isinstance(item, str), text), item)
    return list(seen.values())


def _tojson(budget: Budget, value: Json, indent: int | None = None) -> str:
    if indent is not None:
        indent = _within(indent, 8)
    budget.json(value, indent or 0)
    separators = (",", ":") if indent is None else (",", ": ")
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, allow_nan=False, indent=indent, separators=separators)
    budget.text(len(text))
    return text


def _int(budget: Budget, value: Json, default: int = 0) -> int:
    budget.spend(1 + (len(value) // MADE if isinstance(value, str) else 0))
    try:
        return int(cast(str, value))
    except (TypeError, ValueError, OverflowError):
        return default


def _round(budget: Budget, value: float, precision: int = 0) -> float:
    budget.spend(1)
    return round(float(value), _within(precision, 15))


def _indent(budget: Budget, s: str, width: int | str = 4, first: bool = False, blank: bool = False) -> str:
    text = _text(budget, s)
    prefix = width[:40] if isinstance(width, str) else " " * _within(width, 40)
    lines = text.count("\n") + 1
    budget.spend(2 * lines)
    budget.text(len(text) + lines * len(prefix))
    indented = textwrap.indent(text, prefix, (lambda line: True) if blank else None)
    return indented if first else indented.removeprefix(prefix)


def _truncate(
    budget: Budget, s: str, length: int = 255, killwords: bool = False, end: str = "...", leeway: int = 5
) -> str:
    text = _text(budget, s)
    length = max(int(length), 0)
    budget.text(min(len(text), length + leeway) + len(end))
    if len(text) <= length + leeway:
        return text
    cut = text[: max(length - len(end), 0)]
    return (cut if killwords else cut.rsplit(" ", 1)[0]) + end


def _trim(budget: Budget, value: Json, chars: str | None = None) -> str:
    text = _text(budget, value)
    budget.text(len(text))
    # strip() searches all of `chars` for each character that it removes.
    budget.spend(len(text) * len(chars or "") // READ)
    return text.strip(chars)


def _field(item: Json, name: str) -> Json:
    if not isinstance(item, Mapping) or name not in item:
        str(StrictUndefined(hint=name, obj=item, name=name))
    return cast(Mapping[str, Json], item)[name]


def _within(value: int, most: int) -> int:
    if type(value) is not int or not 0 <= value <= most:
        raise ValueError(f"{value!r} is not a whole number from 0 to {most}")
    return value


def _test(operator: str) -> Callable[..., bool]:
    """A test that is a comparison, ``is lt(3)``, ``is in(names)``: it pays as one."""

    def test(budget: Budget, one: object, other: object) -> bool:
        return compared(budget, one, operator, other)

    return _metered(test)


_TESTS = {name: _test(name) for name in ("eq", "ne", "lt", "le", "gt", "ge", "in")}
_TESTS["equalto"] = _TESTS["eq"]

_FILTERS: dict[str, Callable[..., object]] = {
    EACH: _metered(_each),
    COMPARED: _metered(compared),
    "capitalize": _metered(_changed(str.capitalize)),
    "count": _metered(_length),
    "d": _metered(_default),
    "default": _metered(_default),
    "first": _metered(_first),
    "indent": _metered(_indent),
    "int": _metered(_int),
    "items": _metered(_pairs),
    "join": _metered(_join),
    "last": _metered(_last),
    "length": _metered(_length),
    "list": _metered(_list),
    "lower": _metered(_changed(str.lower)),
    "round": _metered(_round),
    "sort": _metered(_sort),
    "title": _metered(_changed(str.title)),
    "tojson": _metered(_tojson),
    "trim": _metered(_trim),
    "truncate": _metered(_truncate),
    "unique": _metered(_unique),
    "upper": _metered(_changed(str.upper)),
}
