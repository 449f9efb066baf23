"""A text that hides another one is found wherever a prompt keeps text, written plainly or as escapes."""

from __future__ import annotations

import pytest

from promptops.core.finding import Severity
from tests.core.test_characters import FLAGS, HIDDEN
from tests.source.memory import checked

PLACES = {
    "message": "messages: [{role: user, content: TEXT}]\n",
    "name": "name: TEXT\nmessages: [{role: user, content: hi}]\n",
    "description": "description: TEXT\nmessages: [{role: user, content: hi}]\n",
    "test data": "messages: [{role: user, content: '{{q}}'}]\ntestData: [{q: TEXT}]\n",
    "comment": "# TEXT\nmessages: [{role: user, content: hi}]\n",
    "a tool's parameter": "messages: [{role: user, content: hi}]\n"
    "tools: [{type: function, function: {name: find, parameters: {type: object, properties: {TEXT: {type: string}}}}}]"
    "\n",
    "tool": "messages: [{role: user, content: hi}]\n"
    "tools: [{type: function, function: {name: find, description: TEXT, parameters: {type: object}}}]\n",
}
KINDS = ("selectors", "flags", "zalgo", "a row of blanks", "tags behind a flag")
CODES = {"invisible-character", "tag-character", "strange-character"}


@pytest.mark.parametrize("hidden", KINDS)
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("escaped", [False, True], ids=["plain", "escaped"])
def test_hidden_text_is_found_in_every_place(place: str, hidden: str, escaped: bool) -> None:
    if place == "comment" and escaped:
        return  # there are no escapes in it
    text = HIDDEN[hidden]
    if escaped:
        text = "".join(char if char.isascii() else f"\\U{ord(char):08x}" for char in text)
    if place != "comment":
        text = f'"{text}"'
    model = "model: openai/gpt-4o-2024-08-06\n"
    loaded = checked({"answer.prompt.yml": model + PLACES[place].replace("TEXT", text)})
    found = [finding for finding in loaded.findings if finding.code in CODES]
    assert found
    named = [finding.message for finding in found if "are not shown" not in finding.message]
    assert all("U+" in message and "no name" not in message for message in named)
    assert {finding.severity for finding in loaded.findings} <= {Severity.WARNING, Severity.ERROR, Severity.INFO}
    assert "".join(finding.message for finding in found).isascii()


@pytest.mark.parametrize("hidden", KINDS)
def test_hidden_text_is_found_in_partials_and_markdown(hidden: str) -> None:
    front = "---\nmodel: openai/gpt-4o-2024-08-06\n---\n"
    partial = checked({"answer.prompt.md": front + "{{> tone}}\n", "partials/tone.md": f"{HIDDEN[hidden]}\n"})
    whole = checked({"answer.prompt.md": f"{front}{HIDDEN[hidden]}\n"})
    for loaded in (partial, whole):
        assert {finding.code for finding in loaded.findings} & CODES


@pytest.mark.parametrize("flag", FLAGS.values(), ids=FLAGS)
def test_the_three_flags_are_no_finding(flag: str) -> None:
    text = f"model: openai/gpt-4o-2024-08-06\nmessages: [{{role: user, content: '{flag} ❤️ 1️⃣'}}]\n"
    assert checked({"answer.prompt.yml": text}).findings == ()
