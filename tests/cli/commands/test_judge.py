"""`judge` as a user types it: answers are labelled blind, judges are measured by the labels, and a gate reads that."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from promptops.core.evidence.evidence import labels_of
from promptops.core.evidence.run import Source
from promptops.store import Registry
from tests.cli.conftest import Promptops
from tests.support.model_server import Body, ModelServer, Reply, model_server, said, spoken

NAMES = ("Ada", "Ben", "Cleo", "Dora", "Egon", "Fay", "Gus", "Hal", "Ida", "Jon", "Kim", "Lea")
BAD = ("Ada", "Gus", "Kim", "Lea")
"""Whose greeting is rude. The judge takes Lea's for a good one."""
PROMPT = f"""\
name: greet
model: local/echo-2026-01-01
messages:
  - role: user
    content: "Greet {{{{name}}}}"
testData:
{"".join(f"  - {{name: {name}, expected: 'Dear {name}', id: {name.lower()}}}" + chr(10) for name in NAMES)}
evaluators:
  - name: is polite
    llm:
      modelId: local/judge-2026-01-01
      prompt: "Is this polite? {{{{completion}}}}"
      choices:
        - {{choice: polite, score: 1}}
        - {{choice: rude, score: 0}}
"""
GATE = "{judges: {labels: 9, youden: 0.05}}"


def answering(body: Body, times: int) -> Reply:
    """Greets some rudely; the judge sees that, but not of Lea."""
    text = spoken(body)
    if str(body["model"]).startswith("judge"):
        return said("rude" if "Oi" in text and "Lea" not in text else "polite", model="judge-2026-01-01")
    name = text.removeprefix("Greet ")
    return said(f"Oi, {name}" if name in BAD else f"=Hello, {name}")


@pytest.fixture
def provider(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModelServer]:
    """A provider of both models, a prompt with a judge, and a channel whose gate asks that it is measured."""
    (workspace / "bot/prompts/greet.prompt.yml").write_text(PROMPT)
    marker = workspace / "promptops.yml"
    marker.write_text(marker.read_text().replace("{promote_from: staging", f"{{gate: {GATE}, promote_from: staging"))
    with model_server(answering) as server:
        monkeypatch.setenv("LOCAL_BASE_URL", server.url)
        yield server


def person(monkeypatch: pytest.MonkeyPatch, name: str, typed: str = "") -> None:
    """Who sits at the terminal, and types this."""
    monkeypatch.setenv("PROMPTOPS_ACTOR", f"{name} <{name.lower()}@example.org>")
    monkeypatch.setattr("sys.stdin", io.StringIO(typed))


def words_of(page: str) -> list[str]:
    """What an honest person says of each answer that a page shows, in its order."""
    shown = [line.strip() for line in page.splitlines() if line.startswith(("  Oi", "  =Hello"))]
    return ["fail" if line.startswith("Oi") else "pass" for line in shown]


def ran(promptops: Promptops, *arguments: str) -> str:
    return str(promptops("eval", *arguments, "--json").json["run"])


def in_gate(promptops: Promptops, exits: int = 5) -> Any:
    said: Any = promptops("gate", "bot@0.1.0", "--channel", "prod", "--json", exits=exits).json
    [check] = said["checks"]
    return check


def only(promptops: Promptops, *options: str) -> Any:
    """What was measured of the only judge."""
    said: Any = promptops("judge", "calibrate", "bot", *options, "--json").json
    [judge] = said["judges"]
    return judge


def test_a_gate_asks_for_labels_a_person_gives_them_blind_and_the_judge_counts(
    provider: ModelServer, workspace: Path, promptops: Promptops, monkeypatch: pytest.MonkeyPatch
) -> None:
    promptops("channels", "apply")
    promptops("release", "bot", "--allow-dirty")
    run = ran(promptops, "bot@0.1.0", "--channel", "prod")
    missing = promptops("gate", "bot@0.1.0", "--channel", "prod", exits=5).out
    assert "9 labels are missing, 3 of them of answers of greet as it is now" in missing
    assert f"promptops judge label {run[:8]}; then `promptops judge calibrate bot`" in missing

    person(monkeypatch, "Eve", "q\n")
    first = promptops("judge", "label", run[:8]).out
    assert "1 of 12" in first and "Does the answer pass: is polite?" in first and "12 to go" in first
    seen = first.partition("[p]ass")[0].replace("is polite?", "")
    assert not [word for word in ("polite", "rude", "judge", "candidate", "live", "score") if word in seen]
    person(monkeypatch, "Eve", "nonsense\np\n" if words_of(first) == ["pass"] else "f\n")
    stopped = promptops("judge", "label", run[:8]).out
    assert "11 to go" in stopped and "promptops judge label" in stopped
    answers = iter(words_of(promptops_label_all(promptops, run, monkeypatch)))
    assert next(answers, None) is None, "all have a label"

    asked = len(provider.asked)
    judge = only(promptops)
    assert len(provider.asked) == asked, "the run has the judge's verdicts"
    assert (judge["labels"], judge["good"], judge["good_passed"], judge["bad"], judge["bad_failed"]) == (12, 8, 8, 4, 3)
    assert judge["youden"]["seen"] == 0.75 and judge["youden"]["lower"] < 0.4 < judge["youden"]["upper"]
    shown = promptops("judge", "calibrate", "bot").out
    assert "12 labels: it passes 8 of 8 good answers and fails 3 of 4 bad ones" in shown
    assert f"evidence show {judge['evidence']}" in shown, "the same labels are recorded once"
    check = in_gate(promptops, exits=0)
    assert check["outcome"] == "pass" and check["evidence"] == [judge["evidence"]]
    assert "labels" in promptops("evidence", "list", "bot").out
    assert "3 of 4 bad" in promptops("evidence", "show", judge["evidence"]).out
    assert promptops("evidence", "verify", judge["evidence"], "--json").json["ok"] is True
    promptops("fsck")


def promptops_label_all(promptops: Promptops, run: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Labels what is left as an honest person does, and returns the page of the next try."""
    person(monkeypatch, "Eve")
    while words := words_of(promptops("judge", "label", run[:8]).out):
        person(monkeypatch, "Eve", f"{words[-1]}\n")
    return promptops("judge", "label", run[:8]).out


def filled(path: Path, *, skip: int = 0) -> None:
    """Fills a sheet in, and skips the first so many answers."""
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    for number, row in enumerate(rows):
        row["label"] = "skip" if number < skip else "fail" if row["answer"].startswith("Oi") else "pass"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_a_file_is_filled_in_elsewhere_and_a_wrong_one_changes_nothing(
    provider: ModelServer, workspace: Path, promptops: Promptops, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = ran(promptops, "bot", "--local")
    person(monkeypatch, "Eve")
    promptops("judge", "label", run, "--write", "sheet.jsonl", "--count", "5")
    sheet = workspace / "sheet.jsonl"
    rows = [json.loads(line) for line in sheet.read_text().splitlines()]
    assert len(rows) == 5 and set(rows[0]) == {"key", "check", "label", "prompt", "case", "input", "expected", "answer"}
    whole = sheet.read_text()
    for spoilt, problem in (
        (whole.replace('"label": ""', '"label": "maybe"', 1), "sheet.jsonl, line 1 says 'maybe'"),
        (whole.replace(rows[1]["key"], "0" * 16), "line 2 is about no answer of this run"),
        ("[]\n", "line 1 lacks key"),
        ("{", "cannot be read"),
    ):
        sheet.write_text(spoilt)
        assert problem in promptops("judge", "label", run, "--read", "sheet.jsonl", exits=2).err
    assert not (workspace / ".promptops/runs" / run / "labels.jsonl").exists()
    sheet.write_text(whole)
    filled(sheet, skip=1)
    state = promptops("judge", "label", run, "--read", "sheet.jsonl", "--count", "5", "--json").json
    assert (state["skipped"], state["unlabelled"]) == (1, 0)

    promptops("judge", "label", run, "--write", "rest.csv", "--count", "12")
    with (workspace / "rest.csv").open(newline="") as file:
        cells = list(csv.DictReader(file))
    assert len(cells) == 8 and {cell["answer"][:3] for cell in cells} <= {"'=H", "Oi,"}, "no cell is a formula"
    again = promptops("judge", "label", run, "--write", "rest.csv", "--read", "rest.csv", exits=2)
    assert "two steps" in again.err
    assert "--write FILE and --read FILE" in promptops("judge", "label", run, "--json", exits=2).err


def test_a_local_run_is_measured_and_is_no_evidence_and_a_skipped_answer_counts_against_the_judge(
    provider: ModelServer, workspace: Path, promptops: Promptops, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "promptops judge label RUN" in promptops("judge", "calibrate", "bot", exits=3).err
    run = ran(promptops, "bot", "--local")
    person(monkeypatch, "Eve")
    promptops("judge", "label", run, "--write", "sheet.jsonl", "--count", "12")
    filled(workspace / "sheet.jsonl", skip=2)
    promptops("judge", "label", run, "--read", "sheet.jsonl")
    none = promptops("judge", "calibrate", "bot", exits=3)
    assert "labels of 1 local runs are no evidence" in none.err
    judge = only(promptops, "--local")
    assert (judge["labels"], judge["skipped"], judge["evidence"]) == (10, 2, None)
    assert judge["good"] + judge["bad"] == 12 and judge["youden"]["seen"] < 0.75


def test_a_judge_with_other_words_is_asked_anew_recorded_and_replayed(
    provider: ModelServer, workspace: Path, promptops: Promptops, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = ran(promptops, "bot")
    person(monkeypatch, "Eve")
    promptops("judge", "label", run, "--write", "sheet.jsonl", "--count", "12")
    filled(workspace / "sheet.jsonl")
    promptops("judge", "label", run, "--read", "sheet.jsonl")
    prompt = workspace / "bot/prompts/greet.prompt.yml"
    prompt.write_text(PROMPT.replace("Is this polite?", "Polite or rude:"))
    asked = len(provider.asked)
    before = only(promptops, "--record", "judged")
    assert len(provider.asked) == asked + 12
    assert only(promptops) == before and len(provider.asked) == asked + 12
    monkeypatch.delenv("LOCAL_BASE_URL")
    again = only(promptops, "--replay", "judged")
    assert again["replayed"] and again["youden"] == before["youden"] and again["evidence"] != before["evidence"]
    prompt.write_text(PROMPT.replace("Is this polite?", "Say:"))
    assert "has no answer" in promptops("judge", "calibrate", "bot", "--replay", "judged", exits=3).err
    with Registry.open(f"sqlite:///{workspace / '.promptops/registry.db'}").read() as reader:
        pieces = [each for each in reader.evidence(app="bot", tables=True) if each.source is Source.LABELS]
    assert [labels_of(each).replayed for each in pieces] == [False, True]
    assert all(label.by == "Eve <eve@example.org>" for each in pieces for label in labels_of(each).labels)


def test_labels_of_cases_are_of_the_answer_that_they_expect(
    provider: ModelServer, workspace: Path, promptops: Promptops
) -> None:
    (workspace / "bot/evals").mkdir()
    lines = [
        {"name": "Ada", "expected": "Dear Ada", "id": "kind", "labels": {"is polite": "pass"}},
        {"name": "Ben", "expected": "Oi, Ben", "id": "harsh", "labels": {"is polite": "rude"}},
        {"name": "Cleo", "expected": "Dear Cleo", "id": "none"},
    ]
    (workspace / "bot/evals/manners.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    check = PROMPT.partition("evaluators:\n")[2]
    (workspace / "bot/evals/manners.suite.yml").write_text(f"prompts: [greet]\ncases: manners.jsonl\nchecks:\n{check}")
    judge = only(promptops)
    assert (judge["labels"], judge["good_passed"], judge["bad_failed"]) == (2, 1, 1)
    assert judge["answers"][0]["run"] is None and judge["evidence"]
    compared = check.replace("Is this polite?", "Is this like {{expected}}?")
    (workspace / "bot/evals/manners.suite.yml").write_text(
        f"prompts: [greet]\ncases: manners.jsonl\nchecks:\n{compared}"
    )
    assert "is labelled" in promptops("judge", "calibrate", "bot", "--suite", "manners", exits=3).err


def test_labels_of_who_released_it_do_not_count(
    provider: ModelServer, workspace: Path, promptops: Promptops, monkeypatch: pytest.MonkeyPatch
) -> None:
    promptops("channels", "apply")
    promptops("release", "bot", "--allow-dirty")
    run = ran(promptops, "bot@0.1.0", "--channel", "prod")
    promptops("judge", "label", run, "--write", "sheet.jsonl")
    filled(workspace / "sheet.jsonl")
    promptops("judge", "label", run, "--read", "sheet.jsonl")
    promptops("judge", "calibrate", "bot")
    check = in_gate(promptops)
    assert check["outcome"] == "inconclusive" and "had a part in the release" in check["reason"]


@pytest.mark.parametrize("end", [b"", b'{"key": "torn'])
def test_a_label_after_a_torn_line_is_kept(
    end: bytes, provider: ModelServer, workspace: Path, promptops: Promptops, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = ran(promptops, "bot", "--local")
    person(monkeypatch, "Eve", "p\n")
    promptops("judge", "label", run)
    file = workspace / ".promptops/runs" / run / "labels.jsonl"
    file.write_bytes(file.read_bytes() + end)
    person(monkeypatch, "Eve", "p\n")
    assert promptops("judge", "label", run).out.count("2 passed, 0 failed") == 1


def test_a_run_without_a_judge_has_nothing_to_label(
    provider: ModelServer, workspace: Path, promptops: Promptops
) -> None:
    (workspace / "bot/prompts/greet.prompt.yml").write_text(
        PROMPT.partition("evaluators:")[0] + 'evaluators:\n  - name: has it\n    string: {contains: "{{name}}"}\n'
    )
    run = ran(promptops, "bot", "--local")
    assert "no judge decided" in promptops("judge", "label", run, exits=3).err
    assert "no suite of bot has a judge" in promptops("judge", "calibrate", "bot", exits=3).err
