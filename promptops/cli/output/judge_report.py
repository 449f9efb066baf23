"""Answers to label, and what labels say of judges, on the terminal and as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from promptops.cli.output.phrases import next_steps
from promptops.cli.output.render import Cell, Line, Page, Span
from promptops.core.evidence.labels import tally
from promptops.core.statistics.judges import LEVEL, judge_worth

if TYPE_CHECKING:
    from promptops.core.evidence.labels import Label
    from promptops.evals.labelling import Drawn, Given
    from promptops.operations.calibrate import Calibration

_FIGURES = ("sensitivity", "specificity", "youden", "kappa")
_MEANINGS = {
    "sensitivity": "of the good answers it passes",
    "specificity": "of the bad answers it fails",
    "youden": "sensitivity + specificity − 1",
    "kappa": "Cohen's kappa",
}


def answer_lines(one: Drawn, check: str, number: int, count: int) -> list[Line]:
    """Returns an answer as a person sees it who labels it: not what the judge said, nor of which release it is."""
    parts = [("input", one.input), ("expected", one.expected), ("answer", one.answer)]
    variables = {name: value for name, value in one.variables.items() if str(value) not in one.input}
    if variables:
        parts.insert(0, ("variables", json.dumps(variables, ensure_ascii=False, indent=1)))
    if one.tool_calls:
        parts.append(("calls", json.dumps(list(one.tool_calls), ensure_ascii=False, indent=1)))
    lines: list[Line] = ["", [Span(f"{number} of {count}", "strong"), f"  {one.prompt}, case {one.case[:40]}"]]
    for name, text in parts:
        if text:
            lines.append(Span(name, "quiet"))
            lines += [f"  {line}" for line in text.split("\n")]
    return [*lines, [Span("Does the answer pass: ", "quiet"), Span(check, "strong"), "?"]]


def state(run: str, drawn: Sequence[Drawn], given: Mapping[tuple[str, str], Given], count: int) -> dict[str, Any]:
    """Returns how far the labels of a run are, as JSON."""
    words = [label.label.value for label in given.values()]
    wanted = [(one.key, check) for one in drawn[:count] for check in one.checks]
    return {
        "run": run,
        "answers": len(drawn),
        "passed": words.count("pass"),
        "failed": words.count("fail"),
        "skipped": words.count("skip"),
        "unlabelled": sum(place not in given for place in wanted),
    }


def state_lines(said: Mapping[str, Any], target: str | None) -> list[Line]:
    """Returns the same for people."""
    run = said["run"][:8]
    counts = f"{said['passed']} passed, {said['failed']} failed, {said['skipped']} skipped, {said['unlabelled']} to go"
    lines: list[Line] = [[Span(run, "name"), f": {counts}"]]
    if target:
        return [*lines, *next_steps([("take its labels", ["judge", "label", run, "--read", target])])]
    if said["unlabelled"]:
        return [*lines, *next_steps([("go on", ["judge", "label", run])])]
    return [*lines, *next_steps([("measure the judges", ["judge", "calibrate"])])]


def shape(measured: Calibration, evidence: str) -> dict[str, Any]:
    """Returns what was measured of a judge, as JSON: of all labels, and of those of each run's answers."""
    labels = measured.labels.labels
    groups: dict[tuple[str, str], list[Label]] = {}
    for label in labels:
        groups.setdefault((label.run, label.prompt), []).append(label)
    return {
        "judge": measured.judge,
        "suites": list(measured.suites),
        "evidence": evidence or None,
        "replayed": measured.labels.replayed,
        "level": LEVEL,
        "hosts": list(measured.hosts),
        **_figures(labels),
        "answers": [
            {"run": run or None, "prompt": prompt, **_figures(of)} for (run, prompt), of in sorted(groups.items())
        ],
    }


def _figures(labels: Sequence[Label]) -> dict[str, Any]:
    counted = tally(labels)
    return {"labels": counted.count, **asdict(counted), **asdict(judge_worth(counted))}


def lines(shapes: Sequence[Mapping[str, Any]], page: Page) -> list[Line]:
    """Returns the same for people."""
    found: list[Line] = []
    for each in shapes:
        found += [[Span(f"the judge of {', '.join(each['suites'])}", "strong"), f", {_counts(each)}"], ""]
        rows: list[list[Cell]] = [[Span(title, "quiet") for title in ("", "SEEN", "AT LEAST", "AT MOST", "")]]
        for name in _FIGURES:
            figure = each[name]
            seen = "-" if figure["seen"] is None else f"{figure['seen']:.2f}"
            bounds = [f"{figure['lower']:.2f}", f"{figure['upper']:.2f}"]
            rows.append([name, seen, *bounds, Span(_MEANINGS[name], "quiet")])
        found += page.columns(rows, indent=2)
        found += ["", *(_of_answers(part) for part in each["answers"]), ""]
    found.append(f"Each bound of the first two is wrong in {LEVEL:.0%} of measurements at most.")
    recorded = [each["evidence"] for each in shapes if each["evidence"]]
    return [*found, *next_steps([("see it", ["evidence", "show", id]) for id in recorded])]


def _of_answers(part: Mapping[str, Any]) -> Line:
    whose = f"answers of the run {part['run'][:8]}" if part["run"] else "answers that cases expect"
    return f"  {part['prompt']}, {whose}: {_counts(part)}, youden at least {part['youden']['lower']:.2f}"


def _counts(each: Mapping[str, Any]) -> str:
    skipped = f", {each['skipped']} skipped" if each["skipped"] else ""
    return (
        f"{each['labels']} labels: it passes {each['good_passed']} of {each['good']} good answers and fails "
        f"{each['bad_failed']} of {each['bad']} bad ones{skipped}"
    )
