"""Sample values for the inputs of a prompt, so that its request can be built where no application gives any."""

from __future__ import annotations

from collections.abc import Mapping

from promptops.core.model import LISTS, OBJECTS, Json, Prompt
from promptops.core.parts import PartType

_WORD = "sample"
_MEDIA: Mapping[PartType, Json] = {
    PartType.IMAGE: {"data": "iVBORw0KGgo=", "media_type": "image/png"},
    PartType.FILE: {"data": "JVBERi0xLjc=", "media_type": "application/pdf"},
    PartType.AUDIO: {"data": "UklGRgAAAABXQVZF", "media_type": "audio/wav"},
}
"""The first bytes of a PNG, a PDF and a WAV."""
_LONGEST = 10_000
_DEEPEST = 8  # a schema that refers to itself ends here; nothing is looked up for a deeper value


def sample_values(prompt: Prompt) -> dict[str, Json]:
    """Returns a value for each input, of its schema as far as that says: its default, an example, or one of the type.

    A schema with patterns or conditions may refuse the value, which rendering then reports.
    """
    values = {
        each.name: _MEDIA[each.media] if each.media is not None else _sample(each.schema, each.schema, _DEEPEST)
        for each in prompt.inputs
    }
    return values | sample_histories(prompt)


def sample_histories(prompt: Prompt) -> dict[str, Json]:
    """Returns one message of a user for each placeholder: the other messages keep their numbers in the prompt."""
    return {each.name: [{"role": "user", "content": _WORD}] for each in prompt.placeholders}


def _sample(schema: Json, root: Json, left: int) -> Json:
    if not isinstance(schema, OBJECTS) or not left:
        return _WORD
    for key in ("default", "const"):
        if key in schema:
            value: Json = schema[key]
            return value
    for key in ("enum", "examples"):
        listed = schema.get(key)
        if isinstance(listed, LISTS) and listed:
            first: Json = listed[0]
            return first
    for key in ("anyOf", "oneOf", "allOf"):
        listed = schema.get(key)
        if isinstance(listed, LISTS) and listed:
            return _sample(listed[0], root, left - 1)
    if isinstance(reference := schema.get("$ref"), str):
        return _sample(_referred(root, reference), root, left - 1)
    return _of_type(schema, root, left - 1)


def _of_type(schema: Mapping[str, Json], root: Json, left: int) -> Json:
    kind = schema.get("type")
    if isinstance(kind, LISTS):
        kind = kind[0] if kind else None
    if kind == "object" or "properties" in schema:
        properties = schema.get("properties")
        named = properties if isinstance(properties, OBJECTS) else {}
        return {name: _sample(inner, root, left) for name, inner in named.items()}
    if kind == "array":
        least = schema.get("minItems", 1)
        count = min(max(least, 1), 10) if isinstance(least, int) else 1
        return [_sample(schema.get("items", {}), root, left) for _ in range(count)]
    if kind in ("integer", "number"):
        least = schema.get("minimum", 1)
        return least if isinstance(least, int | float) else 1
    if kind in ("boolean", "null"):
        return True if kind == "boolean" else None
    least = schema.get("minLength")
    return _WORD.ljust(min(least, _LONGEST), "x") if isinstance(least, int) else _WORD


def _referred(root: Json, reference: str) -> Json:
    found = root
    for step in reference.removeprefix("#").split("/")[1:]:
        found = found.get(step) if isinstance(found, OBJECTS) else None
    return found
