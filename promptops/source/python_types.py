"""A JSON Schema of an input  ->  the type of its values in Python, as a type checker reads it.

Reference: https://typing.python.org/en/latest/spec/. What types cannot say (patterns, bounds, conditions) is left out,
so a value of the type may still be refused. A valid value has the type, but for keys of an object that its schema does
not name.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from promptops.core.escape import one_line
from promptops.core.model import LISTS, OBJECTS, Json

ANY = "Json"
_DEEPEST = 20
_MOST_LITERALS = 100
_SIMPLE = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}
_FIELD = re.compile(r"(?!__)[A-Za-z_][A-Za-z0-9_]*")


@dataclass(slots=True)
class Names:
    """The names of a module, each taken once: the second ``Answer`` is ``Answer2``."""

    taken: set[str] = field(default_factory=set)

    def take(self, wanted: str) -> str:
        name, number = wanted, 2
        while name in self.taken or keyword.iskeyword(name):
            name, number = f"{wanted}{number}", number + 1
        self.taken.add(name)
        return name


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A key of a typed dictionary: its type, and whether it may be left out."""

    name: str
    type: str
    required: bool
    note: str = ""


def class_name(text: str) -> str:
    """Returns the name of a class for that of a prompt or a field: ``support-bot/answer`` is ``SupportBotAnswer``."""
    name = "".join(word[:1].upper() + word[1:] for word in re.split(r"[^A-Za-z0-9]+", text))
    return name if name[:1].isalpha() else f"N{name}"


def typed_dict(name: str, entries: Sequence[Entry]) -> Iterator[str]:
    """Yields the lines of a typed dictionary; where a key is no name of Python, in the form of a call."""
    types = {each.name: each.type if each.required else f"NotRequired[{each.type}]" for each in entries}
    if not all(_FIELD.fullmatch(key) and not keyword.iskeyword(key) for key in types):
        yield f"{name} = TypedDict({name!r}, {{"
        yield from (f"    {key!r}: {written!r}," for key, written in types.items())
        yield "})"
        return
    yield f"class {name}(TypedDict):"
    for each in entries:
        if each.note:
            yield f"    #: {one_line(each.note, 100)}"
        yield f"    {each.name}: {types[each.name]}"
    if not entries:
        yield "    pass"


class Types:
    """The types of the values of one input. Typed dictionaries of its objects are added to ``classes``."""

    def __init__(self, root: Mapping[str, Json], names: Names, prefix: str, classes: list[str]) -> None:
        self._root = root
        self._names = names
        self._prefix = prefix
        self._classes = classes
        self._referred: dict[str, str] = {}

    def type(self) -> str:
        """Returns the type of the input's values."""
        return self._of(self._root, self._prefix, _DEEPEST)

    def _of(self, schema: Json, where: str, left: int) -> str:
        if not isinstance(schema, OBJECTS) or not left:
            return ANY
        if isinstance(reference := schema.get("$ref"), str):
            return self._referred.get(reference) or self._refer(reference, where, left)
        if (literals := _literals(schema)) is not None:
            return literals
        for key in ("anyOf", "oneOf"):
            if isinstance(listed := schema.get(key), LISTS) and listed and "properties" not in schema:
                return _union(self._of({**_base(schema), **_object(each)}, where, left - 1) for each in listed)
        if isinstance(listed := schema.get("allOf"), LISTS) and listed:
            return self._of(_merged(schema, listed), where, left - 1)
        kinds = schema.get("type", "object" if "properties" in schema else None)
        return _union(
            self._of_kind(kind, schema, where, left) for kind in (kinds if isinstance(kinds, LISTS) else [kinds])
        )

    def _of_kind(self, kind: Json, schema: Mapping[str, Json], where: str, left: int) -> str:
        if kind == "array":
            items = self._of(schema.get("items"), f"{where}Item", left - 1)
            # A text is a sequence of texts to a type checker, and no list of them to the schema.
            return f"list[{items}] | tuple[{items}, ...]" if items == "str" else f"Sequence[{items}]"
        if kind == "object":
            if isinstance(schema.get("properties"), OBJECTS) and schema["properties"]:
                return self._typed_dict(schema, self._names.take(where), where, left)
            return f"Mapping[str, {self._of(schema.get('additionalProperties'), f'{where}Value', left - 1)}]"
        return _SIMPLE.get(kind, ANY) if isinstance(kind, str) else ANY

    def _typed_dict(self, schema: Mapping[str, Json], name: str, where: str, left: int) -> str:
        properties, required = schema["properties"], schema.get("required")
        assert isinstance(properties, OBJECTS)
        needed = required if isinstance(required, LISTS) else ()
        entries = [
            Entry(
                name=key,
                type=self._of(inner, f"{where}{class_name(key)}", left - 1),
                required=key in needed,
                note=description_of(inner),
            )
            for key, inner in properties.items()
        ]
        self._classes.append("\n".join(typed_dict(name, entries)))
        return name

    def _refer(self, reference: str, where: str, left: int) -> str:
        target: Json = self._root
        for step in reference.removeprefix("#").split("/")[1:]:
            step = step.replace("~1", "/").replace("~0", "~")
            target = target.get(step) if isinstance(target, OBJECTS) else None
        if not isinstance(target, OBJECTS) or not reference.startswith("#"):
            return ANY
        if (
            isinstance(target.get("properties"), OBJECTS)
            and target["properties"]
            and target.get("type") in (None, "object")
        ):
            last = reference.rpartition("/")[2]
            name = self._referred[reference] = self._names.take(
                f"{self._prefix}{class_name(last)}" if last != "#" else where
            )
            return self._typed_dict(target, name, name, left)
        self._referred[reference] = ANY  # while it is looked at: it may refer to itself
        self._referred[reference] = self._of(target, where, left - 1)
        return self._referred[reference]


def description_of(schema: Json) -> str:
    """Returns what a schema says of itself for people, or an empty text."""
    text = schema.get("description") if isinstance(schema, OBJECTS) else ""
    return text if isinstance(text, str) else ""


def _literals(schema: Mapping[str, Json]) -> str | None:
    listed = [schema["const"]] if "const" in schema else schema.get("enum")
    if not isinstance(listed, LISTS) or not listed or len(listed) > _MOST_LITERALS:
        return None
    if not all(each is None or isinstance(each, str | int) for each in listed):
        return None
    return f"Literal[{', '.join(dict.fromkeys(map(repr, listed)))}]"


def _union(types: Iterator[str]) -> str:
    members = dict.fromkeys(part for each in types for part in each.split(" | "))
    return ANY if ANY in members or not members else " | ".join(members)


def _base(schema: Mapping[str, Json]) -> Mapping[str, Json]:
    return {key: value for key, value in schema.items() if key in ("type", "items", "additionalProperties")}


def _object(schema: Json) -> Mapping[str, Json]:
    return schema if isinstance(schema, OBJECTS) else {}


def _merged(schema: Mapping[str, Json], listed: Sequence[Json]) -> Mapping[str, Json]:
    """A schema with those that hold beside it, as far as they name keys of one object."""
    merged = {key: value for key, value in schema.items() if key != "allOf"}
    for each in map(_object, listed):
        properties, required = _object(each.get("properties")), each.get("required")
        more = {key: value for key, value in each.items() if key not in ("properties", "required")}
        merged = {**more, **merged}
        if properties:
            merged["properties"] = {**properties, **_object(merged.get("properties"))}
        if isinstance(required, LISTS):
            own = merged.get("required")
            merged["required"] = [*(own if isinstance(own, LISTS) else ()), *required]
    return merged
