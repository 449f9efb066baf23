"""A broken suite never stops a release: it is a warning of the suite, and the app's content is untouched."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
    # what is not YAML
    ('testData: [{q: "a\\d"}]\n', "yaml-syntax"),
    ('testData:\n  - q: "a\\d"\n  - q: b\n', "yaml-syntax"),
    ('testData:\n- q: "\\ud800"\n\n- q: b\n', "yaml-syntax"),
    ('testData:\n  - q: "open\n    to the end\n', "yaml-syntax"),
    ("testData:\n  - q: 'it's'\n", "yaml-syntax"),
    ("testData:\n\t- q: x\n", "yaml-syntax"),
    ("testData:\n  - q: x\n # deeper\n    r: y\n   s: z\n", "yaml-syntax"),
    ("testData:\n  - q: @x\n", "yaml-syntax"),
    ("testData: {\n", "yaml-syntax"),
    ("testData:\n  - q: a: b\n", "yaml-syntax"),
    ("testData:\n  - *gone\n", "yaml-alias"),
    ("testData:\n  - q: 'x\x07y'\n    r: \"\\d\"\n", "yaml-syntax"),
    ("testData:\n" + "  - {q: a, r: b}\n" * 4_000, "too-many-values"),
    (f"testData:\n  - {'[' * 250}{']' * 250}\n", "too-deep"),
    ("'evaluators' :\n  - name: \"\\d\"\n", "yaml-syntax"),
    ('testData:\n  - q: "\\d"\nevaluators:\n  - name: "\\d"\n    string: {equals: x}\n', "yaml-syntax"),
    ("testData:\n  - q: 'x\n\nevaluators:\n  - name: 'e\n\n# the end\n", "yaml-syntax"),
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


@pytest.mark.parametrize("ends", ["|", "|+", "|-", ">", ">+"])
@pytest.mark.parametrize("first", [False, True])
def test_a_text_beside_a_suite_that_is_no_yaml_is_the_same_to_its_last_line(ends: str, first: bool) -> None:
    before = (
        f"model: openai/gpt-4o-2024-08-06\nmessages:\n  - role: user\n    content: {ends}\n      Hi {{{{q}}}}\n\n\n"
    )
    valid, broken = "testData:\n  - q: x\n\n", 'testData:\n  - q: "\\d"\n\n'
    contents = []
    for suite in (valid, broken):
        text = f"{suite}{before}" if first else f"{before}{suite}# about it\ndescription: d\n"
        content = checked({"answer.prompt.yml": text}).app("bot").content
        assert content is not None
        contents.append(encode(content))
    assert contents[0] == contents[1]


def test_what_is_no_yaml_is_said_once_and_at_its_place() -> None:
    text = (
        f'{PROMPT}testData:\n  - q: "a\\d"\n  - q: {{r: \x07}}\nevaluators:\n  - name: e\n    string: {{equals: x}}\n'
    )
    found = checked({"answer.prompt.yml": text}).findings
    assert [(each.code, each.line) for each in found if each.code == "yaml-syntax"] == [
        ("yaml-syntax", 4),
        ("yaml-syntax", 5),
    ]
    assert found[0].message.startswith("`testData` cannot be read, so the prompt has no suite: not YAML")
    assert "single quotes" in found[0].hint
    assert not checked({"answer.prompt.yml": text}).app("bot").suites


def test_a_comment_behind_a_broken_suite_is_of_what_follows() -> None:
    text = f'testData:\n  - q: "\\d"\n\n# promptops: ignore[floating-model] the newest is wanted\n{PROMPT}'
    text = text.replace("gpt-4o-2024-08-06", "gpt-4o")
    assert [each.code for each in checked({"answer.prompt.yml": text}).findings] == ["yaml-syntax"]


@pytest.mark.parametrize(
    "text",
    [
        # the key stands within a text, as far as YAML is concerned
        'model: openai/gpt-4o-2024-08-06\nmessages:\n  - role: user\n    content: "Hi\ntestData: \\d\nname: x"\n',
        'model: openai/gpt-4o-2024-08-06\nmessages:\n  - role: user\n    content: "Hi\ntestData:\n  - q: "x"\n',
        # what is wrong is elsewhere too
        f'testData:\n  - q: "\\d"\n{PROMPT}description: "\\d"\n',
        f'{PROMPT}testData:\n  - q: "\\d"\ndescription: @x\n',
        f'{PROMPT}testData:\n  - q: "\\d"\nand more\n',
        f'{PROMPT}testData:\n  - q: "\\d"\n---\nname: x\n',
        # a line of YAML that no editor shows
        f'{PROMPT}testData: "\\d"\u2028template: jinja2\n',
        # there is nothing else
        'testData:\n  - q: "\\d"\n',
        # test data says which of these is a variable
        f'{PROMPT.replace("{{q}}", "${{q}}")}testData:\n  - q: "\\d"\n',
    ],
)
def test_where_it_is_not_certain_what_the_suite_is_the_file_has_the_error(text: str) -> None:
    loaded = checked({"answer.prompt.yml": text})
    assert ("yaml-syntax", Severity.ERROR) in {(each.code, each.severity) for each in loaded.findings}
    assert loaded.app("bot").content is None


def test_evaluators_say_nothing_of_variables() -> None:
    text = f'{PROMPT.replace("{{q}}", "${{q}}")}evaluators:\n  - name: "\\d"\n'
    assert checked({"answer.prompt.yml": text}).app("bot").content is not None


PIECES = [
    "q: x",
    '"',
    "'",
    '"\\d"',
    "- ",
    "  ",
    "\n",
    "\n  ",
    "\n\t",
    "\n- ",
    "{",
    "}",
    "[",
    "|\n",
    "# c",
    ": ",
    "\n\n",
    "@",
    "*a",
    "&a",
]


@given(st.lists(st.sampled_from(PIECES), max_size=12), st.sampled_from(["testData", "evaluators"]), st.booleans())
def test_whatever_a_suite_is_the_release_is_the_same_or_refused(pieces: list[str], key: str, first: bool) -> None:
    suite = f"{key}:\n  - {''.join(pieces)}\n"
    loaded = checked({"answer.prompt.yml": suite + PROMPT if first else PROMPT + suite})
    content, alone = loaded.app("bot").content, checked({"answer.prompt.yml": PROMPT}).app("bot").content
    assert alone is not None
    assert content is None or encode(content) == encode(alone)


def test_the_front_matter_of_markdown_has_a_suite_too() -> None:
    broken = '---\nmodel: openai/gpt-4o-2024-08-06\ntestData:\n  - q: "\\d"\n---\n{{q}}\n'
    loaded = checked({"answer.prompt.md": broken})
    assert [(each.code, each.severity, each.line) for each in loaded.findings] == [("yaml-syntax", Severity.WARNING, 4)]
    assert loaded.app("bot").content is not None
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
