"""What a promotion or rollback did -> lines and JSON. The lines show what was read back, not what was requested."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from promptops.cli.output.contract import contract_lines
from promptops.cli.output.json_shapes import JsonObject
from promptops.cli.output.measured_tokens import measured_lines
from promptops.cli.output.phrases import (
    canary,
    counted,
    enumerated,
    facts,
    moment,
    next_steps,
    one_line,
    quoted,
    release_name,
    serving,
    short,
    trial,
    verb,
)
from promptops.cli.output.render import Cell, Line, Page, Span
from promptops.core.bucketing import percent
from promptops.core.deployment_parts import Action
from promptops.core.model import Deployment, Kind
from promptops.use_cases.documents import written

if TYPE_CHECKING:
    from promptops.operations.deploy import Deployed

_WORDS = {
    Kind.ROLLBACK: ("Rolled back", "Would roll back"),
    Kind.PROMOTE: ("Promoted", "Would promote"),
    Kind.BREAK_GLASS: ("Recorded the override of", "Would record the override of"),
    Kind.ABORT: ("Ended the canary of", "Would end the canary of"),
    Kind.OFF: ("Retired", "Would retire"),
}
_STEPS = {
    Action.START: ("Started a canary of", "Would start a canary of"),
    Action.ADVANCE: ("Advanced the canary of", "Would advance the canary of"),
    Action.PAUSE: ("Paused the canary of", "Would pause the canary of"),
    Action.RESUME: ("Resumed the canary of", "Would resume the canary of"),
}
_DEPLOYED = "Deployed", "Would deploy"
"""The verb of a change, and the verb of its dry run."""


def _words(done: Deployment) -> tuple[str, str]:
    if done.kind is Kind.CANARY and done.canary is not None:
        return _STEPS.get(done.canary.action, _DEPLOYED)
    return _WORDS.get(done.kind, _DEPLOYED)


def deployed_shape(deployed: Deployed) -> JsonObject:
    """Every deployment below ``deployments``; of a change of one app also its keys at the top."""
    shape = written(deployed)
    every = cast("Sequence[JsonObject]", shape["deployments"])
    return (every[0] if len(every) == 1 else {}) | shape


def deployed_lines(
    deployed: Deployed,
    page: Page,
    *,
    elsewhere: Sequence[str] = (),
    again: Sequence[str] = (),
    step: Sequence[str] = (),
) -> list[Line]:
    """One app in full, or several as a table.

    ``elsewhere`` are the other channels that serve the release which a rollback left. ``again`` is the command that
    does what a dry run of several apps showed, and ``step`` is the one of a step of a canary.
    """
    if len(deployed.deployments) == 1 and not deployed.unchanged:
        lines = _one(deployed, deployed.deployments[0], page, elsewhere, step)
    elif not deployed.deployments:
        lines = [line for each in deployed.unchanged for line in _unchanged(each, page)]
    else:
        lines = _several(deployed, page, again)
    if deployed.replayed:
        lines[:0] = [[Span("This key was used before: the change was made then, and nothing was done now.", "warn")]]
    return [
        *lines,
        *_low_traffic(deployed),
        *_warned(deployed),
        *_ending(deployed),
        *_not_following(deployed),
        *_overtaken(deployed),
    ]


def _low_traffic(deployed: Deployed) -> list[Line]:
    """The canaries that start with too few keys, and what to do instead."""
    if not deployed.low_traffic:
        return []
    from promptops.cli.output.canary_plan_report import low_traffic_lines

    return [line for low in deployed.low_traffic for line in low_traffic_lines(low)]


def _warned(deployed: Deployed) -> list[Line]:
    """What a gate that only warns said."""
    if not deployed.warned:
        return []
    head: Line = [Span("! ", "warn"), "the gate would not have opened; its policy only warns:"]
    return ["", head, *([Span(f"    {text}", "warn")] for text in map(one_line, deployed.warned))]


def _ending(deployed: Deployed) -> list[Line]:
    """Models of what is served that end soon, or have ended."""
    lines: list[Line] = [[Span("! ", "warn"), one_line(text)] for text in deployed.ending]
    return ["", *lines] if lines else []


def _one(deployed: Deployed, done: Deployment, page: Page, elsewhere: Sequence[str], step: Sequence[str]) -> list[Line]:
    held = {each.release for each in deployed.kept_out}
    left = done.before if done.kind is Kind.ROLLBACK or done.before in held else None
    out = left.version if left else "the release of the canary" if _left_a_canary(done, step) else ""
    kept = f"{out}: it cannot be promoted to {done.channel} again until it is let back in" if out else ""
    proof = "would be revision" if deployed.dry_run else "read back from the registry: revision"
    rows: list[tuple[str, Cell]] = [
        (
            "would serve" if deployed.dry_run else "serving",
            f"{'  '.join([serving(done), *filter(None, [short(done.digest)])])}  ({proof} {done.revision})",
        ),
        ("canary", f"{trial(done)}  {short(done.canary.release.digest)}" if done.canary else ""),
        ("by", done.actor if deployed.dry_run else f"{done.actor}, {moment(page, done.at)}"),
        ("reason", done.reason or (Span("none given", "quiet") if done.kind is Kind.ROLLBACK else "")),
        (_quarantined(deployed), kept),
        ("still live", Span(f"{left.version} on {', '.join(elsewhere)}" if left and elsewhere else "", "warn")),
    ]
    lines = [_headline(deployed, done), "", *facts(page, rows), *measured_lines(deployed.measured, page)]
    lines += contract_lines(deployed.contract, alone=True, dry_run=deployed.dry_run)
    return [*lines, *next_steps(_next(deployed, done, step))]


def _left_a_canary(done: Deployment, step: Sequence[str]) -> bool:
    """Whether the release of a canary went into quarantine: by a rollback, or by an abort that asks for it."""
    return done.kind is Kind.ABORT and (not step or "--quarantine" in step)


def _quarantined(deployed: Deployed) -> str:
    return "to quarantine" if deployed.dry_run else "quarantined"


def _headline(deployed: Deployed, done: Deployment) -> Line:
    did, would = _words(done)
    first = ", the first release there" if done.revision == 1 else ""
    way = "" if first else f"{done.before.version if done.before else 'off'} → "
    serves = serving(done)
    if done.canary is not None:
        way, serves = "", f"{done.canary.release.version} for {percent(done.canary.weight)} of the keys"
        first = f", {serving(done)} for the others"
    elif done.kind is Kind.ABORT:
        way, serves = "", f"{serves} for everyone"
    cells: list[Cell] = [Span("Dry run. ", "warn") if deployed.dry_run else Span("✓ ", "good")]
    cells += [Span(would if deployed.dry_run else did, "strong"), " ", Span(done.app, "name"), " on "]
    cells += [Span(done.channel, "name"), ": ", way, Span(serves, "strong"), first]
    return [*cells, ". Nothing was changed."] if deployed.dry_run else cells


def _next(deployed: Deployed, done: Deployment, step: Sequence[str]) -> list[tuple[str, list[str]]]:
    place = [done.app, "--channel", done.channel]
    if deployed.dry_run:
        if step:
            return [("to do it", [*step, "--expect-revision", str(done.revision - 1)])]
        if done.kind is Kind.ROLLBACK:
            command = ["rollback", *place, "--to", done.version]
        elif done.kind is not Kind.PROMOTE or done.stable is None:
            return []
        else:
            command = ["promote", release_name(done.app, done.stable), "--channel", done.channel]
        command += ["--reason", done.reason] if done.reason else []
        return [("to do it", [*command, "--expect-revision", str(done.revision - 1)])]
    if done.canary is not None:
        more = ["canary", "advance", *place, "--percent", "N"]
        return [
            ("how it stands", ["canary", "status", *place]),
            ("give it to more", more),
            ("give it to everyone", ["canary", "finish", *place]),
            ("if it goes wrong", ["rollback", *place]),
        ]
    if done.kind is Kind.OFF and done.before is not None:
        return _after_retirement(deployed, done, release_name(done.app, done.before))
    if done.before is None or done.stable is None or done.kind is Kind.ABORT:
        return [("what is live", ["status"]), ("what it is made of", ["show", f"{done.app}:{done.channel}"])]
    old, new = release_name(done.app, done.before), release_name(done.app, done.stable)
    if done.kind is Kind.BREAK_GLASS:
        out = ["quarantine", old, "--channel", done.channel, "--reason", "…"]
        return [("what changed", ["diff", old, new]), (f"{done.before.version} was bad", out)]
    if done.kind is not Kind.ROLLBACK:
        return [("what changed", ["diff", old, new]), ("if it goes wrong", ["rollback", *place])]
    back = ["unquarantine", old, "--channel", done.channel, "--reason", "…"]
    return [
        ("what was taken out", ["diff", new, old]),
        (f"{done.version} is bad too", ["rollback", *place]),
        (f"{done.before.version} was fine", back),
    ]


def _after_retirement(deployed: Deployed, done: Deployment, left: str) -> list[tuple[str, list[str]]]:
    place = ["--channel", done.channel]
    live = ("who serves what", ["clients", *place])
    if not deployed.kept_out:
        return [live, ("to put it back", ["rollback", done.app, *place])]
    return [
        live,
        ("a corrected release", ["promote", f"{done.app}@VERSION", *place]),
        (f"{left} was fine", ["unquarantine", left, *place, "--reason", "…"]),
    ]


def _unchanged(current: Deployment, page: Page) -> list[Line]:
    beside = f", beside the {canary(current)}" if current.canary else ""
    return [
        [
            Span(current.app, "name"),
            " on ",
            Span(current.channel, "name"),
            " serves " if current.stable else " is ",
            Span(serving(current), "strong"),
            f" already{beside}: {verb(current)} {moment(page, current.at)}. Nothing was changed.",
        ]
    ]


def _several(deployed: Deployed, page: Page, again: Sequence[str]) -> list[Line]:
    done = next((each for each in deployed.deployments if each.kind is Kind.ROLLBACK), deployed.deployments[0])
    did, would = _words(done)
    head = f"{would if deployed.dry_run else did} {counted(len(deployed.deployments), 'app')}"
    mark = Span("Dry run. ", "warn") if deployed.dry_run else Span("✓ ", "good")
    tail = ". Nothing was changed." if deployed.dry_run else ", in one transaction"
    rows: list[list[Cell]] = [[Span(title, "quiet") for title in ("APP", "FROM", "TO", "REVISION")]]
    for deployment in deployed.deployments:
        nothing = "nothing" if deployment.revision == 1 else "off"
        before = deployment.before.version if deployment.before else nothing
        if deployment.kind is Kind.ABORT:
            before = "its canary"
        rows.append([deployment.app, before, Span(serving(deployment), "strong"), str(deployment.revision)])
    same = ", ".join(f"{d.app} {serving(d)}" for d in deployed.unchanged)
    details: list[tuple[str, Cell]] = [
        ("unchanged", same),
        ("by", done.actor if deployed.dry_run else f"{done.actor}, {moment(page, done.at)}"),
        ("reason", quoted(done.reason)),
        (_quarantined(deployed), "each release of FROM" if done.kind in (Kind.ROLLBACK, Kind.ABORT) else ""),
    ]
    steps = [("what is live", ["status", "--channel", done.channel])]
    if deployed.dry_run:
        steps = [("to do it", list(again))] if again else []
    title: Line = [mark, Span(head, "strong"), " on ", Span(done.channel, "name"), tail]
    changed = contract_lines(deployed.contract, alone=False, dry_run=deployed.dry_run)
    return [title, "", *page.columns(rows), "", *facts(page, details), *changed, *next_steps(steps)]


def _not_following(deployed: Deployed) -> list[Line]:
    """The live clients that keep the release before, since they do not understand the new one."""
    if not deployed.not_following:
        return []
    names = enumerated([one_line(client.client) for client in deployed.not_following])
    lacks = enumerated(sorted({feature for client in deployed.not_following for feature in client.lacks}))
    count = counted(len(deployed.not_following), "live client")
    will = "would keep" if deployed.dry_run else "keep" if len(deployed.not_following) > 1 else "keeps"
    return [
        "",
        [
            Span("Not followed by all: ", "warn"),
            f"{count} without {lacks} {will} the release before: {names}. Upgrade promptops there.",
        ],
    ]


def _overtaken(deployed: Deployed) -> list[Line]:
    """The lines for a channel that another change reached between our commit and the read-back."""
    ours = {(d.app, d.channel): d for d in (*deployed.deployments, *deployed.unchanged)}
    lines: list[Line] = []
    for served in deployed.served:
        mine = ours.get((served.app, served.channel))
        if mine is not None and served.revision != mine.revision:
            lines += [
                "",
                [
                    Span("Since then: ", "warn"),
                    f"{served.app} on {served.channel} {'serves' if served.stable else 'is'} {serving(served)} now, "
                    f"{verb(served)} by {served.actor} at revision {served.revision}.",
                ],
            ]
    return lines
