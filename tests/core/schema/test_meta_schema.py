"""Our table of JSON Schema's keywords takes what the library's own check of a schema takes, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

from promptops.core.errors import TemplateInvalid
from promptops.core.model import Json
from promptops.core.schema.meta_schema import _KEYWORDS, TYPES, patterns, require_schema

LEAVES: list[Json] = [None, True, False, 0, 1, -1, 1.0, 1.5, "a", "integer", "#", "x#y", "(", [], {}]
LEAVES += [["a"], ["a", "a"], ["integer"], ["integer", "integer"], [1], [{}], [{"type": "x"}], {"a": {}}, {"a": True}]
LEAVES += [{"a": 1}, {"a": ["b"]}, {"a": ["b", "b"]}, {"(": {}}, {"a": {"type": "x"}}]


def taken(schema: Json) -> bool:
    try:
        require_schema(schema)
    except TemplateInvalid:
        return False
    return True


def taken_by_the_library(schema: Json) -> bool:
    try:
        Draft202012Validator.check_schema(schema)  # type: ignore[arg-type]
    except SchemaError:
        return False
    return True


@pytest.mark.parametrize("keyword", [*_KEYWORDS, "format", "unknown"])
def test_a_keyword_takes_what_the_library_takes(keyword: str) -> None:
    for value in LEAVES:
        for schema in ({keyword: value}, {"properties": {"a": {keyword: value}}}):
            assert taken(schema) == taken_by_the_library(schema), schema


VALUES: st.SearchStrategy[Json] = st.recursive(
    st.sampled_from([*LEAVES, *TYPES]),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from([*_KEYWORDS, "a"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=150)
@given(VALUES)
def test_a_schema_is_one_where_the_library_says_so(schema: Json) -> None:
    assert taken(schema) == taken_by_the_library(schema)
    list(patterns(schema))


def test_the_patterns_of_a_schema_are_found_wherever_a_schema_can_stand() -> None:
    schema: Json = {
        "pattern": "a",
        "properties": {"pattern": {"pattern": "b"}},
        "patternProperties": {"c": {"pattern": "d"}},
        "allOf": [{"items": {"pattern": "e"}}],
        "const": {"pattern": "no"},
        "default": {"pattern": "no"},
    }
    assert sorted(patterns(schema)) == ["a", "b", "c", "d", "e"]
