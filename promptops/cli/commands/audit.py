"""`promptops audit`: who did what, to which app and channel, when and why."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import fields
from typing import TYPE_CHECKING

import click

from promptops import clock
from promptops.cli import complete
from promptops.cli.command import command, limit_option
from promptops.cli.output.fit import cut
from promptops.cli.output.phrases import one_line, person
from promptops.cli.output.render import Cell, Line, Page, Span, print_csv
from promptops.cli.session import Session
from promptops.core.errors import Invalid
from promptops.core.model import AuditEntry
from promptops.use_cases.documents import written

if TYPE_CHECKING:
    from promptops.gateway import Gateway

_IDENTITY = re.compile(r" (?:sha256:[0-9a-f]{64}(?=$|[; ])|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$)")

WIDE = 110
"""From this width on, times, names and both sides of a change fit in full."""

REASON = 16
"""Characters of a reason that are always shown: people read the log for the reasons."""

NAME = 10
"""Characters of a name that are shown on a narrow terminal."""


@command("audit")
@click.option("--app", default="", metavar="APP", shell_complete=complete.apps, help="Only this app.")
@click.option("--channel", default="", metavar="NAME", shell_complete=complete.channels, help="Only this channel.")
@click.option("--by", default="", metavar="WHO", help="Only this actor, as the log has it.")
@click.option("--kind", default="", metavar="KIND", help="Only this kind of entry: promote, rollback, release, yank …")
@click.option("--since", default="", metavar="TIME", help="From then on: 2h, yesterday, 18:30, ISO 8601.")
@click.option("--until", default="", metavar="TIME", help="Up to then.")
@limit_option
@click.option("--csv", "as_csv", is_flag=True, help="All entries as CSV, for a spreadsheet.")
@click.option("--verify", is_flag=True, help="Prove that the whole log is what was written. Exit code 2 if not.")
@click.option("--anchor", default="", metavar="HASH", help="With --verify: an entry's hash that was kept elsewhere.")
def audit(
    session: Session,
    /,
    app: str,
    channel: str,
    by: str,
    kind: str,
    since: str,
    until: str,
    limit: int | None,
    as_csv: bool,
    verify: bool,
    anchor: str,
) -> None:
    """Who did what, when and why.

    Newest first. Each entry carries the hash of the one before it, so a changed or removed entry is noticed:
    --verify checks the database and the copy in git.

    \b
      promptops audit --since 2h
      promptops audit --app support-bot --channel prod --json
      promptops audit --verify
    """
    if verify or anchor:
        from promptops.cli.commands import audit_verify

        if any((app, channel, by, kind, since, until, limit, as_csv)):
            raise Invalid("--verify checks the whole log", hint="Leave the filters out.")
        click.get_current_context().exit(audit_verify.verify(session, anchor))
    if as_csv and session.json:
        raise Invalid("--csv and --json are two answers", hint="Give one of them.")
    start = clock.parse_since(since, session.now, session.zone) if since else None
    end = clock.parse_as_of(until, session.now, session.zone) if until else None
    with session.gateway() as gateway:
        count = limit if as_csv else session.limit(limit)
        most = None if kind else count
        entries = gateway.audit(app=app, channel=channel, actor=by, since=start, until=end, limit=most)
        entries = [entry for entry in entries if not kind or entry.action == kind.lower()][:count]
        doubts = [] if entries else _doubts(gateway, app, channel)
    for doubt in doubts:
        session.note(doubt)
    if as_csv:
        print_csv([field.name for field in fields(AuditEntry)], map(written, entries))
        return
    session.answer(
        lambda: {"entries": [written(entry) for entry in entries]},
        lambda page: _table(entries, session.limit(limit), page),
        long=True,
    )


def _doubts(gateway: Gateway, app: str, channel: str) -> list[str]:
    """Notes on filters that may be misspelt, with the names that exist."""
    from promptops.use_cases.registry import APPS

    named = [
        ("app", app, gateway.run(APPS, None) if app else ()),
        ("channel", channel, gateway.channel_names() if channel else ()),
    ]
    return [
        f"there is no {kind} '{name}' in this registry, only: {', '.join(known[:20]) or 'none'}"
        for kind, name, known in named
        if name and name not in known
    ]


def _table(entries: Sequence[AuditEntry], limit: int | None, page: Page) -> list[Line]:
    if not entries:
        return ["No entry matches."]
    narrow = page.width is not None and page.width < WIDE
    titles = ("SEQ", "WHEN", "WHO", "DID", "WHERE", "REASON")
    rows: list[list[Cell]] = [[Span(title, "quiet") for title in titles]]
    for entry in entries:
        place = entry.app + (f":{entry.channel}" if entry.channel and entry.app else entry.channel)
        rows.append(
            [
                Span(str(entry.seq), "quiet"),
                clock.format_age(entry.at, page.now) if narrow else clock.format_moment(entry.at, page.zone),
                cut(person(entry.actor), NAME) if narrow else person(entry.actor),
                Span(_did(entry, short=narrow), "strong"),
                Span(place, "name", len(entry.channel)),
                one_line(entry.reason),
            ]
        )
    lines = page.columns(rows, indent=0, least=REASON, spare=("SEQ",))
    if len(entries) == limit:
        lines += ["", Span(f"The newest {limit}; for older ones: --limit N", "quiet")]
    return lines


def _did(entry: AuditEntry, *, short: bool) -> str:
    """``rollback 0.2.1 → 0.2.0``, or ``rollback → 0.2.0``; digests and the registry's lineage are in --json."""
    before, after = (_IDENTITY.sub("", text) for text in (entry.before, entry.after))
    if entry.action.endswith("-token"):
        after = " ".join(after.split()[1:2])  # its name; --json has its id and rights
    if short and before and after:
        return f"{entry.action} → {after}"
    way = " → ".join(part for part in (before, after) if part)
    return f"{entry.action} {way}".rstrip()
