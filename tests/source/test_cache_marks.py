"""Prompt files mark what providers are to cache with `cache: true`."""

from __future__ import annotations

import pytest

import promptops
from promptops.core.finding import Severity
from promptops.core.model import Message, Role
from promptops.testing import Client
from tests.source.memory import checked, prompt_findings

CLAUDE = "model: anthropic/claude-opus-5\nmodelParameters: {maxTokens: 100}\n"
USER = "{role: user, content: '{{question}}'}"
LAST = f"  - {USER}\n"


def file(*messages: str, more: str = "") -> str:
    return CLAUDE + "messages:\n" + "".join(f"  - {message}\n" for message in messages) + more


def test_messages_parts_placeholders_and_tools_have_one() -> None:
    text = file(
        "{role: system, content: Be kind., cache: true}",
        "{role: placeholder, name: history, cache: true}",
        "{role: user, cache: false, content: [{type: text, text: '{{question}}', cache: true}, {type: text, text: b}]}",
        more="tools:\n"
        "  - {name: a, description: A.}\n"
        "  - {type: function, function: {name: b}, cache: true}\n"
        "  - {type: function, function: {name: c, cache: false}}\n"
        "  - {type: web_search_20260318, cache: false, max_uses: 3}\n",
    )
    markdown = f"---\n{CLAUDE}cache: true\n---\nBe kind.\n"
    loaded = checked({"answer.prompt.yml": text, "short.prompt.md": markdown})
    assert loaded.findings == ()
    content = loaded.app("bot").content
    assert content is not None
    assert content.requires == ("cache", "history", "parts")
    answer, short = content.prompts
    system, place, user = answer.messages
    assert isinstance(user, Message)
    assert (system.cache, place.cache, user.cache) == (True, True, False)
    assert [part.cache for part in user.parts] == [True, False]
    assert [(tool.name, tool.cache) for tool in answer.tools] == [
        ("a", False), ("b", True), ("c", False), ("web_search_20260318", False)
    ]  # fmt: skip
    assert answer.tools[3].settings == {"max_uses": 3}
    assert short.messages == (Message(role=Role.USER, content="Be kind.", cache=True),)


def test_a_file_without_one_is_the_release_that_it_was() -> None:
    plain, false = file(USER), file(USER.replace("}'}", "}', cache: false}"))
    contents = [checked({"answer.prompt.yml": text}).app("bot").content for text in (plain, false)]
    assert contents[0] == contents[1]
    assert contents[0] is not None and contents[0].requires == ()


TOOL = "tools: [{{name: a, {}}}]\n"
WRAPPED = "tools: [{{type: function, function: {{name: a}}, {}}}]\n"
PLACES = {
    "message": ("{{role: user, content: Hi, {}}}", ""),
    "part": ("{{role: user, content: [{{type: text, text: Hi, {}}}]}}", ""),
    "placeholder": ("{{role: placeholder, name: history, {}}}", ""),
    "tool": (USER.replace("{", "{{").replace("}", "}}"), TOOL),
    "tool of chat completions": (USER.replace("{", "{{").replace("}", "}}"), WRAPPED),
}


@pytest.mark.parametrize(("message", "more"), PLACES.values(), ids=PLACES)
@pytest.mark.parametrize(
    ("key", "right"),
    [
        ("cache_control: {type: ephemeral}", "`cache: true`"),
        ("cacheControl: {type: ephemeral}", "`cache: true`"),
        ("cachePoint: {type: default}", "`cache: true`"),
        ("prompt_cache_breakpoint: {mode: explicit}", "`cache: true`"),
        ("cahce: true", "'cache'"),
        ("Cache: true", "'cache'"),
    ],
)
def test_a_near_miss_is_a_finding_with_the_right_spelling(message: str, more: str, key: str, right: str) -> None:
    text = file(message.format(key), "{role: user, content: Hi}", more=more.format(key))
    [finding] = prompt_findings(text)
    assert finding.code in ("unknown-key", "unknown-setting")
    assert right in finding.hint and key.partition(":")[0] in finding.message
    assert text.splitlines()[finding.line - 1][finding.column - 1 :].startswith(key.partition(":")[0])


def test_a_mark_of_a_whole_file_says_where_it_goes() -> None:
    [finding] = prompt_findings(file(USER, more="cache_control: {type: ephemeral}\n"))
    assert (finding.code, finding.severity) == ("unknown-key", Severity.WARNING)
    assert "'cache_control' → `cache: true` on a message, a part or a tool" in finding.hint
    [finding] = checked({"answer.prompt.md": f"---\n{CLAUDE}cache_control: true\n---\nBe kind.\n"}).findings
    assert "'cache_control' → `cache: true`?" in finding.hint


@pytest.mark.parametrize(("message", "more"), PLACES.values(), ids=PLACES)
@pytest.mark.parametrize("value", ["yes please", "'true'", "1", "{type: ephemeral}", "[true]"])
def test_what_is_not_true_or_false_is_an_error_at_its_place(message: str, more: str, value: str) -> None:
    key = f"cache: {value}"
    text = file(message.format(key), "{role: user, content: Hi}", more=more.format(key))
    [finding] = prompt_findings(text)
    assert (finding.code, finding.severity) == ("wrong-type", Severity.ERROR)
    assert finding.message.startswith("'cache' must be true or false, got ")
    assert text.splitlines()[finding.line - 1][finding.column - 1 :].startswith(value)


FIVE = (
    "{role: system, content: Be kind., cache: true}",
    "{role: user, content: [{type: text, text: a, cache: true}, {type: text, text: b, cache: true}], cache: true}",
    "{role: assistant, content: Yes., cache: true}",
    "{role: user, content: And now?}",
)
TOOLS = "tools: [{name: a, cache: true}]\n"


@pytest.mark.parametrize("model", ["anthropic/claude-opus-5", "bedrock/us.anthropic.claude-opus-5"])
def test_more_than_four_for_anthropic_are_one_finding_with_their_places(model: str) -> None:
    text = file(*FIVE, more=TOOLS).replace("anthropic/claude-opus-5", model)
    found = [finding for finding in prompt_findings(text) if finding.severity is Severity.ERROR]
    assert [finding.code for finding in found] == ["request-refused"]
    assert found[0].message == (
        "5 cache marks, and a request has 4 at most: "
        "tools[0], messages[0], messages[1].content[0], messages[1], messages[2]"
    )
    assert "prompt-caching" in found[0].hint
    assert "Yes." in text.splitlines()[found[0].line - 1]
    assert prompt_findings(file(*FIVE)) == []  # four
    other = text.replace(model, "openai/gpt-4o-2024-08-06")
    assert [finding for finding in prompt_findings(other) if finding.severity is Severity.ERROR] == []


def test_fallbacks_and_prompts_of_tests_have_them() -> None:
    mapping = {
        "model": "anthropic/claude-opus-5",
        "modelParameters": {"maxTokens": 100},
        "messages": [{"role": "system", "content": "Be kind.", "cache": True}, {"role": "user", "content": "{{q}}"}],
    }
    marked = [{"type": "text", "text": "Be kind.", "cache_control": {"type": "ephemeral"}}]
    assert promptops.Prompt.fallback("bot/answer", mapping).to_anthropic(q="Hi")["system"] == marked
    assert Client.of({"bot/answer": mapping}).get_prompt("bot/answer").to_anthropic(q="Hi")["system"] == marked
    written: list[Message | dict[str, str]] = [Message(role=Role.SYSTEM, content="Be kind.", cache=True)]
    written.append({"role": "user", "content": "{{ q }} {{ '{{' }}"})  # which is read as a file is
    assert promptops.Prompt.fallback("bot/answer", written).messages[0].cache is True
