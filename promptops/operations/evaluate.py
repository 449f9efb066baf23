"""Evaluates an app: its suites are read, both releases are asked, and the report is kept in the run's folder.

A run needs no registry. It asks models on the machine where it runs, with the keys of who runs it.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from promptops.core.advice import Action, Advice, Sentence, option
from promptops.core.compiled import compile_content
from promptops.core.digest import digest
from promptops.core.errors import Conflict, Invalid, Refused, SourceInvalid, Unavailable
from promptops.core.evidence.case_table import Arm
from promptops.core.finding import Severity
from promptops.core.model import Content
from promptops.core.parameters import provider_of
from promptops.core.release_bytes import encode
from promptops.core.suite.suite import Suite, suite_digest
from promptops.core.timestamp import timestamp
from promptops.evals.answers import Answers
from promptops.evals.caller import Pace
from promptops.evals.journal import Journal, read_lines
from promptops.evals.limiter import Limiter
from promptops.evals.plan import Plan, Selection, Side, plan
from promptops.evals.pricing import Estimate, estimate, snapshot
from promptops.evals.providers import Endpoint, endpoint
from promptops.evals.python_checks import load_functions
from promptops.evals.recordings import Recordings
from promptops.evals.reports.report import Report, as_json, make_report
from promptops.evals.run_folder import Arguments, RunFolder, find_run, folder_of
from promptops.evals.runner import Progress, Runner, Workers
from promptops.operations.queries import Named
from promptops.source.git.repository import Repository
from promptops.source.load import AppSource
from promptops.source.tree import Tree, WorkingTree

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A run that can start: what it asks, what it will cost, and where its answers come from."""

    root: Path
    plan: Plan
    arguments: Arguments
    estimate: Estimate
    recorded: Recordings | None = None

    @property
    def offline(self) -> bool:
        """True if no provider is asked at all."""
        return bool(self.arguments.replay)


def read_app(root: Path, name: str, *, commit: str = "") -> AppSource:
    """Returns an app with its suites, from the files as they are or from a commit; the only one where none is named.

    Raises:
        SourceInvalid: it or its suites have errors; it has all of them.
        NotFound, GitUnavailable
    """
    from promptops.source.lint.lint import check

    if not commit:
        return _valid(check(WorkingTree(root), apps=None if not name else frozenset({name})), name)
    with closing(Repository.open(root)) as repository:
        sha = repository.resolve(commit).sha
        inside = root.resolve().relative_to(repository.root.resolve()).as_posix().removeprefix(".")
        tree: Tree = repository.tree(sha, repository.spelling(sha, inside))
        return _valid(check(tree, apps=None if not name else frozenset({name})), name)


def side_of(arm: Arm, named: Named) -> Side:
    """Returns an arm of a run.

    Raises:
        Unloadable: no client could load the content, so none can be evaluated.
    """
    release = named.release
    return Side(
        arm=arm,
        label=named.label,
        digest=release.digest if release else digest(encode(named.content)),
        content=named.content,
        version=release.version if release else "",
        prompts=compile_content(named.content),
    )


def prepare(
    root: Path,
    sides: Sequence[Side],
    suites: Mapping[str, Suite],
    selection: Selection,
    arguments: Arguments,
    *,
    replay: Path | None = None,
) -> Prepared:
    """Plans a run, and calls nothing. ``arguments`` lack the digests, which are added.

    Raises:
        Invalid, NotFound: as :func:`promptops.evals.plan.plan`; or there are no recorded answers.
    """
    planned = plan(arguments.app, sides, suites.values(), selection)
    arguments = replace(
        arguments,
        digests={side.arm.value: side.digest for side in sides},
        suite_digests={suite.name: suite_digest(suite) for suite in planned.suites},
    )
    recorded = Recordings.read(replay) if replay else None
    if arguments.rescore:
        scored = find_run(root, arguments.rescore)
        recorded = Recordings.of(read_lines(scored.answers), f"the run {scored.id[:8]}")
    return Prepared(root=root, plan=planned, arguments=arguments, estimate=estimate(planned), recorded=recorded)


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


def continued(prepared: Prepared, before: Arguments) -> Prepared:
    """Returns the same run, to be continued: it asks just what it asked before.

    Raises:
        Conflict: the files, a release or a suite have changed since.
    """
    now = prepared.arguments
    if (now.digests, now.suite_digests) != (before.digests, before.suite_digests):
        raise Conflict(
            f"the run {before.id[:8]} cannot go on: the prompts or suites are others than when it was started",
            hint="Take the change back to continue it, or start a new run.",
        )
    return replace(prepared, arguments=before)


def evaluate(prepared: Prepared, asking: Asking) -> tuple[Report, RunFolder]:
    """Asks what the run's folder does not have yet. Returns the report, which a finished run has in its folder too.

    Raises:
        Unavailable: the run ended early, for a reason that concerns all requests. What was answered is kept.
        Conflict: another process is running this run.
    """
    require_affordable(prepared, asking.max_cost)
    workers = _workers(prepared, asking)
    folder = folder_of(prepared.root, prepared.arguments)
    journal = Journal(folder.answers)
    try:
        answers = Answers(journal, recorded=prepared.recorded, offline=prepared.offline, max_cost=asking.max_cost)
        finished = Runner(prepared.plan, answers, workers, progress=asking.progress).run()
    finally:
        journal.close()
    if finished.error is not None:
        raise _continued(finished.error, folder)
    report = make_report(
        prepared.plan,
        finished,
        run=folder.id,
        started_at=prepared.arguments.started_at,
        source="replay" if prepared.offline else "run",
        local=not prepared.arguments.opened,
        cost_usd=answers.meter.spent,
        unpriced=answers.meter.unknown,
        prices=snapshot(),
    )
    if not report.missing:
        folder.keep_report(as_json(report, texts=True))
    return report, folder


def record(folder: RunFolder, target: Path) -> None:
    """Writes the answers of a run as recordings. Raises OSError where it cannot."""
    Recordings.of(read_lines(folder.answers), folder.id).write(target)


def now_text(now: datetime) -> str:
    """Returns a moment as the folder of a run has it."""
    return timestamp(now)


def _valid(loaded: object, name: str) -> AppSource:
    from promptops.source.load import Loaded

    assert isinstance(loaded, Loaded)
    if not name and len(loaded.known) != 1:
        raise Invalid(
            f"the workspace has {len(loaded.known)} apps, and one is evaluated at a time",
            hint=f"Name one: {', '.join(loaded.known[:20])}." if loaded.known else "It has no app yet.",
        )
    app = loaded.app(name or loaded.known[0])
    paths = {*app.files, *app.suite_files, app.path or ".", "promptops.yml"}
    errors = [found for found in loaded.findings if found.severity is Severity.ERROR and found.path in paths]
    if errors:
        raise SourceInvalid(errors)
    return app


def _workers(prepared: Prepared, asking: Asking) -> Workers:
    found: dict[str, Endpoint] = {}
    if not prepared.offline:
        found = {name: endpoint(name, asking.setting) for name in sorted(_providers(prepared))}
    pace = Pace(
        limiters={name: Limiter(asking.rpm) for name in found},
        attempt=asking.attempt,
        call=asking.call,
        until=time.monotonic() + asking.deadline,
    )
    checks = [check for asked in prepared.plan.cases for check in asked.checks]
    return Workers(
        endpoints=found,
        pace=pace,
        trust=asking.trust([each.url for each in found.values()]),
        concurrency=asking.concurrency,
        functions=load_functions(checks, prepared.root),
    )


def _providers(prepared: Prepared) -> Iterable[str]:
    """Yields the providers that have to be asked: of prompts unless their answers are there, and of judges."""
    for asked in prepared.plan.cases:
        if prepared.recorded is None:
            yield from (request.provider for request in asked.requests.values())
        judges = [check.judge.model for check in asked.checks if check.judge is not None]
        yield from (provider_of(model)[0] or "openai" for model in judges)


def _continued(error: BaseException, folder: RunFolder) -> BaseException:
    """Adds to an error how the run goes on."""
    if isinstance(error, Unavailable):
        error.hint = Sentence(error.hint, " To go on: ", Advice(Action.CONTINUE_RUN, run=folder.id[:8]))
    return error


def content_of(app: AppSource) -> Content:
    """Returns the content of an app without errors."""
    assert app.content is not None  # read_app has seen to it
    return app.content
