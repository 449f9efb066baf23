"""`promptops rebuild`: makes a new registry from git alone, after the database was lost."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from promptops.cli.command import command, reason_option
from promptops.cli.doubts import asking, unvouched_shape, yes_option
from promptops.cli.git_sync import bring_to_git, named_ref
from promptops.cli.numbers import Whole
from promptops.cli.output.json_shapes import JsonObject
from promptops.cli.output.phrases import counted, facts, next_steps
from promptops.cli.output.render import Line, Page, Span
from promptops.cli.session import Session
from promptops.cli.trusted_keys import trusted, trusted_key_option
from promptops.core.server_url import hide_password

if TYPE_CHECKING:
    from promptops.projection import Rebuilt

MISSING = (
    "idempotency keys: a request that is retried now is a new one",
    "changes that had not been brought to git when the database was lost",
)
"""What git does not have, by design."""
_SHOWN = 10
"""Unloadable releases that are named one by one; --json names them all."""
_NAMES = {"channels": "deployments"}
"""The noun for a kind of ref whose name is another noun."""


@command("rebuild")
@click.option(
    "--from-git",
    "source",
    required=True,
    metavar="PATH|URL",
    help="A clone of the repository that is the home of the journal.",
)
@click.option("--anchor", default="", metavar="HASH", help="Take nothing after the line of the log with this hash.")
@click.option("--ref", default="", metavar="REF", help="Take this ref for the journal, and no other.")
@click.option(
    "--accept-loss",
    type=Whole(1),
    metavar="N",
    help="Give up N lines of the audit log that are missing; with --reason.",
)
@reason_option
@trusted_key_option
@yes_option
def rebuild(
    session: Session,
    /,
    source: str,
    anchor: str,
    ref: str,
    accept_loss: int | None,
    reason: str,
    keys: tuple[str, ...],
    yes: bool,
) -> None:
    """Make a new registry from git alone.

    Every release, deployment, policy, quarantine and line of the audit log comes back as it was, verified byte by byte.
    The registry must not exist yet. It begins a new epoch, so that clients notice the rebuild. What does not prove
    itself is left out and named. Where --registry or PROMPTOPS_REGISTRY names the place, the new epoch goes to git by
    `promptops sync`, and not by itself: so a registry can be made to compare.

    A history with a hole, one that forks, and one that ends before a line that this machine has verified are refused
    with the numbers that are missing, and nothing is made. --accept-loss takes the lines before the hole, if N is how
    many are given up; the reason is in the audit log afterwards.

    A person who can push to the journal can add lines to it. A line that is signed with a trusted key vouches for all
    before it; lines behind it that should be signed and are not are left out. The lines that neither a key nor this
    machine vouches for are listed before a person at a terminal is asked; --yes answers. A script is refused if the
    registry has a key. --anchor takes what was there when you kept the hash: `promptops audit --verify` prints it.

    \b
      promptops rebuild --from-git .
      promptops rebuild --from-git https://example.org/prompts.git --registry postgresql://user@host/promptops
    """
    actor, url = session.actor(), session.database_url("promptops rebuild")
    from promptops.operations import rebuild as rebuilding

    path = session.directory / Path(source).expanduser()
    request = rebuilding.RebuildRequest(
        anchor=anchor,
        accept_loss=accept_loss or 0,
        reason=reason,
        ref=ref or named_ref(path if path.is_dir() else session.root()),
        only_ref=bool(ref),
        keys=trusted(session, keys),
    )
    place = str(path) if path.is_dir() else source
    confirm = asking(session, yes=yes)
    rebuilt = rebuilding.rebuild(place, url, request, actor=actor, now=session.now, confirm=confirm)
    place = hide_password(url)
    own = not session.names_registry()
    session.answer(lambda: _shape(rebuilt, place), lambda page: _lines(rebuilt, place, page, goes_on=own))
    for each in rebuilt.unloadable[:_SHOWN]:
        session.note(f"no client can load {each}")
    if len(rebuilt.unloadable) > _SHOWN:
        session.note(f"nor {counted(len(rebuilt.unloadable) - _SHOWN, 'other release')}: --json names them all")
    for each in rebuilt.ignored[:_SHOWN]:
        session.note(f"ignored: {each}")
    if len(rebuilt.ignored) > _SHOWN:
        session.note(f"ignored: {counted(len(rebuilt.ignored) - _SHOWN, 'more line')}; --json names them all")
    if own and not rebuilt.leaves:
        bring_to_git(session)


def _shape(rebuilt: Rebuilt, url: str) -> JsonObject:
    return {
        "registry": url,
        "lineage": rebuilt.lineage,
        "records": rebuilt.records,
        "kinds": dict(rebuilt.kinds),
        "audit": {"seq": rebuilt.seq, "hash": rebuilt.hash},
        "epoch": rebuilt.epoch,
        "not_in_git": list(MISSING),
        "unloadable": list(rebuilt.unloadable),
        "ignored": list(rebuilt.ignored),
        "lost": {"first": rebuilt.loss.first, "last": rebuilt.loss.last} if rebuilt.loss else None,
        "leaves": rebuilt.leaves,
        "unvouched": list(unvouched_shape(rebuilt.unvouched)),
    }


def _lines(rebuilt: Rebuilt, url: str, page: Page, *, goes_on: bool) -> list[Line]:
    head: Line = [Span("✓ ", "good"), Span("Rebuilt ", "strong"), Span(url, "name"), " from git"]
    rows = [
        ("lineage", rebuilt.lineage),
        ("epoch", str(rebuilt.epoch)),
        ("audit", f"up to line {rebuilt.seq}, {rebuilt.hash}"),
        ("given up", f"{rebuilt.loss} of the audit log" if rebuilt.loss else ""),
        *(
            (_NAMES.get(kind, kind), f"{count:,}")
            for kind, count in sorted(rebuilt.kinds.items())
            if kind != "registry"
        ),
    ]
    missing: list[Line] = [["  ", Span(text, "quiet")] for text in MISSING]
    lines = [head, "", *facts(page, [("changes", counted(rebuilt.records, "record")), *rows])]
    steps = [("check it", ["fsck"]), ("look", ["status"])]
    # Not by itself: a registry that was made to compare would take the journal away from the one that lives.
    if rebuilt.leaves:
        steps.append((f"go on in git, past commit {rebuilt.leaves[:12]}", ["sync"]))
    elif not goes_on:
        steps.append(("if it takes the place of the one that was lost, go on in git", ["sync"]))
    return [*lines, "", "Not in git, by design:", *missing, *next_steps(steps)]
