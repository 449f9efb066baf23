"""``checks`` of a prompt file become part of the release, and what is wrong with one is an error with its place."""

from __future__ import annotations

import pytest

from promptops.core.finding import Severity
from promptops.core.model import AnswerCheck
from promptops.core.release_bytes import encode
from tests.source.memory import checked, prompt_findings

HEAD = "model: openai/gpt-4o-2024-08-06\n"
CHECKED = HEAD + "messages: [{role: user, content: 'Hi {{name}}'}]\n"


def test_the_checks_of_a_prompt_are_part_of_the_release_and_their_names_are_not() -> None:
    checks = """\
checks:
  - name: Cites an article
    contains: "[1]"
  - equals: 1.10
  - startsWith: "Dear {{customer}}"
  - json_path: {path: $.intent, equals: {kind: refund, sum: 3}}
"""
    loaded = checked({"answer.prompt.yml": CHECKED + checks})
    assert loaded.findings == ()
    content = loaded.app("bot").content
    assert content is not None and content.requires == ("checks",)
    assert content.prompts[0].checks == (
        AnswerCheck(kind="contains", wanted="[1]"),
        AnswerCheck(kind="equals", wanted="1.10"),
        AnswerCheck(kind="startsWith", wanted="Dear {{customer}}"),
        AnswerCheck(kind="json_path", wanted={"path": "$.intent", "equals": {"kind": "refund", "sum": 3}}),
    )
    renamed = checked({"answer.prompt.yml": CHECKED + checks.replace("Cites an article", "Cites")}).app("bot").content
    assert renamed is not None and encode(renamed) == encode(content)


@pytest.mark.parametrize("checks", ["", "checks: []\n", "checks:\n"])
def test_a_prompt_without_checks_is_the_release_that_it_was(checks: str) -> None:
    loaded = checked({"answer.prompt.yml": CHECKED + checks})
    content = loaded.app("bot").content
    assert loaded.findings == () and content is not None
    assert content.requires == () and b"check" not in encode(content)


def test_a_markdown_prompt_has_checks_in_its_front_matter() -> None:
    loaded = checked({"answer.prompt.md": f"---\n{HEAD}checks: [{{contains: a}}]\n---\nHi\n"})
    content = loaded.app("bot").content
    assert loaded.findings == () and content is not None
    assert content.prompts[0].checks == (AnswerCheck(kind="contains", wanted="a"),)


@pytest.mark.parametrize(
    ("checks", "code", "line", "message", "hint"),
    [
        ("[{contain: a}]", "check-unknown", 3, "no known kind (contain)", "Did you mean 'contains'?"),
        ("[{name: x}]", "check-unknown", 3, "no known kind (nothing)", "The kinds are: equals, contains"),
        ("[{regex: a}]", "check-unknown", 3, "'regex' is no check of a prompt", "for `evaluators` and for `evals/`"),
        (
            "[\n{contains: a, equals: b}]",
            "check-invalid",
            4,
            "of one kind, and this one has equals and contains",
            "each",
        ),
        ("[{contains: ''}]", "check-invalid", 3, "'contains' is empty", ""),
        ("[{contains: [a]}]", "check-invalid", 3, "'contains' must be text", ""),
        ("[{json_path: {path: $..a, equals: 1}}]", "check-invalid", 3, "is not a path", ""),
        ("[{contains: 'Hi {{ name }}'}]", "check-invalid", 3, "'{{name}}' is not filled in", "a case in a suite"),
        ("[{equals: '{{expected}}'}]", "check-invalid", 3, "'{{expected}}' is not filled in", "a case in a suite"),
        ("[{contains: a, passAt: 1}]", "unknown-setting", 3, "unknown key 'passAt'", "The keys are: name, contains"),
        ("[{contains: a, name: [a]}]", "wrong-type", 3, "'name' must be text", ""),
        ("[a]", "wrong-type", 3, "'checks[0]' must be a mapping", ""),
        ("{contains: a}", "wrong-type", 3, "'checks' must be a list", ""),
        ("[" + "{contains: a}," * 21 + "]", "check-invalid", 3, "21 checks, and at most 20 are allowed", "in a suite"),
    ],
)
def test_what_is_wrong_with_a_check_is_an_error_with_its_place(
    checks: str, code: str, line: int, message: str, hint: str
) -> None:
    (finding,) = prompt_findings(CHECKED + f"checks: {checks}\n")
    assert (finding.code, finding.line, finding.severity) == (code, line, Severity.ERROR)
    assert message in finding.message and hint in finding.hint
