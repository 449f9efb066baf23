"""Answers of a run for people to label, and the labels that they gave: a file in the run's folder.

The id of the run decides which answers are drawn, and in which order, so no person does: one answer of the candidate to
each case that a judge decided about. What a person sees says neither what the judge said nor which release answered.
Each label is a line of ``labels.jsonl`` as soon as it is given; a later one of the same answer and check replaces it.

The report of a run has no texts of held cases. Their answers are drawn with the run's ``plan``, which is made where the
held cases can be read; the answers themselves are in the run's journal.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from promptops.core.errors import Invalid, NotFound
from promptops.core.evidence.case_table import Arm
from promptops.core.suite.judge import is_judged
from promptops.evals.journal import Key, read_lines
from promptops.evals.plan import Asked, Plan
from promptops.evals.response import Response
from promptops.evals.run_folder import RunFolder
from promptops.files import replace_file

FILE: Final = "labels.jsonl"
_COLUMNS: Final = ("key", "check", "label", "prompt", "case", "input", "expected", "answer")
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""Beginnings of a cell that a spreadsheet would run."""
_LONGEST: Final = 64 << 20


class Word(StrEnum):
    """What a person says of an answer."""

    PASS = "pass"  # noqa: S105 no password
    FAIL = "fail"
    SKIP = "skip"


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """An answer to label, with what a person needs for it. ``checks`` are the names of those that a judge decided."""

    key: str
    suite: str
    prompt: str
    case: str
    repeat: int
    input: str
    expected: str
    variables: Mapping[str, Any]
    answer: str
    tool_calls: tuple[Mapping[str, Any], ...]
    checks: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """One line: what a person said of one answer, for one check."""

    key: str
    check: str
    label: Word
    by: str
    at: str


def draw(folder: RunFolder, plan: Plan | None = None) -> tuple[Drawn, ...]:
    """Returns the answers of a run in the order in which they are labelled.

    Those to held cases are among them if the run's ``plan`` is given.

    Raises:
        NotFound: the run has not ended, or no judge decided about an answer of it. Invalid: its report is damaged.
    """
    report = folder.report()
    try:
        cases, rows = _open(report, plan, folder)
        drawn = _drawn(folder.id, cases, rows)
    except (KeyError, IndexError, TypeError) as error:
        raise Invalid(f"the report of the run {folder.id[:8]} was written by another version of promptops") from error
    if not drawn:
        raise NotFound(f"no judge decided about an answer of the run {folder.id[:8]}, so there is nothing to label")
    return drawn


def _open(
    report: Mapping[str, Any], plan: Plan | None, folder: RunFolder
) -> tuple[Sequence[Mapping[str, Any]], Sequence[Mapping[str, Any]]]:
    """Returns the cases and rows of a report, with the texts of held cases by the plan of the run."""
    cases, rows = report["cases"], report["rows"]
    if plan is None or not any(case.get("held") for case in cases):
        return cases, rows
    answers = dict(read_lines(folder.answers))
    opened = [_case(case, plan.cases[number]) for number, case in enumerate(cases)]
    return opened, [_row(row, plan.cases[row["case"]], answers) for row in rows]


def _case(case: Mapping[str, Any], asked: Asked) -> Mapping[str, Any]:
    if not case.get("held"):
        return case
    texts = {"input": asked.user_messages[Arm.CANDIDATE], "expected": asked.case.expected}
    return {**case, **texts, "variables": asked.case.variables, "held": False}


def _row(row: Mapping[str, Any], asked: Asked, answers: Mapping[Key, Response]) -> Mapping[str, Any]:
    if not asked.held or row["arm"] != Arm.CANDIDATE.value:
        return row
    request = asked.requests[Arm.CANDIDATE].digest
    response = answers[asked.suite, asked.prompt, asked.id, row["repeat"], request]
    calls = [{"name": call.name, "arguments": call.arguments} for call in response.tool_calls]
    return {**row, "answer": response.text, "tool_calls": calls}


def _drawn(run: str, cases: Sequence[Mapping[str, Any]], rows: Sequence[Mapping[str, Any]]) -> tuple[Drawn, ...]:
    """One repeat of each case; the prompts take turns, so that each has labels early."""
    first: dict[int, tuple[str, Mapping[str, Any]]] = {}
    for row in rows:
        case = cases[row["case"]]
        judged = row["arm"] == Arm.CANDIDATE.value and any(is_judged(check["kind"]) for check in row["checks"])
        if judged and not case.get("held"):  # of which no text is here
            lot = _lot(run, case["suite"], case["prompt"], case["id"], row["repeat"])
            first[row["case"]] = min(first.get(row["case"], (lot, row)), (lot, row), key=lambda pair: pair[0])
    turns: dict[tuple[str, str], int] = {}
    order = []
    for lot, row in sorted(first.values(), key=lambda pair: pair[0]):
        of = (cases[row["case"]]["suite"], cases[row["case"]]["prompt"])
        turns[of] = turns.get(of, 0) + 1
        order.append((turns[of], lot, row))
    return tuple(_of(lot, cases[row["case"]], row) for _, lot, row in sorted(order, key=lambda each: each[:2]))


def _lot(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _of(lot: str, case: Mapping[str, Any], row: Mapping[str, Any]) -> Drawn:
    return Drawn(
        key=lot[:16],
        suite=case["suite"],
        prompt=case["prompt"],
        case=case["id"],
        repeat=row["repeat"],
        input=case["input"],
        expected=case["expected"] or "",
        variables=case["variables"],
        answer=row["answer"],
        tool_calls=tuple(row["tool_calls"]),
        checks=tuple(check["name"] for check in row["checks"] if is_judged(check["kind"])),
    )


# --- the labels of a run --------------------------------------------------------------------------


def given_labels(folder: RunFolder) -> dict[tuple[str, str], Given]:
    """Returns the newest label of each answer and check. A line that cannot be read is as if it were not there."""
    found: dict[tuple[str, str], Given] = {}
    try:
        lines = (folder.path / FILE).read_bytes().split(b"\n")
    except FileNotFoundError:
        return found
    for line in lines:
        try:
            entry = json.loads(line)
            label = Given(**{**entry, "label": Word(entry["label"])})
        except (ValueError, TypeError, KeyError, RecursionError):
            continue
        found[label.key, label.check] = label
    return found


def keep_labels(folder: RunFolder, labels: Iterable[Given]) -> None:
    """Adds labels to the file; they are in it when this returns. Raises OSError where they cannot be."""
    data = "".join(json.dumps(asdict(label), ensure_ascii=False) + "\n" for label in labels).encode()
    with open(folder.path / FILE, "a+b") as file:
        size = file.seek(0, os.SEEK_END)
        if size:
            file.seek(size - 1)
            data = data if file.read(1) == b"\n" else b"\n" + data  # behind a line that a killed process left torn
        file.write(data)
        file.flush()


def unlabelled(drawn: Sequence[Drawn], given: Mapping[tuple[str, str], Given], count: int) -> list[tuple[Drawn, str]]:
    """Returns the answers and checks among the first ``count`` that have no label yet; skipped ones come last."""
    places = [(one, check) for one in drawn[:count] for check in one.checks]
    new = [place for place in places if (place[0].key, place[1]) not in given]
    skipped = [(one, check) for one, check in places if (it := given.get((one.key, check))) and it.label is Word.SKIP]
    return [*new, *skipped]


# --- a file to fill in ----------------------------------------------------------------------------


def write_sheet(path: Path, places: Sequence[tuple[Drawn, str]]) -> None:
    """Writes answers to be labelled: JSON lines, or CSV by the file's name. Raises OSError where it cannot."""
    rows = [
        {
            "key": one.key,
            "check": check,
            "label": "",
            "prompt": one.prompt,
            "case": one.case,
            "input": one.input,
            "expected": one.expected,
            "answer": one.answer or json.dumps(list(one.tool_calls), ensure_ascii=False),
        }
        for one, check in places
    ]
    if path.suffix.lower() != ".csv":
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    else:
        page = io.StringIO()
        writer = csv.DictWriter(page, _COLUMNS)
        writer.writeheader()
        writer.writerows({name: _cell(text) for name, text in row.items()} for row in rows)
        text = page.getvalue()
    replace_file(path, text.encode("utf-8", "backslashreplace"))


def _cell(text: str) -> str:
    """A spreadsheet takes what begins like a formula for one: an answer of a model must not be run."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def _written(check: str) -> set[str]:
    return {check, _cell(check)}


def read_sheet(path: Path, drawn: Sequence[Drawn], *, by: str, at: str) -> list[Given]:
    """Returns the labels of a file that was filled in; answers without one are left out.

    Raises:
        Invalid: it cannot be read, or a line of it is about no answer of this run, or has another word.
    """
    known = {
        (one.key, written): (one.key, check) for one in drawn for check in one.checks for written in _written(check)
    }
    found: dict[tuple[str, str], Given] = {}
    for line, row in _rows(path):
        place = (str(row["key"]), str(row["check"]))
        said = str(row["label"] if row["label"] is not None else "").strip().casefold()
        if place not in known:
            raise Invalid(f"{path}, line {line} is about no answer of this run that a judge decided about")
        place = known[place]
        if not said:
            continue
        if said not in set(Word):
            raise Invalid(f"{path}, line {line} says '{said[:40]}'", hint=f"A label is {', '.join(Word)}, or empty.")
        if place in found and found[place].label is not Word(said):
            raise Invalid(f"{path}, line {line} labels an answer a second time, and otherwise")
        found[place] = Given(key=place[0], check=place[1], label=Word(said), by=by, at=at)
    return list(found.values())


def _rows(path: Path) -> list[tuple[int, Any]]:
    try:
        if path.stat().st_size > _LONGEST:
            raise Invalid(f"{path} is larger than {_LONGEST >> 20} MiB")
        text = path.read_text(encoding="utf-8-sig")
        if path.suffix.lower() == ".csv":
            reader = csv.DictReader(io.StringIO(text, newline=""))
            rows: list[tuple[int, Any]] = [(reader.line_num, row) for row in reader]
        else:
            rows = [(number, json.loads(line)) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    except (OSError, ValueError, RecursionError, csv.Error) as error:
        raise Invalid(f"{path} cannot be read: {error}", hint="JSON lines, or CSV named .csv, in UTF-8.") from error
    for number, row in rows:
        if not isinstance(row, Mapping) or not {"key", "check", "label"} <= row.keys():
            raise Invalid(f"{path}, line {number} lacks key, check or label")
    return rows
