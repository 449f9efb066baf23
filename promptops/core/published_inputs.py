"""The inputs of a prompt as a caller has to give them.

A release keeps an input that no file declares as ``{"type": "string"}``, whatever its messages do with it. One of which
a simple template uses fields (``{{ customer.name }}``) is an object with these fields. A placeholder is an input that
takes a list of messages.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from promptops.core.model import Content, Engine, Input, Json, Placeholder, Prompt, Role
from promptops.core.template.simple import fields_in

_INSTRUCTIONS: Final = (Role.SYSTEM, Role.DEVELOPER)
_INFERRED = Input(name="-").schema


def published_inputs(prompt: Prompt) -> tuple[Input, ...]:
    """Returns the inputs of a prompt; those that were inferred from fields with the schema of their objects. The last
    ones are those of placeholders.
    """
    fields = _fields(prompt)
    inputs = (
        replace(item, schema=_object(fields[item.name])) if item.name in fields and item.schema == _INFERRED else item
        for item in prompt.inputs
    )
    return (*inputs, *map(input_of, prompt.placeholders))


def input_of(placeholder: Placeholder) -> Input:
    """Returns a placeholder as an input: what of its messages a JSON Schema can say."""
    roles = [role.value for role in Role if placeholder.system or role not in _INSTRUCTIONS]
    message: Json = {"type": "object", "properties": {"role": {"enum": roles}}, "required": ["role"]}
    schema: dict[str, Json] = {"type": "array", "items": message}
    if placeholder.most is not None:
        schema["maxItems"] = placeholder.most
    if placeholder.optional:
        schema["default"] = []
    if placeholder.private:
        schema["private"] = True
    return Input(name=placeholder.name, schema=schema)


def inputs_of(content: Content) -> Mapping[str, Mapping[str, Mapping[str, Json]]]:
    """Returns the schemas of all inputs of a content, by prompt and input."""
    return {prompt.name: {item.name: item.schema for item in published_inputs(prompt)} for prompt in content.prompts}


_Fields = dict[str, "_Fields"]


def _fields(prompt: Prompt) -> _Fields:
    """Returns the fields of each variable, with theirs; nothing of Jinja, which may do without a field."""
    tree: _Fields = {}
    messages = prompt.written if prompt.engine is Engine.SIMPLE else ()
    for name in sorted({name for message in messages for text in message.templates for name in fields_in(text)}):
        place = tree
        for step in name.split("."):
            place = place.setdefault(step, {})
    return tree


def _object(fields: _Fields) -> Mapping[str, Json]:
    return {
        "type": "object",
        "properties": {name: _object(inner) if inner else {} for name, inner in fields.items()},
        "required": list(fields),
    }
