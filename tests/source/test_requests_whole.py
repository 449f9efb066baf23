"""What an API would refuse of the messages of a request as a whole: where calls of tools are answered, parts that none
of the provider's APIs takes, and fields of `extra` that would replace the prompt's own.
"""

from __future__ import annotations

import pytest

from promptops.core.finding import Severity
from tests.source.memory import prompt_findings

TOOL = "tools: [{name: lookup, parameters: {type: object, properties: {}}}]\n"
GPT = "openai/gpt-4o-2024-08-06"
SONNET = "anthropic/claude-sonnet-4-5-20250929"
CAPPED = "modelParameters: {maxTokens: 2000"

CALL = "{role: assistant, tool_calls: [{id: a, name: lookup}, {id: b, name: lookup}]}"
ANSWERS = ["{role: tool, tool_call_id: a, content: x}", "{role: tool, tool_call_id: b, content: y}"]
HI, SO = "{role: user, content: hi}", "{role: user, content: so?}"


@pytest.mark.parametrize("model", [GPT, SONNET])
@pytest.mark.parametrize(
    ("messages", "lines"),
    [
        ([HI, CALL, ANSWERS[1], ANSWERS[0], SO], []),
        ([HI, CALL, ANSWERS[0], SO], [5]),
        ([HI, CALL, SO, *ANSWERS, SO], [5, 7, 8]),
        ([HI, CALL, *ANSWERS, ANSWERS[0], SO], [8]),
        ([HI, CALL, "{role: placeholder, name: history, optional: true}", *ANSWERS, SO], [5, 7, 8]),
    ],
)
def test_calls_of_tools_are_answered_right_after_them(model: str, messages: list[str], lines: list[int]) -> None:
    listed = "".join(f"  - {message}\n" for message in messages)
    items = prompt_findings(f"model: {model}\n{CAPPED}}}\nmessages:\n{listed}{TOOL}")
    assert [(item.code, item.line) for item in items] == [("request-refused", line) for line in lines]
    assert all("https://" in item.hint for item in items)


def test_calls_at_the_end_may_be_answered_by_the_application() -> None:
    [item] = prompt_findings(f"model: {GPT}\nmessages: [{HI}, {CALL}]\n{TOOL}")
    assert (item.code, item.message) == ("request-doubtful", "the next messages do not answer the call 'a', 'b'")


IMAGE_AT = "{type: image, url: 'https://example.com/a.png'}"
FILE_AT = "{type: file, url: 'https://example.com/a.pdf'}"
CLIP = "{type: audio, data: UklGRgAAAABXQVZF}"


@pytest.mark.parametrize(
    ("model", "parts", "code"),
    [
        ("bedrock/anthropic.claude-opus-5", IMAGE_AT, "request-doubtful"),
        ("bedrock/amazon.nova-pro-v1:0", FILE_AT, "request-doubtful"),
        ("mistral/mistral-large-2411", "{type: file, data: aGVsbG8=, mediaType: text/plain}", "request-refused"),
        ("together/qwen-2-72b-0613", FILE_AT, "request-refused"),
        (GPT, f"{FILE_AT}, {CLIP}", "request-refused"),  # each has an API that takes it, and none takes both
        (GPT, FILE_AT, ""),
        (GPT, CLIP, ""),
        ("google/gemini-2.5-flash-001", f"{FILE_AT}, {IMAGE_AT}, {CLIP}", ""),
        ("bedrock/amazon.nova-pro-v1:0", "{type: image, input: photo}", ""),
    ],
)
def test_parts_that_no_request_of_the_provider_can_have_are_found(model: str, parts: str, code: str) -> None:
    items = [
        item
        for item in prompt_findings(f"model: {model}\n{CAPPED}}}\nmessages:\n  - {{role: user, content: [{parts}]}}\n")
        if item.code.startswith("request")
    ]
    assert [(item.code, item.line) for item in items] == ([(code, 4)] if code else [])


@pytest.mark.parametrize(
    ("model", "extra"),
    [
        (GPT, "model: gpt-3.5-turbo"),
        (GPT, "messages: []"),
        (GPT, "tools: []"),
        (SONNET, "model: claude-2"),
        (SONNET, "messages: []"),
        (SONNET, "system: Be rude."),
        ("mistral/mistral-large-2411", "model: other"),
        ("deepseek/deepseek-v4-pro-0324", "messages: []"),
        ("google/gemini-2.5-flash-001", "contents: []"),
        ("google/gemini-2.5-flash-001", "system_instruction: {}"),
        ("google/gemini-2.5-flash-001", "systemInstruction: {}"),
        ("openai/text-embedding-3-small", "model: text-embedding-ada-002"),
        ("openai/text-embedding-3-small", "input: x"),
    ],
)
def test_extra_fields_never_replace_what_the_prompt_itself_says(model: str, extra: str) -> None:
    more = "" if "embedding" in model else f"{TOOL}"
    cap = "" if "embedding" in model else "maxTokens: 9, "
    head = f"model: {model}\nmodelParameters: {{{cap}extra: {{{extra}}}}}\n{more}"
    system = "" if "embedding" in model else "{role: system, content: Be kind.}, "
    items = prompt_findings(f"{head}messages: [{system}{HI}]\n")
    [item] = [item for item in items if item.code == "parameter-not-taken"]
    assert (item.severity, item.line) == (Severity.ERROR, 2)
    assert f"'extra: {extra.partition(':')[0]}'" in item.message


@pytest.mark.parametrize("model", [GPT, SONNET, "google/gemini-2.5-flash-001", "bedrock/amazon.nova-pro-v1:0"])
def test_a_message_that_optional_values_leave_empty_is_doubtful(model: str) -> None:
    head = f"model: {model}\n{CAPPED}}}\ninputs: {{photo: {{type: image, default: null}}}}\nmessages:\n"
    [item] = prompt_findings(f"{head}  - {HI}\n  - {{role: user, content: [{{type: image, input: photo}}]}}\n")
    assert (item.code, item.line) == ("request-doubtful", 6)
    assert item.message == "without 'photo', this message has no content, which no API takes"
    both = "{role: user, content: [{type: text, text: hi}, {type: image, input: photo}]}"
    assert prompt_findings(f"{head}  - {both}\n") == []


def test_a_request_with_a_message_that_cannot_be_read_has_the_finding_of_the_message_alone() -> None:
    messages = f"  - {{role: usr, content: x}}\n  - {CALL}\n  - {SO}\n"
    assert [item.code for item in prompt_findings(f"model: {GPT}\nmessages:\n{messages}{TOOL}")] == ["wrong-value"]


def test_a_tool_of_anthropic_is_chosen_by_the_name_that_the_api_knows() -> None:
    head = f"model: {SONNET}\ntools: [{{type: web_search_20250305}}]\nmessages: [{HI}]\n"
    for choice, codes in (("web_search", []), ("web_search_20250305", ["request-refused"])):
        parameters = f"modelParameters: {{maxTokens: 9, toolChoice: {{type: tool, name: {choice}}}}}\n"
        assert [item.code for item in prompt_findings(head + parameters)] == codes
