"""What one span says of a request to a model: attributes in any spelling -> :class:`ModelSpan`.

What is malformed is not known, and never guessed. Texts that an instrumentation may fill with anything, such as the
class of an error, are kept only where they have the form of a word.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from promptops.core.answers.reading import FINISHES, Finish
from promptops.core.outcomes.call_outcome import LONGEST_ERROR, Tokens
from promptops.core.outcomes.counters import MAX_COUNT
from promptops.core.outcomes.series import LONGEST_LINE
from promptops.core.spans.names import MODEL_KIND, MODEL_OPERATIONS, PROVIDERS, READ, TOOL_KIND, TOOL_OPERATION, Fact

Value: TypeAlias = "bool | int | float | str | bytes | Sequence[Value] | Mapping[str, Value] | None"
"""A value of an attribute."""
Facts: TypeAlias = Mapping[Fact, Value]

UNNAMED: Final = "other"
"""The class of an error that has no word for one."""

_WORD: Final = re.compile(rf"[A-Za-z0-9_][A-Za-z0-9_.:-]{{0,{LONGEST_ERROR - 1}}}")
_CANCELLED: Final = frozenset({"CancelledError", "GeneratorExit", "AbortError", "Canceled", "cancelled", "canceled"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpan:
    """A request to a model that ended.

    ``trace``, ``id`` and ``parent`` are ids of OpenTelemetry, the last one empty in a root; ``start`` and ``end`` are
    in nanoseconds since 1970. ``error`` is the class of the error, empty without one; ``is_cancelled`` says that the
    caller went away. ``first_token_ms`` is in milliseconds. ``tokens`` is None where the span does not say all of them.
    """

    trace: bytes
    id: bytes
    parent: bytes
    start: int
    end: int
    model: str = ""
    response_id: str = ""
    tokens: Tokens | None = None
    finish: Finish | None = None
    error: str = ""
    is_cancelled: bool = False
    first_token_ms: float | None = None

    @property
    def latency_ms(self) -> float | None:
        """Milliseconds to the whole answer; None where the times contradict each other."""
        taken = (self.end - self.start) / 1e6
        return taken if 0 <= taken <= MAX_COUNT else None


def facts_of(attributes: Mapping[str, Value]) -> dict[Fact, Value]:
    """Returns what attributes say, each fact in the newest spelling that is there."""
    facts: dict[Fact, Value] = {}
    ranks: dict[Fact, int] = {}
    for name, value in attributes.items():
        known = READ.get(name)
        if known is not None and known[1] < ranks.get(known[0], len(READ)):
            facts[known[0]], ranks[known[0]] = value, known[1]
    return facts


def is_model(facts: Facts) -> bool:
    """Returns whether a span with these facts is one request to a model."""
    operation = facts.get(Fact.OPERATION)
    if operation is not None:
        return operation in MODEL_OPERATIONS if isinstance(operation, str) else False
    kind = facts.get(Fact.KIND)
    if kind is not None:
        return kind == MODEL_KIND
    return Fact.INPUT in facts and (Fact.MODEL in facts or Fact.ASKED_MODEL in facts)


def tool_of(facts: Facts) -> str:
    """Returns the name of the tool that a span with these facts is the use of; empty if it is not one."""
    operation, kind = facts.get(Fact.OPERATION), facts.get(Fact.KIND)
    is_tool = operation == TOOL_OPERATION or (isinstance(kind, str) and kind.lower() == TOOL_KIND)
    return _line(facts.get(Fact.TOOL)) if is_tool else ""


def error_of(facts: Facts, *, failed: bool) -> str:
    """Returns the class of the error of a span; empty without one. ``failed`` is its status."""
    return _error(facts, failed)


def read_model_span(
    facts: Facts, *, trace: bytes, id: bytes, parent: bytes, start: int, end: int, failed: bool
) -> ModelSpan:
    """Returns what a span says; ``failed`` is its status. Never raises."""
    error = _error(facts, failed)
    return ModelSpan(
        trace=trace,
        id=id,
        parent=parent,
        start=start,
        end=end,
        model=_model(facts),
        response_id=_line(facts.get(Fact.RESPONSE_ID)),
        tokens=_tokens(facts),
        finish=_finish(facts.get(Fact.FINISH)) if Fact.FINISH in facts else None,
        error=error,
        is_cancelled=bool(error) and error.rpartition(".")[2] in _CANCELLED,
        first_token_ms=_milliseconds(facts.get(Fact.FIRST_TOKEN)) if Fact.FIRST_TOKEN in facts else None,
    )


def _tokens(facts: Facts) -> Tokens | None:
    """The tokens; None where the input or the output is not said."""
    read, wrote = _count(facts.get(Fact.INPUT)), _count(facts.get(Fact.OUTPUT))
    if read is None or wrote is None:
        return None
    cached, written = _count(facts.get(Fact.CACHED)) or 0, _count(facts.get(Fact.CACHE_WRITTEN)) or 0
    reasoning = _count(facts.get(Fact.REASONING)) or 0
    if cached + written > read:  # an older instrumentation, which counts them beside the input
        read = min(read + cached + written, MAX_COUNT)
    if reasoning > wrote:
        wrote = min(wrote + reasoning, MAX_COUNT)
    return Tokens(input=read, cached=cached, cache_written=written, output=wrote, reasoning=reasoning)


def _count(value: Value) -> int | None:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if type(value) is int and 0 <= value <= MAX_COUNT else None


def _model(facts: Facts) -> str:
    """``provider/model``, or the model alone where no provider is said; empty where neither model is."""
    name = _line(facts.get(Fact.MODEL)) or _line(facts.get(Fact.ASKED_MODEL))
    provider = _line(facts.get(Fact.PROVIDER)).lower()
    if not name or not provider:
        return name
    full = f"{PROVIDERS.get(provider, provider)}/{name}"
    return full if len(full) <= LONGEST_LINE else name


def _line(value: Value) -> str:
    return value if isinstance(value, str) and len(value) <= LONGEST_LINE and value.isprintable() else ""


def _error(facts: Facts, failed: bool) -> str:
    value = facts.get(Fact.ERROR)
    if value is None and not failed:
        return ""
    return value if isinstance(value, str) and _WORD.fullmatch(value) else UNNAMED


def _finish(value: Value) -> Finish | None:
    """Why the first choice ended: a word, a list of words, or such a list as text of JSON."""
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        value = value[0] if value else None
    if not isinstance(value, str):
        return None
    word = value.strip('[]" ').partition('"')[0].lower()
    return FINISHES.get(word, Finish.OTHER) if word else None


def _milliseconds(seconds: Value) -> float | None:
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        return None
    return seconds * 1000.0 if 0 <= seconds <= MAX_COUNT // 1000 else None  # refuses NaN too
