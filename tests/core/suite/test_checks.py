"""The checks that need no judge: what each says of an answer, and which settings it refuses."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptops.core.checks import json_path
from promptops.core.checks.json_text import parse, same
from promptops.core.checks.text import OPERATORS
from promptops.core.model import Json
from promptops.core.suite.answer import Answer, Scope, ToolCall
from promptops.core.suite.checks.table import KINDS

VALUES: dict[str, Json] = {"expected": "Paris", "city": {"name": "Rome"}, "sure": True, "n": 3, "tag": "{{expected}}"}
SCOPE = Scope(values=VALUES, response_schema={"name": "s", "schema": {"type": "object", "required": ["a"]}})
CALLS = (ToolCall(name="find", arguments={"id": "PW-1", "n": 1.0}), ToolCall(name="stop"), ToolCall(name="find"))


def score(kind: str, wanted: Json, text: str = "", **more: object) -> float | None:
    """What a check says of an answer, after the check itself was found to be sound."""
    assert KINDS[kind].problem(wanted) == ""
    return KINDS[kind].verdict(wanted, Answer(text=text, **more), SCOPE).score  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "wanted", "text", "passes"),
    [
        # GitHub's four: the answer is stripped, equals is exact, the others ignore case
        ("equals", "Paris", "  Paris\n", True),
        ("equals", "Paris\n", "Paris", True),  # a block of YAML ends with a line end
        ("equals", "Paris", "paris", False),
        ("equals", "", " \n", True),
        ("contains", "PARIS", "in paris.", True),
        ("contains", "{{expected}}", "It is Paris.", True),
        ("contains", "{{ city.name }}", "It is Paris.", False),
        ("contains", "{{ n }}", "3", True),
        ("contains", "{{nothing}}", "{{nothing}}", True),  # no value: the braces themselves
        ("contains", "{{PREFERENCES LINK}}", "… {{preferences link}}", True),
        ("contains", "{{tag}}", "{{expected}}", True),  # a value is never filled again
        ("contains", "{{tag}}", "Paris", False),
        ("startsWith", "wants:", "\nWants: x", True),
        ("startsWith", "wants:", "She wants: x", False),
        ("endsWith", "END", "the end ", True),
        ("endsWith", "END", "the end.", False),
        # a pattern is found anywhere
        ("regex", "^[A-Z]+$", " ABC ", True),
        ("regex", "B", "ABC", True),
        ("regex", "b", "ABC", False),
        ("regex", "(?i)b", "ABC", True),
        # JSON
        ("json_schema", {"type": "integer"}, " 3 ", True),
        ("json_schema", {"type": "integer"}, '"3"', False),
        ("json_schema", {"type": "integer"}, "three", False),
        ("json_schema", {"type": "number"}, "NaN", False),
        ("json_schema", {}, "[" * 100_000, False),
        ("json_schema", "$response", '{"a": 1}', True),
        ("json_schema", "$response", "{}", False),
        ("json_path", {"path": "$", "equals": 1}, "1.0", True),
        ("json_path", {"path": "$", "equals": True}, "1", False),
        ("json_path", {"path": "$.a[0]['b c']", "equals": None}, '{"a": [{"b c": null}]}', True),
        ("json_path", {"path": "$.a[-1]", "equals": "x"}, '{"a": ["y", "x"]}', True),
        ("json_path", {"path": "$.a[2]", "equals": "x"}, '{"a": ["y", "x"]}', False),
        ("json_path", {"path": "$.a", "equals": 1}, "[1]", False),
        ("json_path", {"path": "$.a", "equals": "{{sure}}"}, '{"a": true}', True),  # the value, not its text
        ("json_path", {"path": "$.a", "equals": "{{sure}}"}, '{"a": "true"}', False),
        ("json_path", {"path": "$.a", "equals": ["{{city}}", "{{n}}!"]}, '{"a": [{"name": "Rome"}, "3!"]}', True),
        ("json_path", {"path": "$.a", "equals": 1}, "no JSON", False),
    ],
)
def test_what_is_said_of_a_text(kind: str, wanted: Json, text: str, passes: bool) -> None:
    assert score(kind, wanted, text) == float(passes)


@pytest.mark.parametrize(
    ("wanted", "passes"),
    [
        ("find", True),
        ("lose", False),
        ({"name": "stop", "arguments": {}}, False),  # its arguments are no JSON
        ({"name": "find", "arguments": {"n": 1}}, True),  # others may stand beside it
        ({"name": "find", "arguments": {"n": True}}, False),
        ({"name": "find", "arguments": {"other": None}}, False),
    ],
)
def test_a_tool_call_is_found_by_name_and_arguments(wanted: Json, passes: bool) -> None:
    assert score("tool_call", wanted, tool_calls=CALLS) == float(passes)


def test_how_an_answer_ends_and_what_it_takes() -> None:
    assert score("finish", "stop") == 1
    assert score("finish", ["length", "tool_calls"], finish="length") == 1
    assert score("finish", "stop", finish="content_filter") == 0
    assert score("max_latency_ms", 1200, latency_ms=1200.0) == 1
    assert score("max_latency_ms", 1200, latency_ms=1200.1) == 0
    assert score("max_cost_usd", 0.002, cost_usd=0.0) == 1
    assert score("max_cost_usd", 0.002, cost_usd=0.01) == 0


@pytest.mark.parametrize("kind", ["max_latency_ms", "max_cost_usd"])
def test_what_is_not_known_is_an_error_and_no_zero(kind: str) -> None:
    assert score(kind, 1) is None


def test_a_prompt_without_a_schema_cannot_be_checked_against_it() -> None:
    assert KINDS["json_schema"].verdict("$response", Answer(text="{}"), Scope()).score is None


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [
        ("equals", 3),
        ("contains", ""),
        ("regex", ""),
        ("regex", "(?=a)b"),
        ("regex", r"(a)\1"),
        ("regex", "a{2000}"),
        ("regex", "("),
        ("json_schema", "response"),
        ("json_schema", {"type": "strin"}),
        ("json_schema", {"pattern": "(?=a)"}),
        ("json_path", "$.a"),
        ("json_path", {"path": "$.a"}),
        ("json_path", {"path": "a.b", "equals": 1}),
        ("json_path", {"path": "$..a", "equals": 1}),
        ("json_path", {"path": "$.a[*]", "equals": 1}),
        ("json_path", {"path": "$.a[?@.b]", "equals": 1}),
        ("json_path", {"path": "$.a.", "equals": 1}),
        ("tool_call", ""),
        ("tool_call", {"arguments": {}}),
        ("tool_call", {"name": 1}),
        ("tool_call", {"name": "a", "args": {}}),
        ("tool_call", {"name": "a", "arguments": []}),
        ("finish", "end_turn"),
        ("finish", []),
        ("max_latency_ms", 0),
        ("max_latency_ms", True),
        ("max_cost_usd", "1"),
        ("max_cost_usd", float("nan")),
    ],
)
def test_a_setting_that_means_nothing_is_refused(kind: str, wanted: Json) -> None:
    assert KINDS[kind].problem(wanted)


def test_a_pattern_that_hangs_pythons_own_expressions_has_a_result() -> None:
    assert score("regex", "(a+)+$", "a" * 50_000 + "!") == 0


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(json_values)
def test_a_value_is_the_same_as_what_is_read_of_it(value: Json) -> None:
    assert same(value, parse(json.dumps(value)))


@given(json_values, json_values)
def test_values_are_the_same_when_their_json_is(one: Json, other: Json) -> None:
    assert same(one, other) == same(other, one)
    if json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True):
        assert same(one, other)


@given(st.sampled_from(OPERATORS), st.text(), st.text())
def test_a_text_without_tags_is_looked_for_as_it_is(operator: str, wanted: str, text: str) -> None:
    passed = KINDS[operator].verdict(wanted, Answer(text=text), Scope()).score
    if "{{" not in wanted:
        said, sought = text.strip(), wanted.lower()
        assert (
            passed
            == {
                "equals": said == wanted.strip(),
                "contains": sought in said.lower(),
                "startsWith": said.lower().startswith(sought),
                "endsWith": said.lower().endswith(sought),
            }[operator]
        )


@given(st.lists(st.from_regex(r"[A-Za-z_]\w*", fullmatch=True) | st.integers(-9, 9)))
def test_a_path_leads_where_it_says(way: list[str | int]) -> None:
    path = "$" + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in way)
    assert json_path.steps(path) == tuple(way)


@given(st.text())
def test_any_text_is_a_path_or_none(text: str) -> None:
    for path in (text, "$" + text):
        found = json_path.steps(path)
        assert found is None or path.startswith("$")
        assert not found or len(found) < len(path)  # each step has characters of its own, behind the $


@given(st.sampled_from(sorted(KINDS)), json_values, st.text())
def test_every_setting_is_refused_or_gives_a_result(kind: str, wanted: Json, text: str) -> None:
    if not KINDS[kind].problem(wanted):
        result = KINDS[kind].verdict(wanted, Answer(text=text), SCOPE)
        assert result.score == 1.0 or result.why  # what is not well says why
