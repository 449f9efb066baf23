"""A prompt file may show the model how its tools are called and what they answer."""

from __future__ import annotations

import pytest

from promptops.core.finding import Severity
from promptops.core.model import Message, Role, ToolCall
from tests.source.memory import checked, prompt_findings

HEAD = "model: openai/gpt-4o-2024-08-06\n"
CALL = '{id: call_1, type: function, function: {name: weather, arguments: \'{"city": "Bern"}\'}}'
FILE = (
    HEAD
    + f"""messages:
  - {{role: user, content: "Weather in {{{{city}}}}?", name: ann}}
  - {{role: assistant, tool_calls: [{CALL}, {{id: 2, name: time, arguments: {{zone: CET}}}}]}}
  - {{role: tool, tool_call_id: call_1, content: 12}}
  - {{role: tool, tool_call_id: 2, content: "noon in {{{{city}}}}"}}
tools: [{{name: weather}}, {{name: time}}]
"""
)


def test_calls_of_tools_and_their_answers_are_part_of_the_release() -> None:
    loaded = checked({"answer.prompt.yml": FILE})
    assert loaded.findings == ()
    content = loaded.app("bot").content
    assert content is not None
    assert content.requires == ("tool-messages",)
    assert content.prompts[0].messages == (
        Message(role=Role.USER, content="Weather in {{city}}?", name="ann"),
        Message(
            role=Role.ASSISTANT,
            content="",
            tool_calls=(
                ToolCall(id="call_1", name="weather", arguments={"city": "Bern"}),
                ToolCall(id="2", name="time", arguments={"zone": "CET"}),
            ),
        ),
        Message(role=Role.TOOL, content="12", tool_call_id="call_1"),
        Message(role=Role.TOOL, content="noon in {{city}}", tool_call_id="2"),
    )
    assert [item.name for item in content.prompts[0].inputs] == ["city"]


@pytest.mark.parametrize("extra", ["tool_calls: []", "tool_call_id: ''", "name: ''", "name: null", "tool_calls: null"])
def test_a_message_with_nothing_more_to_say_needs_no_newer_client(extra: str) -> None:
    content = checked({"a.prompt.yml": HEAD + f"messages: [{{role: user, content: hi, {extra}}}]\n"}).app("bot").content
    plain = checked({"a.prompt.yml": HEAD + "messages: [{role: user, content: hi}]\n"}).app("bot").content
    assert content == plain is not None


@pytest.mark.parametrize(
    ("message", "code", "said"),
    [
        ("{role: tool, content: x}", "missing-key", "needs a `tool_call_id`, or no API takes it"),
        ("{role: tool, content: x, tool_call_id: a}", "wrong-value", "no message before has a call of a tool"),
        ("{role: user, content: x, tool_calls: [{id: a, name: b}]}", "wrong-value", "the assistant does"),
        ("{role: assistant, tool_calls: []}", "missing-key", "a message needs `content`"),
        ("{role: assistant, tool_calls: [{id: a}]}", "missing-key", "a call of a tool needs `name`"),
        ("{role: assistant, content: x, tool_calls: [{name: a}]}", "missing-key", "a call of a tool needs `id`"),
        ("{role: assistant, tool_calls: [{id: a b, name: c}]}", "name-invalid", "'a b' is not the id of a call"),
        ("{role: assistant, tool_calls: [{id: a, name: b c}]}", "name-invalid", "'b c' is not the name of a call"),
        ("{role: assistant, tool_calls: [{id: a, name: b, arguments: '{'}]}", "json-syntax", "'arguments': not JSON"),
        ("{role: assistant, tool_calls: [{id: a, name: b, arguments: [1]}]}", "wrong-type", "got a list"),
        ("{role: assistant, tool_calls: [{id: a, name: b, arguments: '3'}]}", "wrong-type", "got the number 3"),
        ("{role: assistant, tool_calls: [{id: a, name: b, argumnets: {}}]}", "unknown-setting", "'argumnets'"),
        ("{role: assistant, tool_calls: [{id: a, function: {name: b}, type: custom}]}", "wrong-value", "type function"),
        ("{role: assistant, content: x, tool_calls: [b]}", "wrong-type", "'tool_calls[0]' must be a mapping"),
        ("{role: user, content: x, name: a b}", "name-invalid", "'a b' is not a speaker's name"),
    ],
)
def test_what_no_api_takes_is_an_error_at_check(message: str, code: str, said: str) -> None:
    (finding,) = prompt_findings(HEAD + f"messages: [{message}]\n")
    assert (finding.code, finding.severity, finding.line) == (code, Severity.ERROR, 2)
    assert said in finding.message


def test_the_answer_of_a_user_to_a_call_is_two_findings() -> None:
    findings = prompt_findings(HEAD + "messages: [{role: user, content: x, tool_call_id: a}]\n")
    assert [finding.code for finding in findings] == ["wrong-value", "wrong-value"]
    assert "answers no call of a tool" in findings[1].message
