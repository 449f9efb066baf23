"""A prompt file may have a place for the messages of a conversation."""

from __future__ import annotations

import pytest

from promptops.core.finding import Severity
from promptops.core.model import Placeholder
from tests.source.memory import checked, prompt_findings

HEAD = "model: openai/gpt-4o-2024-08-06\n"
USER = "{role: user, content: '{{question}}'}"


def file(*messages: str, more: str = "") -> str:
    return HEAD + "messages:\n" + "".join(f"  - {message}\n" for message in messages) + more


def test_a_placeholder_is_part_of_the_release_which_names_the_feature() -> None:
    text = file("{role: placeholder, name: history, optional: true, max: 50, system: true, private: true}", USER)
    loaded = checked({"answer.prompt.yml": text, "plain.prompt.yml": file("{role: Placeholder, name: all}")})
    assert loaded.findings == ()
    content = loaded.app("bot").content
    assert content is not None
    assert content.requires == ("history",)
    answer, plain = content.prompts
    assert answer.messages[0] == Placeholder(name="history", optional=True, most=50, system=True, private=True)
    assert [item.name for item in answer.inputs] == ["question"]
    assert plain.messages == (Placeholder(name="all"),)


@pytest.mark.parametrize(
    ("message", "code", "text", "hint"),
    [
        # As Langfuse, PromptLayer and LangChain write it.
        (
            "{type: placeholder, name: past_messages}",
            "wrong-value",
            "written in another way",
            "Write {role: placeholder, name: past_messages}.",
        ),
        (
            "{role: placeholder, content: '{history}', optional: true}",
            "wrong-value",
            "written in another way",
            "Write {role: placeholder, name: history, optional: true}.",
        ),
        (
            "{role: placeholder, content: '{{ chat }}'}",
            "wrong-value",
            "written in another way",
            "Write {role: placeholder, name: chat}.",
        ),
        (
            "{role: MessagesPlaceholder, variable_name: chat_history}",
            "wrong-value",
            "written in another way",
            "Write {role: placeholder, name: chat_history}.",
        ),
        (
            "{role: placeholdr, name: history}",
            "wrong-value",
            "'placeholdr' is not a role",
            "Did you mean 'placeholder'?",
        ),
        ("{role: placeholder}", "missing-key", "a placeholder needs a `name`", "name: history"),
        ("{role: placeholder, name: 7}", "wrong-type", "'name' must be text", ""),
        ("{role: placeholder, name: a b}", "name-invalid", "'a b' is not a variable's name", "Letters"),
        (
            "{role: placeholder, name: history, max: 0}",
            "wrong-value",
            "'max' is a number of messages from 1 to 10,000",
            "",
        ),
        ("{role: placeholder, name: history, max: 1.5}", "wrong-value", "got the number 1.5", ""),
        ("{role: placeholder, name: history, max: true}", "wrong-value", "got true", ""),
        ("{role: placeholder, name: history, max: many}", "wrong-value", "got the text 'many'", ""),
        ("{role: placeholder, name: history, optional: 1}", "wrong-type", "'optional' must be true or false", ""),
        (
            "{role: placeholder, name: history, optionel: true}",
            "unknown-setting",
            "unknown key 'optionel'",
            "Did you mean 'optional'?",
        ),
        (
            "{role: placeholder, name: question}",
            "name-taken",
            "'question' is a placeholder, and a variable in the",
            "own",
        ),
    ],
)
def test_what_is_no_placeholder_is_an_error_with_the_right_spelling(
    message: str, code: str, text: str, hint: str
) -> None:
    errors = [found for found in prompt_findings(file(message, USER)) if found.severity is Severity.ERROR]
    assert [found.code for found in errors] == [code]
    assert text in errors[0].message
    assert hint in errors[0].hint


def test_a_placeholder_has_a_name_of_its_own() -> None:
    place = "{role: placeholder, name: history}"
    (found,) = prompt_findings(file(place, USER, more="inputs: {history: {type: array}}\n"))
    assert (found.code, found.severity) == ("name-taken", Severity.ERROR)
    assert "'history' is a placeholder, and an input" in found.message
    (found,) = prompt_findings(file(place, place, USER))
    assert (found.code, found.severity) == ("name-taken", Severity.ERROR)
    assert "another placeholder" in found.message
    (found,) = prompt_findings(file(place, "{role: user, content: [{type: image, input: history}]}"))
    assert (found.code, found.severity) == ("name-taken", Severity.ERROR)


def test_an_input_of_the_app_is_not_the_placeholder() -> None:
    files = {
        "app.yml": "inputs: {history: {type: string}}\n",
        "answer.prompt.yml": file("{role: placeholder, name: history}", USER),
        "other.prompt.yml": file("{role: user, content: '{{history}}'}"),
    }
    loaded = checked(dict(files))
    assert loaded.findings == ()


def test_markdown_has_one_message_and_no_placeholder() -> None:
    loaded = checked({"answer.prompt.md": "---\nmodel: openai/gpt-4o-2024-08-06\nrole: placeholder\n---\nHi"})
    assert [found.code for found in loaded.findings] == ["wrong-value"]
    assert "One of: system, developer, user, assistant, tool." in loaded.findings[0].hint


def test_a_check_of_answers_knows_no_history() -> None:
    more = "checks: [{contains: '{{history}}'}]\n"
    (found,) = prompt_findings(file("{role: placeholder, name: history}", USER, more=more))
    assert (found.code, found.severity) == ("check-invalid", Severity.ERROR)
    assert "'{{history}}' is not filled in" in found.message


@pytest.mark.parametrize(
    "model", ["anthropic/claude-opus-5", "openai/gpt-5.4-2026-03-05", "mistral/mistral-large-2411"]
)
@pytest.mark.parametrize(
    ("optional", "more"), [("", ()), (", optional: true", ("{role: assistant, content: Hello.}", USER))]
)
def test_a_request_is_built_with_a_message_of_a_user_in_its_place(
    model: str, optional: str, more: tuple[str, ...]
) -> None:
    text = file(
        "{role: system, content: Be brief.}",
        f"{{role: placeholder, name: history{optional}}}",
        *more,
        more="modelParameters: {maxTokens: 99}\n",
    ).replace("openai/gpt-4o-2024-08-06", model)
    assert [found for found in prompt_findings(text) if found.code.startswith("request")] == []


@pytest.mark.parametrize(
    ("model", "messages", "line"),
    [
        ("anthropic/claude-opus-5", ("{role: system, content: Be brief.}",), 4),
        ("google/gemini-2.5-flash-001", ("{role: system, content: Be brief.}",), 4),
        ("bedrock/anthropic.claude-opus-5", ("{role: developer, content: Be brief.}",), 4),
        ("mistral/mistral-large-2411", ("{role: system, content: Be brief.}",), 4),
        ("openai/gpt-4o-2024-08-06", (), 3),
        ("openai/gpt-4o-2024-08-06", ("{role: system, content: Be brief.}",), 0),  # chat completions take it
        ("my-own/model-2026-01-01", ("{role: system, content: Be brief.}",), 0),
    ],
)
def test_a_conversation_that_may_be_left_out_where_no_other_message_is_sent(
    model: str, messages: tuple[str, ...], line: int
) -> None:
    for optional, at in ((", optional: true", line), ("", 0)):
        text = file(
            *messages,
            f"{{role: placeholder, name: history{optional}}}",
            more="modelParameters: {maxTokens: 99}\n",
        ).replace("openai/gpt-4o-2024-08-06", model)
        found = [each for each in prompt_findings(text) if each.code.startswith("request")]
        assert [(each.code, each.line) for each in found] == ([("request-doubtful", at)] if at else [])
        assert all(each.message.startswith("without messages in 'history', prompt 'answer' has none") for each in found)
        assert all("optional: false" in each.hint for each in found)


def test_what_an_api_refuses_of_a_message_behind_it_is_at_that_message() -> None:
    text = file("{role: placeholder, name: history}", "{role: developer, content: Be brief.}", USER)
    text = text.replace("openai/gpt-4o-2024-08-06", "mistral/mistral-large-2411")
    text += "testData: [{question: x, history: [{role: user, content: a}, {role: user, content: b}]}]\n"
    found = [each for each in prompt_findings(text) if each.code == "request-refused"]
    assert [each.line for each in found] == [4]


@pytest.mark.parametrize(
    ("history", "problem"),
    [
        ("[{role: user, content: a}, {role: assistant, content: b}]", ""),
        ("[{role: assistant, tool_calls: [{id: 1, name: f}]}]", "[0].tool_calls[0].id must be text"),
        (
            "[{role: assistant, tool_calls: [{id: c, name: f}]}, {role: tool, tool_call_id: c, content: d}]",
            "",
        ),
        ("[{role: tool, tool_call_id: c, content: d}]", "[0].tool_call_id is 'c'"),
        ("[{role: usr, content: a}]", "[0].role is 'usr'; did you mean 'user'?"),
        ("Hello", "must be a list of messages"),
    ],
)
def test_a_case_that_bears_no_conversation_is_a_warning_of_the_suite(history: str, problem: str) -> None:
    text = file("{role: placeholder, name: history}", USER, more=f"testData: [{{question: x, history: {history}}}]\n")
    found = prompt_findings(text)
    assert [(each.code, each.severity) for each in found] == ([("case-unfit", Severity.WARNING)] if problem else [])
    assert all(f"'history': {problem}" in each.message for each in found)


def test_a_case_without_the_conversation_that_a_prompt_requires_is_a_warning() -> None:
    more = "testData: [{question: x}]\n"
    (found,) = prompt_findings(file("{role: placeholder, name: history}", USER, more=more))
    assert found.code == "case-incomplete" and "'history'" in found.message
    assert prompt_findings(file("{role: placeholder, name: history, optional: true}", USER, more=more)) == []


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("chat.jsonl", '{"id": "a", "question": "x", "history": [{"role": "user", "content": "Hi, Ann"}]}\n'),
        ("chat.csv", 'id,question,history\na,x,"[{""role"": ""user"", ""content"": ""Hi, Ann""}]"\n'),
    ],
)
def test_a_file_of_cases_has_conversations_as_json(name: str, data: str) -> None:
    suite = f"prompts: [answer]\ncases: {name}\nchecks: [{{contains: x}}]\n"
    files = {"answer.prompt.yml": file("{role: placeholder, name: history}", USER)}
    loaded = checked({**files, "evals/chat.suite.yml": suite, f"evals/{name}": data})
    assert loaded.findings == ()
    [case] = loaded.app("bot").suites["chat"].cases
    assert case.variables["history"] == [{"role": "user", "content": "Hi, Ann"}]
