"""What a release is made of is compiled in one way, within limits; what cannot be is refused with its place."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptops.core import limits
from promptops.core.compiled import compile_content, compile_release, flaw_of, require_loadable
from promptops.core.digest import digest
from promptops.core.errors import Invalid, PromptopsError, Unloadable
from promptops.core.model import Content, Engine, Input, Json, Message, Prompt, ResponseFormat, Role, Tool
from promptops.core.release_bytes import encode
from promptops.core.template.jinja_lexer import MAX_BRACKETS
from promptops.core.template.jinja_syntax import MAX_BRANCHES, MAX_COMPARED
from tests.support.factory import jinja


def schema(of: Mapping[str, Json]) -> Content:
    return jinja("{{ a }}", inputs={"a": of})


def simple(*texts: str) -> Content:
    messages = tuple(Message(role=Role.USER, content=text) for text in texts)
    return Content(app="bot", prompts=(Prompt(name="answer", messages=messages),))


def prompts(*found: Prompt) -> Content:
    return Content(app="bot", prompts=found)


def many(count: int, text: str, engine: Engine = Engine.SIMPLE) -> Content:
    message = (Message(role=Role.USER, content=text),)
    return prompts(*(Prompt(name=f"p{n}", engine=engine, messages=message) for n in range(count)))


DEEP = "x"
for _ in range(30):
    DEEP = f"{{% if a %}}{DEEP}{{% endif %}}"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        # Jinja
        (jinja("a\n\n{% set x = 1 %}"), "prompt 'bot/answer', messages[0], line 3: set is not allowed"),
        (jinja("{{ a"), "prompt 'bot/answer', messages[0], line 1: not Jinja"),
        (jinja("\n{% autoescape true %}{{ a }}{% endautoescape %}"), "line 2: autoescape is not allowed"),
        (jinja("\n\n{{ '\\ud800' }}"), "line 3: a constant: a lone surrogate is not a character"),
        (jinja("{{ a|default('\\0') }}"), "a constant: NUL characters are not allowed"),
        (jinja("{{ a['\\x00'] }}"), "NUL characters are not allowed"),
        (jinja("{{ 'x' if a == '\\N{NULL}' }}"), "NUL characters are not allowed"),
        (jinja("{{ [1, ['\\udfff']] }}"), "a lone surrogate"),
        (jinja("{{ 1e999 }}"), "a number has over 300 digits"),
        (jinja("{{ 0x" + "f" * 9_000 + " }}"), "over 300 digits"),
        (jinja("{% if a %}" + "{% elif a %}" * (MAX_BRANCHES + 1) + "{% endif %}"), "an if has over 200 elif"),
        (jinja("{{ a" + " < a" * (MAX_COMPARED + 1) + " }}"), "over 10 comparisons in one chain"),
        (jinja("{{ " + "(" * (MAX_BRACKETS + 1) + "a" + ")" * (MAX_BRACKETS + 1) + " }}"), "deeper than 20 levels"),
        (jinja("{% if a %}" * 60 + "{% endif %}" * 60), "nested too deeply"),
        (jinja("{% if a %}" * 900 + "{% endif %}" * 900), "nested too deeply"),
        (jinja("{{a}}" * 1_001), "more than 2,000 tags and parts of expressions"),
        (jinja("{##}" * 2_001), "more than 2,000 tags"),
        (jinja("{{ [" + "1," * 2_001 + "] }}"), "more than 2,000 tags"),
        (many(7, "{{a}}" * 500, Engine.JINJA2), "'bot' has more than 6,000 tags and parts of expressions in its Jinja"),
        # the simple language
        (simple("{{a}}" * 20_001), "'bot' has 20,001 tags, and at most 20,000 are allowed"),
        (simple(*["{%" * 5_001] * 4), "'bot' has 20,004 tags"),
        # schemas
        (schema({"type": "nope"}), "input 'a' of prompt 'answer': not a JSON Schema: type: a type is one of array"),
        (schema({"properties": {"b": {"items": [1]}}}), "properties.b.items: a schema is a mapping, true or false"),
        (schema({"pattern": "(("}), "pattern: not a regular expression: missing )"),
        (schema({"pattern": "a" * 1_001}), "has more than 1,000 characters"),
        (schema({"anyOf": [{"pattern": f"a{n}"} for n in range(101)]}), "101 different regular expressions"),
        (schema({"allOf": [{}] * 20_000}), "over 20,000 values"),
        (schema({"enum": list(range(20_001))}), "over 20,000 values"),
        (
            prompts(Prompt(name="answer", messages=(), tools=(Tool(name="t", parameters={"type": "x"}),))),
            "prompt 'bot/answer': tool 't': not a JSON Schema: type",
        ),
        (
            prompts(
                Prompt(
                    name="answer",
                    messages=(),
                    response_format=ResponseFormat.JSON_SCHEMA,
                    json_schema={"name": "n", "schema": {"required": "a"}},
                )
            ),
            "the schema of the answer: not a JSON Schema: required: it must be a list of names",
        ),
        # all of a release
        (many(5_001, ""), "'bot' has 5,001 prompts, and at most 5,000 are allowed"),
        (
            prompts(
                Prompt(
                    name="a",
                    messages=(),
                    inputs=tuple(Input(name=f"a{n}", schema={"type": "null"}) for n in range(5_001)),
                )
            ),
            "'bot' has 5,001 inputs with a schema",
        ),
        (
            prompts(Prompt(name="a", messages=(), parameters={"stop": [0] * 100_000})),
            "values, and at most 100,000 are allowed",
        ),
    ],
)
def test_what_cannot_be_loaded_is_refused_with_its_place(content: Content, problem: str) -> None:
    with pytest.raises(Unloadable) as caught:
        require_loadable(content)
    assert problem in caught.value.message


@pytest.mark.parametrize(
    "content",
    [
        jinja("{{a}}" * 1_000),
        jinja("{% if a %}" + "{% elif a %}" * MAX_BRANCHES + "{% endif %}"),
        jinja("{{ " + "(" * MAX_BRACKETS + "a" + ")" * MAX_BRACKETS + " }}"),
        jinja(DEEP),
        jinja("{{ 'Grüße 🎉' }}{{ '\\u00e9\\n' }}"),
        simple("{{a}}" * 20_000),
        schema({"anyOf": [{"pattern": f"a{n}"} for n in range(100)]}),
        schema({"$ref": "#/$defs/b", "$defs": {"b": True}}),
        many(5_000, ""),
        prompts(),
    ],
)
def test_what_is_at_the_limits_loads(content: Content) -> None:
    assert set(compile_content(content)) == {prompt.name for prompt in content.prompts}
    assert flaw_of(encode(content)) == ""


@pytest.mark.parametrize(
    ("pattern", "construct"),
    [
        ("(?=a)", "a lookahead"),
        ("(?!a)", "a lookahead"),
        ("(?<=a)b", "a lookbehind"),
        (r"(a)\1", r"a backreference `\1`"),
        ("(?>a)", "an atomic group"),
        (r"\p{L}{500}", "more than 256 KiB"),
        (r"a\Z", r"invalid escape sequence `\Z`"),
    ],
)
def test_a_pattern_that_is_not_evaluated_is_refused_anew_and_loads_where_it_is_old(
    pattern: str, construct: str
) -> None:
    for content in (
        schema({"pattern": pattern}),
        schema({"properties": {"b": {"patternProperties": {pattern: {}}}}}),
    ):
        with pytest.raises(Unloadable) as caught:
            require_loadable(content)
        assert construct in caught.value.message
        assert flaw_of(encode(content)) == ""


def test_a_jinja_template_may_be_compiled_deep_in_calls_of_others() -> None:
    """A content that is let in on a shallow stack loads on a deep one."""
    content = jinja("{{ " + "(" * MAX_BRACKETS + "a" + ")" * MAX_BRACKETS + " }}" + DEEP)

    def deep(levels: int) -> int:
        return deep(levels - 1) if levels else len(compile_content(content))

    assert deep(450) == 1


def test_bytes_that_are_no_release_are_refused_as_such() -> None:
    for data in (b"", b"[]", b'{"schema":"promptops.release/2"}', b"\xff", b"[" * 100_000):
        with pytest.raises(Invalid):
            compile_release(data, digest=digest(data))
        assert flaw_of(data)


JSON: st.SearchStrategy[Json] = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-5, 5), st.text(max_size=4), st.sampled_from(["object", "((", "$ref"])
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["type", "properties", "items", "$ref", "$id", "pattern", "enum", "default", "allOf"]),
            inner,
            max_size=3,
        ),
    ),
    max_leaves=8,
)
TEXT = st.lists(
    st.sampled_from(
        ["{{", "}}", "{%", "%}", "{#", "for x in a", "if a", "endif", "endfor", "autoescape", "'", "a", "|", "\n"]
    ),
    max_size=12,
).map(" ".join)


@given(TEXT, st.sampled_from(list(Engine)), st.dictionaries(st.just("a"), st.dictionaries(st.just("type"), JSON)), JSON)
def test_nothing_but_a_refusal_comes_of_any_content(
    text: str, engine: Engine, inputs: Mapping[str, Mapping[str, Json]], more: Json
) -> None:
    prompt = Prompt(
        name="answer",
        engine=engine,
        messages=(Message(role=Role.USER, content=text),),
        inputs=tuple(Input(name=name, schema={**of, "default": more}) for name, of in inputs.items()),
        tools=(Tool(name="t", parameters=more if isinstance(more, Mapping) else {}),),
    )
    try:
        (found,) = compile_content(prompts(prompt)).values()
    except Unloadable:
        return
    with contextlib.suppress(PromptopsError):
        found.template.render(dict.fromkeys(found.template.names, "x"))


@given(st.one_of(st.text(), TEXT), st.text())
def test_a_prompt_that_is_taken_without_being_compiled_compiles(text: str, description: str) -> None:
    inputs = (Input(name="a"), Input(name="b", schema={"type": "string", "description": description}))
    messages = (Message(role=Role.SYSTEM, content=text), Message(role=Role.USER, content="{{a}} {{b.c}}" + text))
    content = prompts(Prompt(name="answer", messages=messages, inputs=inputs))
    require_loadable(content)
    assert compile_content(content).keys() == {"answer"}


def test_the_limits_are_those_that_the_docs_name() -> None:
    from tests.support.checkout import ROOT

    page = (ROOT / "docs" / "prompt-files.md").read_text()
    for name in limits.__annotations__:
        assert f"{getattr(limits, name):,}" in page, name
