"""Puts the values of a case into the settings of a check: ``contains: "{{expected}}"``.

A tag that names no value stays as it is, as in GitHub's tools: a check may look for braces. Values are not scanned
again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from promptops.core.model import Json
from promptops.core.template.simple import TagKind, each_tag
from promptops.core.template.values import text_of

_NOTHING = object()


def fill(text: str, values: Mapping[str, Json]) -> str:
    """Returns the text with the value of each known tag: ``{{ name }}`` or ``{{ name.field }}``."""
    pieces: list[str] = []
    position = 0
    for tag in each_tag(text):
        value = _value(tag.name, values) if tag.kind is TagKind.VARIABLE else _NOTHING
        if value is not _NOTHING:
            pieces += (text[position : tag.start], text_of(value))  # type: ignore[arg-type]
            position = tag.end
    return "".join((*pieces, text[position:]))


def fill_json(value: Json, values: Mapping[str, Json]) -> Json:
    """Returns a JSON value with its texts filled. A text that is one tag becomes the value: a number stays a number."""
    if isinstance(value, str):
        tags = list(each_tag(value)) if value.startswith("{{") else []
        if len(tags) == 1 and tags[0].kind is TagKind.VARIABLE and tags[0].end == len(value):
            found = _value(tags[0].name, values)
            return value if found is _NOTHING else found  # type: ignore[return-value]
        return fill(value, values)
    if isinstance(value, Mapping):
        return {key: fill_json(item, values) for key, item in value.items()}
    if isinstance(value, Sequence):
        return [fill_json(item, values) for item in value]
    return value


def names_in(value: Json) -> set[str]:
    """Returns the names of all variables that the texts of a JSON value use: ``user`` for ``{{ user.name }}``."""
    if isinstance(value, str):
        tags = each_tag(value) if "{{" in value else ()
        return {tag.name.partition(".")[0] for tag in tags if tag.kind is TagKind.VARIABLE}
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, Sequence) else ()
    return {name for item in inner for name in names_in(item)}


def _value(name: str, values: Mapping[str, Json]) -> object:
    found: object = values
    for step in name.split("."):
        if not isinstance(found, Mapping) or step not in found:
            return _NOTHING
        found = found[step]
    return found
