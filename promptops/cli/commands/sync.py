"""`promptops sync`: bring to git what is not there yet, and exchange it with a remote."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from promptops.cli.command import command
from promptops.cli.output.json_shapes import JsonObject, fault_shape
from promptops.cli.output.phrases import counted, next_steps
from promptops.cli.output.render import Line, Span
from promptops.cli.session import Session

if TYPE_CHECKING:
    from promptops.operations.git_sync import Synced
    from promptops.projection.remote import Exchanged

SHOWN = 8
"""Refs that are named one by one; --json has all of them."""


@command("sync")
@click.option(
    "--remote",
    is_flag=False,
    flag_value="origin",
    default="",
    metavar="[NAME]",
    help="Fetch from and push to this remote too. [origin]",
)
@click.option("--quiet", "-q", is_flag=True, help="Say nothing unless something is wrong.")
def sync(session: Session, /, remote: str, quiet: bool) -> None:
    """Bring changes to git, and exchange them with a remote.

    Every change of the registry becomes a commit with a ref of its own below refs/promptops, and every release an
    annotated tag. That happens by itself after each change; this does what could not be done then. Refs and tags are
    created and never moved, here and on the remote.

    \b
      promptops sync
      promptops sync --remote
    """
    root = session.require_root()
    from promptops.operations import git_sync
    from promptops.source.tree import WorkingTree
    from promptops.source.workspace import read_workspace

    name = read_workspace(WorkingTree(root)).registry
    with session.registry("promptops sync") as registry:
        done = git_sync.sync(registry, root, name=name, remote=remote)
    if not quiet or done.drained.alarms:
        session.answer(lambda: _shape(done), lambda page: _lines(done))


def _shape(done: Synced) -> JsonObject:
    shape: JsonObject = {
        "done": done.drained.done,
        "pending": done.drained.pending,
        "waiting": [{"ref": waiting.ref, "why": waiting.why} for waiting in done.drained.waiting],
        "alarms": [fault_shape(fault) for fault in done.drained.alarms],
    }
    if done.exchanged:
        shape["remote"] = done.exchanged.remote
        shape["fetched"] = list(done.exchanged.fetched)
        shape["pushed"] = list(done.exchanged.pushed)
        shape["refused"] = dict(done.exchanged.refused)
    return shape


def _lines(done: Synced) -> list[Line]:
    drained = done.drained
    lines: list[Line] = []
    if drained.done:
        lines.append([Span("✓ ", "good"), Span("Brought to git: ", "strong"), counted(drained.done, "change")])
    elif not drained.pending:
        lines.append("Everything is in git.")
    if drained.pending:
        lines.append([Span(f"{counted(drained.pending, 'change')} not in git yet", "warn")])
    lines += _some([f"{waiting.ref}: {waiting.why}" for waiting in drained.waiting])
    for fault in drained.alarms[:SHOWN]:
        lines += [[Span("alarm: ", "bad"), f"{fault.where}: {fault.what}"]]
    if done.exchanged:
        lines += _exchanged(done.exchanged)
    return [*lines, *next_steps([("look closer", ["fsck"])] if drained.alarms else [])]


def _exchanged(done: Exchanged) -> list[Line]:
    if not (done.fetched or done.pushed or done.refused):
        return [f"{done.remote} has the same."]
    lines: list[Line] = []
    for what, names in (("Fetched from", done.fetched), ("Pushed to", done.pushed)):
        if names:
            head: Line = [Span("✓ ", "good"), Span(f"{what} {done.remote}: ", "strong"), counted(len(names), "ref")]
            lines += [head, *_some(names)]
    if done.refused:
        lines.append([Span(f"Refused: {counted(len(done.refused), 'ref')}", "bad")])
        lines += _some([f"{name}: {why}" for name, why in done.refused.items()])
    return lines


def _some(items: Sequence[str]) -> list[Line]:
    lines: list[Line] = [["  ", item] for item in items[:SHOWN]]
    if len(items) > SHOWN:
        lines.append([Span(f"  … and {len(items) - SHOWN:,} more", "quiet")])
    return lines
