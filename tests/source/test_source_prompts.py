"""A prompt file means what it means to GitHub Models; whatever is wrong in it is said with its place."""

from __future__ import annotations

import pytest

from promptops.core.finding import Severity
from promptops.core.model import Engine, ResponseFormat, Role, Tool
from promptops.core.release_bytes import encode
from tests.source.memory import checked, codes, prompt_findings

GITHUB = """\
name: Text Summarizer
description: Summarizes input text concisely
model: openai/gpt-4o-mini-2024-07-18
modelParameters:
  temperature: 0.5
  max_tokens: 200
messages:
  - role: system
    content: You are a text summarizer.
  - role: user
    content: "Summarize: {{input}} for {{ reader.name }}"
responseFormat: json_schema
jsonSchema: |-
  {"name": "summary", "schema": {"type": "object", "properties": {"text": {"type": "string"}}}}
testData:
  - input: The quick brown fox...
    reader: {name: Ada}
    expected: Summary - A fox...
  - input: 3
    reader: {name: Ben}
    expected: 4
evaluators:
  - name: Output should start with 'Summary -'
    string:
      startsWith: 'Summary -'
  - name: judged
    llm:
      modelId: openai/gpt-4o-2024-08-06
      prompt: "{{completion}}"
      choices: [{choice: '1', score: 0.5}]
  - name: similar
    uses: github/similarity
    modelId: openai/gpt-4o-2024-08-06
"""
HEAD = "model: openai/gpt-4o-2024-08-06\n"
MESSAGE = "messages: [{role: user, content: hi}]\n"


def test_a_github_models_file_is_read_whole() -> None:
    loaded = checked({"answer.prompt.yml": GITHUB})
    assert loaded.findings == ()
    app = loaded.app("bot")
    assert app.content is not None
    (prompt,) = app.content.prompts
    assert prompt.name == "answer"
    assert prompt.model == "openai/gpt-4o-mini-2024-07-18"
    assert prompt.parameters == {"temperature": 0.5, "maxTokens": 200}
    assert [message.role for message in prompt.written] == [Role.SYSTEM, Role.USER]
    assert [(item.name, item.required) for item in prompt.inputs] == [("input", True), ("reader", True)]
    assert prompt.response_format is ResponseFormat.JSON_SCHEMA
    assert prompt.json_schema is not None
    assert prompt.json_schema["name"] == "summary"
    suite = app.suites["answer"]
    assert [case.expected for case in suite.cases] == ["Summary - A fox...", "4"]
    assert [check.kind for check in suite.checks] == ["startsWith", "llm", "github/similarity"]


def test_the_suite_and_the_names_for_people_are_not_in_the_release() -> None:
    other = GITHUB.replace("The quick", "A slow").replace("Text Summarizer", "T").replace("concisely", "well")
    contents = [checked({"answer.prompt.yml": text}).app("bot").content for text in (GITHUB, other)]
    assert contents[0] is not None
    assert contents[1] is not None
    assert encode(contents[0]) == encode(contents[1])


def test_line_ends_a_byte_order_mark_and_the_style_of_yaml_change_nothing() -> None:
    plain = HEAD + "messages:\n  - role: user\n    content: |\n      one\n      two\n"
    styles = [
        plain,
        plain.replace("\n", "\r\n"),
        "\ufeff" + plain,
        HEAD + 'messages: [{"content": "one\\ntwo\\n", "role": "user"}]\n',
    ]
    encoded = set()
    for text in styles:
        content = checked({"answer.prompt.yml": text}).app("bot").content
        assert content is not None
        encoded.add(encode(content))
    assert len(encoded) == 1


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (HEAD, [("missing-key", 1, 1)]),
        (HEAD + "messages: []\n", [("missing-key", 2, 11)]),
        (HEAD + "messages: hello\n", [("wrong-type", 2, 11)]),
        (HEAD + "messages:\n  - hello\n", [("wrong-type", 3, 5)]),
        (HEAD + "messages:\n  - role: user\n    content: [3]\n", [("wrong-type", 4, 14)]),
        (HEAD + "messages:\n  - role: usr\n    content: x\n", [("wrong-value", 3, 11)]),
        (HEAD + "messages:\n  - role: user\n", [("missing-key", 3, 5)]),
        ("model: [4]\n" + MESSAGE, [("wrong-type", 1, 8)]),
        ("model: '{{model}}'\n" + MESSAGE, [("floating-model", 1, 8), ("wrong-value", 1, 8)]),
        ("model: gpt-4-0613\n" + MESSAGE, [("model-without-provider", 1, 8)]),
        ("model: openai/gpt-4o\n" + MESSAGE, [("floating-model", 1, 8)]),
        (MESSAGE, [("model-missing", 1, 1)]),
        ("", [("wrong-type", 1, 1)]),
        ("- a\n", [("wrong-type", 1, 1)]),
        (HEAD + MESSAGE + "modelParameters: {temperature: 1e308}\n", [("number-range", 3, 32)]),
        (HEAD + MESSAGE + "modelParameters: {temperature: '1'}\n", [("wrong-type", 3, 32)]),
        (HEAD + MESSAGE + "modelParameters: {maxTokens: 1.5}\n", [("wrong-type", 3, 30)]),
        (HEAD + MESSAGE + "modelParameters: {logprobs: yes}\n", [("wrong-type", 3, 29)]),
        (HEAD + MESSAGE + "modelParameters: {topP: 1, top_p: 1}\n", [("parameter-twice", 3, 28)]),
        (HEAD + MESSAGE + "modelParameters: {temprature: 1}\n", [("unknown-parameter", 3, 19)]),
        (HEAD + MESSAGE + "modelParameters: [1]\n", [("wrong-type", 3, 18)]),
        (HEAD + MESSAGE + "responseFormat: json\n", [("wrong-value", 3, 17)]),
        (HEAD + MESSAGE + "responseFormat: json_schema\n", [("json-schema-missing", 3, 17)]),
        (HEAD + MESSAGE + "jsonSchema: '{}'\n", [("json-schema-unused", 3, 1)]),
        (HEAD + MESSAGE + "template: mustache\n", [("wrong-value", 3, 11)]),
        (HEAD + MESSAGE + "version: 1.10\nvariables: [a]\ntags: []\n", [("unknown-key", 3, 1)]),
        (HEAD + MESSAGE + "inputs: {x: {type: strin}}\n", [("unused-variable", 3, 10), ("schema-invalid", 3, 13)]),
        (HEAD + MESSAGE + "tools: [{description: x}]\n", [("missing-key", 3, 9)]),
        (HEAD + MESSAGE + "tools: [{name: a b}]\n", [("name-invalid", 3, 16)]),
        (HEAD + MESSAGE + "tools: [{name: a, parameters: {type: array}}]\n", [("schema-invalid", 3, 31)]),
        (HEAD + MESSAGE + "tools: [{name: a}, {name: a}]\n", [("name-taken", 3, 20)]),
        (HEAD + MESSAGE + "evaluators: [{name: x, javascript: y}]\n", [("evaluator-unknown", 3, 14)]),
        (HEAD + MESSAGE + "evaluators: [{name: x, python: y}]\n", [("evaluator-invalid", 3, 32)]),
        (HEAD + MESSAGE + "evaluators: [{name: x, string: {is: y}}]\n", [("evaluator-invalid", 3, 32)]),
        (HEAD + MESSAGE + "testData: [1]\n", [("wrong-type", 3, 12)]),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text: str, found: list[tuple[str, int, int]]) -> None:
    assert codes(prompt_findings(text)) == found


def test_everything_that_is_wrong_is_said_in_one_run() -> None:
    text = (
        "model: [4]\nmodelParameters: {temperature: 9, topK: x}\n"
        "messages:\n  - role: nobody\n    content: '{{ a b }}'\n"
    )
    assert [code for code, _, _ in codes(prompt_findings(text))] == [
        "wrong-type",
        "wrong-value",
        "wrong-type",
        "wrong-value",
        "unknown-tag",
    ]


def test_what_githubs_tools_read_as_text_is_text_as_it_is_written() -> None:
    """Their decoder takes a number or a boolean where text belongs, and a role in any case."""
    text = (
        "name: 2024\ndescription: true\nmodel: openai/gpt-4o-2024-08-06\n"
        "messages: [{role: System, content: 1.10}, {role: USER, content: 0x1F}]\n"
        "testData: [{id: 1.10}]\nevaluators: [{name: e, string: {equals: 1.0}}]\n"
    )
    loaded = checked({"a.prompt.yml": text})
    assert not loaded.findings
    (app,) = loaded.apps
    assert app.content is not None
    assert [(str(m.role), m.content) for m in app.content.prompts[0].written] == [("system", "1.10"), ("user", "0x1F")]
    assert app.suites["a"].checks[0].wanted == "1.0"
    assert app.suites["a"].cases[0].id == "1.10"


def test_unknown_keys_are_one_warning_with_what_was_probably_meant() -> None:
    (finding,) = prompt_findings(HEAD + MESSAGE + "modelparameters: {}\nvariables: []\nmetadata: {}\n")
    assert finding.severity is Severity.WARNING
    assert "modelparameters, variables, metadata" in finding.message
    assert "'modelparameters' → 'modelParameters'" in finding.hint
    assert "'variables' → 'inputs'" in finding.hint


@pytest.mark.parametrize(
    "value",
    [
        "'{\"a\": NaN}'",
        "'{\"a\": 1e999}'",
        '\'{"a": 1, "a": 2}\'',
        "'{\"a\": 9007199254740992.0}'",
        '\'{"a": "\\ud800"}\'',
        '\'{"a": "\\u0000"}\'',
        "'{'",
        f"'{'[' * 100_000}'",
        f"'{{\"a\": {'9' * 5000}}}'",
    ],
)
def test_a_json_schema_that_is_not_strict_json_is_refused_at_its_place(value: str) -> None:
    (finding,) = prompt_findings(f"{HEAD}{MESSAGE}responseFormat: json_schema\njsonSchema: {value}\n")
    assert finding.code == "json-syntax"
    assert finding.line == 4


def test_a_file_over_the_cap_is_refused_before_it_is_parsed() -> None:
    (finding,) = prompt_findings(HEAD + "# " + "x" * 5_000_000)
    assert finding.code == "file-too-large"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"name: \xff\n", "not-utf8"),
        (b"name: a\nmodel: \xed\xa0\x80\n", "not-utf8"),  # a lone surrogate
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n", "lfs-pointer"),
        (b"name: a\0b\n", "nul-character"),
    ],
)
def test_bytes_that_are_no_text_are_refused(data: bytes, code: str) -> None:
    assert code in [finding.code for finding in prompt_findings(data)]


def test_a_markdown_prompt_is_front_matter_and_one_message() -> None:
    text = "---\nmodel: openai/gpt-4o-2024-08-06\nrole: system\n---\n\nBe kind to {{ name }}.\n\nAlways.\n"
    loaded = checked({"prompts/tone.prompt.md": text, "prompts/bare.prompt.md": "Just {{ text }}\n"})
    assert [(finding.code, finding.path) for finding in loaded.findings] == [
        ("model-missing", "bot/prompts/bare.prompt.md")
    ]
    content = loaded.app("bot").content
    assert content is not None
    bare, tone = content.prompts
    assert (tone.written[0].role, tone.written[0].content) == (Role.SYSTEM, "Be kind to {{ name }}.\n\nAlways.")
    assert (bare.written[0].role, bare.written[0].content) == (Role.USER, "Just {{ text }}")


def test_a_place_in_a_markdown_prompt_is_a_place_in_its_file() -> None:
    text = "---\nmodel: openai/gpt-4o-2024-08-06\nrole: nobody\n---\n\nHello\n\n  {{ what is it }}\n"
    loaded = checked({"prompts/tone.prompt.md": text})
    assert codes(loaded.findings) == [("wrong-value", 3, 7), ("unknown-tag", 8, 3)]


def test_shared_inputs_and_pins_come_from_the_app_file() -> None:
    app = """\
title: Bot
owner: team-a
on-call: "@night"
models:
  main: {model: openai/gpt-4o-2024-08-06, parameters: {temperature: 0.1, max_tokens: 5}}
inputs:
  tone: {type: string, default: kind}
  other: {}
"""
    prompt = "model: main\nmodelParameters: {temperature: 0.9}\nmessages: [{role: user, content: '{{tone}} {{x}}'}]\n"
    loaded = checked({"app.yml": app, "a.prompt.yml": prompt})
    assert codes(loaded.findings) == [("unused-variable", 8, 3)]
    source = loaded.app("bot")
    assert source.profile.on_call == "@night"
    assert source.content is not None
    (read,) = source.content.prompts
    assert read.parameters == {"temperature": 0.9, "maxTokens": 5}
    assert [(item.name, item.required) for item in read.inputs] == [("tone", False), ("x", True)]


@pytest.mark.parametrize(
    ("app", "found"),
    [
        ("nme: x\n", ("unknown-setting", 1, 1)),
        ("name: Big Bot\n", ("name-invalid", 1, 7)),
        ("owner: 3\n", ("wrong-type", 1, 8)),
        ("models: {a: gpt-4o}\n", ("wrong-value", 1, 13)),
        ("models: {a: {model: openai/gpt-4-0613, parameters: {temprature: 1}}}\n", ("unknown-setting", 1, 53)),
        ("models: {a: {parameters: {}}}\n", ("missing-key", 1, 13)),
        ("models: {a: 3}\n", ("wrong-type", 1, 13)),
        ("models: {a: openai/gpt-4-0613}\n", ("unused-pin", 1, 10)),
        ("inputs: {1x: {}}\n", ("name-invalid", 1, 10)),
        ("inputs: {x: {type: integer, default: a}}\n", ("schema-invalid", 1, 13)),
        ("- a\n", ("wrong-type", 1, 1)),
    ],
)
def test_an_app_file_is_read_strictly(app: str, found: tuple[str, int, int]) -> None:
    loaded = checked({"app.yml": app, "a.prompt.yml": HEAD + MESSAGE})
    assert found in codes([finding for finding in loaded.findings if finding.path == "bot/app.yml"])


def test_a_model_that_is_almost_a_pin_is_an_error_with_the_pin() -> None:
    app = "models: {answerer: openai/gpt-4-0613}\n"
    loaded = checked({"app.yml": app, "a.prompt.yml": "model: anwserer\n" + MESSAGE})
    finding = next(finding for finding in loaded.findings if finding.code == "unknown-pin")
    assert (finding.line, finding.column, finding.hint) == (1, 8, "Did you mean 'answerer'?")
    assert loaded.app("bot").content is None


def test_tools_are_taken_in_both_spellings() -> None:
    text = HEAD + MESSAGE + "tools:\n  - {name: a, description: A}\n  - {type: function, function: {name: b}}\n"
    content = checked({"a.prompt.yml": text}).app("bot").content
    assert content is not None
    assert [(tool.name, tool.description) for tool in content.prompts[0].tools] == [("a", "A"), ("b", "")]


@pytest.mark.parametrize(
    ("tool", "expected"),
    [
        ("{name: f, strict: true}", Tool(name="f", strict=True)),
        ("{name: f, strict: false}", Tool(name="f", strict=False)),
        ("{type: function, name: f, strict: true}", Tool(name="f", strict=True)),
        ("{type: function, function: {name: f, strict: true}}", Tool(name="f", strict=True)),
        ("{type: web_search}", Tool(name="web_search", type="web_search")),
        ("{type: web_search, name: web_search}", Tool(name="web_search", type="web_search")),
        (
            "{type: mcp, name: docs, server_label: docs, server_url: 'https://example.org'}",
            Tool(name="docs", type="mcp", settings={"server_label": "docs", "server_url": "https://example.org"}),
        ),
        (
            "{type: custom, name: f, format: {type: text}}",
            Tool(name="f", type="custom", settings={"format": {"type": "text"}}),
        ),
        ("{type: custom, custom: {name: f, description: D}}", Tool(name="f", type="custom", description="D")),
    ],
)
def test_all_that_is_written_of_a_tool_is_kept(tool: str, expected: Tool) -> None:
    loaded = checked({"a.prompt.yml": f"{HEAD}{MESSAGE}tools: [{tool}]\n"})
    assert [finding.code for finding in loaded.findings] == []
    content = loaded.app("bot").content
    assert content is not None
    assert content.prompts[0].tools == (expected,)


@pytest.mark.parametrize(
    ("tool", "code"),
    [
        ("{name: f, strict: 'yes'}", "wrong-type"),
        ("{name: f, strict: 1}", "wrong-type"),
        ("{type: 3, name: f}", "wrong-type"),
        ("{type: 'web search', name: f}", "wrong-value"),
        ("{type: function, function: {name: f}, note: x}", "unknown-setting"),
        ("{type: function, function: {name: f}, strict: true}", "unknown-setting"),
        ("{type: custom, name: f, parameters: {type: object}}", "tool-not-taken"),
        ("{type: custom, name: f, parameters: {type: object}, note: x}", "unknown-setting"),
    ],
)
def test_what_cannot_be_kept_of_a_tool_is_an_error(tool: str, code: str) -> None:
    assert code in [finding.code for finding in prompt_findings(f"{HEAD}{MESSAGE}tools: [{tool}]\n")]


def test_a_tool_of_another_provider_is_an_error_with_its_place() -> None:
    text = (
        "model: anthropic/claude-opus-5\n" + MESSAGE + "modelParameters: {maxTokens: 9}\ntools: [{type: web_search}]\n"
    )
    (found,) = prompt_findings(text)
    assert (found.code, found.line) == ("tool-not-taken", 4)
    assert "web_search_20260318" in found.message


def test_a_jinja_prompt_is_checked_and_its_inputs_inferred() -> None:
    good = (
        HEAD
        + "template: jinja2\nmessages:\n  - role: user\n    content: |\n      {% for x in xs %}{{ x }}{% endfor %}\n"
    )
    content = checked({"a.prompt.yml": good}).app("bot").content
    assert content is not None
    assert content.prompts[0].engine is Engine.JINJA2
    assert [item.name for item in content.prompts[0].inputs] == ["xs"]
    bad = good.replace("{{ x }}", "\n      {{ x() }}")
    (finding,) = prompt_findings(bad)
    assert (finding.code, finding.line) == ("template-invalid", 7)
