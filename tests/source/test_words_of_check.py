"""What `check` says of files that other tools wrote, or that people mistyped: what is wrong, and what to do now."""

from __future__ import annotations

import itertools

import pytest

from promptops.core.finding import Finding, Severity
from promptops.core.model import Role
from promptops.source.lint import characters
from promptops.source.text.findings import Report
from tests.source.memory import checked, codes, prompt_findings

HEAD = "model: openai/gpt-4o-2024-08-06\n"
ASKED = HEAD + 'messages: [{role: user, content: "{{q}}"}]\n'


def saying(content: str) -> str:
    """A prompt file with one message of this text, as a block."""
    lines = "".join(f"      {line}\n" for line in content.split("\n"))
    return HEAD + "messages:\n  - role: user\n    content: |\n" + lines


def only(text: str) -> Finding:
    (finding,) = prompt_findings(text)
    return finding


@pytest.mark.parametrize(
    ("message", "unknown", "hint"),
    [
        ("{role: user, content: hi, contnet: x}", "unknown key of a message", "'contnet' → 'content'"),
        ("{role: user, content: hi, text: x}", "unknown key of a message", "'text' → 'content'"),
        ("{role: user, content: hi, images: [x], audio: y}", "unknown keys of a message", ""),
    ],
)
def test_unknown_keys_of_a_message_are_one_warning_with_what_was_probably_meant(
    message: str, unknown: str, hint: str
) -> None:
    finding = only(HEAD + f"messages: [{message}]\n")
    assert (finding.code, finding.severity, finding.line) == ("unknown-key", Severity.WARNING, 2)
    assert finding.message.startswith(f"{unknown}, not part of the release: ")
    assert hint in finding.hint


def test_an_unknown_key_of_a_message_is_not_part_of_the_release() -> None:
    texts = [HEAD + f"messages: [{{role: user, content: hi{more}}}]\n" for more in ("", ", cahce: 1")]
    one, other = (checked({"answer.prompt.yml": text}).app("bot").content for text in texts)
    assert one == other is not None


@pytest.mark.parametrize(
    ("key", "role"),
    [
        *((role, role) for role in ("system", "user", "assistant", "developer")),
        ("prompt", "user"),
        ("human", "user"),
        ("user_prompt", "user"),
        ("ai", "assistant"),
        ("instructions", "system"),
        ("system_prompt", "system"),
        ("systemPrompt", "system"),
        ("systemMessage", "system"),
    ],
)
def test_a_role_as_a_key_of_the_file_is_a_message_of_that_role(key: str, role: str) -> None:
    finding = only(f"{key}: Be kind.\n" + ASKED)
    assert finding.hint == f"Did you mean: '{key}' → a message of role {role}?"
    without_messages = prompt_findings(f"{key}: Be kind.\n" + HEAD)
    assert [each.code for each in without_messages] == ["missing-key", "unknown-key"]
    assert without_messages[1].hint == finding.hint


@pytest.mark.parametrize("inputs", ["[{name: q, default: All}]", "[q]", "[]"])
def test_inputs_as_other_tools_list_them_are_no_part_of_the_release(inputs: str) -> None:
    finding = only(ASKED + f"inputs: {inputs}\n")
    assert (finding.code, finding.severity, finding.line) == ("unknown-key", Severity.WARNING, 3)
    assert "inputs: {name: {type: string}}" in finding.hint
    listed, plain = (
        checked({"answer.prompt.yml": text}).app("bot").content for text in (ASKED + f"inputs: {inputs}\n", ASKED)
    )
    assert listed == plain is not None


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        ("Answer {question} for {customer_name}", "{question}, {customer_name}"),
        ("Answer {0}, then {1}", "{0}, {1}"),
        ("Dear %(name)s,", "%(name)s"),
        ("Costs {price:.2f}, from {user.name!r}", "{price:.2f}, {user.name!r}"),
        ("{a} {b} {c} {d} {e} {f}", "{a}, {b}, {c}, {d}, {e}, …"),
        ("`{code}` and {text}", "{text}"),
        ("{total:,} of {share:>8.1%} on {day:%Y-%m-%d}, {n:05d}", "{total:,}, {share:>8.1%}, {day:%Y-%m-%d}, {n:05d}"),
    ],
)
def test_a_placeholder_that_no_template_fills_in_is_a_warning(content: str, shown: str) -> None:
    finding = only(saying(content))
    assert (finding.code, finding.severity) == ("fstring-placeholder", Severity.WARNING)
    assert f"fills in {shown}:" in finding.message
    first = shown.partition(", ")[0]
    assert (finding.line, finding.column) == (5, 7 + content.index(first))


@pytest.mark.parametrize(
    "content",
    [
        'Answer as {"label": "x", "why": {"a": 1}}',
        r"The share is \frac{a}{b}, so x^{2} + x_{i}",
        "Run `echo {name}` or:\n```python\nf'{name} {0}'\n```",
        "GET /users/{id} with ${TOKEN} and $HOME",
        "Years match [0-9]{4} or \\d{2}",
        "In braces {{{q}}} and { q } and {a, b} and {}",
        "Nothing but {{ q }}",
        "100 %(sure)",
        "Answer with {a: b}, {a:b}, {a:1} or {a:}",
        "A body of {return} or {pass}, and {null}, {undefined}",
    ],
)
def test_braces_with_another_meaning_are_no_placeholder(content: str) -> None:
    assert [finding.code for finding in prompt_findings(saying(content)) if finding.code != "unknown-tag"] == []


def test_placeholders_are_found_in_markdown_and_partials_and_can_be_ignored() -> None:
    loaded = checked(
        {
            "answer.prompt.md": "---\n" + HEAD + "---\nHi {name}",
            "partials/facts.md": "Since {year}",
            "other.prompt.yml": saying("{{> facts }}"),
            "third.prompt.yml": HEAD
            + "messages:\n  - role: user\n    # promptops: ignore[fstring-placeholder] the tool replaces it\n"
            + "    content: Hi {name}\n",
        }
    )
    found = [(finding.path, finding.code, finding.line) for finding in loaded.findings]
    assert found == [
        ("bot/answer.prompt.md", "fstring-placeholder", 4),
        ("bot/partials/facts.md", "fstring-placeholder", 1),
    ]
    assert loaded.app("bot").content is not None


@pytest.mark.parametrize(
    ("content", "code", "hint"),
    [
        ("{{ticket}}", "key-not-text", 'Put the text in quotes: "{{ticket}}".'),
        ("{{ customer }} asks", "yaml-syntax", 'Put the text in quotes: "{{ customer }} asks".'),
        ('{{x}} "really"', "yaml-syntax", "Put the text in quotes: '{{x}} \"really\"'."),
        ('"Answer {"label": 1}"', "yaml-syntax", "use single quotes, or a block (`|`)"),
        (r'"\ud83d\ude00"', "yaml-syntax", "YAML has no surrogates"),
        ("'It's {{x}}'", "yaml-syntax", "A single quote inside single quotes ends the text: write it twice"),
        ("Answer: {{x}}", "yaml-syntax", 'Put the text in quotes: "Answer: {{x}}".'),
        ("Sort this: what is {x: 1}?", "yaml-syntax", 'Put the text in quotes: "Sort this: what is {x: 1}?".'),
        ("[TICKET] {{x}}", "yaml-syntax", 'Put the text in quotes: "[TICKET] {{x}}".'),
        ("@{{x}}, answer", "yaml-syntax", 'Put the text in quotes: "@{{x}}, answer".'),
        ("`{{x}}` is code", "yaml-syntax", 'Put the text in quotes: "`{{x}}` is code".'),
        ("%{x}", "yaml-syntax", 'Put the text in quotes: "%{x}".'),
        (r'"C:\users\{{x}}"', "yaml-syntax", "Use single quotes or `|`, where a backslash is a backslash."),
        (r'"\lambda of {{x}}"', "yaml-syntax", "Use single quotes or `|`, where a backslash is a backslash."),
    ],
)
def test_text_that_yaml_reads_otherwise_has_the_hint_for_it(content: str, code: str, hint: str) -> None:
    finding = only(HEAD + f"messages:\n  - role: user\n    content: {content}\n")
    assert finding.code == code
    assert hint in finding.hint
    assert "{{input}}" not in finding.hint


@pytest.mark.parametrize("line", ["```yaml", "{% import 'macros.j2' as macros %}"])
def test_what_is_around_the_yaml_of_another_tool_is_to_be_removed(line: str) -> None:
    finding = only(f"{line}\n{ASKED}")
    assert (finding.code, finding.line) == ("yaml-syntax", 1)
    assert finding.hint == "Remove the line: the file is YAML alone, and templates are in its texts."


@pytest.mark.parametrize("value", ["[]", "{a: 1}", "[a, b]  # names"])
def test_a_list_before_what_is_wrong_is_not_taken_for_a_text(value: str) -> None:
    finding = only(f"{HEAD}tags: {value}\n  adverse events.\n{ASKED}")
    assert finding.code == "yaml-syntax"
    assert "begins with `|` after its key" in finding.hint


LONG = "x" * 200_000


@pytest.mark.parametrize(
    "text",
    [
        ASKED + f"template: {LONG}\n",
        ASKED + f"responseFormat: {LONG}\n",
        ASKED + f"modelParameters: {{temperature: {LONG}}}\n",
        ASKED + f"modelParameters: {{{'y' * 900}: 1}}\n",
        ASKED + f"{'y' * 900}: 1\n",
        ASKED + f"tools: [{{name: {LONG}}}]\n",
        ASKED + f"tools: [{{type: mcp, name: {LONG}}}, {{type: mcp, name: {LONG}}}]\n",
        ASKED + f"evaluators: [{{name: {LONG}, string: {{is: x}}}}]\n",
        ASKED + f"evaluators: [{{name: {LONG}, uses: {LONG}}}]\n",
        ASKED + f"inputs: {{q: {{type: integer, default: {LONG}}}}}\n",
        ASKED + f"inputs: {{q: {{type: {LONG}}}}}\n",
        ASKED + f"inputs: {{q: {{pattern: '({'y' * 900}'}}}}\n",
        ASKED + f"inputs: {{q: {{enum: [{LONG}], default: a}}}}\n",
        ASKED + f"modelParameters: {{serviceTier: {LONG}}}\n",
        ASKED + f"more: !!{'x' * 9000} a\n",
        HEAD + f"template: jinja2\nmessages: [{{role: user, content: '{{{{ q | {LONG} }}}}'}}]\n",
        HEAD + f"template: jinja2\nmessages: [{{role: user, content: '{{% {LONG} %}}'}}]\n",
        HEAD + f"template: jinja2\nmessages: [{{role: user, content: '{{{{ q is {LONG} }}}}'}}]\n",
        HEAD + f"template: jinja2\nmessages: [{{role: user, content: '{{% include \"{LONG}\" %}}'}}]\n",
        HEAD + f"messages: [{{role: user, content: '{{{{> {LONG}}}}}'}}]\n",
        HEAD + f"messages: [{{role: user, content: '{{{{{LONG} x}}}}'}}]\n",
        HEAD + f"messages: [{{role: {LONG}, content: x}}]\n",
        HEAD + f"messages: {LONG}\n",
        f"model: {LONG}\nmessages: [{{role: user, content: x}}]\n",
    ],
    ids=itertools.count(),
)
def test_a_value_in_a_message_is_cut(text: str) -> None:
    findings = prompt_findings(text)
    assert findings
    for finding in findings:
        assert "x" * 81 not in finding.message + finding.hint
        assert "y" * 81 not in finding.message + finding.hint


@pytest.mark.parametrize(
    ("text", "where"),
    [
        (HEAD + "messages: [hello]\n", "'messages[0]' must be a mapping, got the text 'hello'"),
        (ASKED + "tools: [5]\n", "'tools[0]' must be a mapping, got the number 5"),
        (ASKED + "evaluators: [Be polite]\n", "'evaluators[0]' must be a mapping, got the text 'Be polite'"),
        (ASKED + "testData: [{q: a}, 3]\n", "'testData[1]' must be a mapping, got the number 3"),
    ],
)
def test_what_must_be_a_mapping_is_named_by_its_key(text: str, where: str) -> None:
    assert only(text).message == where


def test_conditions_in_a_simple_template_name_the_language_that_has_them() -> None:
    findings = prompt_findings(saying("{% if vip %}Dear{% endif %} {{PASTE text}}"))
    assert [finding.code for finding in findings] == ["unknown-tag"] * 3
    assert ["template: jinja2" in finding.hint for finding in findings] == [True, True, False]


@pytest.mark.parametrize(
    "front",
    [
        "mode: agent\ntools: ['search', 'edit']\ndescription: Tidy up\n",
        "tools: [search]\n",
        "agent: ask\nargument-hint: the file\n",
        "mode: ask\n",
        "mode: agent\nmodel: GPT-4o\ntools: ['githubRepo', 'codebase']\n",
        "agent: plan\nmodel: Claude Sonnet 4.5 (copilot)\n",
        "agent: plan\nmodel: ['GPT-5 (copilot)', 'Claude Opus 4.5']\n",
    ],
)
def test_a_prompt_file_of_copilot_is_one_finding_that_names_its_format(front: str) -> None:
    loaded = checked({"tidy.prompt.md": f"---\n{front}---\nTidy ${{file}} up, {{{{x}}}}."})
    (finding,) = loaded.findings
    assert (finding.code, finding.severity, finding.line) == ("other-format", Severity.ERROR, 2)
    assert "Copilot in VS Code" in finding.message
    assert "name a `model`" in finding.hint
    assert loaded.app("bot").content is None


def test_a_file_with_a_model_or_messages_is_ours_whatever_else_it_has() -> None:
    assert codes(prompt_findings("mode: agent\n" + ASKED)) == [("unknown-key", 1, 1)]
    loaded = checked({"a.prompt.md": f"---\n{HEAD}mode: agent\n---\nHi"})
    assert [finding.code for finding in loaded.findings] == ["unknown-key"]
    content = loaded.app("bot").content
    assert content is not None and content.prompts[0].written[0].role is Role.USER


@pytest.mark.parametrize("point", [*range(1, 9), 0xB, *range(0xE, 0x20), *range(0x7F, 0xA0)])
def test_every_control_character_has_a_name(point: int) -> None:
    report = Report("a.txt", f"a{chr(point)}b")
    characters.scan(report)
    (finding,) = report.findings(lint=False)
    assert finding.code == "control-character"
    assert "no name" not in finding.message
    assert finding.message.startswith(f"U+{point:04X} (")


@pytest.mark.parametrize(
    ("written", "name", "escape"),
    [(r"\approx", "BEL", r"\a"), (r"\beta", "BS", r"\b"), (r"\frac", "FF", r"\f"), (r"\right", "CR", r"\r")],
)
def test_an_escape_that_was_not_meant_is_named(written: str, name: str, escape: str) -> None:
    finding = only(HEAD + f'messages: [{{role: user, content: "{written}"}}]\n')
    assert f"`{escape}` in double quotes is {name}" in finding.message
    assert "single quotes or `|`" in finding.hint


@pytest.mark.parametrize(
    "suite",
    [
        "evaluators: [Output must be polite]\n",
        'testData: [{q: "\\approx"}]\n',
        "testData: [{other: 1}]\n",
        "testData: [3]\n",
        "testData: {q: 1}\n",
        "evaluators: [{name: [x], string: 3}]\n",
        "evaluators: {name: x}\n",
        "evaluators: [{name: x, llm: 5}]\n",
    ],
)
def test_a_suite_that_cannot_be_run_is_a_warning_and_stops_no_release(suite: str) -> None:
    plain, broken = (checked({"answer.prompt.yml": ASKED + more}) for more in ("", suite))
    assert broken.findings
    assert all(finding.severity is not Severity.ERROR for finding in broken.findings)
    assert broken.app("bot").content == plain.app("bot").content is not None
    broken.require_valid()


@pytest.mark.parametrize("first", ["evaluators", "testData"])
def test_the_suite_is_known_in_whatever_order_its_keys_stand(first: str) -> None:
    keys = {"evaluators": "evaluators: [Be polite]\n", "testData": "testData: [{vars: {q: a}}, {q: '\x07'}]\n"}
    both = keys.pop(first) + "".join(keys.values())
    for text in (both + ASKED, ASKED + both):
        findings = prompt_findings(text)
        assert {finding.code for finding in findings} >= {"wrong-type", "case-incomplete"}
        assert {finding.severity for finding in findings} == {Severity.WARNING}
