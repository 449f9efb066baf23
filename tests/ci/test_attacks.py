"""Each attack in each format, read by a reader of that format: what a text says is shown, and it does nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from junitparser import JUnitXml
from markdown_it import MarkdownIt
from markdown_it.token import Token
from sarif_pydantic import Sarif  # type: ignore[import-untyped]

from promptops.ci import machine
from promptops.ci.annotations import annotation_lines
from promptops.ci.report import ChangedApp, CheckLine, Report, SuiteChange
from promptops.ci.summary import MARKER, comment, summary
from promptops.core.characters import strange
from promptops.core.finding import Finding, Severity
from promptops.core.model import Bump, Change
from promptops.core.verdict import Outcome
from tests.ci.attacks import ATTACKS

OURS = frozenset({MARKER, "<details><summary>Runs</summary>", "</details>"})
"""All of HTML that a page has."""


def hostile(text: str) -> Report:
    """A report in which everything that another person could have written is this text."""
    found = Finding(code="secret", severity=Severity.ERROR, path=text, line=1, column=1, message=text, hint=text)
    changes = tuple(
        Change(bump=Bump.PATCH, prompt=prompt, field="model", summary=text, before=text, after=f"{text}\n{text}")
        for prompt in ("", text)
    )
    app = ChangedApp(
        name=text, path=text, old_digest="sha256:1", digest="sha256:2", bump=Bump.PATCH, changes=changes,
        suites=(SuiteChange(suite=text, lowered=True, added=1),), evidence=(text,),
    )  # fmt: skip
    checks = tuple(CheckLine(app=text, check=text, outcome=each, reason=text, hint=text) for each in Outcome)
    return Report(
        base="b" * 40, head="c" * 40, folder=text, apps=(app,), findings=(found,), new=(found,), checks=checks,
        notes=(text,), meanings={"secret": "A secret."},
    )  # fmt: skip


def tokens(page: str) -> Iterator[Token]:
    """Everything in a page, as a reader of CommonMark with the tables and strikes of GitHub sees it."""
    for token in MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).parse(page):
        yield from token.children or [token]


@pytest.mark.parametrize("text", ATTACKS.values(), ids=ATTACKS.keys())
def test_a_page_has_the_text_within_code_alone(text: str) -> None:
    harmless = [token for each in ("", "x") for token in tokens(comment(hostile(each))) if token.type == "text"]
    known = {token.content for token in harmless}
    for page in (summary(hostile(text)), comment(hostile(text))):
        for token in tokens(page):
            assert token.type not in ("link_open", "image", "html_inline", "table_open", "s_open"), token
            if token.type == "html_block":
                assert set(filter(None, token.content.splitlines())) <= OURS, token
            if token.type == "text":
                assert token.content in known, "outside of code there are words of ours alone"
        assert not [char for char in page if char != "\n" and char != "\t" and ord(char) < 32]
        assert not list(strange(page))


@pytest.mark.parametrize("text", ATTACKS.values(), ids=ATTACKS.keys())
def test_a_runner_reads_annotations_and_no_other_command(text: str) -> None:
    """https://github.com/actions/runner: a line is a command if it begins with ``::NAME`` or has ``##[`` anywhere."""
    for line in annotation_lines(hostile(text)):
        assert len(line.splitlines()) == 1 and line.isprintable()
        match = re.fullmatch(r"::(error|warning|notice) ([^:]*)::(.*)", line)
        assert match is not None, line
        keys = [pair.partition("=")[0] for pair in match[2].split(",")]
        assert keys in (["file", "line", "col", "title"], ["title"])
        assert not re.search("%0[aAdD]", f"{match[2]}{match[3]}"), "the runner makes a line break of it"


@pytest.mark.parametrize("text", ATTACKS.values(), ids=ATTACKS.keys())
def test_programs_read_the_text_as_one_line_of_text(text: str) -> None:
    made = hostile(text)
    quality, sarif, junit = machine.code_quality(made), machine.sarif(made), machine.junit(made)
    (run,) = Sarif.model_validate_json(sarif).runs
    message = run.results[0].message.text
    assert not re.search(r"(?<!\\)\]\(", message), "https://docs.oasis-open.org/sarif: `[text](target)` is a link"
    texts = [json.loads(quality)[0]["description"], message]
    suite = next(iter(JUnitXml.fromstring(junit.encode())))
    texts += [value for case in suite for result in case.result for value in (result.message, case.name)]
    assert len(suite) == 1 + len(Outcome)
    assert all(each.isprintable() for each in texts), texts
