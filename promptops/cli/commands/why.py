"""`promptops why`: what is known of one call, from its id alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from promptops import clock
from promptops.cli.command import command
from promptops.cli.output.phrases import counted, one_line, person, quoted
from promptops.cli.output.render import Cell, Line, Page, Span
from promptops.cli.session import Session
from promptops.use_cases.documents import written

if TYPE_CHECKING:
    from promptops.wire.documents.why import WhyDocument


@command("why")
@click.argument("call", metavar="CALL_ID")
def why(session: Session, /, call: str) -> None:
    """Why one call came out as it did, and of which release.

    Everything follows from the call's id, for ever. An application has it as `call.id`, traces as `promptops.call_id`.

    \b
      promptops why pc1:0b0e11aa:support-bot:prod:3.17s:0db52f40:akVfAJqcaBn_MQ:AAECAwQFAqGlXrJQ
    """
    from promptops.operations.why import WhyRequest
    from promptops.use_cases.why import WHY

    with session.gateway() as gateway:
        found = gateway.run(WHY, WhyRequest(call=call))
    session.answer(lambda: written(found), lambda page: _lines(found.document, page))


def _lines(found: WhyDocument, page: Page) -> list[Line]:
    lines: list[Line] = [*_head(found, page)]
    if found.release is not None:
        lines += ["", *_evidence(found, page), "", *_changes(found, page), *_rates(found, page)]
    return lines


def _head(found: WhyDocument, page: Page) -> Iterator[Line]:
    prompt = f"{found.app}/{found.prompt}" if found.prompt else f"a prompt of {found.app}"
    yield ["A call of ", Span(prompt, "name"), " on ", Span(found.channel, "name"), f", revision {found.revision}"]
    if not found.sealed:
        yield Span("  Its id has no seal, so anyone may have made it up.", "warn")
    if found.release is None:
        fixed = "the application chose its release: a fixed version, an override or its fallback"
        yield f"  {fixed if found.arm == 'fixed' else 'the log does not say of which release'}."
        return
    served: list[Cell] = ["  ", Span(f"{found.app}@{found.release.version}", "strong"), f", {found.arm}"]
    if found.since is not None:
        served.append(f", from {clock.format_moment(found.since, page.zone)}")
    end = clock.format_moment(found.until, page.zone) if found.until is not None else "now"
    yield [*served, f" until {end}"]
    yield [f"  made live by {person(found.actor)}", f": {quoted(one_line(found.reason))}" if found.reason else ""]


def _evidence(found: WhyDocument, page: Page) -> Iterator[Line]:
    if not found.evidence:
        yield "No evidence was recorded of it."
        return
    yield Span(f"{counted(len(found.evidence), 'piece')} of evidence", "strong")
    rows: list[list[Cell]] = [
        [each.id, each.check or each.source, each.verdict or "", clock.format_moment(each.at, page.zone)]
        for each in found.evidence
    ]
    yield from page.columns(rows)


def _changes(found: WhyDocument, page: Page) -> Iterator[Line]:
    from promptops.cli.commands.diff import change_lines

    if found.before is None:
        yield "There was no release before it."
        return
    before = f"{found.app}@{found.before.version}"
    if not found.changes:
        yield ["This prompt is as in the release before, ", Span(before, "name"), "."]
        return
    yield [Span(f"{counted(len(found.changes), 'change')} of this prompt", "strong"), " since ", Span(before, "name")]
    for change in found.changes:
        yield from change_lines(change.change(), page)


def _rates(found: WhyDocument, page: Page) -> Iterator[Line]:
    from promptops.cli.output.outcome_report import table

    if not found.rates:
        return
    yield ""
    yield Span(f"This prompt in the last {found.days} days", "strong")
    yield from page.columns(list(table(found.channel, found.rates)))
