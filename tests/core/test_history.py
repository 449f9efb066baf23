"""A prompt has a place for the messages of a conversation, which the caller gives and no template touches."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from promptops.core.errors import Invalid, MissingVariable, OutputTooLarge, UnknownVariable, VariableInvalid
from promptops.core.model import Engine, Json, Message, Placeholder, Prompt, Role
from promptops.core.template.template import Template
from tests.client.prompts import CLAUDE, GPT, made

SYSTEM = Message(role=Role.SYSTEM, content="Be {{tone}}.")
USER = Message(role=Role.USER, content="{{question}}")
PLACE = Placeholder(name="history")
MESSAGES = (SYSTEM, PLACE, USER)
ARGUMENTS = '{"city": "{{tone}}"}'
CALL = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": ARGUMENTS}}
TIME = {"id": "call_2", "type": "function", "function": {"name": "time", "arguments": "{}"}}
CONVERSATION: list[dict[str, Any]] = [
    {"role": "user", "content": "Weather in {{tone}}? {% if %}", "name": "ann"},
    {"role": "assistant", "content": "I look.", "tool_calls": [CALL, TIME]},
    {"role": "tool", "content": "12 degrees", "tool_call_id": "call_2"},
    {"role": "tool", "content": "noon", "tool_call_id": "call_1"},
    {"role": "assistant", "content": [{"type": "text", "text": "12 degrees. {{question}}"}]},
]
VALUES = {"tone": "brief", "question": "And now?"}


def prompt(*messages: Message | Placeholder, **more: Any) -> Prompt:
    return Prompt(name="answer", messages=messages, **more)


def test_given_messages_stand_in_their_place_as_they_are() -> None:
    found = made(messages=MESSAGES)
    assert found.inputs == ("question", "tone", "history")
    assert found.render(history=CONVERSATION, **VALUES) == [
        {"role": "system", "content": "Be brief."},
        *CONVERSATION,
        {"role": "user", "content": "And now?"},
    ]


def test_the_caller_s_messages_are_copied_and_the_rendered_ones_are_the_caller_s_own() -> None:
    found = made(messages=MESSAGES)
    given = json.loads(json.dumps(CONVERSATION))
    rendered = found.render(history=given, **VALUES)
    rendered[2]["tool_calls"][0]["function"]["name"] = "other"
    rendered[5]["content"][0]["text"] = "other"
    rendered.clear()
    assert given == CONVERSATION
    assert found.render(history=given, **VALUES)[1:-1] == CONVERSATION


def test_a_jinja_prompt_has_placeholders_too_and_messages_with_extras_keep_theirs() -> None:
    named = Message(role=Role.USER, content="{% if question %}{{ question }}{% endif %}", name="ann")
    found = made(messages=(PLACE, named, Placeholder(name="after", optional=True), named), engine=Engine.JINJA2)
    last = [{"role": "user", "content": "{{ question }}"}]
    spoken = {"role": "user", "content": "Why?", "name": "ann"}
    assert found.render(history=CONVERSATION, question="Why?") == [*CONVERSATION, spoken, spoken]
    assert found.render(history=[], after=last, question="Why?") == [spoken, *last, spoken]


def test_a_required_placeholder_is_given_and_an_optional_one_may_be_left_out() -> None:
    with pytest.raises(MissingVariable, match="'history'"):
        made(messages=MESSAGES).render(**VALUES)
    found = made(messages=(SYSTEM, Placeholder(name="history", optional=True), USER))
    assert [message["role"] for message in found.render(**VALUES)] == ["system", "user"]
    assert found.render(history=[], **VALUES) == found.render(**VALUES)
    with pytest.raises(UnknownVariable, match="'histroy'") as caught:
        found.render(histroy=[], **VALUES)
    assert "history" in str(caught.value.hint)


def test_keys_that_are_null_and_what_an_answer_has_besides_are_left_out() -> None:
    answer = {
        "role": "assistant",
        "content": None,
        "refusal": None,
        "annotations": [],
        "audio": None,
        "function_call": None,
        "tool_calls": [{**CALL, "index": 0}],
    }
    refused = {"role": "assistant", "content": None, "refusal": "I cannot.", "tool_calls": None}
    result = {"role": "tool", "content": "x", "tool_call_id": "call_1"}
    rendered = made(messages=MESSAGES).render(history=(answer, result, refused), **VALUES)
    assert rendered[1:-1] == [
        {"role": "assistant", "content": "", "tool_calls": [CALL]},
        result,
        {"role": "assistant", "content": "I cannot."},
    ]


def test_calls_may_be_written_as_in_prompt_files() -> None:
    history: list[Json] = [
        {"role": "assistant", "tool_calls": [{"id": "1", "name": "weather", "arguments": {"city": "Zürich"}}]},
        {"role": "tool", "content": "12", "tool_call_id": "1"},
    ]
    first = made(messages=MESSAGES).render(history=history, **VALUES)[1]
    assert first["tool_calls"] == [
        {"id": "1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Zürich"}'}}
    ]


def said(**more: Any) -> dict[str, Any]:
    return {"role": "user", "content": "hi", **more}


def called(*calls: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": "", "tool_calls": list(calls)}


def answered(identity: str) -> dict[str, Any]:
    return {"role": "tool", "content": "12", "tool_call_id": identity}


def picture(**image: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": image}


PNG = "data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n\x1a\n0000").decode()
TEXT_URL = f"data:text/plain;base64,{base64.b64encode(b'{{question}}').decode()}"
PARTS: list[dict[str, Any]] = [
    {"type": "text", "text": "Look {{question}}"},
    picture(url=PNG, detail="low"),
    picture(url="https://example.org/{{question}}.png"),
    {"type": "file", "file": {"filename": "a.txt", "file_data": TEXT_URL}},
]


def test_messages_have_parts_which_each_api_gets_in_its_form() -> None:
    values: dict[str, Any] = {"history": [said(content=PARTS)], **VALUES}
    found = made(messages=MESSAGES, parameters={"maxTokens": 9})
    assert found.render(**values)[1] == said(content=PARTS)
    assert found.to_openai_responses(**values)["input"][0]["content"] == [
        {"type": "input_text", "text": "Look {{question}}"},
        {"type": "input_image", "image_url": PNG, "detail": "low"},
        {"type": "input_image", "image_url": "https://example.org/{{question}}.png", "detail": "auto"},
        {"type": "input_file", "filename": "a.txt", "file_data": TEXT_URL},
    ]
    blocks = found.to_anthropic(**values)["messages"][0]["content"]
    assert [(block["type"], block.get("source", {}).get("type")) for block in blocks] == [
        ("text", None),
        ("image", "base64"),
        ("image", "url"),
        ("document", "text"),
    ]
    sound = {"type": "input_audio", "input_audio": {"data": base64.b64encode(b"ID3").decode(), "format": "mp3"}}
    audio: dict[str, Any] = {"history": [said(content=[sound])], **VALUES}
    assert found.to_openai(**audio)["messages"][1]["content"] == [sound]
    with pytest.raises(Invalid, match="audio"):
        found.to_anthropic(**audio)


FLAWS: list[tuple[object, str]] = [
    (None, "must be a list of messages"),
    ("hi", "must be a list of messages"),
    (said(), "must be a list of messages"),
    (["hi"], "[0] must be a mapping: a message"),
    ([said(), {"content": "x"}], "[1] has no role: one of system, developer, user, assistant, tool"),
    ([said(), {"rol": "user", "content": "x"}], "[1].rol is no key of a message; did you mean 'role'?"),
    ([said(cache=1)], "[0].cache is no key of a message; its keys are role, content"),
    ([said(role="usr")], "[0].role is 'usr'; did you mean 'user'?"),
    ([said(role="User")], "[0].role is 'User'; did you mean 'user'?"),
    ([said(role="human")], "[0].role is 'human'; did you mean 'user'?"),
    ([said(role="model")], "[0].role is 'model'; did you mean 'assistant'?"),
    ([said(role=7)], "[0].role must be text"),
    ([said(role="system")], "[0].role is system, and this prompt takes no instructions in it"),
    ([said(role="developer")], "[0].role is developer, and this prompt takes no instructions in it"),
    ([{"role": "user"}], "[0] has no content"),
    ([said(content=7)], "[0].content must be text, or a list of parts"),
    ([said(content=[])], "[0].content is an empty list"),
    ([said(content=["hi"])], "[0].content[0] must be a part"),
    ([said(content=[{"type": "txt", "text": "x"}])], "[0].content[0].type is 'txt'; it is one of text"),
    (
        [said(content=[{"type": "image", "url": "https://a.b/c"}])],
        "[0].content[0].type is 'image'; write it as {'type': 'image_url'",
    ),
    (
        [said(content=[{"type": "document", "source": {}}])],
        "[0].content[0].type is 'document'; write it as {'type': 'file'",
    ),
    ([said(content=[{"type": "text"}])], "[0].content[0].text is missing"),
    ([said(content=[{"type": "text", "text": "x", "txt": 1}])], "[0].content[0].txt is no key of a part of text"),
    ([said(content=[{"type": "tool_result"}])], "[0].content[0].type is 'tool_result'; write the answer of a tool as"),
    (
        [said(content=[{"type": "image_url", "image_url": "x"}])],
        "[0].content[0].image_url must be a mapping: an image",
    ),
    ([said(content=[{"type": "image_url"}])], "[0].content[0].image_url must be a mapping: an image"),
    (
        [said(content=[picture(url="ftp://x")])],
        "[0].content[0].image_url.url is no part that can be sent: the URL of an",
    ),
    ([said(content=[picture(url="data:image/png;base64,!")])], "[0].content[0].image_url.url is not base64"),
    ([said(content=[picture(url=TEXT_URL)])], "[0].content[0].image_url.url is no part that can be sent: "),
    ([said(content=[picture(url=PNG, detail="x")])], "[0].content[0].image_url.detail is one of low, high"),
    ([said(content=[picture(url=PNG, detial="x")])], "[0].content[0].image_url.detial is no key of an image; did you"),
    (
        [said(content=[{"type": "input_audio", "input_audio": {"data": "", "format": "mid"}}])],
        "[0].content[0].input_audio.format is one of wav, mp3",
    ),
    ([said(content=[{"type": "file", "file": {}}])], "[0].content[0].file.file_data is missing"),
    ([said(name="")], "[0].name is empty"),
    ([said(tool_call_id="1")], "[0] is of role user, and has a tool_call_id"),
    ([said(tool_calls=[CALL])], "[0].tool_calls are of a message of role user: the assistant calls tools"),
    ([called(7)], "[0].tool_calls[0] must be a mapping: a call of a tool"),
    ([{"role": "assistant", "tool_calls": "x"}], "[0].tool_calls must be a list of calls"),
    ([called({**CALL, "id": None})], "[0].tool_calls[0].id is missing"),
    ([called({**CALL, "id": ""})], "[0].tool_calls[0].id is empty"),
    ([called({**CALL, "type": "custom"})], "[0].tool_calls[0].type is 'custom', and only calls of functions"),
    ([called({"id": "1", "function": {"nam": "x"}})], "[0].tool_calls[0].function.nam is no key of a function"),
    ([called({"id": "1", "name": "x", "arguments": "{"})], "[0].tool_calls[0].arguments must be the JSON of an object"),
    ([called({"id": "1", "name": "x", "arguments": "[]"})], "[0].tool_calls[0].arguments must be the JSON of"),
    ([called({"id": "1", "name": "x", "arguments": 7})], "[0].tool_calls[0].arguments must be the JSON of an object"),
    ([called(CALL)], "[0].tool_calls have the call 'call_1', and no message of role tool right after it answers that"),
    ([called(CALL, TIME), answered("call_1"), said()], "[0].tool_calls have the call 'call_2'"),
    ([called(CALL, CALL), answered("call_1")], "[0].tool_calls have one id twice"),
    ([answered("call_1")], "[0].tool_call_id is 'call_1', and the assistant's message before it has no such call"),
    ([called(CALL), answered("call_1"), answered("call_1")], "[2].tool_call_id is 'call_1'"),
    ([{"role": "tool", "content": "x"}], "[0] is the answer of a tool, and has no tool_call_id"),
    ([said(content="a\ud800")], "a lone surrogate is not a character"),
    ([object()], "object is not a JSON value"),
]


@pytest.mark.parametrize(("history", "problem"), FLAWS)
def test_what_no_api_would_take_is_refused_with_its_place(history: Any, problem: str) -> None:
    with pytest.raises(VariableInvalid) as caught:
        made(messages=MESSAGES).render(history=history, **VALUES)
    assert f"variable 'history' of prompt 'answer': {problem}" in caught.value.message
    assert "model_dump()" in str(caught.value.hint)


def test_a_long_history_is_refused_with_both_numbers_and_never_cut() -> None:
    found = made(messages=(Placeholder(name="history", most=2), USER))
    assert len(found.render(history=[said(), said()], question="x")) == 3
    with pytest.raises(VariableInvalid, match="has 3 messages, and at most 2 are taken"):
        found.render(history=[said(), said(), said()], question="x")


def test_instructions_are_taken_where_the_prompt_says_so() -> None:
    found = made(messages=(Placeholder(name="history", system=True), USER))
    assert found.render(history=[said(role="system")], question="x")[0] == {"role": "system", "content": "hi"}


@pytest.mark.parametrize(
    "message",
    [
        {"role": "user", "content": "x" * 90},
        {"role": "user", "content": [{"type": "text", "text": "x" * 90}]},
        {"role": "assistant", "tool_calls": [{"id": "1", "name": "x", "arguments": {"x": "x" * 90}}]},
    ],
)
def test_the_texts_of_a_history_count_as_the_others_do(message: dict[str, Json]) -> None:
    template = Template.compile(prompt(PLACE, USER), limit=120)
    history: list[Json] = [message, *([answered("1")] if "tool_calls" in message else [])]
    assert template.render({"history": history, "question": "x" * 9})
    with pytest.raises(OutputTooLarge):
        template.render({"history": history, "question": "x" * 40})
    with pytest.raises(OutputTooLarge):
        template.render({"history": [*history, *history], "question": ""})


def test_every_api_gets_the_conversation_in_its_form() -> None:
    found = made(messages=MESSAGES, parameters={"maxTokens": 9})
    history = [*CONVERSATION[:4], {"role": "assistant", "content": "12 degrees."}]
    assert found.to_openai(history=history, **VALUES)["messages"] == found.render(history=history, **VALUES)
    assert found.to_openai_responses(history=history, **VALUES)["input"] == [
        {"role": "user", "content": "Weather in {{tone}}? {% if %}"},
        {"role": "assistant", "content": "I look."},
        {"type": "function_call", "call_id": "call_1", "name": "weather", "arguments": ARGUMENTS},
        {"type": "function_call", "call_id": "call_2", "name": "time", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "call_2", "output": "12 degrees"},
        {"type": "function_call_output", "call_id": "call_1", "output": "noon"},
        {"role": "assistant", "content": "12 degrees."},
        {"role": "user", "content": "And now?"},
    ]
    call = found.to_anthropic(history=history, **VALUES)
    assert call["system"] == "Be brief."
    assert call["messages"] == [
        {"role": "user", "content": "Weather in {{tone}}? {% if %}"},
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "I look."},
                {"type": "tool_use", "id": "call_1", "name": "weather", "input": {"city": "{{tone}}"}},
                {"type": "tool_use", "id": "call_2", "name": "time", "input": {}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "call_2", "content": "12 degrees"},
                {"type": "tool_result", "tool_use_id": "call_1", "content": "noon"},
            ],
        },
        {"role": "assistant", "content": "12 degrees."},
        {"role": "user", "content": "And now?"},
    ]


def test_anthropic_caches_a_conversation_up_to_its_last_block_where_the_prompt_says_so() -> None:
    cached: dict[str, Json] = {"cache_control": {"type": "ephemeral"}}
    found = made(messages=MESSAGES, model=CLAUDE, parameters={"maxTokens": 9, "extra": cached})
    values: dict[str, Any] = {"history": [said()], **VALUES}
    assert found.to_anthropic(**values)["extra_body"] == cached
    assert found.request(**values).body["cache_control"] == {"type": "ephemeral"}


@pytest.mark.parametrize(
    ("way", "model", "api"),
    [
        ("to_openai_responses", GPT, "OpenAI responses"),
        ("to_anthropic", CLAUDE, "Anthropic messages"),
        ("to_gemini", "google/gemini-3-pro-preview", "Gemini"),
        ("to_bedrock", "bedrock/amazon.nova-pro-v1:0", "Bedrock Converse"),
        ("to_mistral", "mistral/mistral-large-2411", "Mistral chat completions"),
        ("request", CLAUDE, "Anthropic messages"),
    ],
)
@pytest.mark.parametrize("given", [{}, {"history": []}])
def test_a_request_without_any_message_is_refused_and_names_the_placeholder(
    way: str, model: str, api: str, given: dict[str, Any]
) -> None:
    place = Placeholder(name="history", optional=True)
    found = made(model=model, messages=(SYSTEM, place), parameters={"maxTokens": 9})
    problem = f"without messages in 'history', prompt 'answer' has none that {api} takes"
    with pytest.raises(Invalid, match=problem) as error:
        getattr(found, way)(tone="brief", **given)
    assert "at least one message of the user" in str(error.value.hint)
    getattr(found, way)(tone="brief", history=[{"role": "user", "content": "Hi"}])


def test_chat_completions_take_a_message_of_the_system_alone_and_no_empty_list() -> None:
    place = Placeholder(name="history", optional=True)
    system = [{"role": "system", "content": "Be brief."}]
    assert made(messages=(SYSTEM, place)).to_openai(tone="brief")["messages"] == system
    with pytest.raises(Invalid, match="without messages in 'history'"):
        made(messages=(place,)).to_openai()
    with pytest.raises(Invalid, match="without messages in 'history'"):
        made(messages=(place,), model="openai/text-embedding-3-small").request()


@pytest.mark.parametrize("kind", ["image_url", "file", "input_audio"])
def test_the_images_of_a_long_conversation_are_bounded_together(kind: str) -> None:
    data = {
        "image_url": b"\x89PNG\r\n\x1a\n",
        "file": b"%PDF-1.7",
        "input_audio": b"RIFF\0\0\0\0WAVE",
    }[kind]
    text = base64.b64encode(data.ljust(4 * 1024 * 1024, b"\0")).decode()
    said = {
        "image_url": {"url": f"data:image/png;base64,{text}"},
        "file": {"file_data": f"data:application/pdf;base64,{text}"},
        "input_audio": {"data": text, "format": "wav"},
    }[kind]
    picture = {"role": "user", "content": [{"type": kind, kind: said}]}
    template = Template.compile(prompt(PLACE))
    assert len(template.render({"history": [picture] * 15})) == 15
    with pytest.raises(OutputTooLarge, match="over 67,108,864 bytes of images, files and audio"):
        template.render({"history": [picture] * 16})
