"""What a process says of the prompts that it asks for: names, few of them, and never a value."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptops.core.asked import Passed, asked_from_json, asked_to_json, require_few
from promptops.core.errors import Invalid
from promptops.core.model import Json, Message, Prompt, Role
from promptops.core.template.template import MOST_CALLS, Template

NAMES = st.sets(st.sampled_from(["question", "customer_name", "größe", "a" * 200])).map(sorted).map(tuple)
ASKED = st.dictionaries(
    st.sampled_from(["bot/answer", "bot/writing/density_refiner", "a.b-c/x"]),
    st.builds(Passed, always=NAMES, sometimes=NAMES),
)


@pytest.mark.parametrize(
    ("calls", "are_all", "always", "sometimes"),
    [
        ([], True, (), ()),
        ([("b", "a")], True, ("a", "b"), ()),
        ([("a", "b"), ("b", "c")], True, ("b",), ("a", "c")),
        ([("a",), ()], True, (), ("a",)),  # one call passes nothing
        ([("a",), ("a", "b")], False, (), ("a", "b")),  # there were others, of which nothing is known
    ],
)
def test_what_is_always_passed_is_in_every_call(
    calls: list[tuple[str, ...]], are_all: bool, always: tuple[str, ...], sometimes: tuple[str, ...]
) -> None:
    passed = Passed.of(calls, are_all=are_all)
    assert (passed.always, passed.sometimes) == (always, sometimes)
    assert passed.ever == frozenset((*always, *sometimes))


@given(ASKED)
def test_it_comes_back_as_it_was(asked: Mapping[str, Passed]) -> None:
    assert asked_from_json(json.loads(json.dumps(asked_to_json(asked)))) == asked


@pytest.mark.parametrize(
    ("document", "read"),
    [
        (None, None),
        ([], None),
        ({}, {}),
        ({"answer": {}}, None),  # no full name
        ({"Bot/answer": {}}, None),
        ({"bot/../x": {}}, None),
        ({"bot/answer": {"always": ["a\n"]}}, None),
        ({"bot/answer": {"always": ["a" * 201]}}, None),
        ({f"bot/p{n}": {} for n in range(501)}, None),
        ({"bot/answer": {"always": [f"{n:0199}" for n in range(81)]}}, None),
        ({"bot/answer": 7}, {"bot/answer": Passed()}),  # of a newer client: it asks for it, in whatever way
        ({"bot/answer": {"always": "a", "ever": ["b"]}}, {"bot/answer": Passed()}),
    ],
)
def test_what_cannot_be_read_is_not_said(document: Json, read: object) -> None:
    assert asked_from_json(document) == read


def test_too_many_names_are_refused() -> None:
    with pytest.raises(Invalid, match="at most 500 prompts"):
        require_few({f"bot/p{n}": Passed() for n in range(501)})


def template(text: str) -> Template:
    return Template.compile(Prompt(name="answer", messages=(Message(role=Role.USER, content=text),)))


def test_a_template_notes_the_names_of_its_calls_once() -> None:
    made = template("{{ a }} {{ b }}")
    assert made.passed == set()
    for _ in range(3):
        assert made.render({"a": "secret", "b": "word"}) == [{"role": "user", "content": "secret word"}]
        assert made.render({"b": "word", "a": "secret"}) == [{"role": "user", "content": "secret word"}]
    assert made.passed == {("a", "b")}  # the fast way takes these names and no others


def test_a_call_that_fails_is_noted_too() -> None:
    made = template("{{ a }}")
    made.render({"a": "x"})
    with pytest.raises(Invalid):
        made.render({"a": "x", "customer_name": "Ada"})
    with pytest.raises(Invalid):
        made.render({})
    assert made.passed == {("a",), ("a", "customer_name"), ()}


def test_a_template_notes_few_combinations() -> None:
    made = template("{{ a }}")
    for number in range(2 * MOST_CALLS):
        with pytest.raises(Invalid):
            made.render({f"name-{number}": "x"})
    assert len(made.passed) == MOST_CALLS
