"""`check` with suites, as a user sees it: what it counts, lists and refuses, and that a release goes on."""

from __future__ import annotations

from pathlib import Path

from promptops.core.model import Json
from tests.cli.conftest import Promptops
from tests.support import factory

SUITE = """\
prompts: [greet]
checks:
  - contains: "{{name}}"
  - name: kind
    llm:
      modelId: openai/gpt-4.1-2025-04-14
      prompt: "Is this kind? {{completion}}"
      choices: [{choice: kind, score: 1}, {choice: rude, score: 0}]
cases: names.csv
"""
NAMES = "name,tags\nAda,short\nGrace,short\n"


def _write(workspace: Path, files: dict[str, str]) -> Path:
    app = workspace / "bot"
    for path, text in files.items():
        (app / path).parent.mkdir(parents=True, exist_ok=True)
        (app / path).write_text(text)
    return app


def _suite(promptops: Promptops) -> dict[str, Json]:
    suites = promptops("check", "--json").json["suites"]
    assert isinstance(suites, list) and len(suites) == 1
    suite: dict[str, Json] = suites[0]
    return suite


def test_suites_are_counted_and_listed_with_their_digests(workspace: Path, promptops: Promptops) -> None:
    _write(workspace, {"evals/names.suite.yml": SUITE, "evals/names.csv": NAMES})
    assert ", 1 suite with 2 cases)" in promptops("check").out
    suite = _suite(promptops)
    digest = suite.pop("digest")
    assert suite == {
        "app": "bot",
        "name": "names",
        "kind": "sample",
        "prompts": ["greet"],
        "cases": 2,
        "repeats": 1,
        "held": False,
    }
    _write(workspace, {"evals/names.csv": "name,tags\nGrace,short\nAda,short\n"})
    assert _suite(promptops)["digest"] == digest
    _write(workspace, {"evals/names.suite.yml": SUITE.replace("Is this kind?", "Is it friendly?")})
    assert _suite(promptops)["digest"] != digest


def test_a_broken_suite_fails_the_check_and_no_release(workspace: Path, promptops: Promptops) -> None:
    clean = promptops("release", "bot", "--json").json["digest"]
    files = {"evals/names.suite.yml": SUITE.replace("contains", "contians"), "evals/names.csv": NAMES + "Ada,\n"}
    app = _write(workspace, files)
    shown = promptops("check", exits=2).out
    assert "bot/evals/names.csv\n  4:1    error" in shown
    assert "bot/evals/names.suite.yml\n  3:5    error" in shown
    assert "Did you mean 'contains'?" in shown
    assert promptops("check", str(app / "evals/names.csv"), exits=2).out.count("error  ") == 2
    assert promptops("check", str(app / "prompts/greet.prompt.yml")).code == 0
    factory.git(workspace, "add", "--all")
    again = promptops("release", "bot", "--json").json  # what is not committed of a suite is in no release
    assert (again["digest"], again["created"]) == (clean, False)
