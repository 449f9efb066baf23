"""Cache marks of messages, parts and tools reach each API that has a form for them, and are part of the release."""

from __future__ import annotations

import copy
import json
import pickle
from dataclasses import replace
from typing import Any

import pytest

from promptops.core.contract import bump_of, compare
from promptops.core.errors import Invalid
from promptops.core.features import features_of, requires_of
from promptops.core.model import Bump, Content, Input, Message, Placeholder, Prompt, Role, Tool, ToolCall
from promptops.core.part_bytes import blob_of
from promptops.core.parts import Part, PartType
from promptops.core.release_bytes import content_from_bytes, encode
from tests.client.prompts import CLAUDE, GPT, SEARCH, made

EPHEMERAL = {"cache_control": {"type": "ephemeral"}}
EXPLICIT = {"prompt_cache_breakpoint": {"mode": "explicit"}}
POINT = {"cachePoint": {"type": "default"}}
BEDROCK, NOVA = "bedrock/us.anthropic.claude-opus-5", "bedrock/amazon.nova-pro-v1:0"
NEW_GPT = "openai/gpt-5.6-2026-08-01"
LIMIT = {"maxTokens": 9}
SYSTEM = Message(role=Role.SYSTEM, content="Be {{tone}}.", cache=True)
MORE = Message(role=Role.SYSTEM, content="Be brief.")
USER = Message(role=Role.USER, content="{{question}}", cache=True)
LAST = Message(role=Role.USER, content="And now?")
PNG = blob_of(b"\x89PNG\r\n\x1a\n")
IMAGE = Part(type=PartType.IMAGE, blob=PNG, media_type="image/png", cache=True)
PHOTO = Part(type=PartType.IMAGE, input="photo", cache=True)
TEXT = Part(type=PartType.TEXT, text="Look at {{question}}")
CALL = Message(
    role=Role.ASSISTANT, content="", tool_calls=(ToolCall(id="c-1", name="search", arguments={}),), cache=True
)
ANSWER = Message(role=Role.TOOL, content="Found.", tool_call_id="c-1", cache=True)
PLACE = Placeholder(name="history", cache=True)
HISTORY: list[dict[str, Any]] = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
VALUES = {"tone": "kind", "question": "Why?"}
KEYS = ("cache_control", "prompt_cache_breakpoint", "cachePoint", "cache")


def has_mark(call: object) -> bool:
    return any(f'"{key}"' in json.dumps(call) for key in KEYS)


def prompt(*messages: Message | Placeholder, model: str = CLAUDE, **more: Any) -> Any:
    return made(messages=messages, model=model, parameters=LIMIT, **more)


def parted(*parts: Part, role: Role = Role.USER, cache: bool = False) -> Message:
    return Message(role=role, content="", parts=parts, cache=cache)


# --- what is rendered ----------------------------------------------------------------------------


def test_what_is_rendered_has_no_key_of_a_mark_and_is_sent_as_any_other() -> None:
    parts = parted(replace(TEXT, cache=True), IMAGE, cache=True)
    found = prompt(SYSTEM, PLACE, parts, USER, tools=(replace(SEARCH, cache=True),))
    rendered = found.render(history=HISTORY, **VALUES)
    bare = prompt(
        *(replace(each, cache=False) for each in (SYSTEM, PLACE)),
        parted(TEXT, replace(IMAGE, cache=False)),
        replace(USER, cache=False),
    ).render(history=HISTORY, **VALUES)
    assert rendered == bare
    assert json.dumps(rendered) == json.dumps(bare) and not has_mark(rendered)
    assert copy.deepcopy(rendered) == bare == pickle.loads(pickle.dumps(rendered))
    assert HISTORY == [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]


@pytest.mark.parametrize(
    "model", [GPT, "openai/gpt-5.5-2026-04-01", "google/gemini-3-pro-preview", "mistral/mistral-large-2512"]
)
def test_a_model_that_has_none_gets_none(model: str) -> None:
    found = prompt(SYSTEM, parted(TEXT, IMAGE, cache=True), model=model, tools=(replace(SEARCH, cache=True),))
    assert not has_mark(found.request(**VALUES).body)
    assert not has_mark(found.to_langchain(**VALUES))
    for way in ("to_openai", "to_openai_responses", "to_litellm", "to_gemini", "to_mistral"):
        assert not has_mark(getattr(found, way)(**VALUES)), way


def test_only_those_that_have_one_are_others_than_before() -> None:
    """A prompt without marks is sent as it always was: a system message is a text, content a text."""
    call = prompt(replace(SYSTEM, cache=False), replace(USER, cache=False)).to_anthropic(**VALUES)
    assert (call["system"], call["messages"]) == ("Be kind.", [{"role": "user", "content": "Why?"}])


# --- Anthropic -----------------------------------------------------------------------------------


def test_a_message_has_it_on_its_last_block() -> None:
    call = prompt(SYSTEM, USER, LAST).to_anthropic(**VALUES)
    assert call["system"] == [{"type": "text", "text": "Be kind.", **EPHEMERAL}]
    assert call["messages"] == [
        {"role": "user", "content": [{"type": "text", "text": "Why?", **EPHEMERAL}]},
        {"role": "user", "content": "And now?"},
    ]


def test_system_messages_are_blocks_up_to_each_mark() -> None:
    call = prompt(MORE, SYSTEM, MORE, LAST).to_anthropic(tone="kind")
    assert call["system"] == [
        {"type": "text", "text": "Be brief.\n\nBe kind.", **EPHEMERAL},
        {"type": "text", "text": "Be brief."},
    ]
    texts = (Part(type=PartType.TEXT, text="One.", cache=True), Part(type=PartType.TEXT, text="Two."))
    call = prompt(parted(*texts, role=Role.SYSTEM), LAST).to_anthropic()
    assert call["system"] == [{"type": "text", "text": "One.", **EPHEMERAL}, {"type": "text", "text": "Two."}]


def test_a_part_has_it_itself() -> None:
    call = prompt(parted(replace(TEXT, cache=True), IMAGE, TEXT)).to_anthropic(question="me")
    text = {"type": "text", "text": "Look at me"}
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG.data}}
    assert call["messages"][0]["content"] == [text | EPHEMERAL, image | EPHEMERAL, text]


def test_a_message_and_its_last_part_have_one_mark_together() -> None:
    call = prompt(parted(TEXT, IMAGE, cache=True)).to_anthropic(question="me")
    assert ["cache_control" in block for block in call["messages"][0]["content"]] == [False, True]


def test_what_is_left_out_has_no_mark() -> None:
    """APIs refuse a mark on an empty text; an optional image that is not given is no part."""
    photo = Input(name="photo", schema={"type": "image", "default": None})
    found = prompt(parted(TEXT, PHOTO), inputs=(Input(name="question"), photo))
    assert not has_mark(found.to_anthropic(question="me"))
    url = "https://example.com/a.png"
    assert "cache_control" in found.to_anthropic(question="me", photo={"url": url})["messages"][0]["content"][1]
    empty = parted(TEXT, Part(type=PartType.TEXT, text="{{tone}}"), cache=True)
    call = prompt(empty).to_anthropic(question="me", tone="")
    assert call["messages"][0]["content"] == [{"type": "text", "text": "Look at me", **EPHEMERAL}]
    assert not has_mark(prompt(LAST, USER).to_anthropic(question=""))
    nothing = parted(Part(type=PartType.TEXT, text="{{tone}}", cache=True), role=Role.SYSTEM)
    for model, way in (
        (CLAUDE, "to_anthropic"),
        (CLAUDE, "to_litellm"),
        (BEDROCK, "to_bedrock"),
        (NEW_GPT, "to_openai"),
    ):
        assert not has_mark(getattr(prompt(MORE, nothing, LAST, model=model), way)(tone="")), way


def test_calls_of_tools_and_their_answers_have_it_on_the_last_block() -> None:
    call = prompt(LAST, CALL, ANSWER, LAST).to_anthropic()
    assert call["messages"][1]["content"] == [
        {"type": "tool_use", "id": "c-1", "name": "search", "input": {}, **EPHEMERAL}
    ]
    [result] = call["messages"][2]["content"]
    assert result == {
        "type": "tool_result",
        "tool_use_id": "c-1",
        "content": [{"type": "text", "text": "Found."}],
        **EPHEMERAL,
    }


def test_a_tool_has_it() -> None:
    web = Tool(name="web_search", type="web_search_20260318", settings={"max_uses": 3}, cache=True)
    call = prompt(LAST, tools=(SEARCH, web)).to_anthropic()
    assert ["cache_control" in tool for tool in call["tools"]] == [False, True]
    assert call["tools"][1] == {"type": "web_search_20260318", "name": "web_search", "max_uses": 3, **EPHEMERAL}


@pytest.mark.parametrize(("before", "after"), [(HISTORY, []), ([], HISTORY), (HISTORY, HISTORY), ([], [])])
def test_the_last_message_of_a_conversation_has_it_wherever_it_stands(before: Any, after: Any) -> None:
    found = prompt(replace(MORE, cache=True), Placeholder(name="past"), LAST, PLACE, LAST)
    call = found.to_anthropic(past=before, history=after)
    wanted = [False] * len(before) + [False] + [False, True][: len(after)] + [False]
    assert ["cache_control" in str(message) for message in call["messages"]] == wanted
    assert "cache_control" in call["system"][0]


def test_each_request_is_made_of_new_objects() -> None:
    found = prompt(SYSTEM, USER)
    found.to_anthropic(**VALUES)["system"][0]["cache_control"]["ttl"] = "1h"
    assert found.to_anthropic(**VALUES)["system"][0]["cache_control"] == {"type": "ephemeral"}


def test_more_than_four_are_refused_with_their_places() -> None:
    four = prompt(SYSTEM, USER, USER, tools=(replace(SEARCH, cache=True),))
    assert json.dumps(four.to_anthropic(**VALUES)).count("cache_control") == 4
    for model, way in ((CLAUDE, "to_anthropic"), (BEDROCK, "to_bedrock"), (CLAUDE, "to_litellm")):
        five = prompt(SYSTEM, USER, parted(IMAGE, TEXT), PLACE, model=model, tools=(replace(SEARCH, cache=True),))
        with pytest.raises(Invalid) as caught:
            getattr(five, way)(history=HISTORY, **VALUES)
        assert caught.value.message == (
            "prompt 'answer' has 5 cache marks, and a request has 4 at most: tools[0], messages[0], messages[1], "
            "messages[2].content[0], messages[3]"
        )


# --- other APIs ----------------------------------------------------------------------------------


def test_bedrock_has_points_behind_what_is_cached() -> None:
    tools = (SEARCH, Tool(name="b"))
    found = prompt(SYSTEM, parted(TEXT, IMAGE, TEXT), CALL, ANSWER, LAST, model=BEDROCK, tools=tools)
    call = found.request(**VALUES).body
    assert call["system"] == [{"text": "Be kind."}, POINT]
    turns: Any = call["messages"]
    assert [[next(iter(block)) for block in turn["content"]] for turn in turns] == [
        ["text", "image", "cachePoint", "text"],
        ["toolUse", "cachePoint"],
        ["toolResult", "cachePoint", "text"],
    ]
    assert turns[2]["content"][0]["toolResult"]["content"] == [{"text": "Found."}]
    marked = prompt(LAST, model=BEDROCK, tools=(SEARCH, Tool(name="b", cache=True), Tool(name="c"))).to_bedrock()
    entries = [next(iter(tool)) for tool in marked["toolConfig"]["tools"]]
    assert entries == ["toolSpec", "toolSpec", "cachePoint", "toolSpec"]


def test_a_nova_caches_no_tools_and_an_old_claude_nothing() -> None:
    found = prompt(SYSTEM, USER, model=NOVA, tools=(replace(SEARCH, cache=True),))
    call = found.to_bedrock(**VALUES)
    assert (call["system"][1], call["messages"][0]["content"][1]) == (POINT, POINT)
    assert not has_mark(call["toolConfig"])
    for model in (
        "anthropic.claude-3-haiku-20240307-v1:0",
        "anthropic.claude-instant-v1",
        "meta.llama3-8b-instruct-v1:0",
    ):
        assert not has_mark(prompt(SYSTEM, USER, model=f"bedrock/{model}").to_bedrock(**VALUES)), model


@pytest.mark.parametrize("model", [NEW_GPT, "openai/gpt-5.10", "openai/gpt-6-2027-01-01"])
def test_a_model_of_openai_since_gpt_5_6_has_breakpoints_on_parts(model: str) -> None:
    found = prompt(SYSTEM, CALL, ANSWER, USER, model=model, tools=(replace(SEARCH, cache=True),))
    call = found.to_openai(**VALUES)
    assert [message["content"] for message in call["messages"]] == [
        [{"type": "text", "text": "Be kind.", **EXPLICIT}],
        "",  # the assistant has none there
        [{"type": "text", "text": "Found.", **EXPLICIT}],
        [{"type": "text", "text": "Why?", **EXPLICIT}],
    ]
    assert not has_mark(call["tools"])
    call = found.to_openai_responses(**VALUES)
    assert "instructions" not in call  # which are a text, without parts
    assert call["input"][0] == {"role": "system", "content": [{"type": "input_text", "text": "Be kind.", **EXPLICIT}]}
    assert call["input"][2]["output"] == [{"type": "input_text", "text": "Found.", **EXPLICIT}]
    assert call["input"][3]["content"] == [{"type": "input_text", "text": "Why?", **EXPLICIT}]


def test_the_responses_api_keeps_instructions_that_have_no_mark() -> None:
    call = prompt(MORE, parted(TEXT, IMAGE), model=NEW_GPT).to_openai_responses(question="me")
    assert call["instructions"] == "Be brief."
    assert ["prompt_cache_breakpoint" in part for part in call["input"][0]["content"]] == [False, True]


def test_litellm_hands_them_on_where_the_model_takes_them() -> None:
    call = prompt(SYSTEM, parted(TEXT, IMAGE), CALL, ANSWER, LAST, tools=(SEARCH,)).to_litellm(**VALUES)
    system, user, assistant, tool, last = call["messages"]
    assert system["content"] == [{"type": "text", "text": "Be kind.", **EPHEMERAL}]
    assert ["cache_control" in part for part in user["content"]] == [False, True]
    assert assistant["tool_calls"][0]["cache_control"] == tool["cache_control"] == {"type": "ephemeral"}
    assert (tool["content"], last["content"]) == ([{"type": "text", "text": "Found."}], "And now?")
    call = prompt(LAST, tools=(replace(SEARCH, cache=True), Tool(name="b"))).to_litellm()
    assert ["cache_control" in tool for tool in call["tools"]] == [True, False]
    assert has_mark(prompt(SYSTEM, model=BEDROCK).to_litellm(tone="kind"))
    nova = prompt(SYSTEM, model=NOVA, tools=(replace(SEARCH, cache=True),)).to_litellm(tone="kind")
    assert has_mark(nova["messages"]) and not has_mark(nova["tools"])


# --- the release ---------------------------------------------------------------------------------


def content(*messages: Message | Placeholder, **more: Any) -> Content:
    found = Prompt(name="answer", messages=messages, **more)
    return Content(app="bot", prompts=(found,), requires=tuple(sorted(features_of(found))))


def test_a_release_has_the_marks_and_names_the_feature() -> None:
    whole = content(SYSTEM, parted(replace(TEXT, cache=True), IMAGE), PLACE, tools=(Tool(name="b", cache=True),))
    data = encode(whole)
    written = json.loads(data)["prompts"]["answer"]
    assert requires_of(data) == ("cache", "history", "parts")
    assert written["messages"][0] == {"role": "system", "content": "Be {{tone}}.", "cache": True}
    assert [part["cache"] for part in written["messages"][1]["parts"]] == [True, True]
    assert written["messages"][2] == {"role": "placeholder", "name": "history", "cache": True}
    assert written["tools"] == [{"name": "b", "cache": True}]
    assert content_from_bytes(data) == whole


MARKED: list[dict[str, Any]] = [
    {"messages": (SYSTEM,)},
    {"messages": (parted(replace(TEXT, cache=True)),)},
    {"messages": (PLACE,)},
    {"messages": (), "tools": (Tool(name="b", cache=True),)},
]


@pytest.mark.parametrize("marked", MARKED, ids=("message", "part", "placeholder", "tool"))
def test_a_release_without_the_feature_is_refused(marked: dict[str, Any]) -> None:
    whole = content(*marked["messages"], tools=marked.get("tools", ()))
    assert "cache" in whole.requires
    with pytest.raises(Invalid, match="has cache, and"):
        content_from_bytes(encode(replace(whole, requires=tuple({*whole.requires} - {"cache"}))))


@pytest.mark.parametrize("marked", MARKED, ids=("message", "part", "placeholder", "tool"))
@pytest.mark.parametrize("value", [1, 0, "true", None, {"type": "ephemeral"}])
def test_a_release_is_read_strictly(marked: dict[str, Any], value: Any) -> None:
    text = encode(content(*marked["messages"], tools=marked.get("tools", ()))).decode()
    changed = text.replace('"cache":true', f'"cache":{json.dumps(value)}')
    assert changed != text
    with pytest.raises(Invalid, match=r"\.cache is not true or false"):
        content_from_bytes(changed.encode())


@pytest.mark.parametrize(
    ("old", "new", "field", "summary"),
    [
        (
            content(SYSTEM),
            content(replace(SYSTEM, cache=False)),
            "messages[0].cache",
            "cache marks of the system message",
        ),
        (
            content(parted(IMAGE)),
            content(parted(replace(IMAGE, cache=False))),
            "messages[0].cache",
            "of the user message",
        ),
        (content(PLACE), content(replace(PLACE, cache=False)), "messages[0].cache", "of the placeholder message"),
        (
            content(tools=(Tool(name="b", cache=True),)),
            content(tools=(Tool(name="b"),)),
            "tools.b.cache",
            "cache mark of tool 'b'",
        ),
    ],
    ids=("message", "part", "placeholder", "tool"),
)
def test_a_mark_more_or_less_is_a_patch(old: Content, new: Content, field: str, summary: str) -> None:
    """Beside what clients need, which is the same where the app has another mark."""
    requires = old.requires
    for before, after in ((old, new), (new, old)):
        [change] = compare(replace(before, requires=requires), replace(after, requires=requires))
        assert (change.bump, change.field) == (Bump.PATCH, field)
        assert summary in change.summary
        assert bump_of((change,)) is Bump.PATCH
    first = compare(new, old)
    assert [change.field for change in first if change.bump is Bump.MINOR] == ["requires"]


def test_another_text_beside_another_mark_is_wording() -> None:
    texts = (replace(TEXT, cache=True), replace(TEXT, text="Other"))
    old, new = (replace(content(parted(text)), requires=("cache", "parts")) for text in texts)
    assert {(change.field, change.bump) for change in compare(old, new)} == {
        ("messages[0].content", Bump.PATCH),
        ("messages[0].cache", Bump.PATCH),
    }
