"""Runs an evaluation: models are asked, rows are reported if the registry knows the run, and the report is kept.

Without a registry a run is local. It asks models on the machine where it runs, with the keys of who runs it.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Protocol

from promptops._version import __version__
from promptops.core.advice import Action, Advice, Sentence, option
from promptops.core.errors import Refused, Unavailable
from promptops.core.evidence.case_table import Row
from promptops.core.evidence.evidence import Count
from promptops.core.evidence.run import Purpose, Run, Source
from promptops.core.parameters import provider_of
from promptops.evals.answers import Answers
from promptops.evals.caller import Pace
from promptops.evals.evidence import row_of, run_of
from promptops.evals.journal import Journal, read_lines
from promptops.evals.limiter import Limiter
from promptops.evals.pricing import snapshot
from promptops.evals.providers import endpoint
from promptops.evals.python_checks import load_functions
from promptops.evals.recordings import Recordings
from promptops.evals.reports.report import Report, as_json, check_counts, make_report
from promptops.evals.row_sender import LAST_SECONDS, RowSender
from promptops.evals.run_folder import RUNS, RunFolder, folder_of
from promptops.evals.runner import GRACE, Finished, GradedRow, Progress, Runner, Workers
from promptops.operations.eval_plan import Prepared

_USUAL_SECONDS = 2.0  # of a call, for the plan: a page of answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """How models are asked. Times are in seconds; ``setting`` reads a provider's address and key."""

    setting: Callable[[str], tuple[str, str]]
    trust: Callable[[Collection[str]], ssl.SSLContext]
    concurrency: int
    rpm: float | None
    attempt: float
    call: float
    deadline: float
    max_cost: float | None = None
    progress: Callable[[Progress], None] = lambda progress: None


def minutes(prepared: Prepared, asking: Asking) -> float:
    """Returns about how long a run takes."""
    calls = prepared.plan.calls + prepared.plan.judge_calls
    return max(calls * _USUAL_SECONDS / asking.concurrency / 60, calls / asking.rpm if asking.rpm else 0.0)


def require_affordable(prepared: Prepared, max_cost: float | None) -> None:
    """Does nothing for a run that may be started.

    Raises:
        Refused: it would cost more, or the price of a model is not known.
    """
    if max_cost is None or prepared.offline:
        return
    limit = option("max_cost", "the limit of its cost")
    if prepared.estimate.unpriced:
        raise Refused(
            f"the price of {', '.join(prepared.estimate.unpriced)} is not known, so a limit of the cost cannot be kept",
            hint=Sentence("The extra `eval` brings prices; or leave out ", limit, "."),
        )
    if prepared.estimate.cost_usd > max_cost:
        raise Refused(
            f"the run would cost about ${prepared.estimate.cost_usd:.2f}, over the limit of ${max_cost:.2f}",
            hint=Sentence("Ask fewer cases, or raise ", limit, "."),
        )


class Ledger(Protocol):
    """The registry that knows of a run from before its first call."""

    def open(self, run: Run) -> None:
        """Records the run, which spends its look."""

    def report(self, run: str, rows: Sequence[Row]) -> None:
        """Records rows. One that is there already stands: the same is accepted, and another refused."""

    def close(
        self, run: str, *, counts: Sequence[Count], tools: Sequence[str], served_models: Sequence[str], prices: str
    ) -> None:
        """Makes evidence of a run whose rows are all there. ``counts`` are those of single checks."""


def evaluate(
    prepared: Prepared, asking: Asking, *, ledger: Ledger | None = None, actor: str = ""
) -> tuple[Report, RunFolder]:
    """Asks what the run's folder does not have yet. Returns the report, which a finished run has in its folder too.

    With a ``ledger`` the run is opened before its first call, unless it is continued, and closed when it is complete.

    Raises:
        Unavailable: the run ended early, for a reason that concerns all requests. What was answered is kept.
        Conflict: another process is running this run, or the registry has another row for an answer.
    """
    require_affordable(prepared, asking.max_cost)
    workers = _workers(prepared, asking)
    if ledger is not None and not (prepared.root / RUNS / prepared.arguments.id).exists():
        ledger.open(_run_of(prepared, workers, actor=actor))
    folder = folder_of(prepared.root, prepared.arguments)
    report = _report(prepared, asking, workers, ledger, folder)
    if not report.missing:
        folder.keep_report(as_json(report, texts=True))
        if ledger is not None:
            ledger.close(
                folder.id,
                counts=check_counts(report),
                tools=(f"promptops {__version__}",),
                served_models=report.served_models,
                prices=report.prices,
            )
    return report, folder


def _report(prepared: Prepared, asking: Asking, workers: Workers, ledger: Ledger | None, folder: RunFolder) -> Report:
    """Runs the plan with the folder's journal. An error that a ledger knows stands, and is not asked again."""
    journal = Journal(folder.answers)
    try:
        answers = Answers(
            journal,
            recorded=prepared.recorded,
            offline=prepared.offline,
            again=ledger is None,
            max_cost=asking.max_cost,
        )
        finished = _asked(prepared, answers, workers, asking, ledger)
    finally:
        journal.close()
    if finished.error is not None:
        raise _continued(finished.error, folder)
    return make_report(
        prepared.plan,
        finished,
        run=folder.id,
        started_at=prepared.arguments.started_at,
        source=_source(prepared).value,
        local=ledger is None,
        cost_usd=answers.meter.spent,
        unpriced=answers.meter.unknown,
        prices=snapshot(),
    )


def _asked(prepared: Prepared, answers: Answers, workers: Workers, asking: Asking, ledger: Ledger | None) -> Finished:
    """Runs the plan. Rows reach the ledger while it runs, and all of them before this returns."""
    if ledger is None:
        return Runner(prepared.plan, answers, workers, progress=asking.progress).run()
    run = prepared.arguments.id
    sender = RowSender(lambda rows: ledger.report(run, rows), refused=workers.pace.stopping.set)

    def sink(graded: GradedRow) -> None:
        row = row_of(graded, prepared.plan)
        if row is not None:
            sender.put(row)

    # After a second interrupt, rows that were not sent stay in the journal, and follow when it is continued.
    finished = Runner(prepared.plan, answers, workers, sink=sink, progress=asking.progress).run()
    sender.close(seconds=GRACE if finished.ended == "interrupted" else LAST_SECONDS)
    return finished


def _run_of(prepared: Prepared, workers: Workers, *, actor: str) -> Run:
    hosts = tuple(sorted({each.host for each in workers.endpoints.values()}))
    at = datetime.fromisoformat(prepared.arguments.started_at)
    return run_of(
        prepared.plan,
        id=prepared.arguments.id,
        source=_source(prepared),
        hosts=hosts,
        actor=actor,
        at=at,
        purpose=Purpose.DRIFT if prepared.arguments.drift else Purpose.GATE,
    )


def _source(prepared: Prepared) -> Source:
    """Recorded answers are files, which a person can edit: they are a replay, also where judges are asked anew."""
    return Source.RUN if prepared.recorded is None else Source.REPLAY


def record(folder: RunFolder, target: Path) -> None:
    """Writes the answers of a run as recordings. Raises OSError where it cannot."""
    Recordings.of(read_lines(folder.answers), folder.id).write(target)


def _workers(prepared: Prepared, asking: Asking) -> Workers:
    workers = workers_of(() if prepared.offline else _providers(prepared), asking)
    checks = [check for asked in prepared.plan.cases for check in asked.checks]
    return replace(workers, functions=load_functions(checks, prepared.root))


def workers_of(providers: Iterable[str], asking: Asking) -> Workers:
    """Returns workers that may ask these providers.

    Raises:
        Invalid: it is not known where one is.
    """
    found = {name: endpoint(name, asking.setting) for name in sorted(set(providers))}
    pace = Pace(
        limiters={name: Limiter(asking.rpm) for name in found},
        attempt=asking.attempt,
        call=asking.call,
        until=time.monotonic() + asking.deadline,
    )
    return Workers(
        endpoints=found,
        pace=pace,
        trust=asking.trust([each.url for each in found.values()]),
        concurrency=asking.concurrency,
    )


def _providers(prepared: Prepared) -> Iterable[str]:
    """Yields the providers that have to be asked: of prompts unless their answers are there, and of judges."""
    for asked in prepared.plan.asked:
        if prepared.recorded is None:
            yield from (request.provider for request in asked.requests.values())
        judges = [check.judge.model for check in asked.checks if check.judge is not None]
        yield from (provider_of(model)[0] or "openai" for model in judges)


def _continued(error: BaseException, folder: RunFolder) -> BaseException:
    """Adds to an error how the run goes on."""
    if isinstance(error, Unavailable):
        error.hint = Sentence(error.hint, " To go on: ", Advice(Action.CONTINUE_RUN, run=folder.id[:8]))
    return error
