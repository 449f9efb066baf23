"""Makes the evidence that a gate lacks for the apps that a change touches, in the way of `promptops eval`.

Just what the gate lacks is asked, as with `eval --rebase`. What was judged already is not: another run of the same
content is another look, and that is for a person to spend.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Protocol

from promptops.ci.report import CheckLine
from promptops.cli.asked_gates import ask, changed_content
from promptops.cli.output.advice import as_commands
from promptops.core.errors import NotFound, PromptopsError, Refused, Unavailable
from promptops.core.verdict import Outcome

if TYPE_CHECKING:
    from promptops.ci.report import ChangedApp, Report
    from promptops.cli.eval_rebase import Lacking
    from promptops.cli.session import Session
    from promptops.evals.reports.report import Report as EvalReport


class Evaluated(Protocol):
    """Runs the command line `promptops eval WORDS` for what is lacking, and returns what came of it."""

    def __call__(self, session: Session, words: Sequence[str], lacks: Lacking) -> EvalReport: ...


RUN: Final = "run"
_KEYS: Final = "For a fork's pull request, which has no keys, docs/ci/github-evals.yml runs it after a label was set."


def run_missing(
    session: Session, report: Report, channel: str, evaluated: Evaluated, *, max_cost: float | None
) -> Report:
    """Evaluates each app whose gate lacks a run; returns the report with the reason for each that could not be.

    A run that could not start, or did not come to its end, is INCONCLUSIVE: what was not judged is never green.
    """
    lines = []
    for app in changed_content(report):
        try:
            lacks = _lacking(session, app, channel)
            if lacks is not None and lacks.checks:
                session.note(f"the gate lacks runs of {app.name}: evaluating it")
                _require_complete(evaluated(session, [*_words(report, app, channel, max_cost)], lacks))
        except PromptopsError as error:
            if error.code == "channel-not-found":
                raise
            lines.append(_not_run(app, error))
    return replace(report, checks=(*report.checks, *lines))


def _lacking(session: Session, app: ChangedApp, channel: str) -> Lacking | None:
    """Returns what the gate lacks of a content; None where the registry cannot be asked, or where nothing is judged."""
    from promptops.cli.eval_rebase import lacking_in

    try:
        with session.gateway() as gateway:
            found = ask(gateway, app, channel)
    except (Refused, Unavailable, NotFound) as error:
        if error.code == "channel-not-found":
            raise
        return None
    return None if found.opens else lacking_in(found)


def _words(report: Report, app: ChangedApp, channel: str, max_cost: float | None) -> Iterator[str]:
    """Yields the command line of the evaluation: the files of the head."""
    yield from (app.name, "--commit", report.head, "--channel", channel)
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
