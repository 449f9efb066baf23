"""Fields of ``extra`` that a parameter of ours stands for: ``extra: {max_tokens: 9}`` is ``maxTokens``.

``extra`` is for what no parameter says. What one does say is known by it: to the rules of the models, to comparisons of
releases, to what counts tokens. Which field a parameter is comes from the tables that requests are made of: a field of
the API of the model's provider, or the parameter's own name in either spelling where that API takes it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from promptops.core.model import LISTS, OBJECTS, Json, Prompt
from promptops.core.parameters import ANTHROPIC, EXTRA, OPENAI, TABLE, name_of, provider_of
from promptops.core.requests import bedrock, gemini, mistral
from promptops.core.requests.endpoints import canonical
from promptops.core.requests.routes import has_request

_CAPITAL: Final = re.compile(r"(?<!^)([A-Z])")
_BODY: Final = "extra_body."
_GENERATION: Final = "generation_config."
_OF_MODELS: Final = ("inferenceConfig.", "outputConfig.", f"{bedrock.MORE}.")
"""The beginnings of what Bedrock hands on to a model: the rest is its own, and another thing to the model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtraField:
    """The field at a ``path`` of ``extra``, and the parameter that says the same, with its value."""

    path: tuple[str, ...]
    name: str
    value: Json

    @property
    def shown(self) -> str:
        return ".".join(self.path)


def extra_fields(prompt: Prompt) -> tuple[ExtraField, ...]:
    """Returns the fields of a prompt's ``extra`` that are parameters of the API of its provider."""
    extra = prompt.parameters.get(EXTRA)
    if not isinstance(extra, OBJECTS) or not has_request(prompt):
        return ()
    return tuple(_found(extra, _table(*provider_of(prompt.model))))


def _found(fields: Mapping[str, Json], table: Mapping[str, str], before: tuple[str, ...] = ()) -> Iterator[ExtraField]:
    for key, value in fields.items():
        path = (*before, key)
        spelled = _snake(path)
        if spelled in table:
            # Of the list `include`, `logprobs` is one entry; a null is the default of an API, which no parameter says.
            if value is not None and not (spelled == "include" and isinstance(value, LISTS)):
                yield ExtraField(path=path, name=table[spelled], value=value)
        elif isinstance(value, OBJECTS) and any(known.startswith(f"{spelled}.") for known in table):
            yield from _found(value, table, path)


@lru_cache(maxsize=64)
def _table(provider: str, model: str) -> Mapping[str, str]:
    """The parameters of a provider's API by their fields, in snake case with dots, and by their own names."""
    pairs = [(name, _snake(field.split("."))) for name, field in _fields(provider, model) if name != EXTRA]
    first = {field: name for name, field in reversed(pairs)}
    # Of several parameters with one field, it is the one of that name.
    named = {field: name for name, field in pairs if field.rpartition(".")[2] == _snake([name])}
    return {**{_snake([name]): name for name, _ in pairs}, **first, **named}


def _snake(path: Sequence[str]) -> str:
    return ".".join(_CAPITAL.sub(r"_\1", step).lower() for step in path)


def _fields(provider: str, model: str) -> Iterator[tuple[str, str]]:
    """Yields each parameter that the API takes with its field, as a path of the body."""
    known = canonical(provider)
    if provider in ANTHROPIC:
        yield from ((name, each.anthropic.removeprefix(_BODY)) for name, each in TABLE.items() if each.anthropic)
    elif provider in OPENAI:
        for name, each in TABLE.items():
            yield from ((name, path) for path in (each.chat, each.responses) if path)
    elif known in ("gemini", "vertex"):
        for name, path in gemini.FIELDS.items():
            is_outside = path.partition(".")[0] in gemini.OUTSIDE
            yield name, path if is_outside else f"{_GENERATION}{path}"
    elif known == "bedrock":
        for name, path in bedrock.fields_of(model).items():
            if path.startswith(_OF_MODELS):
                yield name, path.removeprefix(f"{bedrock.MORE}.")
    elif known == "mistral":
        yield from mistral.FIELDS.items()
    else:
        yield from ((name, name_of(name)) for name in TABLE)
