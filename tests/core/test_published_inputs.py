"""The contract of a prompt as callers see it has the fields that its messages use of a variable."""

from __future__ import annotations

from contextlib import nullcontext

import pytest

from promptops.core.errors import MissingVariable
from promptops.core.model import Content, Engine, Input, Json, Message, Prompt, Role
from promptops.core.published_inputs import inputs_of, published_inputs
from promptops.core.schema.input_schema import compile_check
from promptops.core.template.template import Template


def prompt(*texts: str, inputs: tuple[Input, ...], engine: Engine = Engine.SIMPLE) -> Prompt:
    messages = tuple(Message(role=Role.USER, content=text) for text in texts)
    return Prompt(name="answer", messages=messages, inputs=inputs, engine=engine)


def schemas(prompt: Prompt) -> dict[str, object]:
    return {item.name: item.schema for item in published_inputs(prompt)}


USER = Input(name="user")


def test_fields_of_all_messages_are_properties_of_the_inferred_object() -> None:
    asked = prompt("{{ user.name }}", "{{user}} {{ user.home.city }} {{ user.home }}", inputs=(USER, Input(name="q")))
    assert schemas(asked) == {
        "user": {
            "type": "object",
            "properties": {"home": {"type": "object", "properties": {"city": {}}, "required": ["city"]}, "name": {}},
            "required": ["home", "name"],
        },
        "q": {"type": "string"},
    }


def test_what_fits_the_published_schema_renders_and_what_does_not_fit_does_not() -> None:
    asked = prompt("{{ user.name }} {{ user.home.city }}", inputs=(USER,))
    check = compile_check(published_inputs(asked)[0].schema)
    values: tuple[tuple[Json, bool], ...] = (
        ({"name": "Ada", "home": {"city": "Bern"}}, True),
        ({"name": 3, "home": {"city": None, "zip": 1}}, True),
        ({"name": "Ada", "home": "Bern"}, False),
        ({"name": "Ada"}, False),
        ("Ada", False),
    )
    for value, fits in values:
        assert (check(value) == "") is fits
        template = Template.compile(asked)
        with nullcontext() if fits else pytest.raises(MissingVariable, match=r"'user\.(home|name)"):
            template.render({"user": value})


def test_a_declared_schema_and_a_template_of_jinja_stay_as_they_are() -> None:
    declared = Input(name="user", schema={"type": "object", "description": "who asks"})
    assert schemas(prompt("{{ user.name }}", inputs=(declared,))) == {"user": declared.schema}
    assert schemas(prompt("{{ user.name }}", inputs=(USER,), engine=Engine.JINJA2)) == {"user": USER.schema}


def test_the_inputs_of_a_content_are_by_prompt() -> None:
    content = Content(app="bot", prompts=(prompt("{{ user }}", inputs=(USER,)),))
    assert inputs_of(content) == {"answer": {"user": {"type": "string"}}}
