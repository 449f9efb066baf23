"""What a provider answered to a request, or why there is no answer; and its form in a journal or a recording."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum

from promptops.core.model import Json
from promptops.core.suite.answer import Answer, ToolCall

REJECTED = "rejected"
"""How an answer ended that the provider refused to give because of the request itself."""


class Trouble(StrEnum):
    """Why there is no answer, after all tries."""

    RATE_LIMITED = "rate_limited"
    UNAVAILABLE = "unavailable"
    TIMEOUT = "timeout"
    LOST = "lost"
    MALFORMED = "malformed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """An answer with what it took. With an ``error``, a word of :class:`Trouble`, nothing was answered.

    ``why`` has the reason of an error, or of a rejected request.

    ``finish`` is a word of OpenAI's API, ``refusal``, or :data:`REJECTED`. ``latency_ms`` is that of the last attempt.
    ``first_attempt_failed``: an attempt ran into its timeout, or was lost after the first byte.
    """

    text: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    finish: str = "stop"
    latency_ms: float | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    served_model: str = ""
    fingerprint: str = ""
    host: str = ""
    error: str = ""
    why: str = ""
    attempts: int = 1
    first_attempt_failed: bool = False

    def answer(self, cost_usd: float | None) -> Answer:
        """Returns the answer as checks see it."""
        return Answer(
            text=self.text,
            tool_calls=self.tool_calls,
            finish=self.finish,
            latency_ms=self.latency_ms,
            cost_usd=cost_usd,
        )


_DEFAULTS: Mapping[str, object] = {item.name: item.default for item in fields(Response)}


def to_json(response: Response) -> dict[str, Json]:
    """Returns a response as JSON, without what has its default."""
    said: dict[str, Json] = {}
    for name, default in _DEFAULTS.items():
        value = getattr(response, name)
        if value != default:
            said[name] = value
    if response.tool_calls:
        said["tool_calls"] = [{"name": call.name, "arguments": call.arguments} for call in response.tool_calls]
    return said


def from_json(value: Json) -> Response:
    """Reads what :func:`to_json` wrote.

    Raises:
        ValueError: it is something else.
    """
    if not isinstance(value, Mapping) or not value.keys() <= _DEFAULTS.keys():
        raise ValueError("not a response")
    known = dict(value)
    calls = known.pop("tool_calls", ())
    if not isinstance(calls, list | tuple):
        raise ValueError("not a response: tool_calls")
    tools = tuple(_tool_call(call) for call in calls)
    for name, item in known.items():
        if not _fits(name, item):
            raise ValueError(f"not a response: {name}")
    return Response(tool_calls=tools, **known)  # type: ignore[arg-type]  # each was compared with its default


def _tool_call(value: Json) -> ToolCall:
    if not isinstance(value, Mapping) or not isinstance(value.get("name"), str):
        raise ValueError("not a call of a tool")
    return ToolCall(name=str(value["name"]), arguments=value.get("arguments"))


def _fits(name: str, value: Json) -> bool:
    default = _DEFAULTS[name]
    if default is None:
        return value is None or (isinstance(value, int | float) and not isinstance(value, bool))
    return type(value) is type(default)
