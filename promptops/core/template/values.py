"""The values of a prompt's variables: what the caller handed over -> one checked value for every name.

Missing and extra names are errors that name them, an input with a default is optional, and what is not plain JSON is
refused. Values are data: nothing here or later looks for tags in them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping, Sequence

from promptops.core.errors import MissingVariable, TemplateInvalid, UnknownVariable, VariableInvalid
from promptops.core.model import Input, Json, Placeholder
from promptops.core.parts import PartType
from promptops.core.schema.input_schema import Check, compile_check, is_open, is_text, unevaluated
from promptops.core.schema.media_schema import media_schema_flaw
from promptops.core.template.history import read_history

MAX_DEPTH = 100
"""Levels of a value: more than data of an application has, and fewer than recursion in Python allows."""


def plain(value: object, depth: int = 0) -> Json:
    """The same value in exactly ``None, bool, int, float, str, list, dict``.

    Raises:
        ValueError: for what is not JSON: other types, NaN, infinities, keys that are not text, text with a lone
            surrogate, over 100 levels.
    """
    if depth > MAX_DEPTH:
        raise ValueError(f"nested deeper than {MAX_DEPTH} levels")
    match value:
        case None | bool():
            return value
        case str():
            return _encodable(str.__str__(value))
        case int():
            return int(value)
        case float() if math.isfinite(value):
            return float(value)
        case Mapping():
            return {_key(key): plain(item, depth + 1) for key, item in value.items()}
        case Sequence() if not isinstance(value, bytes | bytearray | memoryview):
            return [plain(item, depth + 1) for item in value]
    shown = repr(value) if isinstance(value, float) else type(value).__name__
    raise ValueError(f"{shown} is not a JSON value")


def text_of(value: Json) -> str:
    """How a plain value stands in a message: text as it is, everything else as compact JSON with sorted keys."""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, sort_keys=True, allow_nan=False, separators=(",", ":"))


_HISTORY_HINT = "It takes messages of chat completions; of a message of an SDK, give `message.model_dump()`."


class Signature:
    """What a prompt takes. Compiled once; immutable.

    ``names`` are the variables in the order of the declared inputs, then the undeclared ones by name, then those of
    placeholders. ``notes`` say what of the inputs' schemas is not evaluated: values pass there.
    """

    __slots__ = ("_checks", "_defaults", "_known", "_media", "_places", "_prompt", "names", "notes")

    def __init__(
        self,
        prompt: str,
        inputs: Sequence[Input],
        used: Collection[str],
        *,
        loose: Collection[str] = (),
        placeholders: Sequence[Placeholder] = (),
    ) -> None:
        """Takes the declared inputs and the names that the messages use. An undeclared name is a required variable.

        ``loose`` are names that the messages use as data, or not in their text. An input of that name which says only
        ``{"type": "string"}`` was inferred from the message, and takes any JSON value; every other text input takes
        text alone.

        Raises:
            TemplateInvalid: an input has an invalid schema, or a default that is not JSON; or a placeholder has the
                name of another variable.
        """
        declared = {item.name: item for item in inputs}
        self._prompt = prompt
        self._places = {each.name: each for each in placeholders}
        self.names: tuple[str, ...] = (*declared, *sorted(set(used) - set(declared)), *self._places)
        self._known = frozenset(self.names)
        if len(self._known) != len(self.names) or len(self._places) != len(placeholders):
            taken = next(each.name for each in placeholders if self.names.count(each.name) > 1 or len(placeholders) > 1)
            raise TemplateInvalid(f"the placeholder '{taken}' of prompt '{prompt}' has the name of another variable")
        self._media = {item.name: item.media for item in inputs if item.media is not None}
        if in_text := sorted(self._media.keys() & set(used)):
            name = in_text[0]
            raise TemplateInvalid(f"input '{name}' of prompt '{prompt}' is of type {self._media[name]}, and in a text")
        self._defaults: dict[str, Json] = {}
        notes: list[str] = []
        self._checks: dict[str, Check] = {}
        for name, item in declared.items():
            try:
                if not item.required:
                    self._defaults[name] = plain(item.schema["default"])
                if name in self._media:
                    if flaw := media_schema_flaw(item.schema):
                        raise ValueError(flaw)
                elif is_text(item.schema):
                    if name not in loose or item.schema.keys() != {"type"}:
                        self._checks[name] = _require_text
                elif is_open(item.schema):
                    if item.schema.get("default", "") is not None:
                        self._checks[name] = _refuse_null
                else:
                    self._checks[name] = compile_check(item.schema)
                    notes += [f"input '{name}': {part}" for part in unevaluated(item.schema)]
            except (ValueError, TemplateInvalid) as error:
                raise TemplateInvalid(f"input '{name}' of prompt '{prompt}': {error}") from error
        self.notes = tuple(notes)

    @property
    def media(self) -> Mapping[str, PartType]:
        """The variables that are an image, a file or audio."""
        return self._media

    @property
    def takes_all_text(self) -> bool:
        """True if every variable is required and takes any text."""
        return (
            not self._defaults
            and not self._media
            and all(check in (_require_text, _refuse_null) for check in self._checks.values())
        )

    @property
    def open_names(self) -> frozenset[str]:
        """The variables that take any JSON value."""
        return self._known - self._checks.keys() - self._media.keys()

    def bind(self, values: Mapping[str, object]) -> dict[str, Json]:
        """Returns one plain value for every name.

        Raises:
            UnknownVariable: a value has a name that the prompt does not use.
            MissingVariable: a required input has no value.
            VariableInvalid: a value is not JSON or does not fit its schema.
        """
        for name in values:
            if name not in self._known:
                raise UnknownVariable(str(name), known=self.names, prompt=self._prompt)
        return {name: self._value(name, values) for name in self.names}

    def values_of_case(self, variables: Mapping[str, Json]) -> dict[str, Json]:
        """Returns those variables of a case that the prompt takes. A number, or true and false, where the prompt takes
        text alone is its text, since GitHub's tools fill in test data so.
        """
        return {name: self._filled(name, variables[name]) for name in self.names if name in variables}

    def problem_of(self, name: str, value: Json) -> str:
        """Returns why a value of a case is refused, in words; empty for one that is taken."""
        if name in self._places:
            return _flaw(value, self._places[name])
        check = self._checks.get(name)
        return check(self._filled(name, value)) if check else ""

    def _filled(self, name: str, value: Json) -> Json:
        check = self._checks.get(name)
        is_written = isinstance(value, bool | int | float) and check is not None and bool(check(value))
        return text if is_written and check is not None and not check(text := text_of(value)) else value

    def _value(self, name: str, values: Mapping[str, object]) -> Json:
        if name not in values:
            if name in self._places and self._places[name].optional:
                return []
            if name in self._defaults:
                return self._defaults[name]
            raise MissingVariable(name, prompt=self._prompt)
        try:
            if name in self._media:
                return self._said(name, values[name])
            value = plain(values[name])
            if name in self._places:
                return read_history(value, self._places[name])
        except ValueError as error:
            hint = _HISTORY_HINT if name in self._places else ""
            raise VariableInvalid(name, str(error), prompt=self._prompt, hint=hint) from error
        check = self._checks.get(name)
        problem = check(value) if check else ""
        if problem:
            raise VariableInvalid(name, problem, prompt=self._prompt)
        return value

    def _said(self, name: str, value: object) -> Json:
        """What a part says of the value; None where an optional one is not given."""
        if value is None and name in self._defaults:
            return None
        from promptops.core.media_values import media_value

        return media_value(self._media[name], value).said()


def _flaw(value: Json, placeholder: Placeholder) -> str:
    try:
        read_history(value, placeholder)
    except ValueError as error:
        return str(error)
    return ""


def _require_text(value: Json) -> str:
    if isinstance(value, str):
        return ""
    shown = text_of(value)
    return f"{shown[:80]}{'…' if len(shown) > 80 else ''} is not of type 'string'"


def _refuse_null(value: Json) -> str:
    return "null is no value, unless the `type` of the input lists it" if value is None else ""


def _encodable(text: str) -> str:
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise ValueError("a lone surrogate is not a character") from error
    return text


def _key(key: object) -> str:
    if not isinstance(key, str):
        raise ValueError(f"the key {key!r} is not text")
    return _encodable(str.__str__(key))
