"""Files of suites: what is read of them, what is wrong with them and where, and that none of it stops a release."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptops.core.errors import SourceInvalid
from promptops.core.finding import Severity
from promptops.core.suite.suite import SuiteKind, suite_digest
from promptops.source.git.repository import Repository
from promptops.source.lint.lint import check, check_path
from promptops.source.load import load
from promptops.source.tree import WorkingTree
from tests.source.memory import checked, workspace
from tests.support.checkout import ROOT

PROMPT = "model: openai/gpt-4o-2024-08-06\nmessages: [{role: user, content: 'Where is {{city}}? {{n}}'}]\n"
TYPED = f"{PROMPT}inputs: {{n: {{type: integer, default: 0}}}}\n"
CHECKS = "checks: [{contains: '{{expected}}'}]\n"
JUDGES = "judges: {github: openai/gpt-4.1-2025-04-14, strict: openai/gpt-4.1-mini-2025-04-14}\n"
GOOD = f"prompts: ask\n{CHECKS}cases:\n  - city: Rome\n    expected: Italy\n"


def files(suite: str, **more: str) -> dict[str, str | bytes]:
    """An app with a prompt `ask` and a suite `geo`."""
    named = {path.replace("__", "/").replace("_", "."): text for path, text in more.items()}
    return {"app.yml": JUDGES, "prompts/ask.prompt.yml": TYPED, "evals/geo.suite.yml": suite, **named}


def found(suite: str, **more: str) -> list[tuple[str, str, int]]:
    """Code, file below the app and line of each finding."""
    loaded = checked(files(suite, **more))
    return [(finding.code, finding.path.removeprefix("bot/"), finding.line) for finding in loaded.findings]


def test_a_suite_is_read_whole() -> None:
    suite = """\
prompts: [ask]
kind: required
repeats: 3
checks:
  - name: names it
    contains: "{{expected}}"
  - max_latency_ms: 2000
  - regex: "^[A-Z]"
    passAt: 1
  - python: checks.text:polite
  - uses: github/fluency
  - name: right
    passAt: 0.7
    llm:
      modelId: strict
      prompt: "{{city}}, {{reference}}: {{completion}}"
      choices: [{choice: exact, score: 1}, {choice: near, score: 0.5}, {choice: wrong, score: 0}]
cases:
  - city: Rome
    n: 3
    expected: Italy
    reference: atlas
    id: 7
    cluster: europe
    tags: [short, easy]
    labels: {right: exact}
    checks:
      - tool_call: {name: find, arguments: {city: "{{city}}"}}
  - city: Lima
    reference: atlas
    expected: 4
    tags: hard
"""
    loaded = checked(files(suite))
    assert loaded.findings == ()
    read = loaded.app("bot").suites["geo"]
    assert (read.prompts, read.kind, read.repeats) == (("ask",), SuiteKind.REQUIRED, 3)
    assert [(check.name, check.kind) for check in read.checks] == [
        ("names it", "contains"),
        ("max_latency_ms", "max_latency_ms"),
        ("regex", "regex"),
        ("python", "python"),
        ("github/fluency", "github/fluency"),
        ("right", "llm"),
    ]
    assert [check.pass_at for check in read.checks] == [0.5, 0.5, 1, 0.5, 0.5, 0.7]
    assert [check.judge and check.judge.model for check in read.checks[-2:]] == [
        "openai/gpt-4.1-2025-04-14",
        "openai/gpt-4.1-mini-2025-04-14",
    ]
    rome, lima = read.cases
    assert dict(rome.variables) == {"city": "Rome", "n": 3, "reference": "atlas"}
    assert (rome.id, rome.cluster, rome.tags, dict(rome.labels)) == (
        "7",
        "europe",
        ("short", "easy"),
        {"right": "exact"},
    )
    assert [check.kind for check in read.checks_of(rome)][-1] == "tool_call"
    assert (lima.expected, lima.tags, lima.id[:7]) == ("4", ("hard",), "sha256:")


def test_cases_beside_the_suite_are_the_same_in_every_format() -> None:
    inline = """\
cases:
  - {city: Rome, n: 3, id: a, tags: [x, y], cluster: c, expected: "Italy, then"}
  - {city: "3", n: 4}
"""
    lines = """\
{"city": "Rome", "n": 3, "id": "a", "tags": ["x", "y"], "cluster": "c", "expected": "Italy, then"}

{"city": "3", "n": 4}
"""
    table = 'city,n,id,tags,cluster,expected\nRome,3,a,"x, y",c,"Italy, then"\n3,4,,,,\n'
    suites = [
        checked(files(f"prompts: ask\n{CHECKS}{inline}")),
        checked(files(f"prompts: ask\n{CHECKS}cases: a.jsonl\n", evals__a_jsonl=lines)),
        checked(files(f"prompts: ask\n{CHECKS}cases: data/a.csv\n", evals__data__a_csv=table)),
        checked(files(f"prompts: ask\n{CHECKS}cases: a.csv\n", evals__a_csv=table.replace("\n", "\r\n"))),
    ]
    assert [loaded.findings for loaded in suites] == [()] * 4
    read = [loaded.app("bot").suites["geo"] for loaded in suites]
    assert read == [read[0]] * 4
    assert len(read[0].cases) == 2


def test_a_key_that_the_prompt_uses_is_a_variable_whatever_its_name() -> None:
    prompt = PROMPT.replace("{{n}}", "{{id}} {{tags}}")
    suite = f"prompts: ask\n{CHECKS}cases:\n  - {{city: Rome, id: '7', tags: x}}\n"
    loaded = checked({"prompts/ask.prompt.yml": prompt, "evals/geo.suite.yml": suite})
    (case,) = loaded.app("bot").suites["geo"].cases
    assert dict(case.variables) == {"city": "Rome", "id": "7", "tags": "x"}
    assert (case.given_id, case.tags) == ("", ())


LLM = "modelId: strict, prompt: '{{city}}', choices: [{choice: a b, score: 1}]"
WRONG = [
    # the suite itself
    ("", "wrong-type", 1),
    (f"{CHECKS}cases: [{{city: Rome}}]\n", "missing-key", 1),
    (GOOD.replace("ask", "[ask, aks]"), "wrong-value", 1),
    (GOOD + "reapeats: 3\n", "unknown-setting", 6),
    (GOOD + "repeats: 0\n", "wrong-value", 6),
    (GOOD + "kind: smaple\n", "wrong-value", 6),
    (GOOD + "independent: 1\n", "wrong-type", 6),
    (f"prompts: ask\n{CHECKS}", "suite-empty", 1),
    (f"prompts: ask\n{CHECKS}cases: []\n", "suite-empty", 3),
    (f"prompts: ask\n{CHECKS}cases: a.jsonl\n", "wrong-value", 3),
    # cases
    (GOOD + "  - city: Rome\n", "duplicate-case", 6),
    (GOOD + "    id: x\n  - {id: x, city: Lima}\n", "duplicate-case", 7),
    (GOOD + "  - n: 3\n", "case-incomplete", 6),
    (GOOD.replace(CHECKS, ""), "case-unchecked", 3),
    (GOOD.replace(CHECKS, "checks: []\n"), "case-unchecked", 4),
    (GOOD + "    exepcted: Lima\n", "unknown-setting", 6),
    (GOOD + "    labels: {right: yes}\n", "wrong-value", 4),
    (GOOD + "    completion: x\n", "unknown-setting", 6),
    (GOOD + "    tags: 3\n", "wrong-type", 6),
    (GOOD + "  - Rome\n", "wrong-type", 6),
    # checks
    (GOOD.replace("contains", "contians"), "check-unknown", 2),
    (GOOD.replace("contains: '{{expected}}'", "uses: acme/x"), "check-unknown", 2),
    (GOOD.replace("contains: '{{expected}}'", "uses: github/nonsense"), "github-unknown", 2),
    (GOOD.replace("contains: '{{expected}}'", "regex: '(?=a)'"), "check-invalid", 2),
    (GOOD.replace("contains: '{{expected}}'", "regex: a, equals: b"), "check-invalid", 2),
    (GOOD.replace("contains: '{{expected}}'", "regex: a, passat: 1"), "unknown-setting", 2),
    (GOOD.replace("contains: '{{expected}}'", "regex: a, passAt: 0"), "wrong-value", 2),
    (GOOD.replace("contains: '{{expected}}'", "python: os.system"), "check-invalid", 2),
    (GOOD + "    checks: [{regexp: a}]\n", "check-unknown", 6),
    (GOOD.replace("contains: '{{expected}}'", "string: {contains: a, is: b}"), "unknown-setting", 2),
    (GOOD.replace("contains: '{{expected}}'", f"llm: {{{LLM}, passAt: 1}}"), "unknown-setting", 2),
    (GOOD + f"    checks: [{{llm: {{{LLM.replace('city', 'ctiy')}}}}}]\n", "judge-variable", 6),
]  # fmt: skip


@pytest.mark.parametrize(("suite", "code", "line"), WRONG, ids=[f"{code}-{n}" for n, (_, code, _) in enumerate(WRONG)])
def test_what_is_wrong_is_said_once_with_its_place_and_stops_no_release(suite: str, code: str, line: int) -> None:
    assert found(suite) == [(code, "evals/geo.suite.yml", line)]
    loaded = checked(files(suite))
    loaded.require_valid()
    loaded.require_valid(["bot"])
    assert loaded.app("bot").content == checked(files(GOOD)).app("bot").content


@pytest.mark.parametrize(
    ("name", "text", "code", "line"),
    [
        ("a.jsonl", '{"city": "Rome"}\n{"city": \n', "json-syntax", 2),
        ("a.jsonl", '{"city": "Rome"}\n[1]\n', "wrong-type", 2),
        ("a.jsonl", '{"city": "Rome"}\n\n{"city": "Rome"}\n', "duplicate-case", 3),
        ("a.jsonl", '{"city": "Rome", "city": "Lima"}\n{"city": "Rome"}\n', "json-syntax", 1),
        ("a.jsonl", '{"city": "Rome"}\n{"ctiy": "Lima", "city": "x"}\n', "unknown-setting", 2),
        ("a.jsonl", '{"n": 1}\n', "case-incomplete", 1),
        ("a.csv", 'city,n\nRome,1\n"Li\nma",2\nRome,1\n', "duplicate-case", 5),
        ("a.csv", "city,n\nRome,1\n,2\n", "case-incomplete", 3),
        ("a.csv", "city,n\nRome,1,2\nLima,3\n", "wrong-value", 2),
        ("a.csv", "city,city\nRome,1\n", "duplicate-key", 1),
        ("a.csv", "city,\nRome,1\n", "wrong-value", 1),
        ("a.csv", 'city,n\nRome,1\n"Li"ma,2\n', "wrong-value", 3),
        ("a.csv", "city,ctiy\nRome,1\n", "unknown-setting", 2),
        ("a.csv", b"city\nRome\n\xff\n", "not-utf8", 1),
    ],
)
def test_what_is_wrong_with_a_file_of_cases_is_said_in_its_line(
    name: str, text: str | bytes, code: str, line: int
) -> None:
    loaded = checked({**files(f"prompts: ask\n{CHECKS}cases: {name}\n"), f"evals/{name}": text})
    assert [(f.code, f.path, f.line, f.severity) for f in loaded.findings] == [
        (code, f"bot/evals/{name}", line, Severity.ERROR)
    ]


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv"])
def test_an_empty_file_of_cases_is_an_empty_suite(name: str) -> None:
    loaded = checked({**files(f"prompts: ask\n{CHECKS}cases: {name}\n"), f"evals/{name}": "\n"})
    assert [(finding.code, finding.path) for finding in loaded.findings] == [("suite-empty", "bot/evals/geo.suite.yml")]


@pytest.mark.parametrize("name", ["../app.yml", "../../promptops.yml", "/etc/hosts.csv", "../prompts/a.csv", "a.txt"])
def test_cases_are_read_from_evals_and_nowhere_else(name: str) -> None:
    assert found(f"prompts: ask\n{CHECKS}cases: {name}\n", prompts__a_csv="city\nRome\n") == [
        ("wrong-value", "evals/geo.suite.yml", 3)
    ]


def test_a_wrong_word_brings_the_right_one() -> None:
    for suite, meant in [
        (GOOD.replace("ask", "asks"), "ask"),
        (GOOD.replace("city", "ctiy"), "city"),
        (GOOD.replace("cases", "csaes"), "cases"),
        (GOOD.replace("contains", "contians"), "contains"),
        (f"prompts: ask\n{CHECKS}cases: gep.csv\n", "geo.csv"),
    ]:
        hints = [finding.hint for finding in checked(files(suite, evals__geo_csv="city\n")).findings]
        assert f"Did you mean '{meant}'?" in hints


@pytest.mark.parametrize(
    ("path", "other"),
    [("evals/own.suite.yml", "the suite of the prompt 'own'"), ("evals/GEO.suite.yaml", "evals/GEO.suite.yaml")],
)
def test_two_suites_have_two_names(path: str, other: str) -> None:
    own = f"{PROMPT}testData: [{{city: Rome, n: x}}]\nevaluators: [{{name: e, string: {{contains: Italy}}}}]\n"
    loaded = checked({**files(GOOD), "prompts/own.prompt.yml": own, path: GOOD})
    (finding,) = loaded.findings
    assert finding.code == "name-taken"
    assert other in finding.message


def test_a_suite_may_have_the_name_of_a_prompt_without_one() -> None:
    loaded = checked({**files(GOOD), "evals/ask.suite.yml": GOOD})
    assert loaded.findings == ()
    assert sorted(loaded.app("bot").suites) == ["ask", "geo"]


def test_suites_lie_in_folders_too_and_have_safe_names() -> None:
    loaded = checked({**files(GOOD), "evals/more/a.suite.yml": GOOD, "evals/a b.suite.yml": GOOD, "evals/a.yml": "x"})
    assert sorted(loaded.app("bot").suites) == ["a b", "geo", "more/a"]
    assert [(finding.code, finding.path) for finding in loaded.findings] == [
        ("name-invalid", "bot/evals/a b.suite.yml")
    ]


def test_a_secret_in_a_suite_is_an_error() -> None:
    secret = "ghp_0123456789abcdefghijklmnopqrstuvwxyzAB"
    (finding,) = checked(files(GOOD.replace("Rome", secret))).findings
    assert (finding.code, finding.path, finding.line) == ("secret", "bot/evals/geo.suite.yml", 4)


def test_a_secret_in_a_file_of_cases_is_said_where_the_suite_names_the_file() -> None:
    suite = f"prompts: ask\n{CHECKS}cases: a.csv\n"
    rows = "city\nRome\nghp_0123456789abcdefghijklmnopqrstuvwxyzAB\n"
    (finding,) = checked(files(suite, evals__a_csv=rows)).findings
    assert (finding.code, finding.line) == ("secret", 3)
    assert finding.message.startswith("a.csv:3: ")
    quiet = suite.replace("cases:", "# promptops: ignore[secret] made up\ncases:")
    assert checked(files(quiet, evals__a_csv=rows)).findings == ()


@pytest.mark.parametrize("name", ["../app.yml", "../../promptops.yml"])
def test_a_suite_that_names_another_file_as_its_cases_hides_no_error_of_it(name: str) -> None:
    wrong = {**files(f"prompts: ask\n{CHECKS}cases: {name}\n"), "app.yml": "nmae: x\n"}
    wrong["/promptops.yml"] = "registry: team\napps: [bot]\nchanels: {}\n"
    loaded = checked(wrong)
    with pytest.raises(SourceInvalid) as raised:
        loaded.require_valid()
    assert {finding.path for finding in raised.value.findings} == {"bot/app.yml", "promptops.yml"}


_PIECES = st.sampled_from(
    [
        "prompts: ask\n", "prompts: [ask, 3]\n", "kind: sample\n", "repeats: 2\n", CHECKS, "checks: [{llm: {}}]\n",
        "checks:\n  - {llm: {modelId: a, prompt: '{{x}}', choices: [{choice: A, score: 1}]}}\n",
        "  - uses: github/fluency\n",
        "cases: a.csv\n", "cases: a.jsonl\n", "cases:\n", "  - city: Rome\n", "    tags: [a]\n", "    checks: [3]\n",
        "city,n\n", 'Rome,"1\n', "\r", '"\n', ",,\n", '{"city": "Rome"}\n', '{"n": [[', "\0", "&a *a\n", "\u2028",
        "  - {history: [a]}\n",
    ]
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.lists(_PIECES | st.text(max_size=5), max_size=10).map("".join), st.lists(_PIECES, max_size=8).map("".join))
def test_any_mix_of_pieces_gives_suites_with_digests_or_findings(suite: str, data: str) -> None:
    for name in ("a.csv", "a.jsonl"):
        text = suite if "cases" in suite else f"{suite}\ncases: {name}\n"
        loaded = checked({**files(text), f"evals/{name}": data})
        assert loaded.app("bot").content is not None
        assert all(finding.line >= 1 and finding.column >= 1 for finding in loaded.findings)
        for read in loaded.app("bot").suites.values():
            suite_digest(read)


def test_a_release_reads_no_suites() -> None:
    tree = workspace(files("no: [suite"))
    for loaded in (load(tree), check(tree, suites=False)):
        assert loaded.findings == ()
        assert loaded.app("bot").suites == {}


def test_large_files_of_cases_are_read_from_a_folder_and_from_a_commit(tmp_path: Path) -> None:
    rows = "".join(json.dumps({"city": f"{number} " + "x" * 300}) + "\n" for number in range(5_000))
    tree = workspace(files(f"prompts: ask\n{CHECKS}cases: a.jsonl\n", evals__a_jsonl=rows))
    for path, data in tree.content.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(data)
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-qm", "x"]):
        subprocess.run(
            ["git", "-c", "user.name=a", "-c", "user.email=a@b", *arguments], cwd=tmp_path, check=True, timeout=30
        )
    repository = Repository.open(tmp_path)
    try:
        committed = check(repository.tree(repository.resolve().sha, ""))
    finally:
        repository.close()
    for loaded in (check(WorkingTree(tmp_path)), committed):
        assert loaded.findings == ()
        assert len(loaded.app("bot").suites["geo"].cases) == 5_000


def test_a_link_in_place_of_a_suite_is_not_followed_and_said(tmp_path: Path) -> None:
    for path, data in workspace(files(GOOD)).content.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(data)
    (tmp_path / "bot/evals/other.suite.yml").symlink_to("geo.suite.yml")
    loaded = check_path(tmp_path)
    assert [(finding.code, finding.path) for finding in loaded.findings] == [
        ("not-a-file", "bot/evals/other.suite.yml")
    ]
    assert loaded.app("bot").content is not None
    assert len(check_path(tmp_path / "bot/evals/geo.suite.yml").app("bot").suites) == 1


def test_judges_have_names_and_an_error_in_them_stops_no_release() -> None:
    app = "models: {writer: openai/gpt-4o-2024-08-06}\njudges:\n  github: writer\n"
    prompt = TYPED.replace("openai/gpt-4o-2024-08-06", "writer")
    for more, codes in [
        ("", []),
        ("  strict: {model: openai/gpt-4.1-2025-04-14, parameters: {temperature: 0}}\n", []),
        ("  strict: wirter\n", ["unknown-pin"]),
        ("  strict: openai/gpt-4.1\n", ["floating-model"]),
        ("  strict: [x]\n", ["wrong-type"]),
        ("  strict one: openai/gpt-4.1-2025-04-14\n", ["name-invalid"]),
        ("  strict: {modle: x/y-2024-08-06}\n", ["missing-key", "unknown-setting"]),
    ]:
        loaded = checked({"app.yml": app + more, "prompts/ask.prompt.yml": prompt, "evals/geo.suite.yml": GOOD})
        assert sorted(finding.code for finding in loaded.findings) == codes
        assert {finding.severity for finding in loaded.findings} <= {Severity.WARNING}
        assert loaded.app("bot").content is not None


def test_a_pin_that_only_judges_is_used() -> None:
    app = "models: {writer: openai/gpt-4o-2024-08-06}\njudges: {github: writer}\n"
    assert checked({"app.yml": app, "prompts/ask.prompt.yml": TYPED}).findings == ()


def test_the_files_that_the_manual_shows_are_clean() -> None:
    page = (ROOT / "docs/suites.md").read_text(encoding="utf-8")
    own, suite, held, judges = re.findall(r"^```yaml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    prompt = "model: openai/gpt-4o-2024-08-06\nmessages: [{role: user, content: '{{question}} {{plan}}'}]\n"
    loaded = checked(
        {
            "app.yml": judges,
            "prompts/answer.prompt.yml": prompt,
            "prompts/other.prompt.yml": prompt + own,
            "evals/desk.suite.yml": suite,
            "evals/held.suite.yml": held,
            "evals/answer.jsonl": '{"question": "Where?", "plan": "shop", "expected": "Here"}\n',
        }
    )
    assert loaded.findings == ()
    assert sorted(loaded.app("bot").suites) == ["desk", "held", "other"]
