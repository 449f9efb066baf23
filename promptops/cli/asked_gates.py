"""Asks the gate of a channel about the apps that a change touches, for continuous integration and for hooks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from promptops.ci.report import CheckLine
from promptops.cli.output.advice import as_commands
from promptops.core.errors import NotFound, PromptopsError, Refused, Unavailable
from promptops.core.reference import Reference
from promptops.core.verdict import Outcome

if TYPE_CHECKING:
    from promptops.ci.report import ChangedApp, Report
    from promptops.cli.session import Session
    from promptops.gateway import Gateway

GATE = "gate"


def with_gates(
    session: Session,
    report: Report,
    channel: str,
    *,
    seconds: float | None = None,
    away: Outcome = Outcome.INCONCLUSIVE,
) -> Report:
    """Returns the report with what the gate of a channel says of each app that has other content.

    A registry that cannot be asked, or not by this caller, leaves every gate INCONCLUSIVE: what could not be judged is
    never green. ``seconds`` is how long a server may take, ``away`` what it is worth that the registry does not answer.
    """
    apps = [app for app in report.apps if app.digest and app.digest != app.old_digest]
    if not apps:
        return report
    known: dict[str, tuple[str, ...]] = {}
    try:
        with session.gateway(seconds=seconds) as gateway:
            lines = [line for app in apps for line in _of_app(gateway, app, channel)]
            known = {app.name: tuple(_evidence(gateway, app)) for app in apps}
    except (Refused, Unavailable) as error:
        outcome = away if isinstance(error, Unavailable) else Outcome.INCONCLUSIVE
        lines = [_unasked(app, error, outcome) for app in apps]
    found = tuple(replace(app, evidence=known.get(app.name, ())) for app in report.apps)
    return replace(report, apps=found, checks=(*report.checks, *lines))


def _of_app(gateway: Gateway, app: ChangedApp, channel: str) -> Iterator[CheckLine]:
    from promptops.operations.gate import GateRequest, name_of
    from promptops.use_cases.gate import GATE as ROW

    reference = Reference(app=app.name, digest=app.digest)
    try:
        found = gateway.run(ROW, GateRequest(reference=reference, channel=channel))
    except NotFound as error:
        if error.code == "channel-not-found":
            raise
        yield CheckLine(
            app=app.name,
            check=GATE,
            outcome=Outcome.INCONCLUSIVE,
            reason="this content is not released, so there is no evidence of it",
            hint=f"promptops release {app.name}, then promptops eval {app.name}@VERSION, then the same again",
        )
        return
    again = f"All of it: promptops gate {app.name}@{found.version} --channel {channel}"
    for check in found.verdict.checks if found.verdict else ():
        passes = check.passed or found.opens  # a gate that only warns lets it through, and says why
        yield CheckLine(
            app=app.name,
            check=name_of(check),
            outcome=Outcome.PASS if passes else check.outcome,
            reason=check.reason or check.got,
            hint="" if passes else f"{as_commands(check.hint)} {again}".strip(),
        )


def _evidence(gateway: Gateway, app: ChangedApp) -> Iterator[str]:
    """Yields what there is of this content already, newest first; none of an app that the registry does not know."""
    from promptops.core.evidence.evidence import newest_of_each_run
    from promptops.use_cases.evidence import EVIDENCE, EvidenceRequest

    try:
        found = gateway.run(EVIDENCE, EvidenceRequest(app=app.name, digest=app.digest))
    except NotFound:
        return
    for piece in newest_of_each_run(found):
        whole = [count for count in piece.counts if not count.check]
        passed, failed = sum(count.passed for count in whole), sum(count.failed for count in whole)
        errors = sum(count.errors for count in whole)
        said = f"{piece.check} {piece.verdict}" if piece.verdict else f"{passed:,} passed, {failed:,} failed"
        more = f", {errors:,} errors" if errors else ""
        yield f"{piece.source}: {said}{more}{'' if piece.complete else ', not complete'}, {piece.at:%Y-%m-%d}"


def _unasked(app: ChangedApp, error: PromptopsError, outcome: Outcome) -> CheckLine:
    reason, hint = f"the registry cannot be asked: {error.message}", as_commands(error.hint)
    return CheckLine(app=app.name, check=GATE, outcome=outcome, reason=reason, hint=hint)
