"""An application gives an image, a file or audio as an object, from bytes, a path or a URL."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import pytest

import promptops
from promptops import Audio, File, Image
from promptops.client.calls.capturing import CapturingTemplate
from promptops.core.digest import digest
from promptops.core.errors import Invalid, VariableInvalid
from promptops.core.media_values import lacks_bytes
from promptops.core.model import Input, Json, Message, Placeholder, Role
from promptops.core.parts import Part, PartType
from promptops.core.template.template import Template
from tests.client.prompts import CLAUDE, GPT, made
from tests.support import media

TEXT = Part(type=PartType.TEXT, text="Look at {{ what }}")
KINDS = {"photo": PartType.IMAGE, "plan": PartType.FILE, "call": PartType.AUDIO}
PAPER = "data:application/pdf;base64," + base64.b64encode(b"%PDF-1.4").decode()


def asking(*names: str, model: str = GPT) -> promptops.Prompt:
    parts = (TEXT, *(Part(type=KINDS[name], input=name) for name in names))
    inputs = (*(Input(name=name, schema={"type": str(KINDS[name])}) for name in names), Input(name="what"))
    message = Message(role=Role.USER, content="", parts=parts)
    return made(messages=(message,), inputs=inputs, model=model, parameters={"maxTokens": 5})


def test_a_path_is_read_at_once(tmp_path: Path) -> None:
    path = tmp_path / "shelf.png"
    path.write_bytes(media.png())
    photo = Image(path=path)
    path.unlink()
    [_, part] = asking("photo").render(photo=photo, what="it")[0]["content"]
    assert part == asking("photo").render(photo=media.png(), what="it")[0]["content"][1]


def test_each_class_is_for_variables_of_its_type(tmp_path: Path) -> None:
    plan = tmp_path / "plan.pdf"
    plan.write_bytes(media.PDF)
    found = asking("photo", "plan", "call")
    content = found.to_openai(
        photo=Image(url="https://a.b/c.png"), plan=File(path=str(plan)), call=Audio(media.wav()), what="it"
    )["messages"][0]["content"]
    assert [part["type"] for part in content] == ["text", "image_url", "file", "input_audio"]
    assert content[2]["file"]["filename"] == "plan.pdf"
    with pytest.raises(VariableInvalid, match="is audio, and the prompt takes an image"):
        found.to_openai(photo=Audio(media.wav()), plan=media.PDF, call=media.wav(), what="it")


def test_an_api_that_takes_none_is_an_error_of_the_call() -> None:
    with pytest.raises(Invalid, match="audio cannot be sent to Anthropic messages"):
        asking("call", model=CLAUDE).to_anthropic(call=media.wav(), what="it")
    block = asking("photo", model=CLAUDE).to_anthropic(photo=media.png(), what="it")["messages"][0]["content"][1]
    assert block["source"]["media_type"] == "image/png"


@pytest.mark.parametrize(
    ("kind", "given", "said"),
    [
        (Image, {"data": b"<svg/>"}, "the image cannot be sent: its first bytes are not those of an image"),
        (Image, {"url": "file:///etc/passwd"}, "the image cannot be sent: the URL of an image"),
        (Image, {"url": "data:image/png;base64,AAAA"}, "is no address"),
        (Image, {}, "the image cannot be sent: an image has `data` or a `url`"),
        (Image, {"data": media.png(), "url": "https://a.b/c"}, "one of them"),
        (Image, {"path": "/nowhere/a.png"}, "/nowhere/a.png cannot be read: No such file"),
        (Image, {"data": media.png(), "media_type": "image/gif"}, "it says image/gif"),
        (Audio, {"data": media.png()}, "the audio cannot be sent: its first bytes are those of image/png"),
        (File, {"data": media.PDF, "filename": "a/b"}, "is not the name of a file"),
        (File, {"data": b"\xff\xfe\x00"}, "say no media type"),
        (Image, {"data": "shelf.png"}, "the image cannot be sent: its data is bytes, and not str: a file is `path=…`"),
        (Image, {"path": 0}, "its path is no text, but int"),
        (File, {"path": True}, "its path is no text, but bool"),
        (Image, {"path": "a\0b"}, r"the image of 'a\\x00b' cannot be sent"),
        (Image, {"url": 5}, "its url is no text"),
        (Audio, {"data": media.wav(), "media_type": 5}, "its media_type is no text"),
        (File, {"data": media.PDF, "filename": b"a"}, "its filename is no text"),
    ],
)
def test_what_cannot_be_sent_is_an_error_where_it_is_made(kind: type, given: dict[str, object], said: str) -> None:
    with pytest.raises(Invalid, match=said):
        kind(**given)


def test_an_object_says_in_short_what_it_is() -> None:
    assert repr(Image(media.png())) == f"<Image image/png, {len(media.png())} bytes>"
    assert repr(File(url="https://a.b/c.pdf")) == "<File https://a.b/c.pdf>"
    assert Image(media.png()) == Image(media.png()) != Image(media.png(3, 3))


def test_what_is_captured_of_one_is_its_digest() -> None:
    large = media.png(noise=b"x" * 2_000_000)
    capturing = CapturingTemplate(Template.compile(asking("photo").definition))
    capturing.render({"photo": Image(large), "what": "it"})
    kept = capturing.kept(private=(), secret=b"")
    assert kept == {
        "photo": {"type": "image", "media_type": "image/png", "bytes": len(large), "digest": digest(large)},
        "what": "it",
    }
    assert len(json.dumps(kept)) < 300
    capturing.render({"photo": {"url": "https://a.b/c"}, "what": "it"})
    assert capturing.kept(private=(), secret=b"") == {"photo": {"type": "image", "url": "https://a.b/c"}, "what": "it"}
    private = capturing.kept(private=("photo",), secret=b"s")
    assert private is not None and str(private["photo"]).startswith("private:")


def test_what_is_captured_of_one_in_a_conversation_is_its_digest() -> None:
    large, page = media.png(noise=b"x" * 2_000_000), b"%PDF-1.4"
    url = "data:image/png;base64," + base64.b64encode(large).decode()
    paper = {"filename": "a.pdf", "file_data": "data:application/pdf;base64," + base64.b64encode(page).decode()}
    parts: list[Mapping[str, Json]] = [
        {"type": "text", "text": "Look, data:image/png;base64,AAAA"},
        {"type": "image_url", "image_url": {"url": url}},
        {"type": "image_url", "image_url": {"url": "https://a.b/c.png"}},
        {"type": "file", "file": paper},
    ]
    said = [{"role": "user", "content": parts}, {"role": "assistant", "content": "I see."}]
    prompt = made(messages=(Placeholder(name="talk"), Message(role=Role.USER, content="And {{what}}?")))
    capturing = CapturingTemplate(Template.compile(prompt.definition))
    assert capturing.render({"talk": said, "what": "it"})[0]["content"] == parts
    kept = capturing.kept(private=(), secret=b"")
    described = {"type": "image", "media_type": "image/png", "bytes": len(large), "digest": digest(large)}
    paper_described = {
        "type": "file",
        "media_type": "application/pdf",
        "filename": "a.pdf",
        "bytes": len(page),
        "digest": digest(page),
    }
    assert kept == {
        "talk": [{"role": "user", "content": [parts[0], described, parts[2], paper_described]}, said[1]],
        "what": "it",
    }
    assert lacks_bytes(cast("Json", kept["talk"])) and not lacks_bytes(said)


@pytest.mark.parametrize(
    "part",
    [
        {"type": "file", "file": {"file_url": PAPER}},
        {"type": "file", "file": {"file_url": "https://a.b/c.pdf", "file_data": PAPER}},
        {"type": "image_url", "image_url": {"url": "HTTPS://a.b/c.png"}},
        {"type": "input_audio", "input_audio": {"url": "https://a.b/c.wav", "data": "no base64"}},
        {"type": "text", "text": "Seen.", "annotations": [{"type": "file", "file": {"file_data": PAPER}}]},
    ],
)
def test_what_a_conversation_may_have_breaks_no_capturing_and_leaves_no_bytes(part: Mapping[str, Json]) -> None:
    prompt = made(messages=(Placeholder(name="talk"), Message(role=Role.USER, content="And?")))
    capturing = CapturingTemplate(Template.compile(prompt.definition))
    used = {"id": "1", "name": "look", "arguments": {"type": "file", "annotations": [], "file": "a"}}
    turn = [{"role": "assistant", "tool_calls": [used]}, {"role": "tool", "tool_call_id": "1", "content": "ok"}]
    answer = {"role": "assistant", "content": "ok", "annotations": [{"file": {"file_data": PAPER}}]}
    sent = capturing.render({"talk": [{"role": "user", "content": [part]}, *turn, answer]})
    kept = cast("dict[str, Json]", capturing.kept(private=(), secret=b""))
    assert PAPER not in json.dumps(kept)
    if not lacks_bytes(kept["talk"]):
        assert capturing.render(kept) == sent
