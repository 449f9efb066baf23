"""`promptops gate`: whether a release may go to a channel, and what it lacks; or what the gate asks, in sentences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from promptops.cli import complete
from promptops.cli.command import channel_option, command
from promptops.cli.output.advice import as_commands
from promptops.cli.output.phrases import counted, moment, next_steps
from promptops.cli.output.render import Line, Page, Span
from promptops.cli.session import Session
from promptops.core.verdict import Outcome
from promptops.use_cases.documents import written

if TYPE_CHECKING:
    from promptops.core.gate.verdict import CheckVerdict
    from promptops.operations.gate import GateReport

_STYLES = {Outcome.PASS: "good", Outcome.INCONCLUSIVE: "warn", Outcome.ERROR: "bad", Outcome.FAIL: "bad"}


@command("gate")
@click.argument("reference", metavar="[APP@VERSION]", required=False, shell_complete=complete.promotable)
@channel_option
@click.option("--explain-policy", is_flag=True, help="Say in sentences what the gate asks; of APP, if one is named.")
def gate(session: Session, /, reference: str | None, channel: str | None, explain_policy: bool) -> None:
    """What the gate of a channel says of a release, check by check.

    Nothing is changed. The exit code is 5 unless the gate opens.

    \b
      promptops gate support-bot@1.4.0 --channel prod
      promptops gate --explain-policy --channel prod
    """
    place = session.require_channel(channel)
    if explain_policy:
        _explain(session, place, reference or "")
        return
    from promptops.cli.defaults import whole_release
    from promptops.operations.gate import GateRequest
    from promptops.use_cases.gate import GATE

    if reference is None:
        raise click.UsageError("Missing argument '[APP@VERSION]'.")
    with session.gateway() as gateway:
        found = gateway.run(GATE, GateRequest(reference=whole_release(reference), channel=place))
    session.answer(lambda: written(found), lambda page: _lines(found, page))
    if not found.opens:
        click.get_current_context().exit(5)


def _explain(session: Session, place: str, app: str) -> None:
    from promptops.cli.output.gate_policy import sentences
    from promptops.core.errors import ChannelNotFound
    from promptops.use_cases.channels import CHANNELS

    with session.gateway() as gateway:
        every = {channel.name: channel for channel in gateway.run(CHANNELS, None)}
    if place not in every:
        raise ChannelNotFound(f"there is no channel '{place}'", known=list(every))
    channel = every[place]
    said = sentences(channel.policy.gate, app.partition("@")[0]) if channel.policy.gate is not None else []
    nothing = f"{place} has no gate: its policy takes releases without evidence and without approvals."
    head = f"The gate of {place}, version {channel.version} of its policy:"
    session.answer(
        lambda: {"channel": place, "app": app, "policy_version": channel.version, "sentences": list(said)},
        lambda page: [head, "", *(f"  - {sentence}" for sentence in said)] if said else [nothing],
    )


def _lines(found: GateReport, page: Page) -> list[Line]:
    name = Span(f"{found.app}@{found.version}", "name")
    verdict = found.verdict
    if verdict is None:
        return [[Span("✓ ", "good"), f"{found.channel} has no gate, so nothing is asked of ", name]]
    if verdict.outcome is Outcome.PASS:
        head: Line = [Span("✓ ", "good"), Span(f"The gate of {found.channel} opens", "strong"), " for ", name]
    elif verdict.warns:
        head = [Span("! ", "warn"), f"The gate of {found.channel} would not open for ", name, "; its policy only warns"]
    else:
        head = [Span("✗ ", "bad"), Span(f"The gate of {found.channel} does not open", "strong"), " for ", name]
    against = f"  Compared with {' and '.join(found.live)}." if found.live else "  Nothing was live there before."
    lines: list[Line] = [head, [Span(against, "quiet")], ""]
    for check in verdict.checks:
        lines += _check(check, page)
    return [*lines, *_people(found), *next_steps(_next(found))]


def _check(check: CheckVerdict, page: Page) -> list[Line]:
    about = check.prompt or check.suite
    head: Line = [
        "  ",
        Span(check.outcome.value.ljust(13), _STYLES[check.outcome]),
        Span(check.name, "strong"),
        f" of {about}" if about else "",
    ]
    cases = f"{check.cases_missing:,} more cases" if check.cases_missing else ""
    least = f"{check.cases_least:,} cases at the least" if check.cases_least else ""
    rows = [
        ("asked", check.asked),
        ("got", check.got),
        ("", check.reason),
        ("could have seen", f"{check.smallest_seen:.1%}" if check.smallest_seen is not None else ""),
        ("missing", ", ".join(part for part in (cases, least) if part)),
        ("evidence", ", ".join(check.evidence)),
        ("waived until", moment(page, check.waived_until) if check.waived_until else ""),
        ("next", as_commands(check.hint) if not check.passed else ""),
    ]
    lines: list[Line] = [head]
    for title, text in rows:
        if text:
            lines.append([Span(f"{'':17}{title}: " if title else f"{'':17}", "quiet"), text])
    return lines


def _people(found: GateReport) -> list[Line]:
    lines: list[Line] = []
    for each in found.counted:
        kind = "proven" if each.proven else "claimed"
        lines.append([Span("  approved ", "quiet"), f"{each.approval.subject} by {each.person} ({kind})"])
    for other in found.discounted:
        who = other.approval.person or other.approval.actor
        lines.append([Span("  does not count ", "warn"), f"{other.approval.subject} by {who}: {other.reason}"])
    title = counted(len(found.counted), "approval") + (" counts" if len(found.counted) == 1 else " count")
    return ["", [Span(title, "strong")], *lines] if lines else []


def _next(found: GateReport) -> list[tuple[str, Sequence[str]]]:
    where = [f"{found.app}@{found.version}", "--channel", found.channel]
    if found.opens:
        return [("make it live", ["promote", *where])]
    assert found.verdict is not None
    names = {check.name for check in found.verdict.checks if not check.passed}
    steps: list[tuple[str, Sequence[str]]] = []
    if names - {"approvals", "freeze"}:
        checks = found.verdict.checks
        some = any(check.lacks_run for check in checks) and any(check.evidence for check in checks)
        steps.append(("make evidence", ["eval", *where, *(["--rebase"] if some else [])]))
    if "approvals" in names:
        steps.append(("another person", ["approve", *where]))
    return steps or [("what it asks", ["gate", "--explain-policy", "--channel", found.channel])]
