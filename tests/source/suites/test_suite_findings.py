"""What `check` says of evaluators and test data that can be read, and would measure something else than was meant."""

from __future__ import annotations

import pytest

from promptops.core.finding import Severity
from tests.source.memory import checked

HEAD = "model: openai/gpt-4o-2024-08-06\nmessages: [{role: user, content: '{{q}}'}]\n"
LLM = """\
evaluators:
  - name: judged
    llm:
      modelId: openai/gpt-4.1-2025-04-14
      prompt: "{{q}} {{expected}} {{completion}}"
      choices:
        - {choice: pass, score: 1}
        - {choice: fail, score: 0}
"""
CASES = "testData:\n  - q: one\n  - q: two\n"
STRING = "evaluators:\n  - name: e\n    string: {contains: x}\n"
LONG = "Which of the three plans has batch printing, and what would change for us if we took it in the middle of {}?"


def found(suite: str, app: str = "") -> list[tuple[str, int, Severity]]:
    loaded = checked({"answer.prompt.yml": HEAD + suite, "app.yml": app})
    assert loaded.app("bot").content is not None
    return [(finding.code, finding.line - 2, finding.severity) for finding in loaded.findings]


def similar(first: str, second: str, more: str = "") -> str:
    return f"testData:\n  - q: {first}\n{more}  - q: {second}\n{more}{STRING}"


WARNED = [
    (LLM.replace("pass", "A").replace("fail", "B"), [("ambiguous-choices", 7)]),
    (LLM.replace("fail", "not pass"), [("ambiguous-choices", 7)]),
    (LLM.replace("pass", "Fail"), [("ambiguous-choices", 7)]),
    (LLM.replace("openai/gpt-4.1-2025-04-14", "openai/gpt-4.1"), [("floating-model", 4)]),
    (LLM.replace("openai/gpt-4.1-2025-04-14", "gpt-4o"), [("floating-model", 4)]),
    (LLM + "        - {choice: nearly, score: 0.5}\n", [("pass-at-missing", 7)]),
    (LLM.replace("{{q}}", "{{question}}"), [("judge-variable", 5)]),
    (LLM.replace("score: 1", "score: 5"), [("evaluator-invalid", 4)]),
    (STRING.replace("contains: x", "contains: x, equals: y, endsWith: z"), [("string-operators", 3)]),
    (STRING.replace("string: {contains: x}", "uses: github/nonsense"), [("github-unknown", 3)]),
    ("testData:\n  - q: one\n  - q: one\n    expected: x\n", [("duplicate-case", 3)]),
    ("testData:\n  - {q: one, id: a}\n  - {q: two, id: a}\n", [("duplicate-case", 3)]),
    ("testData:\n  - {question: one}\n", [("case-incomplete", 2)]),
    ("testData:\n  - {q: null}\n", [("case-unfit", 2)]),
    ("testData:\n  - {q: one}\n  - {q: [two]}\n  - {q: {a: 3}}\n", [("case-unfit", 3), ("case-unfit", 4)]),
    (
        "inputs: {q: {type: integer}}\ntestData:\n  - {q: one}\n  - {q: '1'}\n  - {q: 1}\n",
        [("case-unfit", 3), ("case-unfit", 4)],
    ),
    ("inputs: {q: {enum: [a, b]}}\ntestData:\n  - {q: c}\n  - {q: a}\n", [("case-unfit", 3)]),
    ("inputs: {q: {type: string, pattern: '^[a-z]+$'}}\ntestData:\n  - {q: 5}\n", [("case-unfit", 3)]),
    (similar(LONG.format("May"), LONG.format("June")), [("similar-cases", 2)]),
]


@pytest.mark.parametrize(("suite", "places"), WARNED, ids=[f"{p[0][0]}-{n}" for n, (_, p) in enumerate(WARNED)])
def test_what_would_measure_something_else_is_a_warning_with_its_place(
    suite: str, places: list[tuple[str, int]]
) -> None:
    assert found(suite) == [(code, line, Severity.WARNING) for code, line in places]


@pytest.mark.parametrize(
    "suite",
    [
        "",
        CASES,  # test data alone is no suite, and no evaluators are missed
        STRING,
        LLM,
        CASES + STRING,
        CASES + LLM,
        CASES + LLM.replace("{{q}}", "{{input}} {{context}}"),
        "testData:\n  - {q: one, note: x}\n" + LLM.replace("{{q}}", "{{ note }}"),
        "testData:\n  - {q: one, id: a, tags: [x], cluster: c, labels: {judged: pass}}\n" + LLM,
        "testData:\n  - {q: one, id: a}\n  - {q: one, id: b}\n",
        "testData:\n  - {q: 5}\n  - {q: 1.5}\n  - {q: true}\n",  # as GitHub's tools fill them in
        "inputs: {q: {type: [string, 'null']}}\ntestData:\n  - {q: null}\n",
        "inputs: {q: {type: string, pattern: '^[0-9]+$'}}\ntestData:\n  - {q: 5}\n",
        "inputs: {q: {type: array, items: {type: integer}}}\ntestData:\n  - {q: [a]}\n",  # which the run finds
        "testData:\n  - {q: one, id: [1], tags: 5, cluster: {}, labels: [x], checks: y}\n" + LLM,
        LLM.replace("    llm:", "    passAt: 0.7\n    llm:") + "        - {choice: nearly, score: 0.5}\n",
        LLM + "        - {choice: refused, score: 0}\n",
        similar(LONG.format("May"), LONG.format("June"), "    cluster: plans\n"),
        similar("May", "June"),
    ],
)
def test_what_was_fine_is_fine(suite: str) -> None:
    assert found(suite) == []


@pytest.mark.parametrize("content", ["'{{{{q}}}} {}'", "[{{type: text, text: '{{{{q}}}} {}'}}]"], ids=["text", "parts"])
def test_cases_of_a_very_long_prompt_are_left_to_the_run(content: str) -> None:
    def codes(text: str) -> list[str]:
        head = HEAD.replace("'{{q}}'", content.format(text))
        return [each.code for each in checked({"answer.prompt.yml": f"{head}testData:\n  - {{q: null}}\n"}).findings]

    assert codes("x" * 60_000) == ["case-unfit"]
    assert codes("x" * 70_000) == []


def test_a_judge_is_named_and_never_a_default() -> None:
    suite = "evaluators:\n  - name: e\n    uses: github/similarity\n"
    assert found(suite) == [("judge-missing", 3, Severity.INFO)]
    assert found(suite, "judges: {other: openai/gpt-4.1-2025-04-14}\n") == [("judge-missing", 3, Severity.INFO)]
    assert found(suite, "judges: {github: openai/gpt-4.1-2025-04-14}\n") == []
    assert found(suite + "    modelId: openai/gpt-4.1-2025-04-14\n") == []
    assert found(suite + "    modelId: openai/gpt-4.1\n") == [("floating-model", 4, Severity.WARNING)]


def test_a_judge_of_app_yml_is_called_by_its_name() -> None:
    suite = LLM.replace("openai/gpt-4.1-2025-04-14", "strict")
    assert found(suite, "judges: {strict: openai/gpt-4.1-2025-04-14}\n") == []
    (finding,) = checked(
        {"answer.prompt.yml": HEAD + suite.replace("strict", "stirct"), "app.yml": "judges: {strict: a/b-2024-08-06}\n"}
    ).findings
    assert finding.hint == "Did you mean 'strict'?"


def test_cases_of_one_document_are_named_together() -> None:
    document = "A label that has not been scanned can be cancelled under Labels > Cancel within two days."
    rows = "".join(f"  - {{q: question {number}, text: '{document}'}}\n" for number in range(12))
    (finding,) = checked({"answer.prompt.yml": f"{HEAD}testData:\n{rows}{STRING}"}).findings
    assert finding.code == "similar-cases"
    assert finding.message == "12 cases are alike and name no cluster: lines 4, 5, 6, 7, 8, 9, 10, 11, …"


def test_each_finding_can_be_suppressed() -> None:
    comment = "  # promptops: ignore[similar-cases] the months are what matters\n"
    suite = similar(LONG.format("May"), LONG.format("June")).replace("  - q", comment + "  - q", 1)
    assert found(suite) == []


@pytest.mark.parametrize(
    ("operators", "first"),
    [
        ("endsWith: z, contains: x, equals: y", ("equals", "y")),
        ("endsWith: z, contains: x, equals: ''", ("contains", "x")),  # an empty one is none
        ("startsWith: 3", ("startsWith", "3")),
    ],
)
def test_the_first_operator_counts_as_it_did_for_github(operators: str, first: tuple[str, str]) -> None:
    suite = CASES + STRING.replace("contains: x", operators)
    (check,) = checked({"answer.prompt.yml": HEAD + suite}).app("bot").suites["answer"].checks
    assert (check.kind, check.wanted) == first


def test_an_evaluator_that_cannot_run_is_kept_and_says_why() -> None:
    suite = (
        CASES
        + "evaluators:\n  - {name: a, javascript: x}\n  - {name: b, regex: '('}\n  - {name: c, uses: github/fluency}\n"
    )
    checks = checked({"answer.prompt.yml": HEAD + suite}).app("bot").suites["answer"].checks
    assert [(check.name, bool(check.flaw)) for check in checks] == [("a", True), ("b", True), ("c", True)]
