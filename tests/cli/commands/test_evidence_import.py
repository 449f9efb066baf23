"""`promptops evidence import` as a pipeline types it, up to the gate that counts it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.commands.test_ci import prompt
from tests.cli.conftest import Promptops
from tests.support import factory
from tests.support.checkout import ROOT

FIXTURES = ROOT / "tests/fixtures/results"
FILES = [path for path in sorted(FIXTURES.iterdir()) if path.is_file()]
GATE = "gate: {evidence: {sources: [import]}, required: {agree: 1 of 1}}"
SUITE = """\
prompts: answer
kind: required
checks: [{contains: yes}]
cases:
- {id: a, name: Ada}
- {id: b, name: Bob}
"""


@pytest.fixture
def place(tmp_path: Path, promptops: Promptops, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace with a required suite, its release, and a channel whose gate takes imported evidence."""
    files = {
        "promptops.yml": f"registry: team\napps: [bot]\nchannels:\n  prod: {{{GATE}}}\n",
        "bot/prompts/answer.prompt.yml": prompt(),
        "bot/evals/golden.suite.yml": SUITE,
        ".gitignore": ".promptops/\n",
    }
    root = factory.make_workspace(tmp_path / "place", files)
    monkeypatch.chdir(root)
    promptops("init")
    promptops("release", "bot")
    return root


def lines(folder: Path, **outcomes: bool) -> str:
    """A file of JSON lines with these cases, known by their variables alone."""
    head = {"schema": "promptops.results/1", "tools": {"own": "1.0"}}
    rows = [{"variables": {"name": name}, "passed": passed} for name, passed in outcomes.items()]
    (folder / "results.jsonl").write_text("\n".join(map(json.dumps, [head, *rows])))
    return str(folder / "results.jsonl")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_what_each_tool_wrote_becomes_evidence(path: Path, place: Path, promptops: Promptops) -> None:
    format = "junit" if path.suffix == ".xml" else path.name.rpartition("-")[0]
    words = ("evidence", "import", str(path), "--format", format, "--for", "bot@0.1.0")
    made = promptops(*words, "--json").json
    assert made["source"] == "import" and made["complete"] and made["table_digest"]
    said = promptops(*words).out
    assert "Imported" in said and "passed" in said and "failed" in said and "errors" in said


def test_results_of_the_own_suite_open_a_gate_that_takes_them(
    place: Path, promptops: Promptops, tmp_path: Path
) -> None:
    words = ("evidence", "import", "--format", "jsonl", "--for", "bot/answer@0.1.0", "--suite", "golden")
    promptops("gate", "bot@0.1.0", "--channel", "prod", exits=5)
    promptops(*words, lines(tmp_path, Ada=True, Bob=True))
    assert "opens" in promptops("gate", "bot@0.1.0", "--channel", "prod").out


def test_a_case_that_failed_or_is_missing_keeps_the_gate_shut(
    place: Path, promptops: Promptops, tmp_path: Path
) -> None:
    words = ("evidence", "import", "--format", "jsonl", "--for", "bot@0.1.0", "--suite", "golden")
    promptops(*words, lines(tmp_path, Ada=True))
    assert "missing answers decide over b" in promptops("gate", "bot@0.1.0", "--channel", "prod", exits=5).out
    promptops(*words, lines(tmp_path, Ada=True, Bob=False))
    assert "1 of 2 cases pass" in promptops("gate", "bot@0.1.0", "--channel", "prod", exits=5).out


def test_results_under_another_suite_are_kept_and_open_nothing(
    place: Path, promptops: Promptops, tmp_path: Path
) -> None:
    promptops("evidence", "import", lines(tmp_path, Ada=True, Bob=True), "--format", "jsonl", "--for", "bot@0.1.0")
    shut = promptops("gate", "bot@0.1.0", "--channel", "prod", exits=5).out
    assert "no run of bot@0.1.0 has the suite golden" in shut


def test_a_release_that_is_not_there_yet_is_named_by_its_digest(
    place: Path, promptops: Promptops, tmp_path: Path
) -> None:
    digest = "sha256:" + "a" * 64
    words = ("evidence", "import", lines(tmp_path, Ada=True), "--format", "jsonl", "--for")
    assert promptops(*words, f"bot/answer@{digest}", "--json").json["digest"] == digest


def test_what_is_open_is_asked_and_what_is_wrong_is_named(place: Path, promptops: Promptops, tmp_path: Path) -> None:
    file = lines(tmp_path, Ada=True)
    words = ("evidence", "import", file, "--format", "jsonl", "--for")
    assert "does not say which release" in promptops(*words, "bot", exits=2).err
    assert "has no suite 'none'" in promptops(*words, "bot@0.1.0", "--suite", "none", exits=3).err
    assert (
        "results.jsonl" in promptops("evidence", "import", file, "--format", "junit", "--for", "bot@0.1.0", exits=2).err
    )
    other = lines(tmp_path, Zoe=True)
    wrong = promptops(
        "evidence", "import", other, "--format", "jsonl", "--for", "bot@0.1.0", "--suite", "golden", exits=2
    )
    assert "no result in the file is of a case of the suite golden" in wrong.err
    factory.commit(place, {"bot/prompts/tell.prompt.yml": prompt("Other {{name}}")})
    promptops("release", "bot")
    assert "--for bot/answer@0.2.0" in promptops(*words, "bot@0.2.0", exits=2).err


def test_the_same_key_imports_once(place: Path, promptops: Promptops, tmp_path: Path) -> None:
    words = ("evidence", "import", lines(tmp_path, Ada=True), "--format", "jsonl", "--for", "bot@0.1.0", "--key", "k1")
    assert promptops(*words, "--json").json["id"] == promptops(*words, "--json").json["id"]
