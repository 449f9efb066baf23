"""Each API gets parts of a message in its own form, or the caller an error that names what it does not take."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

import pytest

from promptops.core.errors import Invalid
from promptops.core.model import Message, Role, ToolCall
from promptops.core.parameters import Api
from promptops.core.part_forms import part_flaw, to_parts
from promptops.core.parts import Part, PartType
from tests.client.prompts import made
from tests.core.test_parts import IMAGE, LINKED, LINKED_PDF, PDF, PDF_64, PNG, PNG_URL, SOUND, TEXT, WAV, prompt_of
from tests.support import media


def test_each_api_gets_its_own_form() -> None:
    found = made(messages=prompt_of(TEXT, IMAGE, LINKED, PDF).messages, model="openai/gpt-4o-2024-08-06")
    assert found.to_openai(what="it")["messages"] == found.render(what="it")
    responses = found.to_openai_responses(what="it")
    assert responses["instructions"] == "Look."
    assert responses["input"] == [
        {
            "role": "user",
            "content": [
                {"type": "input_text", "text": "What is on it?"},
                {"type": "input_image", "image_url": PNG_URL, "detail": "low"},
                {"type": "input_image", "image_url": "https://example.com/a.png", "detail": "auto"},
                {
                    "type": "input_file",
                    "filename": "terms.pdf",
                    "file_data": f"data:application/pdf;base64,{PDF_64}",
                },
            ],
        }
    ]
    parameters = {"maxTokens": 100}
    claude = made(messages=found.messages, model="anthropic/claude-sonnet-4-5-20250929", parameters=parameters)
    turn = claude.to_anthropic(what="it")["messages"]
    png = {"type": "base64", "media_type": "image/png", "data": base64.b64encode(PNG).decode()}
    pdf = {"type": "base64", "media_type": "application/pdf", "data": PDF_64}
    assert turn == [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What is on it?"},
                {"type": "image", "source": png},
                {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
                {"type": "document", "source": pdf, "title": "terms.pdf"},
            ],
        }
    ]


def test_texts_in_parts_of_the_system_and_the_assistant_reach_every_api() -> None:
    say = (Part(type=PartType.TEXT, text="Be brief."), Part(type=PartType.TEXT, text="Be kind."))
    messages = (
        Message(role=Role.SYSTEM, content="", parts=say),
        Message(role=Role.USER, content="Hi"),
        Message(role=Role.ASSISTANT, content="", parts=say),
        Message(role=Role.USER, content="", parts=say[:1]),
    )
    found = made(messages=messages, parameters={"maxTokens": 5})
    assert found.to_openai()["messages"][0]["content"] == [
        {"type": "text", "text": "Be brief."},
        {"type": "text", "text": "Be kind."},
    ]
    responses = found.to_openai_responses()
    assert responses["instructions"] == "Be brief.\nBe kind."
    assert [part["type"] for part in responses["input"][1]["content"]] == ["output_text", "output_text"]
    anthropic = found.to_anthropic()
    assert anthropic["system"] == "Be brief.\nBe kind."
    assert anthropic["messages"][2] == {"role": "user", "content": [{"type": "text", "text": "Be brief."}]}
    system = found.to_gemini()["config"]["system_instruction"]
    assert system == {"parts": [{"text": "Be brief.\nBe kind."}]}
    assert found.to_bedrock()["system"] == [{"text": "Be brief.\nBe kind."}]


@pytest.mark.parametrize("cache", [False, True])
@pytest.mark.parametrize("way", ["to_openai_responses", "to_anthropic", "to_gemini", "to_bedrock"])
def test_a_part_of_the_system_that_is_no_text_is_refused_and_never_left_out(way: str, cache: bool) -> None:
    say = Part(type=PartType.TEXT, text="Be kind.")
    messages = (
        Message(role=Role.SYSTEM, content="", parts=(say, LINKED, say), cache=cache),
        Message(role=Role.USER, content="Hi"),
    )
    found = made(messages=messages, model=None, parameters={"maxTokens": 5})
    with pytest.raises(Invalid, match="parts that are no text cannot be sent to"):
        getattr(found, way)()


def test_the_answer_of_a_tool_may_have_an_image_where_the_api_takes_one() -> None:
    messages = (
        Message(role=Role.USER, content="Draw."),
        Message(role=Role.ASSISTANT, content="", tool_calls=(ToolCall(id="c", name="draw", arguments={}),)),
        Message(role=Role.TOOL, content="", tool_call_id="c", parts=(IMAGE,)),
    )
    found = made(messages=messages, parameters={"maxTokens": 5})
    result = found.to_anthropic()["messages"][2]["content"][0]
    assert result["type"] == "tool_result" and result["content"][0]["type"] == "image"
    assert found.to_openai_responses()["input"][2]["output"][0]["type"] == "input_image"
    with pytest.raises(Invalid, match="an image in a message of role tool cannot be sent to OpenAI chat"):
        made(messages=messages, model="openai/gpt-4o-2024-08-06").to_openai()


NEUTRAL: Mapping[str, list[Any]] = {
    "text": [{"type": "text", "text": "hi"}],
    "image": [{"type": "image_url", "image_url": {"url": PNG_URL}}],
    "linked": [{"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}],
    "wav": [{"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}],
    "flac": [{"type": "input_audio", "input_audio": {"data": "AAAA", "format": "flac"}}],
    "linked audio": [{"type": "input_audio", "input_audio": {"url": "https://example.com/a.wav"}}],
    "pdf": [{"type": "file", "file": {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{PDF_64}"}}],
    "docx": [{"type": "file", "file": {"filename": "a", "file_data": "data:application/msword;base64,AAAA"}}],
    "text file": [{"type": "file", "file": {"filename": "a.txt", "file_data": "data:text/plain;base64,aGk="}}],
    "linked file": [{"type": "file", "file": {"file_url": "https://example.com/a.pdf"}}],
}
REFUSED = {
    Api.OPENAI_CHAT: {"flac", "linked audio", "linked file"},
    Api.COMPATIBLE: {"linked audio", "linked file"},
    Api.OPENAI_RESPONSES: {"wav", "flac", "linked audio"},
    Api.ANTHROPIC: {"wav", "flac", "linked audio", "docx"},
    Api.GEMINI: set(),
    Api.BEDROCK: {"linked", "linked audio", "linked file"},
    Api.MISTRAL: {"docx", "text file"},
}


@pytest.mark.parametrize("api", REFUSED)
@pytest.mark.parametrize("what", NEUTRAL)
def test_an_api_gets_a_part_or_the_caller_an_error(api: Api, what: str) -> None:
    if what in REFUSED[api]:
        with pytest.raises(Invalid, match=f"cannot be sent to {api}"):
            to_parts(api, NEUTRAL[what])
    else:
        assert len(to_parts(api, NEUTRAL[what])) == 1


def test_gemini_bedrock_and_mistral_get_their_own_forms() -> None:
    messages = prompt_of(TEXT, IMAGE, PDF, SOUND).messages
    found = made(messages=messages, model="gemini/gemini-3-pro")
    [turn] = found.to_gemini(what="it")["contents"]
    wav = base64.b64encode(WAV).decode()
    assert turn["parts"] == [
        {"text": "What is on it?"},
        {"inline_data": {"mime_type": "image/png", "data": PNG_URL.partition(",")[2]}},
        {"inline_data": {"mime_type": "application/pdf", "data": PDF_64}},
        {"inline_data": {"mime_type": "audio/wav", "data": wav}},
    ]
    found = made(messages=messages, model="bedrock/amazon.nova-pro-v1:0")
    [turn] = found.to_bedrock(what="it")["messages"]
    assert turn["content"] == [
        {"text": "What is on it?"},
        {"image": {"format": "png", "source": {"bytes": PNG}}},
        {"document": {"format": "pdf", "name": "terms", "source": {"bytes": media.PDF}}},
        {"audio": {"format": "wav", "source": {"bytes": WAV}}},
    ]
    body = found.request(what="it").body
    assert json.loads(json.dumps(body))["messages"][0]["content"][1]["image"]["source"] == {
        "bytes": PNG_URL.partition(",")[2]
    }
    found = made(messages=messages, model="mistral/pixtral-large-2411")
    assert found.to_mistral(what="it")["messages"][1]["content"] == [
        {"type": "text", "text": "What is on it?"},
        {"type": "image_url", "image_url": {"url": PNG_URL, "detail": "low"}},
        {
            "type": "document_url",
            "document_url": f"data:application/pdf;base64,{PDF_64}",
            "document_name": "terms.pdf",
        },
        {"type": "input_audio", "input_audio": wav},
    ]


def test_a_file_of_text_is_a_document_of_anthropic() -> None:
    assert to_parts(Api.ANTHROPIC, NEUTRAL["text file"]) == [
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "hi"}, "title": "a.txt"}
    ]


@pytest.mark.parametrize(
    ("model", "part", "flaw"),
    [
        ("anthropic/claude-sonnet-4-5-20250929", SOUND, "audio cannot be sent to Anthropic messages"),
        ("openai/gpt-4o-audio-preview-2024-12-17", SOUND, ""),
        ("openai/gpt-4o-2024-08-06", LINKED_PDF, ""),  # the Responses API takes it
        ("anthropic/claude-sonnet-4-5-20250929", LINKED_PDF, ""),
        ("mistral/x", SOUND, ""),
        (None, SOUND, ""),
        ("anthropic/claude-sonnet-4-5-20250929", IMAGE, ""),
    ],
)
def test_what_no_api_of_a_provider_takes_is_known(model: str | None, part: Part, flaw: str) -> None:
    assert part_flaw(model, part, Role.USER) == flaw


def test_a_cache_mark_of_a_part_stays_with_anthropic_alone() -> None:
    marked = [
        {**part, "cache_control": {"type": "ephemeral"}} for name in ("text", "image", "pdf") for part in NEUTRAL[name]
    ]
    for api in Api:
        forms = json.dumps(to_parts(api, marked), default=str)
        assert forms.count("cache_control") == (3 if api is Api.ANTHROPIC else 0), api


@pytest.mark.parametrize("way", ["to_openai", "to_anthropic", "to_openai_responses", "to_gemini", "to_bedrock"])
def test_parts_without_a_character_are_sent_as_a_text_without_one(way: str) -> None:
    """An API refuses both, with words of its own, and not with those of an empty list."""

    def last(*parts: Part, content: str = "") -> Any:
        messages = (
            Message(role=Role.USER, content="Hi"),
            Message(role=Role.ASSISTANT, content="", parts=parts),
        )
        if content:
            messages = (*messages[:1], Message(role=Role.ASSISTANT, content=content))
        call = getattr(made(messages=messages, parameters={"maxTokens": 9}), way)(q="")
        return (call.get("messages") or call.get("contents") or call.get("input"))[-1]

    parts = last(Part(type=PartType.TEXT, text="{{q}}"))
    assert parts.get("content", parts.get("parts")) != []
    if way in ("to_anthropic", "to_bedrock"):
        assert parts == last(content="{{q}}")
