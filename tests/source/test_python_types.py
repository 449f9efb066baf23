"""From a JSON Schema to a type of Python: for every schema a type that Python reads, and names that are taken once."""

from __future__ import annotations

import ast
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from promptops.source.python_types import Entry, Names, Types, class_name, typed_dict

WORDS = st.sampled_from(["a", "b-c", "class", "__x", "ü", "$ref", "properties", "", "1", '"', "\\", "\n"])
SCALARS = st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=3) | st.floats(allow_nan=False)
KINDS = st.sampled_from(["string", "integer", "number", "boolean", "null", "array", "object", "other"])


def _grow(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    listed = st.lists(inner, max_size=3)
    parts = {
        "type": KINDS | st.lists(KINDS, max_size=2),
        "enum": st.lists(SCALARS, max_size=3),
        "const": SCALARS,
        "items": inner,
        "properties": st.dictionaries(WORDS, inner, max_size=3),
        "required": st.lists(WORDS, max_size=2),
        "additionalProperties": inner,
        "anyOf": listed,
        "oneOf": listed,
        "allOf": listed,
        "$ref": st.sampled_from(["#", "#/$defs/a", "#/properties/a", "#/nothing", "https://elsewhere", "#/$defs/a~1b"]),
        "$defs": st.dictionaries(WORDS, inner, max_size=2),
        "description": st.text(max_size=5),
    }
    return st.fixed_dictionaries({}, optional=parts)


SCHEMAS = st.recursive(st.fixed_dictionaries({}, optional={"type": KINDS}), _grow, max_leaves=8)


@given(schema=SCHEMAS)
@example(schema={"type": []})
@example(schema={"anyOf": [{"type": []}], "enum": []})
def test_every_schema_has_a_type_that_python_reads(schema: dict[str, Any]) -> None:
    classes: list[str] = []
    found = Types(schema, Names(), "X", classes).type()
    text = "\n\n".join([*classes, f"x: {found}"])
    tree = ast.parse(text)
    defined = [node.name for node in tree.body if isinstance(node, ast.ClassDef)]
    defined += [node.targets[0].id for node in tree.body if isinstance(node, ast.Assign)]  # type: ignore[attr-defined]
    assert len(defined) == len(set(defined)) == len(classes)
    again: list[str] = []
    assert (Types(schema, Names(), "X", again).type(), again) == (found, classes)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("support-bot/answer", "SupportBotAnswer"),
        ("bot/entries/rewrite", "BotEntriesRewrite"),
        ("7/eleven", "N7Eleven"),
        ("a.b_c", "ABC"),
        ("ü", "N"),
        ("", "N"),
    ],
)
def test_a_class_is_named_for_its_prompt(text: str, name: str) -> None:
    assert class_name(text) == name


def test_a_name_is_taken_once_and_never_one_of_python() -> None:
    names = Names({"Prompt"})
    assert [names.take(name) for name in ("A", "A", "A2", "Prompt", "None")] == ["A", "A2", "A22", "Prompt2", "None2"]


def test_a_note_stays_one_line() -> None:
    lines = list(typed_dict("X", [Entry(name="a", type="str", required=True, note='b\n"""\nimport os\u2028x')]))
    assert len(lines) == 3 and lines[1].startswith("    #: b")
    ast.parse("\n".join(lines))
    assert all(character.isprintable() for line in lines for character in line)
