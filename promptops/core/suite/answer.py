"""An answer of a model as the checks see it, and the values that a check may name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from promptops.core.model import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """A call of a tool that the model asks for. ``arguments`` is None where they are no JSON."""

    name: str
    arguments: Json = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a model answered, how the answer ended, and what it took; None for what is not known."""

    text: str
    tool_calls: tuple[ToolCall, ...] = ()
    finish: str = "stop"
    latency_ms: float | None = None
    cost_usd: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What stands around an answer: the case's variables and ``expected``, and the schema that the prompt declares."""

    values: Mapping[str, Json] = field(default_factory=dict)
    response_schema: Mapping[str, Json] | None = None
