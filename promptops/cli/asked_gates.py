"""Asks the gate of a channel about the apps that a change touches, for continuous integration and for hooks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from promptops.ci.report import CheckLine
from promptops.cli.output.advice import as_commands
from promptops.core.errors import NotFound, PromptopsError, Refused, Unavailable
from promptops.core.verdict import Outcome

if TYPE_CHECKING:
    from promptops.ci.report import ChangedApp, Report
    from promptops.cli.session import Session
    from promptops.core.evidence.calls import CallChange
    from promptops.core.evidence.evidence import Evidence
    from promptops.core.gate.verdict import CheckVerdict
    from promptops.core.model import Channel
    from promptops.gateway import Gateway
    from promptops.operations.gate import GateReport

GATE = "gate"
_RUNS = 3
"""Runs of a content that are read for what calls cost, newest first: each has a case table."""


def changed_content(report: Report) -> list[ChangedApp]:
    """Returns the apps that would be another release: those that a gate is asked about."""
    return [app for app in report.apps if app.digest and app.digest != app.old_digest]


def with_gates(
    session: Session,
    report: Report,
    channel: str,
    *,
    seconds: float | None = None,
    away: Outcome = Outcome.INCONCLUSIVE,
) -> Report:
    """Returns the report with what a channel says of each app that has other content, released or not.

    A registry that cannot be asked, or not by this caller, leaves every gate INCONCLUSIVE: what could not be judged is
    never green. ``seconds`` is how long a server may take, ``away`` what it is worth that the registry does not answer.
    """
    apps = changed_content(report)
    if not apps:
        return report
    try:
        with session.gateway(seconds=seconds) as gateway:
            policy = _channel(gateway, channel)
            lines = [line for app in apps for line in _of_app(gateway, app, policy)]
    except (Refused, Unavailable, NotFound) as error:
        if error.code == "channel-not-found":
            raise
        outcome = away if isinstance(error, Unavailable) else Outcome.INCONCLUSIVE
        lines = [_unasked(app, error, outcome) for app in apps]
    return replace(report, checks=(*report.checks, *lines))


def with_evidence(session: Session, report: Report, channel: str) -> Report:
    """Returns the report with what there is of each new content already; the same without a registry."""
    apps = {app.name for app in changed_content(report)}
    try:
        with session.gateway() as gateway:
            found = tuple(_known(gateway, app, channel) if app.name in apps else app for app in report.apps)
    except (Refused, Unavailable, NotFound):
        return report
    return replace(report, apps=found)


def ask(gateway: Gateway, app: ChangedApp, channel: str) -> GateReport:
    """Returns what the gate of a channel says of the content of an app, whether it is released or not."""
    from promptops.operations.build import suite_refs
    from promptops.operations.gate import ContentRequest
    from promptops.use_cases.gate import GATE_OF_CONTENT

    suites = suite_refs(app.suites_now) or ()
    content = app.content.decode("utf-8")
    return gateway.run(GATE_OF_CONTENT, ContentRequest(app=app.name, channel=channel, content=content, suites=suites))


def _channel(gateway: Gateway, name: str) -> Channel:
    from promptops.core.errors import ChannelNotFound
    from promptops.use_cases.channels import CHANNELS

    every = {channel.name: channel for channel in gateway.run(CHANNELS, None)}
    if name not in every:
        raise ChannelNotFound(f"there is no channel '{name}'", known=list(every))
    return every[name]


def _of_app(gateway: Gateway, app: ChangedApp, channel: Channel) -> Iterator[CheckLine]:
    if channel.policy.protected:
        yield from _floating(app, channel.name)
    found = ask(gateway, app, channel.name)
    for check in found.verdict.checks if found.verdict else ():
        yield _line(app, found, check)


def _line(app: ChangedApp, found: GateReport, check: CheckVerdict) -> CheckLine:
    from promptops.operations.gate import name_of

    passes = check.passed or found.opens  # a gate that only warns lets it through, and says why
    again = f"promptops gate {app.name}@{found.version} --channel {found.channel}" if found.version else ""
    return CheckLine(
        app=app.name,
        check=name_of(check),
        outcome=Outcome.PASS if passes else check.outcome,
        reason=check.reason or check.got,
        hint="" if passes else f"{as_commands(check.hint)}{f' All of it: {again}' if again else ''}".strip(),
    )


def _floating(app: ChangedApp, channel: str) -> Iterator[CheckLine]:
    """The models of a content that a protected channel does not take: no evidence makes up for them."""
    from promptops.core.floating_models import floating_models
    from promptops.core.release_bytes import content_from_bytes

    names = floating_models(content_from_bytes(app.content))
    if names:
        yield CheckLine(
            app=app.name,
            check="protected",
            outcome=Outcome.FAIL,
            reason=f"{channel} is protected, and this uses floating models: {', '.join(names)}",
            hint="Pin an exact snapshot: a model id with a date or version.",
        )


def _known(gateway: Gateway, app: ChangedApp, channel: str) -> ChangedApp:
    from promptops.core.evidence.evidence import newest_of_each_run
    from promptops.use_cases.evidence import EVIDENCE, EvidenceRequest

    try:
        every = gateway.run(EVIDENCE, EvidenceRequest(app=app.name, digest=app.digest))
    except NotFound:  # an app that the registry does not know
        return app
    found = newest_of_each_run(every)
    runs = [piece.id for piece in found if piece.run and piece.complete]
    return replace(app, evidence=tuple(map(_words, found)), calls=_calls(gateway, runs, app.name, channel))


def _words(piece: Evidence) -> str:
    whole = [count for count in piece.counts if not count.check]
    passed, failed = sum(count.passed for count in whole), sum(count.failed for count in whole)
    errors = sum(count.errors for count in whole)
    said = f"{piece.check} {piece.verdict}" if piece.verdict else f"{passed:,} passed, {failed:,} failed"
    more = f", {errors:,} errors" if errors else ""
    return f"{piece.source}: {said}{more}{'' if piece.complete else ', not complete'}, {piece.at:%Y-%m-%d}"


def _calls(gateway: Gateway, runs: Sequence[str], app: str, channel: str) -> CallChange | None:
    """What the newest run measured that was put to what is live too; else what the newest run says of this content."""
    from promptops.core.evidence.calls import call_change
    from promptops.core.evidence.case_table import Arm
    from promptops.core.evidence.run import Source
    from promptops.use_cases.evidence import SHOW_EVIDENCE, ShowRequest

    newest = None
    for id in runs[:_RUNS]:
        shown = gateway.run(SHOW_EVIDENCE, ShowRequest(evidence=id))
        arms = shown.run.arms if shown.run else ()
        live = any(arm.arm is Arm.LIVE and channel in gateway.serving(app, arm.digest) for arm in arms)
        timed = shown.evidence.source is Source.RUN
        change = call_change(shown.evidence.run, shown.table, timed=timed, compare=live)
        if live and change is not None:
            return change
        newest = newest or change
    return newest


def _unasked(app: ChangedApp, error: PromptopsError, outcome: Outcome) -> CheckLine:
    reason, hint = f"the registry cannot be asked: {error.message}", as_commands(error.hint)
    return CheckLine(app=app.name, check=GATE, outcome=outcome, reason=reason, hint=hint)
