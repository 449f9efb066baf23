"""A field that the schema of an input rules out, and a tag that nothing fills in, are found before the first call."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from promptops.core.errors import PromptopsError
from promptops.core.finding import Severity
from promptops.core.model import Input, Json, Message, Prompt, Role
from promptops.core.template.template import Template
from tests.source.memory import checked, prompt_findings

HEAD = "model: openai/gpt-4o-2024-08-06\nmessages:\n  - role: user\n    content: Hi {{customer.nam}}\n"
CLOSED = "{type: object, properties: {name: {type: string}}, additionalProperties: false}"


def of(schema: str, text: str = HEAD) -> str:
    return f"{text}inputs: {{customer: {schema}}}\n"


@pytest.mark.parametrize(
    ("schema", "words", "hint"),
    [
        (CLOSED, "'customer' has no property 'nam', so 'customer.nam' has no value", "Did you mean 'name'?"),
        ("{type: object, additionalProperties: false}", "'customer' has no property 'nam'", "It has none."),
        ("{type: string, minLength: 1}", "'customer' is string, so 'customer.nam'", "type: object"),
        ("{type: [integer, 'null']}", "'customer' is integer or null", "type: object"),
        ("{type: array}", "'customer' is array", "type: object"),
    ],
)
def test_a_field_that_no_value_can_have_is_an_error_at_its_tag(schema: str, words: str, hint: str) -> None:
    [found] = prompt_findings(of(schema))
    assert (found.code, found.severity, found.line, found.column) == ("field-ruled-out", Severity.ERROR, 4, 17)
    assert words in found.message and hint in found.hint


def test_a_field_of_a_field_is_looked_at_too() -> None:
    schema = f"{{type: object, properties: {{name: {CLOSED}}}}}"
    text = HEAD.replace("customer.nam}}", "customer.name.firs}}")
    [found] = prompt_findings(of(schema, text))
    assert found.message == "'customer.name' has no property 'firs', so 'customer.name.firs' has no value in any call"


@pytest.mark.parametrize(
    "schema",
    [
        "{type: object}",
        "{type: [object, 'null']}",
        "{type: object, properties: {name: {}}}",
        "{type: object, properties: {nam: {}}, additionalProperties: false}",
        "{type: object, properties: {nam: true}, additionalProperties: false}",
        "{type: object, patternProperties: {^n: {}}, additionalProperties: false}",
        "{type: object, additionalProperties: {type: string}}",
        "{$ref: '#/$defs/c', $defs: {c: {type: object}}}",
        "{anyOf: [{type: object}, {type: string}]}",
        "{description: Who asks}",
    ],
)
def test_a_field_that_a_value_may_have_is_none(schema: str) -> None:
    text = of(schema)
    assert prompt_findings(text) == []
    content = checked({"answer.prompt.yml": text}).apps[0].content
    assert content is not None
    assert Template.compile(content.prompts[0]).render({"customer": {"nam": "Ann"}})[0]["content"] == "Hi Ann"


@pytest.mark.parametrize("value", [{"nam": "x"}, {"name": "x"}, "x", None])
def test_what_is_an_error_is_refused_in_every_call(value: object) -> None:
    schema: Mapping[str, Json] = {
        "type": "object",
        "properties": {"name": {"type": "string"}},
        "additionalProperties": False,
    }
    messages = (Message(role=Role.USER, content="Hi {{customer.nam}}"),)
    prompt = Prompt(name="answer", messages=messages, inputs=(Input(name="customer", schema=schema),))
    with pytest.raises(PromptopsError, match="customer"):
        Template.compile(prompt).render({"customer": value})


def test_a_field_of_what_is_declared_as_text_is_a_warning() -> None:
    """It takes an object nevertheless, as a variable that is not declared does."""
    [found] = prompt_findings(of("{type: string}"))
    assert (found.code, found.severity, found.line) == ("field-of-text", Severity.WARNING, 4)
    assert found.message == "the input 'customer' is text, and a message uses its field 'customer.nam'"
    assert prompt_findings(HEAD) == []


def test_inputs_of_the_app_texts_of_parts_and_partials_are_looked_at() -> None:
    app = f"name: bot\ninputs: {{customer: {CLOSED}}}\n"
    parts = HEAD.replace("content: Hi {{customer.nam}}", "content:\n      - {type: text, text: 'Hi {{customer.nam}}'}")
    [found] = checked({"app.yml": app, "answer.prompt.yml": parts}).findings
    assert (found.code, found.line) == ("field-ruled-out", 5)
    files: dict[str, str | bytes] = {
        "app.yml": app,
        "answer.prompt.yml": HEAD.replace("Hi {{customer.nam}}", "'{{> hi}}'"),
    }
    [found] = checked({**files, "partials/hi.md": "Hi {{customer.nam}}"}).findings
    assert (found.code, found.path, found.line) == ("field-ruled-out", "bot/answer.prompt.yml", 3)


def test_jinja_may_ask_for_a_field_that_is_not_there() -> None:
    text = HEAD.replace("Hi {{customer.nam}}", "Hi {% if customer.nam %}you{% endif %}")
    assert prompt_findings(of(CLOSED, f"template: jinja2\n{text}")) == []


# --- tags in parameters --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameter", "shown"),
    [
        ("user: '{{q}}'", "'user' has {{q}}"),
        ("stop: [END, 'x {{ q.a }}']", "'stop' has {{ q.a }}"),
        ("metadata: {who: '{{q}}'}", "'metadata' has {{q}}"),
        ("extra: {a: [{b: '{{q}}'}]}", "'extra' has {{q}}"),
    ],
)
def test_a_tag_in_a_parameter_is_a_warning_since_nothing_fills_it_in(parameter: str, shown: str) -> None:
    head = f"model: my-own/model-2026-01-01\nmodelParameters:\n  {{{parameter}}}\n"
    [found] = prompt_findings(f"{head}messages: [{{role: user, content: Hi}}]\n")
    assert (found.code, found.severity, found.line) == ("tag-in-parameter", Severity.WARNING, 3)
    assert found.message.startswith(f"{shown}, which is sent as it stands")
    pin = f"name: bot\nmodels:\n  big:\n    model: my-own/model-2026-01-01\n    parameters: {{{parameter}}}\n"
    asking = "model: big\nmessages: [{role: user, content: Hi}]\n"
    [found] = checked({"app.yml": pin, "answer.prompt.yml": asking}).findings
    assert (found.code, found.path, found.line) == ("tag-in-parameter", "bot/app.yml", 5)


@pytest.mark.parametrize("parameter", ["stop: ['{{', '}}']", "user: '{{ }}'", "user: '{q}'", "stop: '{{> x}}'"])
def test_braces_in_a_parameter_are_what_they_are(parameter: str) -> None:
    head = f"model: my-own/model-2026-01-01\nmodelParameters: {{{parameter}}}\n"
    assert prompt_findings(f"{head}messages: [{{role: user, content: Hi}}]\n") == []
