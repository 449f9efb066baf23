"""A release has a place for messages of a caller, read strictly and compared as an input is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from promptops.core.contract import bump_of, compare
from promptops.core.errors import Invalid
from promptops.core.features import HISTORY, requires_of
from promptops.core.model import Bump, Content, Input, Message, Placeholder, Prompt, Role
from promptops.core.published_inputs import published_inputs
from promptops.core.release_bytes import content_from_bytes, encode
from promptops.core.template.template import Template
from tests.core.test_history import MESSAGES, PLACE, SYSTEM, USER, prompt

FULL = Placeholder(name="history", optional=True, most=50, system=True, private=True)


def written(*messages: Message | Placeholder) -> bytes:
    return encode(Content(app="bot", prompts=(prompt(*messages),), requires=(HISTORY,)))


def test_a_release_has_the_placeholder_and_names_the_feature() -> None:
    data = written(FULL, Placeholder(name="more"))
    assert json.loads(data)["prompts"]["answer"]["messages"] == [
        {"role": "placeholder", "name": "history", "optional": True, "max": 50, "system": True, "private": True},
        {"role": "placeholder", "name": "more"},
    ]
    assert requires_of(data) == ("history",)
    assert content_from_bytes(data).prompts[0].messages == (FULL, Placeholder(name="more"))


@pytest.mark.parametrize(
    ("message", "problem"),
    [
        ({"name": "history", "content": ""}, "messages[0] has the unknown key 'content'"),
        ({}, "messages[0].name is not text"),
        ({"name": "a b"}, "messages[0].name: 'a b' is not a variable's name"),
        ({"name": "history", "max": 0}, "messages[0].max is not a number from 1 to 10,000"),
        ({"name": "history", "max": True}, "messages[0].max is not a number"),
        ({"name": "history", "max": None}, "messages[0].max is not a number"),
        ({"name": "history", "max": 10_001}, "messages[0].max is not a number"),
        ({"name": "history", "optional": 1}, "messages[0].optional is not true or false"),
        ({"name": "history", "system": None}, "messages[0].system is not true or false"),
        ({"name": "history", "private": "yes"}, "messages[0].private is not true or false"),
    ],
)
def test_a_release_is_read_strictly(message: dict[str, Any], problem: str) -> None:
    document = json.loads(written(PLACE))
    document["prompts"]["answer"]["messages"] = [{"role": "placeholder", **message}]
    with pytest.raises(Invalid) as caught:
        content_from_bytes(json.dumps(document).encode())
    assert problem in caught.value.message


def test_a_release_without_the_feature_is_refused() -> None:
    with pytest.raises(Invalid, match="has history"):
        content_from_bytes(encode(Content(app="bot", prompts=(prompt(PLACE),))))


@pytest.mark.parametrize(
    "twice",
    [
        prompt(PLACE, PLACE),
        prompt(PLACE, inputs=(Input(name="history"),)),
    ],
)
def test_one_name_is_one_variable(twice: Prompt) -> None:
    with pytest.raises(Invalid, match="two variables of one name"):
        encode(Content(app="bot", prompts=(twice,)))
    with pytest.raises(Invalid, match="'history' of prompt 'answer' has the name of another variable"):
        Template.compile(twice)


def test_a_name_in_a_text_is_no_placeholder() -> None:
    with pytest.raises(Invalid, match="has the name of another variable"):
        Template.compile(prompt(PLACE, Message(role=Role.USER, content="{{history}}")))


def test_a_placeholder_is_an_input_of_the_published_contract() -> None:
    plain, full = published_inputs(
        prompt(PLACE, Placeholder(name="all", optional=True, most=3, system=True, private=True))
    )
    assert (plain.name, plain.required, plain.private) == ("history", True, False)
    assert plain.schema["type"] == "array" and "maxItems" not in plain.schema
    assert (full.name, full.required, full.private) == ("all", False, True)
    assert full.schema["maxItems"] == 3
    items = full.schema["items"]
    assert isinstance(items, dict) and "system" in items["properties"]["role"]["enum"]


@pytest.mark.parametrize(
    ("before", "after", "bump", "summaries"),
    [
        ((USER,), MESSAGES[1:], Bump.MAJOR, {"required input 'history' added", "placeholder message added"}),
        ((USER,), (FULL, USER), Bump.MINOR, {"optional input 'history' added", "placeholder message added"}),
        (MESSAGES[1:], (USER,), Bump.MAJOR, {"input 'history' removed", "placeholder message removed"}),
        ((FULL, USER), (USER,), Bump.MAJOR, {"input 'history' removed", "placeholder message removed"}),
        ((PLACE,), (Placeholder(name="history", optional=True),), Bump.MINOR, {"input 'history' is now optional"}),
        ((Placeholder(name="history", optional=True),), (PLACE,), Bump.MAJOR, {"input 'history' is now required"}),
        ((PLACE,), (Placeholder(name="history", most=5),), Bump.MAJOR, {"input 'history' retyped"}),
        ((PLACE,), (Placeholder(name="history", system=True),), Bump.MAJOR, {"input 'history' retyped"}),
        ((PLACE,), (Placeholder(name="history", private=True),), Bump.PATCH, {"input 'history' is now private"}),
        ((PLACE, USER), (USER, PLACE), Bump.MINOR, {"user message removed", "user message added"}),
        ((PLACE, USER), (SYSTEM, USER), Bump.MAJOR, {"input 'history' removed", "role placeholder → system"}),
    ],
)
def test_what_changes_for_callers_is_said_with_its_weight(
    before: tuple[Any, ...], after: tuple[Any, ...], bump: Bump, summaries: set[str]
) -> None:
    contents = [Content(app="bot", prompts=(prompt(*messages),)) for messages in (before, after)]
    changes = compare(*contents)
    assert bump_of(changes) is bump
    assert summaries <= {change.summary for change in changes}
    assert encode(contents[0]) != encode(contents[1])


def test_a_prompt_without_one_is_rendered_the_fast_way() -> None:
    assert Template.compile(prompt(SYSTEM, USER))._fast is not None
    assert Template.compile(prompt(SYSTEM, PLACE, USER))._fast is None
