"""Model parameters: one table of the names, types and ranges that the large providers share.

Names are those of GitHub Models files (camelCase); the snake_case spelling is the same parameter. Each range is the
widest of all these providers: a value that is refused here is refused by every one of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from promptops.core.errors import ParameterNotTaken
from promptops.core.model import Json, OwnFacts, ResponseFormat
from promptops.core.parameters import ANTHROPIC, Api, flaws, provider_of, require_format
from promptops.core.template.simple import TagKind, each_tag
from promptops.source.text.fields import Fields, shown
from promptops.source.text.findings import Near, short


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """The values that a parameter takes: the ``kind`` is a key of ``_TYPES``."""

    kind: str
    low: float = float("-inf")
    high: float = float("inf")
    choices: tuple[str, ...] = ()


def _integer(low: float, high: float) -> Parameter:
    return Parameter(kind="integer", low=low, high=high)


def _number(low: float, high: float) -> Parameter:
    return Parameter(kind="number", low=low, high=high)


_FLAG = Parameter(kind="flag")
_TEXT = Parameter(kind="text")
_MAPPING = Parameter(kind="mapping")

PARAMETERS: Mapping[str, Parameter] = {
    "maxTokens": _integer(1, 10_000_000),
    "maxCompletionTokens": _integer(1, 10_000_000),
    "maxOutputTokens": _integer(1, 10_000_000),
    "minTokens": _integer(0, 10_000_000),
    "temperature": _number(0, 2),
    "topP": _number(0, 1),
    "topK": _integer(-1, 1_000_000),
    "minP": _number(0, 1),
    "frequencyPenalty": _number(-2, 2),
    "presencePenalty": _number(-2, 2),
    "repetitionPenalty": _number(0, 10),
    "stop": Parameter(kind="texts"),
    "stopSequences": Parameter(kind="texts"),
    "seed": _integer(-(2**53) + 1, 2**53 - 1),
    "n": _integer(1, 128),
    "candidateCount": _integer(1, 128),
    "reasoningEffort": Parameter(
        kind="choice", choices=("none", "minimal", "low", "medium", "high", "xhigh", "max", "default")
    ),
    "verbosity": Parameter(kind="choice", choices=("low", "medium", "high")),
    "thinking": _MAPPING,
    "thinkingBudget": _integer(-1, 10_000_000),
    "logprobs": _FLAG,
    "topLogprobs": _integer(0, 20),
    "logitBias": _MAPPING,
    "parallelToolCalls": _FLAG,
    "toolChoice": Parameter(kind="text or mapping"),
    "serviceTier": _TEXT,
    "user": _TEXT,
    "safePrompt": _FLAG,
    "prediction": _MAPPING,
    "metadata": _MAPPING,
    "store": _FLAG,
    "safetyIdentifier": _TEXT,
    "promptCacheKey": _TEXT,
    "reasoningSummary": Parameter(kind="choice", choices=("auto", "concise", "detailed")),
    "container": Parameter(kind="text or mapping"),
    "speed": Parameter(kind="choice", choices=("standard", "fast")),
    "betas": Parameter(kind="texts"),
    "extra": _MAPPING,
}
"""Every parameter that a release can hold."""


def read_parameters(fields: Fields, *, unknown: str) -> dict[str, Json]:
    """Returns the parameters of a mapping by their canonical names. ``unknown`` is the code for unknown names."""
    result: dict[str, Json] = {}
    spelled: dict[str, str] = {}
    for key, value in fields.value.items():
        name = key if key in PARAMETERS else camel(key)
        if name not in PARAMETERS:
            hint = Near(key, PARAMETERS)
            fields.add_at_key(unknown, key, f"unknown parameter '{short(key)}'", hint)
        elif name in spelled:
            both = f"'{spelled[name]}' and '{key}' are the same parameter"
            fields.add_at_key("parameter-twice", key, both, "Keep one of them.")
        elif value is not None:
            spelled[name] = key
            problem = _problem(PARAMETERS[name], value)
            if problem:
                fields.add(problem[0], key, f"'{key}' must be {problem[1]}, got {shown(value)}")
            else:
                result[name] = value
                if not isinstance(value, int | float):
                    _refuse_tags(fields, key, value)
    return result


def _refuse_tags(fields: Fields, key: str, value: Json) -> None:
    """Reports what looks like a variable in the texts of a parameter: only messages are templates."""
    tags = (tag for text in _texts_in(value) if "{{" in text for tag in each_tag(text))
    found = next((tag.text for tag in tags if tag.kind is TagKind.VARIABLE), "")
    if found:
        message = f"'{short(key)}' has {short(found)}, which is sent as it stands: only messages are templates"
        fields.add("tag-in-parameter", key, message, "Set it in the application's call.")


def _texts_in(value: Json) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | Sequence):
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from _texts_in(item)


def refuse_untaken(
    fields: Fields,
    model: str | None,
    own: Mapping[str, Json],
    inherited: Mapping[str, Json] | None = None,
    *,
    facts: OwnFacts | None = None,
) -> None:
    """Reports every parameter of a mapping that the API of the model's provider does not take.

    ``own`` are the parameters of the mapping; they override ``inherited``, those of the pin. ``facts`` are what the
    workspace says of the model.
    """
    for flaw in flaws(model, {**(inherited or {}), **own}, facts):
        name = flaw.name.partition(":")[0]
        for key in fields.value:
            if name in own and name in (key, camel(key)):
                fields.add_at_key("parameter-not-taken", key, flaw.message, flaw.hint)


def refuse_untaken_format(fields: Fields, model: str | None, response_format: ResponseFormat | None) -> None:
    """Reports a ``responseFormat`` that the API of the model's provider does not have."""
    try:
        if response_format is not None and provider_of(model)[0] in ANTHROPIC:
            require_format(Api.ANTHROPIC, response_format)
    except ParameterNotTaken as flaw:
        fields.add("parameter-not-taken", "responseFormat", flaw.message, flaw.hint)


def problem_of(name: str, value: Json) -> str:
    """Returns which values a parameter takes, if it does not take this one; else nothing."""
    problem = _problem(PARAMETERS[name], value)
    return problem[1] if problem else ""


def _problem(parameter: Parameter, value: Json) -> tuple[str, str] | None:
    """Returns the code of the problem and the values that are right; None if the value is right."""
    expected, right = _TYPES[parameter.kind]
    if not right(value):
        return "wrong-type", expected
    if parameter.choices and value not in parameter.choices:
        return "wrong-value", f"one of {', '.join(parameter.choices)}"
    if isinstance(value, int | float) and not parameter.low <= value <= parameter.high:
        return "wrong-value", f"from {parameter.low:,} to {parameter.high:,}"
    return None


def _is_texts(value: Json) -> bool:
    if isinstance(value, str):
        return True
    return isinstance(value, Sequence) and all(isinstance(item, str) for item in value)


_TYPES: Mapping[str, tuple[str, Callable[[Json], bool]]] = {
    "integer": ("a whole number", lambda value: type(value) is int),
    "number": ("a number", lambda value: type(value) in (int, float)),
    "flag": ("true or false", lambda value: type(value) is bool),
    "text": ("text", lambda value: type(value) is str),
    "choice": ("text", lambda value: type(value) is str),
    "texts": ("text or a list of texts", _is_texts),
    "mapping": ("a mapping", lambda value: isinstance(value, Mapping)),
    "text or mapping": ("text or a mapping", lambda value: isinstance(value, str | Mapping)),
}


def camel(key: str) -> str:
    return re.sub(r"_([a-z0-9])", lambda match: match[1].upper(), key)
