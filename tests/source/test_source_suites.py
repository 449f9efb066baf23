"""A broken suite never stops a release: it is a warning of the suite, and the app's content is untouched."""

from __future__ import annotations

import pytest

from promptops.core.finding import Severity
from promptops.core.release_bytes import encode
from promptops.source.load import load
from tests.source.memory import checked, workspace

PROMPT = "model: openai/gpt-4o-2024-08-06\nmessages: [{role: user, content: '{{q}}'}]\n"

BROKEN = [
    # evaluators that are no mappings, or no list
    ("evaluators: [Output must be polite]\n", "wrong-type"),
    ("evaluators: Output must be polite\n", "wrong-type"),
    ("evaluators: {name: polite}\n", "wrong-type"),
    ("evaluators: [[a, b], 3, null]\n", "wrong-type"),
    ("evaluators: [{name: polite, string: {contains: [x]}}]\n", "evaluator-invalid"),
    ("evaluators: [{name: e, llm: {modelId: !!str x}}]\n", "yaml-tag"),
    # cases that are none
    ("testData: [just text, 4]\n", "wrong-type"),
    ("testData: none yet\n", "wrong-type"),
    ("testData:\n  - q: one\n    q: two\n", "duplicate-key"),
    ("testData:\n  - no: one\n", "key-not-text"),
    ("testData:\n  - {{q}}: one\n", "key-not-text"),
    ("testData: [{q: .nan}]\n", "number-range"),
    ("testData: [{q: 9007199254740993}]\n", "number-range"),
    ("testData: [&a {q: x}, *a]\n", "yaml-alias"),
    (f"testData: [{{q: {'[' * 30}{']' * 30}}}]\n", "too-deep"),
    # characters
    ('testData: [{q: "\\approx"}]\n', "control-character"),
    ('testData: [{q: "x\\e[2J"}]\n', "control-character"),
    ('testData: [{q: "x\\0"}]\n', "nul-character"),
    ("testData: [{q: 'x\x07y'}]\n", "yaml-syntax"),
    ("testData: [{q: 'x\x00y'}]\n", "nul-character"),
    ("testData: [{q: \u202eevil}]\n", "bidi-character"),
    ("testData: [{q: 'x\U000e0041'}]\n", "tag-character"),
    ('evaluators: [{name: "\\beta", string: {equals: x}}]\n', "control-character"),
]


@pytest.mark.parametrize(("suite", "code"), BROKEN, ids=[f"{code}-{number}" for number, (_, code) in enumerate(BROKEN)])
@pytest.mark.parametrize("first", [False, True], ids=["last", "first"])
def test_a_broken_suite_is_a_warning(suite: str, code: str, first: bool) -> None:
    text = suite + PROMPT if first else PROMPT + suite
    loaded = checked({"answer.prompt.yml": text})
    assert code in {finding.code for finding in loaded.findings}
    assert {finding.severity for finding in loaded.findings} <= {Severity.WARNING, Severity.INFO}
    alone = checked({"answer.prompt.yml": PROMPT}).app("bot").content
    assert alone is not None
    for found in (loaded.app("bot").content, load(workspace({"answer.prompt.yml": text})).app("bot").content):
        assert found is not None
        assert encode(found) == encode(alone)


def test_the_front_matter_of_markdown_has_a_suite_too() -> None:
    text = "---\nmodel: openai/gpt-4o-2024-08-06\nevaluators: [Be polite]\n---\n{{q}}\n"
    loaded = checked({"answer.prompt.md": text})
    assert [(finding.code, finding.severity) for finding in loaded.findings] == [("wrong-type", Severity.WARNING)]
    assert loaded.app("bot").content is not None


def test_a_broken_suite_can_be_suppressed() -> None:
    comment = "# promptops: ignore[wrong-type] written for a person\n"
    assert checked({"answer.prompt.yml": f"{PROMPT}{comment}evaluators: [Be polite]\n"}).findings == ()


@pytest.mark.parametrize(
    "more",
    [
        'description: "\\approx"\n',
        "description: 'x\x07y'\n",
        "description: &a x\nname: *a\n",
        "testData: [{q: ghp_0123456789abcdefghijklmnopqrstuvwxyzAB}]\n",
    ],
)
def test_what_is_not_of_the_suite_or_is_a_secret_stays_an_error(more: str) -> None:
    loaded = checked({"answer.prompt.yml": PROMPT + more})
    assert Severity.ERROR in {finding.severity for finding in loaded.findings}


@pytest.mark.parametrize(
    ("escape", "name"), [("\\approx", "BEL"), ("\\beta", "BS"), ("\\frac", "FF"), ("\\vec", "VT"), ("\\eta", "ESC")]
)
def test_an_escape_that_was_not_meant_is_explained(escape: str, name: str) -> None:
    (found,) = checked({"answer.prompt.yml": f'{PROMPT}testData: [{{q: "{escape}"}}]\n'}).findings
    assert f"`{escape[:2]}` in double quotes is {name}" in found.message
    assert "single quotes" in found.hint
