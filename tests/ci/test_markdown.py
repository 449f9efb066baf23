"""Text of other people in Markdown: it is shown, and it does nothing."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptops.ci import markdown
from promptops.ci.annotations import SHOWN, annotation_lines
from promptops.ci.report import ChangedApp, CheckLine, Report
from promptops.ci.summary import MARKER, MAX_COMMENT, MAX_SUMMARY, comment, summary
from promptops.core.finding import Finding, Severity
from promptops.core.model import Bump, Change
from promptops.core.verdict import Outcome

NASTY = (
    "@octocat", "#1", "https://evil.example", "<img src=x onerror=alert(1)>", "[a](javascript:b)", "```\n@team\n```",
    "````", "`a`", "~~~", "</details>", "a\n::error::b", "##[error]x", "\x1b[31mred", "\u202egnp", "![](http://a.b/c.png)",
)  # fmt: skip


def outside(text: str) -> str:
    """What of Markdown is not code: there a mention or a link would be one."""
    text = re.sub(r"^(`{3,})[^`\n]*\n.*?\n\1$", "", text, flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)", "", text)


def report(text: str = "hello", *, findings: int = 1, **more: object) -> Report:
    found = tuple(
        Finding(
            code="secret",
            severity=Severity.ERROR,
            path=f"apps/a/{n}.yml",
            line=n + 1,
            column=1,
            message=text,
            hint=text,
        )
        for n in range(findings)
    )
    change = Change(
        bump=Bump.PATCH, prompt="answer", field="messages[0].content", summary=text, before=text, after=text * 3
    )
    app = ChangedApp(
        name="a", path="apps/a", old_digest="sha256:1", digest="sha256:2", bump=Bump.PATCH, changes=(change,)
    )
    line = CheckLine(app="a", check="required", outcome=Outcome.INCONCLUSIVE, reason=text, hint=text)
    fields = {"base": "b" * 40, "head": "c" * 40, "apps": (app,), "findings": found, "new": found, "checks": (line,)}
    return Report(**(fields | more))  # type: ignore[arg-type]


@pytest.mark.parametrize("text", NASTY)
def test_nothing_of_a_text_is_outside_of_code(text: str) -> None:
    for made in (summary(report(text)), comment(report(text))):
        rest = outside(made)
        assert not re.search(r"@|https?:|<img|\]\(|octocat|team|evil|::|##\[|\x1b|\u202e|#1\b", rest), rest


@given(st.text(max_size=60))
def test_a_code_span_ends_where_it_should(text: str) -> None:
    span = markdown.code(text)
    assert "\n" not in span and outside(f"a {span} b") == "a  b"


@given(st.text(alphabet="`~a\n\t ", max_size=80))
def test_a_block_ends_where_it_should(text: str) -> None:
    assert outside(f"a\n{markdown.block(text)}\nb") == "a\n\nb"


@pytest.mark.parametrize("text", NASTY)
def test_an_annotation_is_one_line_and_no_other_command(text: str) -> None:
    lines = list(annotation_lines(report(text)))
    assert all("\n" not in line and line.startswith(("::error ", "::notice ")) for line in lines)
    assert all(line.count("::") == 2 or text.count("::") for line in lines)


def test_ten_annotations_are_shown_and_the_rest_is_counted() -> None:
    lines = list(annotation_lines(report(findings=600, checks=())))
    assert len(lines) == SHOWN + 1 and "590 more" in lines[-1]


def test_a_summary_and_a_comment_stay_within_what_platforms_take() -> None:
    large = report("é" * 3_000, findings=20_000)
    assert len(summary(large).encode()) <= MAX_SUMMARY and "left out here" in summary(large)
    long = report("x" * 900, apps=tuple(ChangedApp(name=f"a{n}", path=f"a{n}") for n in range(5_000)))
    assert len(comment(long)) <= MAX_COMMENT and "left out here" in comment(long)
    assert comment(long).count("<details>") == comment(long).count("</details>") == 1


def test_a_comment_keeps_its_runs_and_nothing_else_of_the_one_before() -> None:
    first = comment(report(head="1" * 40))
    second = comment(report(head="2" * 40), first + "\n- `abc` @octocat\n- `111111111111` <b>\n")
    assert second.startswith(MARKER)
    assert re.findall(r"^- `(\d)", second, re.MULTILINE) == ["2", "1"]
    assert "octocat" not in second and "<b>" not in second
    assert comment(report(), "- `111111111111` no errors").count("- `") - comment(report()).count("- `") == 0
