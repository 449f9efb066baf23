"""The environment that :mod:`promptops.core.jinja` renders in: Jinja's immutable sandbox, cut down to plain data.

Every filter pays the budget before or as soon as it has made something, and none can make more than a small multiple of
what went in. Imports jinja2, so only jinja.py imports it.
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

from promptops.core.errors import OutputTooLarge, TemplateInvalid
from promptops.core.model import Json
from promptops.core.values import text_of

P = ParamSpec("P")
T = TypeVar("T")

# A space is in no name that a template can write.
KEY = "the budget"
EACH = "for each"

_CHARACTERS = 16
"""Characters that a filter makes in the time of one step."""


class Budget:
    """What one rendering may still use. ``size`` is what one piece of text may have."""

    __slots__ = ("_left", "_limit", "_size", "_steps")

    def __init__(self, steps: int, size: int, limit: int) -> None:
        self._steps = self._left = steps
        self._size = size
        self._limit = limit

    def spend(self, steps: int) -> None:
        self._left -= steps
        if self._left < 0:
            raise TemplateInvalid(
                f"rendering takes more than {self._steps:,} steps",
                hint="Loop over less, or do the work in the application.",
            )

    def text(self, size: int) -> None:
        """Pay for text of this many characters, before it is made where that can be told."""
        if size > max(self._size, 0):
            raise OutputTooLarge(self._limit)
        self.spend(1 + size // _CHARACTERS)


class Sandbox(ImmutableSandboxedEnvironment):
    """No loader, no globals, strict undefined; fields are keys of the data and never attributes."""

    def __init__(self) -> None:
        super().__init__(undefined=StrictUndefined, autoescape=False, keep_trailing_newline=True, finalize=_shown)
        self.globals.clear()
        self.filters.clear()
        self.filters.update(_FILTERS)

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
    # str() of an undefined value raises, which is the point.
    return str(value) if isinstance(value, Undefined) else text_of(cast(Json, value))


def _budget(context: Context) -> Budget:
    return cast(Budget, context.parent[KEY])


def _metered(filter_: Callable[Concatenate[Budget, P], T]) -> Callable[Concatenate[Context, P], T]:
    """A filter that is handed the budget. It depends on the context, so Jinja never runs it at compile time."""

    @pass_context
    def call(context: Context, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return filter_(_budget(context), *args, **kwargs)

    return call


def _each(budget: Budget, value: Iterable[Json], weight: int) -> Sequence[Json]:
    items = _items_of(value)
    budget.spend(1 + weight * len(items))
    return items


def _items_of(value: object) -> Sequence[Json]:
    """What a loop or a filter goes over: a list, the characters of a text, the keys of a mapping."""
    if isinstance(value, Undefined):
        str(value)
    if isinstance(value, Mapping):
        return list(value)
    if isinstance(value, list | str | tuple):
        return value
    raise TypeError(f"{type(value).__name__} is not a list")


def _text(value: object) -> str:
    return cast(str, _shown(value))


def _changed(change: Callable[[str], str]) -> Callable[[Budget, Json], str]:
    def apply(budget: Budget, value: Json) -> str:
        text = _text(value)
        budget.text(len(text))
        return change(text)

    return apply


def _default(budget: Budget, value: object, default_value: Json = "", boolean: bool = False) -> object:
    budget.spend(1)
    return default_value if isinstance(value, Undefined) or (boolean and not value) else value


def _first(budget: Budget, value: Json) -> object:
    items = _items_of(value)
    budget.spend(1)
    return items[0] if items else StrictUndefined(hint="first", name="first")


def _last(budget: Budget, value: Json) -> object:
    items = _items_of(value)
    budget.spend(1)
    return items[-1] if items else StrictUndefined(hint="last", name="last")


def _length(budget: Budget, value: Json) -> int:
    budget.spend(1)
    return len(_items_of(value))


def _list(budget: Budget, value: Json) -> list[Json]:
    items = list(_items_of(value))
    budget.spend(1 + len(items))
    return items


def _pairs(budget: Budget, value: object) -> list[Json]:
    if isinstance(value, Undefined):
        str(value)
    if not isinstance(value, Mapping):
        raise TypeError(f"{type(value).__name__} is not a mapping")
    budget.spend(1 + len(value))
    return [[key, item] for key, item in value.items()]


def _join(budget: Budget, value: Json, d: str = "", attribute: str | None = None) -> str:
    items = _items_of(value)
    budget.spend(1 + len(items))
    texts = [_text(item if attribute is None else _field(item, attribute)) for item in items]
    between = _text(d)
    budget.text(sum(map(len, texts)) + len(between) * len(texts))
    return between.join(texts)


def _sort(
    budget: Budget, value: Json, reverse: bool = False, case_sensitive: bool = False, attribute: str | None = None
) -> list[Json]:
    items = _items_of(value)
    # n log n, of which the comparisons are the cheap part.
    budget.spend(1 + 4 * len(items))

    def key(item: Json) -> object:
        found = item if attribute is None else _field(item, attribute)
        return found.lower() if isinstance(found, str) and not case_sensitive else found

    return sorted(items, key=cast("Callable[[Json], str]", key), reverse=bool(reverse))


def _unique(budget: Budget, value: Json) -> list[Json]:
    items = _items_of(value)
    seen: dict[tuple[bool, str], Json] = {}
    for item in items:
        # 1 and "1" read the same and are two things.
        seen.setdefault((isinstance(item, str), _text(item)), item)
    budget.spend(1 + len(items) + sum(len(text) for _, text in seen) // _CHARACTERS)
    return list(seen.values())


def _tojson(budget: Budget, value: Json, indent: int | None = None) -> str:
    if indent is not None:
        indent = _within(indent, 8)
    separators = (",", ":") if indent is None else (",", ": ")
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, allow_nan=False, indent=indent, separators=separators)
    budget.text(len(text))
    return text


def _int(budget: Budget, value: Json, default: int = 0) -> int:
    budget.spend(1)
    try:
        return int(cast(str, value))
    except (TypeError, ValueError, OverflowError):
        return default


def _round(budget: Budget, value: float, precision: int = 0) -> float:
    budget.spend(1)
    return round(float(value), _within(precision, 15))


def _indent(budget: Budget, s: str, width: int | str = 4, first: bool = False, blank: bool = False) -> str:
    text = _text(s)
    prefix = width[:40] if isinstance(width, str) else " " * _within(width, 40)
    budget.text(len(text) + (text.count("\n") + 1) * len(prefix))
    indented = textwrap.indent(text, prefix, (lambda line: True) if blank else None)
    return indented if first else indented.removeprefix(prefix)


def _truncate(
    budget: Budget, s: str, length: int = 255, killwords: bool = False, end: str = "...", leeway: int = 5
) -> str:
    text = _text(s)
    length = max(int(length), 0)
    budget.text(min(len(text), length + leeway) + len(end))
    if len(text) <= length + leeway:
        return text
    cut = text[: max(length - len(end), 0)]
    return (cut if killwords else cut.rsplit(" ", 1)[0]) + end


def _trim(budget: Budget, value: Json, chars: str | None = None) -> str:
    text = _text(value)
    budget.text(len(text))
    return text.strip(chars)


def _field(item: Json, name: str) -> Json:
    if not isinstance(item, Mapping) or name not in item:
        str(StrictUndefined(hint=name, obj=item, name=name))
    return cast(Mapping[str, Json], item)[name]


def _within(value: int, most: int) -> int:
    if type(value) is not int or not 0 <= value <= most:
        raise ValueError(f"{value!r} is not a whole number from 0 to {most}")
    return value


_FILTERS: dict[str, Callable[..., object]] = {
    EACH: _metered(_each),
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
