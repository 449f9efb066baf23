"""`promptops sync`: brings pending changes to git, and exchanges them with a remote."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from promptops.cli.command import command
from promptops.cli.git_sync import declared_in
from promptops.cli.output.advice import as_commands
from promptops.cli.output.json_shapes import JsonObject, fault_document
from promptops.cli.output.phrases import counted, next_steps
from promptops.cli.output.render import Line, Span
from promptops.cli.session import Session
from promptops.cli.signing_key import signing_key
from promptops.wire.codec import to_json

if TYPE_CHECKING:
    from promptops.operations.git_sync import Synced
    from promptops.projection.remote import Exchanged

SHOWN = 8
"""Refs that are named one by one; --json names them all."""


@command("sync")
@click.option(
    "--remote",
    is_flag=False,
    flag_value="origin",
    default="",
    metavar="[NAME]",
    help="Fetch from and push to this remote too. [origin]",
)
@click.option("--quiet", "-q", is_flag=True, help="Print nothing unless something is wrong.")
@click.option(
    "--remove-old-refs",
    is_flag=True,
    help="Remove the refs that versions before 0.4.0 wrote, once the home has it all.",
)
@click.option("--claim/--no-claim", default=True, hidden=True, help="Whether this repository may become the home.")
def sync(session: Session, /, remote: str, quiet: bool, remove_old_refs: bool, claim: bool) -> None:
    """Bring changes to git, and exchange them with a remote.

    Every change of the registry becomes a commit on the branch promptops/REGISTRY of its home, and every release an
    annotated tag. Each change starts this by itself; run it when that could not finish. The branch only moves forward
    and tags are never moved, here and on the remote. Without a home yet, this repository becomes it.
    Exit code 1: something is not in git yet, or was refused.

    \b
      promptops sync
      promptops sync --remote
    """
    root = session.require_root()
    from promptops.operations import git_sync
    from promptops.operations.homes import Changed
    from promptops.projection.keyring import unvouched

    declared, changed = declared_in(root), Changed(actor=session.actor(), at=session.now, unlock=signing_key)
    with session.registry("promptops sync") as registry:
        with registry.read() as reader:
            is_first = reader.home() is None
        synced = git_sync.sync(
            registry, root, declared, changed, remote=remote, claim=claim, remove_older=remove_old_refs
        )
        notes = unvouched(registry) if is_first else ()
    if not quiet:
        for note in notes:
            session.note(note)
        session.answer(lambda: _shape(synced), lambda page: _lines(synced))
    problems = _problems(synced)
    for problem in problems:
        session.complain(problem)
    if problems:
        click.get_current_context().exit(1)


def _problems(synced: Synced) -> list[str]:
    """Words what is not as it should be afterwards, a line for each kind; none if all is well."""
    drained, exchanged = synced.drained, synced.exchanged
    problems = [f"{fault.where}: {fault.what}" for fault in drained.alarms[:1]]
    if drained.waiting:
        first = drained.waiting[0]
        problems.append(
            f"{counted(len(drained.waiting), 'change')} cannot go to git: {first.what}: {as_commands(first.why)}"
        )
    if exchanged and exchanged.refused:
        name, why = next(iter(exchanged.refused.items()))
        problems.append(f"{counted(len(exchanged.refused), 'ref')} refused: {name}: {why}")
    return problems


def _shape(synced: Synced) -> JsonObject:
    shape: JsonObject = {
        "done": synced.drained.done,
        "pending": synced.drained.pending,
        "waiting": [{"ref": waiting.what, "why": as_commands(waiting.why)} for waiting in synced.drained.waiting],
        "alarms": [to_json(fault_document(fault)) for fault in synced.drained.alarms],
    }
    if synced.older:
        shape["removed"], shape["kept"] = synced.older.removed, list(synced.older.kept)
    if synced.exchanged:
        shape["remote"] = synced.exchanged.remote
        shape["fetched"] = list(synced.exchanged.fetched)
        shape["pushed"] = list(synced.exchanged.pushed)
        shape["refused"] = dict(synced.exchanged.refused)
    return shape


def _lines(synced: Synced) -> list[Line]:
    drained = synced.drained
    lines: list[Line] = []
    if drained.done:
        lines.append([Span("✓ ", "good"), Span("Brought to git: ", "strong"), counted(drained.done, "change")])
    elif not (drained.pending or drained.alarms or (synced.exchanged and synced.exchanged.refused)):
        lines.append("Everything is in git.")
    if drained.pending:
        lines.append([Span(f"{counted(drained.pending, 'change')} not in git yet", "warn")])
    lines += _first([f"{waiting.what}: {as_commands(waiting.why)}" for waiting in drained.waiting])
    for fault in drained.alarms[:SHOWN]:
        lines += [[Span("alarm: ", "bad"), f"{fault.where}: {fault.what}"]]
    if synced.exchanged:
        lines += _exchanged(synced.exchanged)
    if synced.older:
        lines += [[Span("✓ ", "good"), Span("Removed ", "strong"), counted(synced.older.removed, "old ref")]]
        lines += _first([f"{name}: it holds something else than the registry, and stays" for name in synced.older.kept])
    return [*lines, *next_steps([("look closer", ["fsck"])] if drained.alarms else [])]


def _exchanged(exchanged: Exchanged) -> list[Line]:
    if not (exchanged.fetched or exchanged.pushed or exchanged.refused):
        return [f"{exchanged.remote} has the same."]
    lines: list[Line] = []
    for what, names in (("Fetched from", exchanged.fetched), ("Pushed to", exchanged.pushed)):
        if names:
            head: Line = [
                Span("✓ ", "good"),
                Span(f"{what} {exchanged.remote}: ", "strong"),
                counted(len(names), "ref"),
            ]
            lines += [head, *_first(names)]
    if exchanged.refused:
        lines.append([Span(f"Refused: {counted(len(exchanged.refused), 'ref')}", "bad")])
        lines += _first([f"{name}: {why}" for name, why in exchanged.refused.items()])
    return lines


def _first(items: Sequence[str]) -> list[Line]:
    lines: list[Line] = [["  ", item] for item in items[:SHOWN]]
    if len(items) > SHOWN:
        lines.append([Span(f"  … and {len(items) - SHOWN:,} more", "quiet")])
    return lines
