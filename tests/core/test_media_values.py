"""A variable may be an image, a file or audio: bytes or a URL, never a text, and never a path from a mapping."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from promptops.core.errors import Invalid, MissingVariable, TemplateInvalid, VariableInvalid
from promptops.core.features import features_of
from promptops.core.media_values import MAX_BYTES, MediaValue, is_described, media_value
from promptops.core.model import Content, Input, Json, Message, Prompt, Role
from promptops.core.parts import Part, PartType
from promptops.core.release_bytes import content_from_bytes, encode
from promptops.core.template.template import Template
from tests.support import media

PNG_64 = base64.b64encode(media.png()).decode()
PNG_URL = f"data:image/png;base64,{PNG_64}"
PHOTO = Input(name="photo", schema={"type": "image"})


def prompt_of(
    *inputs: Input, parts: tuple[Part, ...] = (Part(type=PartType.IMAGE, input="photo", detail="low"),)
) -> Prompt:
    message = Message(role=Role.USER, content="", parts=(Part(type=PartType.TEXT, text="Look at {{ what }}"), *parts))
    return Prompt(name="see", messages=(message,), inputs=(*inputs, Input(name="what")))


def parts(value: object, *inputs: Input) -> list[dict[str, Any]]:
    template = Template.compile(prompt_of(*(inputs or (PHOTO,))))
    content = template.render({"photo": value, "what": "it"})[0]["content"]
    assert isinstance(content, list)
    return content[1:]


@pytest.mark.parametrize(
    "value",
    [
        media.png(),
        bytearray(media.png()),
        memoryview(media.png()),
        {"data": media.png()},
        {"data": PNG_64},
        {"data": PNG_64, "media_type": "image/png"},
        {"data": f"data:image/png;base64,{PNG_64}"},
        {"data": PNG_64, "url": None, "type": "image"},
        MediaValue(type=PartType.IMAGE, data=media.png()),
    ],
    ids=["bytes", "bytearray", "memoryview", "mapping", "base64", "typed", "data URL", "nulls", "object"],
)
def test_bytes_become_a_part(value: object) -> None:
    assert parts(value) == [{"type": "image_url", "image_url": {"url": PNG_URL, "detail": "low"}}]


def test_a_url_becomes_a_part_that_the_provider_fetches() -> None:
    assert parts({"url": "https://a.b/c.png"}) == [
        {"type": "image_url", "image_url": {"url": "https://a.b/c.png", "detail": "low"}}
    ]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (
            "https://a.b/c.png",
            r"str is not an image: give promptops\.Image\(path=…\), promptops\.Image\(url=…\) or bytes",
        ),
        (PNG_URL, "str is not an image"),
        (None, "NoneType is not an image"),
        (5, "int is not an image"),
        ([media.png()], "list is not an image"),
        ({}, "has `data` or a `url`, one of them"),
        ({"data": PNG_64, "url": "https://a.b/c"}, "has `data` or a `url`, one of them"),
        ({"url": PNG_URL}, "a `data:` URL is no address"),
        ({"url": "file:///etc/passwd"}, "'file:///etc/passwd' is not https://"),
        ({"url": "https://a.b/c d"}, "without blanks"),
        ({"url": 5}, "its url is no text"),
        ({"file": "files/a.png"}, r"a case names a file of its app by it, and 'files/a\.png' is not there"),
        ({"path": "/etc/passwd"}, r"a path is read by promptops\.Image\(path=…\), and never from a mapping"),
        ({"file": "a.png"}, "'file' is no key of an image"),
        ({"dta": PNG_64}, "'dta' is no key of an image: did you mean 'data'"),
        ({"data": "no base64!"}, "its data is not base64"),
        (
            {"data": f"data:image/jpeg;base64,{PNG_64}"},
            "it says image/jpeg, and its first bytes are those of image/png",
        ),
        ({"data": "data:image/png,%89PNG"}, "its data is not base64"),
        ({"data": 5}, "its data is neither bytes nor base64"),
        ({"data": PNG_64, "type": "audio"}, "'type' is no key of an image"),
        (
            {"data": PNG_64, "media_type": "image/jpeg"},
            "it says image/jpeg, and its first bytes are those of image/png",
        ),
        (media.PDF, "its first bytes are those of application/pdf, not of an image"),
        (b"", "it is empty"),
        (MediaValue(type=PartType.AUDIO, data=media.wav()), "is audio, and the prompt takes an image"),
        (
            {"type": "image", "media_type": "image/png", "bytes": 3, "digest": "sha256:0"},
            "only its digest is known here, and not its bytes",
        ),
    ],
)
def test_no_other_value_is_one(value: object, said: str) -> None:
    with pytest.raises(VariableInvalid, match=f"variable 'photo' of prompt 'see': .*{said}"):
        parts(value)


def test_a_value_has_a_bound() -> None:
    large = media.png() + bytes(MAX_BYTES)
    with pytest.raises(VariableInvalid, match="and at most 20,971,520 are sent: give a URL"):
        parts(large)
    assert parts(large[:MAX_BYTES])


def test_a_missing_one_is_named_and_an_optional_one_is_left_out() -> None:
    template = Template.compile(prompt_of(PHOTO))
    with pytest.raises(MissingVariable, match="'photo'"):
        template.render({"what": "it"})
    optional = Input(name="photo", schema={"type": "image", "default": None})
    assert parts(None, optional) == []
    template = Template.compile(prompt_of(optional))
    assert template.render({"what": "it"})[0]["content"] == [{"type": "text", "text": "Look at it"}]


def test_the_same_value_gives_each_rendering_objects_of_its_own() -> None:
    template = Template.compile(prompt_of(PHOTO))
    first = template.render({"photo": media.png(), "what": "it"})
    first[0]["content"][1]["image_url"].clear()
    assert template.render({"photo": media.png(), "what": "it"})[0]["content"][1:] == parts(media.png())


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"type": "image", "minLength": 3}, "an input of `type: image` has no 'minLength'"),
        ({"type": "image", "default": "https://a.b/c"}, "has no default but null"),
        ({"type": "audio"}, "has no input 'photo' of type image"),
        ({"type": "string"}, "has no input 'photo' of type image"),
    ],
)
def test_a_release_whose_part_has_no_such_input_does_not_load(schema: dict[str, Json], said: str) -> None:
    with pytest.raises(TemplateInvalid, match=said):
        Template.compile(prompt_of(Input(name="photo", schema=schema)))


def test_a_release_with_an_image_in_a_text_does_not_load() -> None:
    with pytest.raises(TemplateInvalid, match="is of type image, and in a text"):
        Template.compile(prompt_of(PHOTO, parts=(Part(type=PartType.TEXT, text="{{ photo }}"),)))


def test_a_release_keeps_the_input_and_names_the_feature() -> None:
    prompt = prompt_of(PHOTO)
    content = Content(app="bot", prompts=(prompt,), requires=tuple(features_of(prompt)))
    assert content.requires == ("parts",)
    assert content_from_bytes(encode(content)) == content
    unused = Prompt(name="a", messages=(Message(role=Role.USER, content="Hi"),), inputs=(PHOTO,))
    assert list(features_of(unused)) == ["parts"]


def test_what_is_written_down_of_a_value_has_no_bytes() -> None:
    value = media_value(PartType.IMAGE, media.png())
    described = value.described()
    assert described["type"] == "image" and described["bytes"] == len(media.png())
    assert str(described["digest"]).startswith("sha256:")
    assert is_described(described)
    assert len(repr(value)) < 60 and "image/png" in repr(value)
    linked = media_value(PartType.IMAGE, {"url": "https://a.b/c"}).described()
    assert linked == {"type": "image", "url": "https://a.b/c"}
    assert not is_described(linked) and media_value(PartType.IMAGE, linked).url == "https://a.b/c"


def test_a_file_keeps_its_name_and_the_prompt_may_give_another() -> None:
    part = Part(type=PartType.FILE, input="plan")
    named = Part(type=PartType.FILE, input="plan", filename="terms.pdf")
    template = Template.compile(prompt_of(Input(name="plan", schema={"type": "file"}), parts=(part, named)))
    value = {"data": media.PDF, "filename": "plan.pdf"}
    content = template.render({"plan": value, "what": "it"})[0]["content"]
    assert [each["file"]["filename"] for each in content[1:]] == ["plan.pdf", "terms.pdf"]
    with pytest.raises(Invalid, match=r"'\.\./a' is not the name of a file"):
        template.render({"plan": {"data": media.PDF, "filename": "../a"}, "what": "it"})
