"""Measures judges: what they say of answers that people labelled, beside what the people said.

Labels come from `labels.jsonl` of runs (:mod:`promptops.evals.labelling`), and from cases whose author labelled the
answer that they expect. A judge is not asked again where a run has its verdict on the very same request.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from threading import local
from typing import Final

from promptops.core.advice import Action, Advice, Sentence, option
from promptops.core.errors import NotFound
from promptops.core.evidence.case_table import Arm
from promptops.core.evidence.labels import Label, Labels, answer_digest
from promptops.core.evidence.suite_refs import suite_ref
from promptops.core.model import Json
from promptops.core.parameters import provider_of
from promptops.core.reference import Reference
from promptops.core.suite.fill import names_in
from promptops.core.suite.suite import Case, Check
from promptops.evals.answers import JUDGED, Answers
from promptops.evals.caller import Caller
from promptops.evals.grading import values_of
from promptops.evals.journal import Journal, read_lines
from promptops.evals.judge_desk import JudgeDesk
from promptops.evals.judging import judge_request, judge_values, takes_choices
from promptops.evals.labelling import Drawn, Given, Word, draw, given_labels
from promptops.evals.plan import Asked, Plan, Selection, plan
from promptops.evals.recordings import Recordings
from promptops.evals.response import Response
from promptops.evals.run_folder import RUNS, RunFolder
from promptops.evals.runner import Workers
from promptops.operations.eval_plan import content_of, side_of
from promptops.operations.evaluate import Asking, workers_of
from promptops.operations.queries import Named
from promptops.source.load import AppSource

JUDGES: Final = Path(".promptops") / "judges"
"""Where the answers of judges in calibrations are kept, a folder for each app."""

_SEES_EXPECTED: Final = frozenset({"expected", "context"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A labelled answer, with the checks of judges about it. ``label`` lacks what these say."""

    label: Label
    checks: tuple[Check, ...]
    values: Mapping[str, Json]

    @property
    def about(self) -> tuple[str, str, str]:
        return self.label.suite, self.label.prompt, self.label.case


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """What was measured of the judges of some suites, which are the same ones."""

    judge: str
    suites: tuple[str, ...]
    labels: Labels
    hosts: tuple[str, ...]
    served_models: tuple[str, ...]


def labelled_runs(root: Path, app: str) -> list[RunFolder]:
    """Returns the runs of an app that have labels, in order of their ids."""
    runs = root / RUNS
    folders = [RunFolder(path=runs / name) for name in sorted(os.listdir(runs))] if runs.is_dir() else []
    return [one for one in folders if one.path.is_dir() and given_labels(one) and one.arguments().app == app]


def labelled_answers(
    app: AppSource,
    folders: Sequence[RunFolder],
    suites: Sequence[str] = (),
    plans: Mapping[str, Plan] | None = None,
) -> list[Answer]:
    """Returns every labelled answer that a judge of the app's suites can be asked about.

    ``plans`` are those of runs with held cases, by their ids; other answers to held cases are left out.

    Raises:
        NotFound: there is no such suite, no judge, or no label.
        Invalid: a suite cannot be asked, or a run's report is damaged.
    """
    judged = {
        name: suite for name, suite in app.suites.items() if any(_judges(suite.checks_of(c)) for c in suite.cases)
    }
    if unknown := [name for name in suites if name not in app.suites]:
        raise NotFound(f"{app.name} has no suite '{unknown[0]}'", known=sorted(app.suites))
    wanted = {name: suite for name, suite in judged.items() if not suites or name in suites}
    if not wanted:
        held = Sentence("Of suites whose cases are held: ", option("held", "with them")) if app.held else ""
        raise NotFound(f"no suite of {app.name} has a judge", known=sorted(judged), hint=held)
    named = Named(reference=Reference(app=app.name), content=content_of(app), release=None)
    planned = plan(app.name, [side_of(Arm.CANDIDATE, named)], wanted.values(), Selection())
    found = [
        *chain.from_iterable(_of_run(folder, planned, (plans or {}).get(folder.id)) for folder in folders),
        *_of_cases(planned),
    ]
    if not found:
        label = Advice(Action.LABEL, run="RUN")
        raise NotFound(f"no answer of {app.name} is labelled", hint=Sentence("Label some of a run: ", label, "."))
    return found


def calibrate(
    root: Path,
    app: AppSource,
    answers: Sequence[Answer],
    folders: Sequence[RunFolder],
    asking: Asking,
    *,
    replay: Path | None = None,
) -> list[Calibration]:
    """Asks the judges what is not recorded, and returns what they say beside the labels, in order of suites.

    Raises:
        NotFound: a recording lacks an answer. Unavailable: a judge cannot be asked.
        Conflict: another process is calibrating this app.
    """
    said = chain.from_iterable(read_lines(folder.answers) for folder in folders if folder.answers.exists())
    recorded = Recordings.read(replay) if replay else Recordings.of(said, "its runs")
    place = root / JUDGES / app.name
    place.mkdir(parents=True, exist_ok=True)
    (root / JUDGES / ".gitignore").write_text("*\n", encoding="utf-8")
    journal = Journal(place / "answers.jsonl")
    try:
        known = Answers(journal, recorded=recorded, offline=replay is not None, max_cost=asking.max_cost)
        providers = () if replay else _unrecorded(answers, recorded, journal)
        judged = _judged(answers, known, workers_of(providers, asking))
    finally:
        journal.close()
    return list(_calibrations(app, answers, judged, replayed=replay is not None))


def record(root: Path, app: str, target: Path) -> None:
    """Writes what judges answered in calibrations as recordings. Raises OSError where it cannot."""
    Recordings.of(read_lines(root / JUDGES / app / "answers.jsonl"), app).write(target)


# --- labels ---------------------------------------------------------------------------------------


def _of_run(folder: RunFolder, planned: Plan, asked_there: Plan | None) -> Iterator[Answer]:
    """Yields the labelled answers of a run, and those that were drawn before the last of them and have no label."""
    given = given_labels(folder)
    suites = {suite.name: suite for suite in planned.suites}
    cases = {(asked.suite, asked.prompt, asked.id): asked for asked in planned.cases}
    groups: dict[tuple[str, str], list[Drawn]] = {}
    for one in draw(folder, asked_there):
        groups.setdefault((one.suite, one.prompt), []).append(one)
    for (name, prompt), drawn in groups.items():
        labelled = [place for place, one in enumerate(drawn) if _words(one, one.checks, given)]
        for one in drawn[: max(labelled, default=-1) + 1]:
            if name in suites and prompt in suites[name].prompts:
                asked = cases.get((name, prompt, one.case))
                answer = _answer(folder.id, one, _judges(asked.checks if asked else suites[name].checks), given)
                if answer is not None:
                    yield answer


def _answer(run: str, one: Drawn, checks: tuple[Check, ...], given: Mapping[tuple[str, str], Given]) -> Answer | None:
    """An answer with its label; None if it has labels, and none for one of the judges that decide today."""
    own = _words(one, one.checks, given)
    words = _words(one, [check.name for check in checks], given)
    if not checks or (own and len(words) < len(checks)):
        return None
    said = [word.label for word in words]
    good = False if Word.FAIL in said else None if Word.SKIP in said or not said else True
    by = (own or list(given.values()))[0].by
    case = Case(variables=one.variables, expected=one.expected or None)
    return Answer(
        label=Label(
            suite=one.suite, prompt=one.prompt, case=one.case, answer=answer_digest(one.answer, one.tool_calls),
            good=good, passed=None, run=run, repeat=one.repeat, by=by,
        ),
        checks=checks,
        values=judge_values(values_of(case), one.input, one.answer),
    )  # fmt: skip


def _words(one: Drawn, checks: Iterable[str], given: Mapping[tuple[str, str], Given]) -> list[Given]:
    return [given[one.key, check] for check in checks if (one.key, check) in given]


def _of_cases(planned: Plan) -> Iterator[Answer]:
    """Yields the answers that cases expect and their author labelled, where no judge compares with just that answer."""
    seen: set[tuple[str, str]] = set()
    for asked in planned.cases:
        checks = _judges(asked.checks)
        verdicts = [
            _verdict(check, asked.case.labels[check.name]) for check in checks if check.name in asked.case.labels
        ]
        complete = verdicts and len(verdicts) == len(checks) and None not in verdicts
        if not complete or asked.case.expected is None or (asked.suite, asked.id) in seen or _compares(asked, checks):
            continue
        seen.add((asked.suite, asked.id))
        expected = asked.case.expected
        label = Label(
            suite=asked.suite, prompt=asked.prompt, case=asked.id, answer=answer_digest(expected), good=all(verdicts),
            passed=None,
        )  # fmt: skip
        values = judge_values(values_of(asked.case), asked.user_messages[Arm.CANDIDATE], expected)
        yield Answer(label=label, checks=checks, values=values)


def _compares(asked: Asked, checks: Sequence[Check]) -> bool:
    """Whether a judge is shown the expected answer, or what stands for the context: it would compare it with itself."""
    named = {name for check in checks if check.judge for name in names_in(check.judge.prompt)}
    return bool(named & _SEES_EXPECTED - asked.case.variables.keys())


def _verdict(check: Check, label: str) -> bool | None:
    """What a label of a case says: pass, fail, or one of the judge's choices; None for any other word."""
    said = label.strip().casefold()
    if said in (Word.PASS, Word.FAIL):
        return said == Word.PASS
    choices = check.judge.choices if check.judge else ()
    scores = [choice.score for choice in choices if choice.text.strip().casefold() == said]
    return scores[0] >= check.pass_at if len(scores) == 1 else None


def _judges(checks: Iterable[Check]) -> tuple[Check, ...]:
    return tuple(check for check in checks if check.judge is not None)


# --- judges ---------------------------------------------------------------------------------------


def _unrecorded(answers: Sequence[Answer], recorded: Recordings, journal: Journal) -> Iterator[str]:
    """Yields the providers of judges that have to be asked."""
    for answer in answers:
        for check in answer.checks:
            assert check.judge is not None
            request = judge_request(check.judge, answer.values, choices=takes_choices(check.judge))
            known = journal.get((*answer.about, JUDGED, request.digest))
            if (known is None or known.error) and recorded.get(request, JUDGED) is None:
                yield provider_of(check.judge.model)[0] or "openai"


def _judged(answers: Sequence[Answer], known: Answers, workers: Workers) -> list[tuple[Label, tuple[Response, ...]]]:
    """What the judges say of each answer, in order."""
    desk, mine, callers = JudgeDesk(known), local(), []

    def caller() -> Caller | None:
        if workers.endpoints and not hasattr(mine, "caller"):
            mine.caller = Caller(workers.endpoints, workers.pace, workers.trust)
            callers.append(mine.caller)
        return getattr(mine, "caller", None)

    def judge(answer: Answer) -> tuple[Label, tuple[Response, ...]]:
        said = [
            (*desk.ask(answer.about, check.judge, answer.values, caller()), check.pass_at)
            for check in answer.checks
            if check.judge is not None
        ]
        verdicts = [result.passed(pass_at) for result, _, pass_at in said]
        passed = False if False in verdicts else None if None in verdicts else True
        return replace(answer.label, passed=passed), tuple(response for _, response, _ in said)

    try:
        with ThreadPoolExecutor(workers.concurrency) as pool:
            try:
                return list(pool.map(judge, answers))
            except BaseException:
                workers.pace.stopping.set()
                pool.shutdown(cancel_futures=True)
                raise
    finally:
        for one in callers:
            one.close()


def _calibrations(
    app: AppSource,
    answers: Sequence[Answer],
    judged: Sequence[tuple[Label, tuple[Response, ...]]],
    *,
    replayed: bool,
) -> Iterator[Calibration]:
    digests = {name: suite_ref(suite).judge_digest for name, suite in app.suites.items()}
    for judge in dict.fromkeys(digests[answer.label.suite] for answer in answers):
        mine = [(label, said) for label, said in judged if digests[label.suite] == judge]
        responses = [response for _, said in mine for response in said]
        yield Calibration(
            judge=judge,
            suites=tuple(sorted({label.suite for label, _ in mine})),
            labels=Labels(labels=tuple(label for label, _ in mine), replayed=replayed),
            hosts=tuple(sorted({response.host for response in responses if response.host})),
            served_models=tuple(sorted({one.served_model for one in responses if one.served_model})),
        )
