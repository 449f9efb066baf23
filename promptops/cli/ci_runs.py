"""Makes the evidence that a gate lacks for the apps that a change touches, in the way of `promptops eval`.

An app is evaluated where its gate found nothing to judge. One that was judged already is not: another run of the same
content is another look, and that is for a person to spend.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final, TypeAlias

from promptops.ci.report import CheckLine
from promptops.cli.asked_gates import ask, changed_content
from promptops.cli.output.advice import as_commands
from promptops.core.advice import Action, Advice, advice_in
from promptops.core.errors import NotFound, PromptopsError, Refused, Unavailable
from promptops.core.verdict import Outcome

if TYPE_CHECKING:
    from promptops.ci.report import ChangedApp, Report
    from promptops.cli.session import Session
    from promptops.evals.reports.report import Report as EvalReport

Evaluated: TypeAlias = "Callable[[Session, Sequence[str]], EvalReport]"
"""Runs the command line `promptops eval WORDS`, and returns what came of it."""

RUN: Final = "run"
_KEYS: Final = "For a fork's pull request, which has no keys, docs/ci/github-evals.yml runs it after a label was set."


def run_missing(
    session: Session, report: Report, channel: str, evaluated: Evaluated, *, max_cost: float | None
) -> Report:
    """Evaluates each app whose gate advises it; returns the report with the reason for each that could not be.

    A run that could not start, or did not come to its end, is INCONCLUSIVE: what was not judged is never green.
    """
    lines = []
    for app in changed_content(report):
        try:
            advice = _advised(session, app, channel)
            if advice is not None:
                session.note(f"the gate has no evidence of {app.name}: evaluating it")
                _require_complete(evaluated(session, [*_words(report, app, channel, advice, max_cost)]))
        except PromptopsError as error:
            if error.code == "channel-not-found":
                raise
            lines.append(_not_run(app, error))
    return replace(report, checks=(*report.checks, *lines))


def _advised(session: Session, app: ChangedApp, channel: str) -> Advice | None:
    """Returns the gate's advice to evaluate, of a check that read no evidence. A registry that is away gives none."""
    try:
        with session.gateway() as gateway:
            found = ask(gateway, app, channel)
    except (Refused, Unavailable, NotFound) as error:
        if error.code == "channel-not-found":
            raise
        return None
    closed = found.verdict.checks if found.verdict and not found.opens else ()
    hints = (check.hint for check in closed if not check.passed and not check.evidence)
    return next((one for hint in hints for one in advice_in(hint) if one.action is Action.EVALUATE), None)


def _words(report: Report, app: ChangedApp, channel: str, advice: Advice, max_cost: float | None) -> Iterator[str]:
    """Yields the command line of the evaluation: the files of the head, and the releases that the gate names."""
    yield from (app.name, "--commit", report.head, "--channel", channel)
    if "anchor" in advice.arguments:
        yield from ("--anchor", str(advice.arguments["anchor"]))
    if max_cost is not None:
        yield from ("--max-cost", str(max_cost))


def _require_complete(made: EvalReport) -> None:
    if made.missing:
        raise Unavailable(f"{made.missing:,} answers are missing: the run was {made.ended}")


def _not_run(app: ChangedApp, error: PromptopsError) -> CheckLine:
    return CheckLine(
        app=app.name,
        check=RUN,
        outcome=Outcome.INCONCLUSIVE,
        reason=f"the evaluation did not run: {error.message}",
        hint=f"{as_commands(error.hint)} {_KEYS if 'key' in error.message else ''}".strip(),
    )
