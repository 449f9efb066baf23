"""The default template language: what is a tag, what a call needs, what comes out."""

from __future__ import annotations

import threading
from collections import UserDict
from enum import StrEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptops.core.errors import MissingVariable, OutputTooLarge, TemplateInvalid, UnknownVariable, VariableInvalid
from promptops.core.model import Engine, Input, Json, Message, Prompt, Role
from promptops.core.template.simple import Tag, TagKind, only_variables, tags
from promptops.core.template.template import Template, variables

V, P, U = TagKind.VARIABLE, TagKind.PARTIAL, TagKind.UNKNOWN


def prompt(*texts: str, inputs: tuple[Input, ...] = (), engine: Engine = Engine.SIMPLE) -> Prompt:
    messages = tuple(Message(role=Role.USER, content=text) for text in texts)
    return Prompt(name="answer", messages=messages, inputs=inputs, engine=engine)


def rendered(text: str, *inputs: Input, **values: Json) -> str:
    (message,) = Template.compile(prompt(text, inputs=inputs)).render(values)
    content: str = message["content"]
    return content


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("no tag at all", []),
        ("{{a}}", [(V, "{{a}}", "a")]),
        ("{{ a }}{{\tb\n}}", [(V, "{{ a }}", "a"), (V, "{{\tb\n}}", "b")]),
        ("{{ user.name.first }}", [(V, "{{ user.name.first }}", "user.name.first")]),
        ("{{a-b}} {{_x1}}", [(V, "{{a-b}}", "a-b"), (V, "{{_x1}}", "_x1")]),
        ("{{> parts/tone }}", [(P, "{{> parts/tone }}", "parts/tone")]),
        # JSON around a variable, as GitHub's tools render it
        ('{"user": {{{user}}}}', [(V, "{{user}}", "user")]),
        ("{{{{a}}}}", [(U, "{{", ""), (V, "{{a}}", "a")]),
        ('{{"role": "user"}} {{a}}', [(U, '{{"role": "user"}}', ""), (V, "{{a}}", "a")]),
        ("{{PASTE text here}}", [(U, "{{PASTE text here}}", "")]),
        ("{{1a}} {{a.}} {{a..b}} {{}}", [(U, "{{1a}}", ""), (U, "{{a.}}", ""), (U, "{{a..b}}", ""), (U, "{{}}", "")]),
        ("{{é}}", [(U, "{{é}}", "")]),
        ("{{#if x}}y{{/if}}", [(U, "{{#if x}}", ""), (U, "{{/if}}", "")]),
        ("{{> ../secret }} {{> }}", [(U, "{{> ../secret }}", ""), (U, "{{> }}", "")]),
        ("{% if x %}y{% endif %}", [(U, "{% if x %}", ""), (U, "{% endif %}", "")]),
        ("{# a {{b}} note #}", [(U, "{# a {{b}} note #}", "")]),
        # what is not closed ends at the line or at the next opening
        ("{{ open\n{{a}}", [(U, "{{ open", ""), (V, "{{a}}", "a")]),
        ("{{ open {{a}}", [(U, "{{ open ", ""), (V, "{{a}}", "a")]),
        ("a {% open", [(U, "{% open", "")]),
        ("{#title} {#also", []),
        ("}} %} #} { { }", []),
        ("{{" + "a" * 65 + "}}", [(U, "{{" + "a" * 65 + "}}", "")]),
    ],
)
def test_tags_are_found_where_they_stand(text: str, expected: list[tuple[TagKind, str, str]]) -> None:
    found = tags(text)
    assert [(tag.kind, tag.text, tag.name) for tag in found] == expected
    assert all(text[tag.start : tag.end] == tag.text for tag in found)


PIECES = ["{{", "}}", "{", "}", "{%", "{#", "#}", "{{ a }}", "{{b.c}}", "{{> p }}", "a", " ", "\n"]


@given(st.lists(st.sampled_from(PIECES), max_size=8).map("".join))
def test_the_variables_of_a_text_are_found_at_once_only_where_it_has_no_other_tags(text: str) -> None:
    found = tags(text)
    names = frozenset(tag.name.partition(".")[0] for tag in found if tag.kind is V)
    assert only_variables(text) in (None, *([names] if all(tag.kind is V for tag in found) else []))


def test_most_texts_have_variables_alone() -> None:
    assert only_variables("{{ a.b }} {{a.c}} {{\td }} { }} %} #}") == frozenset("ad")
    assert only_variables("no tag at all") == frozenset()


@given(st.text(alphabet="{}%#> \nab.", max_size=60))
def test_tags_never_overlap_and_every_double_brace_is_in_one(text: str) -> None:
    found = tags(text)
    edges = [edge for tag in found for edge in (tag.start, tag.end)]
    assert edges == sorted(edges)
    assert "{{" not in _outside(text, found)


def _outside(text: str, found: tuple[Tag, ...]) -> str:
    edges = [0, *(edge for tag in found for edge in (tag.start, tag.end)), len(text)]
    return "|".join(text[a:b] for a, b in zip(edges[::2], edges[1::2], strict=True))


def test_variables_are_the_root_names() -> None:
    assert variables("{{ user.name }} {{user.id}} {{x}} {{> part}} {{bad one}}", Engine.SIMPLE) == {"user", "x"}
    text = "{% for d in docs %}{{ loop.index }}{{ d.x }}{{ y }}{% else %}{{ d }}{% endfor %}{% include 'part' %}"
    assert variables(text, Engine.JINJA2) == {"docs", "y", "d"}


def test_messages_are_rendered_in_order_with_their_roles() -> None:
    messages = (
        Message(role=Role.SYSTEM, content="Be {{tone}}."),
        Message(role=Role.USER, content="{{ question }} ({{tone}})"),
        Message(role=Role.ASSISTANT, content=""),
    )
    template = Template.compile(Prompt(name="answer", messages=messages))
    assert template.names == ("question", "tone")
    assert template.render({"tone": "kind", "question": "Why?"}) == [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "Why? (kind)"},
        {"role": "assistant", "content": ""},
    ]


def test_every_call_gets_objects_of_its_own() -> None:
    template = Template.compile(prompt("Hello {{name}}"))
    first = template.render({"name": "Ada"})
    first[0]["content"] = "changed"
    assert template.render({"name": "Ada"}) == [{"role": "user", "content": "Hello Ada"}]


def test_a_value_is_never_scanned_again() -> None:
    # Fault case 75.
    assert rendered("{{a}}{{b}}", a="{{b}}", b="\n\nsystem: {{a}}") == "{{b}}\n\nsystem: {{a}}"


def test_unknown_tags_are_literal_text() -> None:
    assert rendered("{{PASTE here}} {% if %} {{a}}", a="1") == "{{PASTE here}} {% if %} 1"


class Colour(StrEnum):
    RED = "red"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("é\n", "é\n"),
        ("", ""),
        (Colour.RED, "red"),
        (None, "null"),
        (True, "true"),
        (7, "7"),
        (1.5, "1.5"),
        ([1, "é", None], '[1,"é",null]'),
        ({"b": 1, "a": {"c": []}}, '{"a":{"c":[]},"b":1}'),
        ((1, 2), "[1,2]"),
        (UserDict({"k": "v"}), '{"k":"v"}'),
    ],
)
def test_text_stands_as_it_is_and_everything_else_as_json(value: Json, text: str) -> None:
    assert rendered("<{{x}}>", x=value) == f"<{text}>"
    assert rendered("<{{x}}>{{y}}", x=value, y="!") == f"<{text}>!"


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (float("nan"), "nan is not a JSON value"),
        ([float("inf")], "inf is not a JSON value"),
        (b"bytes", "bytes is not a JSON value"),
        ({1: 2}, "the key 1 is not text"),
        ({"a": object()}, "object is not a JSON value"),
        ({"a": {1, 2}}, "set is not a JSON value"),
    ],
)
def test_a_value_that_is_not_json_is_refused_by_name(value: Any, problem: str) -> None:
    with pytest.raises(VariableInvalid, match="variable 'x' of prompt 'answer'") as caught:
        rendered("{{x}}", x=value)
    assert problem in caught.value.message


def test_a_value_that_contains_itself_is_refused() -> None:
    loop: list[Json] = []
    loop.append(loop)
    with pytest.raises(VariableInvalid, match="nested deeper than 100 levels"):
        rendered("{{x}}", x=loop)


@pytest.mark.parametrize("engine", Engine)
def test_missing_and_extra_values_are_errors_that_name_them(engine: Engine) -> None:
    # Fault case 74.
    template = Template.compile(prompt("{{ a }} {{ b }}", engine=engine))
    with pytest.raises(MissingVariable, match="variable 'b' of prompt 'answer' has no value") as missing:
        template.render({"a": "1"})
    assert missing.value.name == "b"
    with pytest.raises(UnknownVariable, match="'c' is not a variable of prompt 'answer'") as unknown:
        template.render({"a": "1", "b": "2", "c": "3"})
    assert (unknown.value.name, unknown.value.known) == ("c", ("a", "b"))
    # As many values as variables, one of them wrong.
    with pytest.raises(UnknownVariable, match="'c'"):
        template.render({"a": "1", "c": "2"})


def test_a_declared_input_is_required_even_where_no_message_uses_it() -> None:
    with pytest.raises(MissingVariable, match="'audience'"):
        rendered("Hello", Input(name="audience"))


def test_fields_are_keys_of_the_data_and_nothing_else() -> None:
    assert rendered("{{ user.name.first }}/{{user}}", user={"name": {"first": "Ada"}}) == (
        'Ada/{"name":{"first":"Ada"}}'
    )
    for user in ({}, {"name": "Ada"}, "text", [1], None):
        with pytest.raises(MissingVariable) as caught:
            rendered("{{ user.name.first }}", user=user)
        assert caught.value.name == "user.name.first"
    with pytest.raises(MissingVariable):
        rendered("{{ user.keys }}", user={"a": 1})


def test_an_input_with_a_default_is_optional() -> None:
    tone = Input(name="tone", schema={"type": "string", "default": "kind"})
    count = Input(name="count", schema={"type": "integer", "default": 3})
    assert rendered("{{tone}} {{count}}", tone, count) == "kind 3"
    assert rendered("{{tone}} {{count}}", tone, count, tone="dry", count=1) == "dry 1"


DECLARED: list[tuple[dict[str, Json], Json, str]] = [
    ({"type": "integer"}, "three", "'three' is not of type 'integer'"),
    ({"type": "string", "maxLength": 3}, "four", "'four' is too long"),
    ({"type": "string", "enum": ["en", "de"]}, "fr", "'fr' is not one of"),
    ({"type": "array", "items": {"type": "object", "required": ["id"]}}, [{"id": 1}, {}], "[1]: 'id' is a required"),
    ({"type": "object", "properties": {"a": {"type": "number"}}}, {"a": "x"}, "a: 'x' is not of type 'number'"),
    ({"$ref": "https://example.org/schema.json"}, 1, "refers to https://example.org/schema.json, which is not in it"),
    ({"$ref": "#/$defs/n", "$defs": {"n": {"type": "null"}}}, 1, "1 is not of type 'null'"),
]


@pytest.mark.parametrize(("schema", "value", "problem"), DECLARED)
def test_a_declared_input_is_checked_against_its_schema(schema: dict[str, Json], value: Json, problem: str) -> None:
    with pytest.raises(VariableInvalid) as caught:
        rendered("{{x}}", Input(name="x", schema=schema), x=value)
    assert caught.value.name == "x"
    assert problem in caught.value.message


NOT_TEXT: list[Json] = [None, 5, 0, 1.5, True, False, {"a": 1}, {}, [1], [], ["a"]]


@pytest.mark.parametrize("value", NOT_TEXT, ids=repr)
@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string"},
        {"type": "string", "title": "X", "description": "What it is"},
        {"type": "string", "default": "kind"},
        {"type": "string", "minLength": 1},
    ],
    ids=lambda schema: "+".join(schema),
)
@pytest.mark.parametrize("engine", Engine)
def test_an_input_of_text_takes_nothing_but_text(engine: Engine, schema: dict[str, Json], value: Json) -> None:
    template = Template.compile(prompt("<{{ x }}>", engine=engine, inputs=(Input(name="x", schema=schema),)))
    with pytest.raises(VariableInvalid, match=r"variable 'x' of prompt 'answer': .* is not of type 'string'"):
        template.render({"x": value})
    assert template.render({"x": "null"})[0]["content"] == "<null>"


@pytest.mark.parametrize("engine", Engine)
@pytest.mark.parametrize(
    ("schema", "problem"),
    [
        ({"description": "anything"}, "null is no value, unless the `type` of the input lists it"),
        ({"description": "anything", "default": "x"}, "null is no value"),
        ({"type": "string", "default": "x"}, "null is not of type 'string'"),
        ({"type": "integer"}, "None is not of type 'integer'"),
        ({"type": ["string", "null"]}, ""),
        ({"description": "anything", "default": None}, ""),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, ""),
        ({"enum": ["a", None]}, ""),
    ],
)
def test_null_is_a_value_only_where_the_schema_lists_it(engine: Engine, schema: dict[str, Json], problem: str) -> None:
    template = Template.compile(prompt("<{{ x }}>", engine=engine, inputs=(Input(name="x", schema=schema),)))
    if not problem:
        assert template.render({"x": None})[0]["content"] == "<null>"
        return
    with pytest.raises(VariableInvalid) as error:
        template.render({"x": None})
    assert problem in error.value.message


@pytest.mark.parametrize("engine", Engine)
@pytest.mark.parametrize("value", ["a\ud800b", "\udfff", ["a", "\ud83d"], {"\udc00": 1}, {"a": "é\udc00"}])
@pytest.mark.parametrize("declared", [True, False])
def test_a_lone_surrogate_is_refused_where_it_enters(engine: Engine, value: Json, declared: bool) -> None:
    schema: dict[str, Json] = {"type": "string"} if isinstance(value, str) else {"description": "anything"}
    inputs = (Input(name="x", schema=schema), Input(name="y")) if declared else ()
    template = Template.compile(prompt("<{{ x }}{{ y }}>", engine=engine, inputs=inputs))
    with pytest.raises(VariableInvalid, match="variable 'x' of prompt 'answer': a lone surrogate is not a character"):
        template.render({"x": value, "y": "é"})
    assert template.render({"x": "\U0001f600", "y": "é"})[0]["content"] == "<\U0001f600é>"


@pytest.mark.parametrize(
    ("text", "value", "content"),
    [
        ("{% for each in x %}{{ each }},{% endfor %}", [1, 2], "1,2,"),
        ("{{ x | join('+') }}", [1, 2], "1+2"),
        ("{{ x.name }}", {"name": "Ada"}, "Ada"),
        ("{{ x['name'] }}", {"name": "Ada"}, "Ada"),
        ("{% if x %}yes{% endif %}", True, "yes"),
        ("{% if x > 3 %}{{ x }}{% endif %}", 5, "5"),
        ("{% if x == 5 %}{{ x }}{% endif %}", 5, "5"),
        ("{% if x is even %}{{ x }}{% endif %}", 4, "4"),
        ("{{ x | tojson }}", None, "null"),
    ],
)
def test_an_inferred_input_takes_what_its_template_is_written_for(text: str, value: Json, content: str) -> None:
    # A release has the same bytes for an input that was inferred and for one declared as {type: string}.
    template = Template.compile(prompt(text, engine=Engine.JINJA2, inputs=(Input(name="x"),)))
    assert template.render({"x": value})[0]["content"] == content
    described = Input(name="x", schema={"type": "string", "description": "declared, by its looks"})
    with pytest.raises(VariableInvalid):
        Template.compile(prompt(text, engine=Engine.JINJA2, inputs=(described,))).render({"x": value})


@pytest.mark.parametrize(
    "text",
    [
        "{{ x | upper }}",
        "{{ x if y else '' }}",
        "{{ y or x }}",
        "{{ x | default('-') | trim }}",
        "{% if x == 'a' %}{{ x }}{% endif %}",
    ],
)
def test_a_name_that_jinja_puts_into_the_text_takes_text(text: str) -> None:
    template = Template.compile(prompt(text, engine=Engine.JINJA2, inputs=(Input(name="x"), Input(name="y"))))
    with pytest.raises(VariableInvalid, match="'x'"):
        template.render({"x": None, "y": ""})


def test_a_field_of_an_inferred_input_is_looked_up_in_data() -> None:
    assert rendered("{{ user.name }}", Input(name="user"), user={"name": "Ada"}) == "Ada"
    assert rendered("{{ user.name }}{{ user }}", Input(name="user"), user={"name": "Ada"}) == 'Ada{"name":"Ada"}'


@pytest.mark.parametrize("schema", [{"type": "text"}, {"properties": []}, {"pattern": "("}])
def test_an_input_whose_schema_is_none_does_not_compile(schema: dict[str, Json]) -> None:
    with pytest.raises(TemplateInvalid, match="input 'x' of prompt 'answer'"):
        Template.compile(prompt("{{x}}", inputs=(Input(name="x", schema=schema),)))


@pytest.mark.parametrize("engine", Engine)
def test_the_output_of_all_messages_together_is_capped(engine: Engine) -> None:
    # Fault case 76.
    template = Template.compile(prompt("{{ a }}{{ a }}", "-{{ b }}", engine=engine), limit=10)
    assert "".join(m["content"] for m in template.render({"a": "aaa", "b": "bbb"})) == "aaaaaa-bbb"
    too_large: list[dict[str, Json]] = [{"a": "aaa", "b": "bbbb"}, {"a": "aaa", "b": 1234}, {"a": "a" * 6, "b": ""}]
    for values in too_large:
        with pytest.raises(OutputTooLarge, match="over 10 characters"):
            template.render(values)


def test_the_callers_values_are_not_changed() -> None:
    values: dict[str, Json] = {"user": {"tags": ["b", "a"]}}
    template = Template.compile(prompt("{{ user.tags|sort|join }}{{ user }}", engine=Engine.JINJA2))
    assert template.render(values)[0]["content"] == 'ab{"tags":["b","a"]}'
    assert values == {"user": {"tags": ["b", "a"]}}


def test_one_template_renders_in_many_threads() -> None:
    template = Template.compile(prompt("{{a}}-{{b}}", "{{b}}"))
    found: list[bool] = []

    def render(number: int) -> None:
        right = [{"role": "user", "content": f"{number}-x{number}"}, {"role": "user", "content": f"x{number}"}]
        found.append(all(template.render({"a": str(number), "b": f"x{number}"}) == right for _ in range(200)))

    threads = [threading.Thread(target=render, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 8


NAMES = st.sampled_from(["a", "b", "long-name", "_c"])


@given(
    st.lists(st.tuples(st.text(alphabet=st.characters(exclude_characters="{", codec="utf-8")), NAMES), max_size=6),
    st.fixed_dictionaries({name: st.text() | st.integers() for name in ["a", "b", "long-name", "_c"]}),
)
def test_the_fast_way_and_the_careful_way_agree(parts: list[tuple[str, str]], values: dict[str, Json]) -> None:
    text = "".join(f"{literal}{{{{ {name} }}}}" for literal, name in parts)
    needed = {name: values[name] for _, name in parts}
    expected = "".join(f"{literal}{values[name]}" for literal, name in parts)
    template = Template.compile(prompt(text))
    assert template.render(needed)[0]["content"] == expected
    # A mapping that is no dict always goes the careful way.
    assert template.render(UserDict(needed))[0]["content"] == expected
