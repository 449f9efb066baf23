"""A message's content may be a list of parts, of which files come from the app's folder."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping

import pytest

from promptops.core.digest import digest
from promptops.core.finding import Severity
from promptops.core.model import Message, Prompt, Role
from promptops.core.part_bytes import blob_of
from promptops.core.parts import Part, PartType
from promptops.core.release_bytes import encode
from promptops.source.lint.lint import check
from tests.source.memory import checked, codes, prompt_findings, workspace
from tests.support import media

HEAD = "model: openai/gpt-5.2-2025-12-11\n"
CLAUDE = "model: anthropic/claude-sonnet-4-5-20250929\nmodelParameters: {maxTokens: 50}\n"
FILES: dict[str, str | bytes] = {
    "files/logo.png": media.png(),
    "files/terms.pdf": media.PDF,
    "files/notes.txt": "Be kind to {{ name }}.\n",
    "files/deep/bell.wav": media.wav(),
}
PNG_64 = base64.b64encode(media.png()).decode()


def file_of(*parts: str, head: str = HEAD, role: str = "user") -> str:
    listed = "".join(f"      - {part}\n" for part in parts)
    return f"{head}messages:\n  - role: {role}\n    content:\n{listed}"


def read(*parts: str, head: str = HEAD) -> Prompt:
    loaded = checked({"a.prompt.yml": file_of(*parts, head=head), **FILES})
    assert [finding for finding in loaded.findings if finding.severity is Severity.ERROR] == []
    content = loaded.app("bot").content
    assert content is not None
    return content.prompts[0]


def findings(*parts: str, head: str = HEAD, role: str = "user", files: Mapping[str, bytes] | None = None) -> list[str]:
    more: dict[str, bytes] = {f"files/{name}": data for name, data in (files or {}).items()}
    loaded = checked({"a.prompt.yml": file_of(*parts, head=head, role=role), **FILES, **more})
    return [f"{finding.code}: {finding.message} {finding.hint}".strip() for finding in loaded.findings]


def test_parts_are_part_of_the_release_with_the_bytes_of_their_files() -> None:
    prompt = read(
        '{type: text, text: "What is on {{ what }}?"}',
        "{type: image, file: files/logo.png, detail: low}",
        '{type: image, url: "https://example.com/{{ id }}.png"}',
        "{type: file, file: ./files/terms.pdf}",
        "{type: file, file: files/notes.txt, filename: kind.txt}",
        "{type: audio, file: files/deep/bell.wav, mediaType: audio/x-wav}",
    )
    notes = blob_of(b"Be kind to {{ name }}.\n")
    assert prompt.messages == (
        Message(
            role=Role.USER,
            content="",
            parts=(
                Part(type=PartType.TEXT, text="What is on {{ what }}?"),
                Part(type=PartType.IMAGE, blob=blob_of(media.png()), media_type="image/png", detail="low"),
                Part(type=PartType.IMAGE, url="https://example.com/{{ id }}.png"),
                Part(type=PartType.FILE, blob=blob_of(media.PDF), media_type="application/pdf", filename="terms.pdf"),
                Part(type=PartType.FILE, blob=notes, media_type="text/plain", filename="kind.txt"),
                Part(type=PartType.AUDIO, blob=blob_of(media.wav()), media_type="audio/wav"),
            ),
        ),
    )
    assert [item.name for item in prompt.inputs] == ["id", "what"]  # a file is no template


@pytest.mark.parametrize(
    "data",
    [PNG_64, f"data:image/png;base64,{PNG_64}", "\n          ".join(["|", *re.findall(".{1,60}", PNG_64)])],
    ids=["base64", "data url", "block"],
)
def test_bytes_may_stand_in_the_prompt_file(data: str) -> None:
    [message] = read(f"type: image\n        data: {data}").written
    assert message.parts == (Part(type=PartType.IMAGE, blob=blob_of(media.png()), media_type="image/png"),)


def test_partials_aliases_and_escapes_work_in_the_texts_of_parts() -> None:
    text = (
        f"{HEAD}inputs: {{lang: {{alias: LANG/UAGE}}}}\nmessages:\n  - role: user\n    content:\n"
        "      - {type: text, text: '{{> tone }} in {{LANG/UAGE}} {{ \"{{\" }}'}\n"
    )
    loaded = checked({"prompts/a.prompt.yml": text, "partials/tone.md": "Kindly"})
    assert loaded.findings == ()
    content = loaded.app("bot").content
    assert content is not None
    assert content.prompts[0].written[0].templates == ('Kindly in {{lang}} {{ "{{" }}',)
    assert content.prompts[0].escapes
    assert content.requires == ("escapes", "parts")


def test_a_prompt_of_text_has_the_same_release_whatever_lies_in_the_folder_of_files() -> None:
    text = f"{HEAD}messages: [{{role: user, content: hi}}]\n"
    alone, beside = (checked({"a.prompt.yml": text, **files}).app("bot") for files in ({}, FILES))
    assert alone.content is not None and beside.content is not None
    assert encode(alone.content) == encode(beside.content)
    assert alone.files == beside.files


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ("{type: image}", "missing-key: a part of type image needs `url`, `data`, `file` or `input`"),
        ("{text: hi}", "missing-key: a part needs a `type` One of text, image, file, audio."),
        ("{type: text}", "missing-key: a part of type text needs `text`"),
        ("{type: text, text: [a]}", "wrong-type: 'text' must be text, got a list"),
        ("hi", "wrong-type: 'content' must be text, or a list of parts, got a list"),
        ("{type: imagee, url: x}", "wrong-value: 'imagee' is not a type of part Did you mean 'image'?"),
        (
            "{type: image_url, image_url: {url: 'https://a.b/c'}}",
            "wrong-value: 'image_url' is not a type of part Write `type: image`.",
        ),
        ("{type: document, url: x}", "wrong-value: 'document' is not a type of part Write `type: file`."),
        (
            "{type: image, url: 'https://a.b/c', media_type: image/png}",
            "unknown-setting: unknown key 'media_type' Did you mean 'mediaType'?",
        ),
        (
            "{type: text, text: hi, detial: low}",
            "unknown-setting: unknown key 'detial' The keys are: type, text, cache.",
        ),
        ("{type: audio, url: 'https://a.b/c', detail: low}", "unknown-setting: unknown key 'detail'"),
        (
            "{type: image, url: 'https://a.b/c', detail: hihg}",
            "wrong-value: 'hihg' is not a detail Did you mean 'high'?",
        ),
        (
            "{type: image, url: 'https://a.b/c', file: files/logo.png}",
            "wrong-value: a part of type image has `url` and `file`: it needs one of them",
        ),
        ("{type: image, url: 5}", "wrong-type: 'url' must be text, got the number 5"),
        (
            f"{{type: image, url: 'data:image/png;base64,{PNG_64}'}}",
            "wrong-value: 'url': a `data:` URL is no address: give its bytes as `data` data: the image in base64",
        ),
        ("{type: image, url: 'file:///etc/passwd'}", "wrong-value: 'url': 'file:///etc/passwd' is not https://"),
        ("{type: image, url: 'https://{{ host }}/a'}", "wrong-value: 'url': the host of a URL is written out"),
        ("{type: image, url: 'https://a.b/{{ x'}", "unknown-tag: {{ x is not a tag"),
        ("{type: image, data: 'no base64!'}", "wrong-value: 'data': not base64"),
        ("{type: image, data: 'data:image/png,abc'}", "wrong-value: 'data': only a `data:` URL in base64"),
        (f"{{type: image, data: '{PNG_64}', mediaType: image/jpeg}}", "media-type: 'data': it says image/jpeg, and"),
        (f"{{type: image, data: 'data:image/gif;base64,{PNG_64}'}}", "media-type: 'data': it says image/gif, and"),
        ("{type: image, file: files/logo.png, mediaType: png}", "wrong-value: 'png' is no media type"),
        ("{type: image, file: files/terms.pdf}", "media-type: 'file': its first bytes are those of application/pdf"),
        ("{type: file, file: files/logo.png}", "media-type: 'file': its first bytes are those of image/png, which"),
        ("{type: file, file: files/notes.txt, filename: a/b}", "wrong-value: 'a/b' is not the name of a file"),
        (
            "{type: image, file: files/logos.png}",
            "file-missing: there is no file 'files/logos.png' in the app's folder Did you mean 'files/logo.png'? "
            "A release has what is committed: `git add -f` takes",
        ),
        (
            "{type: image, file: files/zzzzzz.gif}",
            "file-missing: there is no file 'files/zzzzzz.gif' in the app's folder A release has what is committed: "
            "`git add -f` takes a file that .gitignore leaves out.",
        ),
        (
            "{type: image, file: logo.png}",
            "file-missing: 'logo.png' is not in the app's files/ folder, of which files are taken "
            "Write `file: files/logo.png`.",
        ),
        ("{type: image, file: ../other/files/logo.png}", "file-missing: '../other/files/logo.png' is not in the app's"),
        ("{type: image, file: files/../../secret.png}", "file-missing: 'files/../../secret.png' is not in the app's"),
        ("{type: image, file: /etc/passwd}", "file-missing: '/etc/passwd' is not in the app's files/ folder"),
    ],
)
def test_what_is_wrong_with_a_part_is_said_at_its_place(part: str, said: str) -> None:
    found = findings(part)
    assert any(finding.startswith(said) for finding in found), found


def test_findings_name_the_line_and_column_of_the_part() -> None:
    text = file_of("{type: text, text: hi}", "{type: image, file: files/none.png}")
    assert ("file-missing", 6, 29) in codes(checked({"a.prompt.yml": text, **FILES}).findings)


@pytest.mark.parametrize("role", ["system", "developer", "assistant"])
def test_only_users_and_tools_have_more_than_text(role: str) -> None:
    found = findings("{type: image, url: 'https://a.b/c'}", role=role)
    assert any(f"a message of role {role} has no part but text, in any API" in finding for finding in found)
    assert not any("has no part but text" in finding for finding in findings("{type: text, text: hi}", role=role))


def test_an_empty_content_is_an_error() -> None:
    text = f"{HEAD}messages: [{{role: user, content: []}}]\n"
    [finding] = checked({"a.prompt.yml": text}).findings
    assert (finding.code, finding.message) == ("missing-key", "`content` is empty")


def test_a_pointer_of_git_lfs_is_never_embedded() -> None:
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 1234\n"
    [finding] = findings("{type: image, file: files/big.png}", files={"big.png": pointer})
    assert finding.startswith("lfs-pointer: files/big.png is a Git LFS pointer Take it out of Git LFS")


def test_a_file_over_the_cap_is_refused_and_so_are_many_together() -> None:
    large = media.png(noise=b"x" * (512 * 1024))
    [finding] = findings("{type: image, file: files/big.png}", files={"big.png": large})
    assert finding == "embedded-too-large: files/big.png is over 512 KiB Give its `url`."
    halves = {f"{name}.png": media.png(noise=name.encode() * (300 * 1024)) for name in "ab"}
    [finding] = findings("{type: image, file: files/a.png}", "{type: image, file: files/b.png}", files=halves)
    assert finding.startswith("embedded-too-large: the files in the app's messages are over 512 KiB together")


def test_one_file_in_many_messages_counts_once() -> None:
    half = {"a.png": media.png(noise=b"x" * (300 * 1024))}
    assert findings(*["{type: image, file: files/a.png}"] * 3, files=half) == []


def test_secrets_in_an_embedded_text_are_found_where_they_are() -> None:
    key = "sk-" + "proj-" + "abcdefghij0123456789ABCD"
    loaded = checked(
        {"a.prompt.yml": file_of("{type: file, file: files/env.txt}"), "files/env.txt": f"first\nkey: {key}\n"}
    )
    assert [(finding.path, finding.code, finding.line) for finding in loaded.findings] == [
        ("bot/files/env.txt", "secret", 2)
    ]
    assert loaded.app("bot").content is None


@pytest.mark.parametrize(
    ("part", "is_refused"),
    [
        ("{type: audio, file: files/deep/bell.wav}", True),
        ("{type: audio, url: 'https://a.b/c.wav'}", True),
        ("{type: file, file: files/terms.pdf}", False),
        ("{type: file, file: files/notes.txt}", False),
        ("{type: file, url: 'https://a.b/c.pdf'}", False),
        ("{type: image, file: files/logo.png}", False),
    ],
)
def test_a_part_that_the_provider_does_not_take_is_found(part: str, is_refused: bool) -> None:
    found = findings("{type: text, text: hi}", part, head=CLAUDE)
    assert [finding.partition(":")[0] for finding in found if finding.startswith(("part", "request"))] == (
        ["part-not-taken"] if is_refused else []
    )


def test_that_finding_can_be_suppressed_with_a_reason() -> None:
    part = "{type: audio, file: files/deep/bell.wav}  # promptops: ignore[part-not-taken] their beta takes it"
    assert not any("part-not-taken" in finding for finding in findings("{type: text, text: hi}", part, head=CLAUDE))


def test_an_app_of_one_file_in_markdown_is_text_as_before() -> None:
    loaded = check(workspace({"a.prompt.md": f"---\n{HEAD}---\nhi\n"}))
    content = loaded.app("bot").content
    assert content is not None
    assert digest(encode(content)) and b"parts" not in encode(content)


# --- values that the caller gives ----------------------------------------------------------------

PHOTO = "inputs: {photo: {type: image, description: The shelf}}\n"


@pytest.mark.parametrize("part", ["{type: image, input: photo}", '{type: image, data: "{{ photo }}"}'])
@pytest.mark.parametrize("head", [HEAD, HEAD + PHOTO], ids=["undeclared", "declared"])
def test_a_part_may_be_a_variable_of_its_type(part: str, head: str) -> None:
    prompt = read("{type: text, text: hi}", part, head=head)
    assert prompt.written[0].parts[1] == Part(type=PartType.IMAGE, input="photo")
    [photo] = prompt.inputs
    assert photo.media is PartType.IMAGE


def test_inputs_of_the_app_may_be_images_too() -> None:
    text = file_of("{type: image, input: photo}")
    loaded = checked({"app.yml": PHOTO, "a.prompt.yml": text})
    assert loaded.findings == ()
    content = loaded.app("bot").content
    assert content is not None
    assert content.prompts[0].inputs[0].schema == {"type": "image", "description": "The shelf"}


@pytest.mark.parametrize(
    ("head", "part", "said"),
    [
        (PHOTO, '{type: text, text: "see {{ photo }}"}', "wrong-value: the input 'photo' is of type image, and a text"),
        (PHOTO, "{type: audio, input: photo}", "wrong-value: a part of type audio is the input 'photo', which is of"),
        (
            "inputs: {photo: {type: string}}\n",
            "{type: image, input: photo}",
            "wrong-value: a part of type image is the input 'photo', which is of another type inputs: {ph",
        ),
        (
            "",
            '{type: text, text: "{{ photo }}"}\n      - {type: image, input: photo}',
            "wrong-value: the input 'photo' is of type image, and a text has it",
        ),
        ("", "{type: image, input: a/b}", "name-invalid: 'a/b' is not a variable's name"),
        ("", "{type: image, input: photo, mediaType: image/png}", "wrong-value: the value of a variable says itself"),
        (
            "inputs: {photo: {type: image, default: x}}\n",
            "{type: image, input: photo}",
            "schema-invalid: the schema of 'photo': an input of `type: image` has no default but null",
        ),
        (
            "inputs: {photo: {type: image, maxLength: 3}}\n",
            "{type: image, input: photo}",
            "schema-invalid: the schema of 'photo': an input of `type: image` has no 'maxLength'",
        ),
        (PHOTO, "{type: text, text: hi}", "unused-variable: no message uses 'photo'"),
    ],
)
def test_what_is_wrong_with_such_a_variable_is_said(head: str, part: str, said: str) -> None:
    found = findings(part, head=HEAD + head)
    assert any(finding.startswith(said) for finding in found), found


def test_an_image_of_a_tool_or_an_answer_is_no_json_schema() -> None:
    tool = "tools: [{name: f, parameters: {type: object, properties: {a: {type: image}}}}]\n"
    assert any(finding.startswith("schema-invalid") for finding in findings("{type: text, text: hi}", head=HEAD + tool))


def test_a_variable_of_a_type_that_the_provider_does_not_take_is_found() -> None:
    found = findings("{type: text, text: hi}", "{type: audio, input: call}", head=CLAUDE)
    assert [finding for finding in found if finding.startswith("part-not-taken")] == [
        "part-not-taken: audio cannot be sent to Anthropic messages"
    ]
    assert not findings("{type: text, text: hi}", "{type: image, input: shelf}", head=CLAUDE)


@pytest.mark.parametrize("model", ["openai/gpt-4o-2024-08-06", "anthropic/claude-opus-5", "mistral/mistral-large-2411"])
@pytest.mark.parametrize("role", ["system", "assistant"])
def test_an_image_in_a_message_of_another_role_has_one_finding(model: str, role: str) -> None:
    image = "{type: image, url: 'https://example.com/a.png'}"
    text = f"model: {model}\nmodelParameters: {{maxTokens: 9}}\nmessages:\n  - {{role: user, content: hi}}\n"
    [found] = prompt_findings(f"{text}  - {{role: {role}, content: [{image}]}}\n  - {{role: user, content: so?}}\n")
    assert found.code == "wrong-value" and f"a message of role {role} has no part but text" in found.message
