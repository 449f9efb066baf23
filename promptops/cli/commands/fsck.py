"""`promptops fsck`: checks that everything that was ever written is there. Exit code 0, 1 or 2."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING

import click

from promptops import config
from promptops.cli.command import command
from promptops.cli.output.advice import as_commands
from promptops.cli.output.json_shapes import JsonObject, fault_document
from promptops.cli.output.phrases import counted, moment, next_steps, typed
from promptops.cli.output.render import Line, Page, Span
from promptops.cli.session import Session
from promptops.cli.signing_key import signing_key
from promptops.core.faults import Condition, Fault

if TYPE_CHECKING:
    from promptops.operations.fsck import FsckReport


_NO_REPAIR = frozenset({"registry-copy"})
"""Faults that no repair mends, and that may mean a loss: an older copy may have taken the registry's place."""


@command("fsck")
@click.option("--repair", is_flag=True, help="Write again what git lacks, put guards back; rows are never changed.")
@click.option(
    "--remote",
    is_flag=False,
    flag_value="origin",
    default="",
    metavar="[NAME]",
    help="Compare this remote too. [origin]",
)
@click.option("--all", "everything", is_flag=True, help="Also read what an earlier check verified, as --repair does.")
def fsck(session: Session, /, repair: bool, remote: str, everything: bool) -> None:
    """Check that everything is there, in the database and in git.

    It checks stored bytes against their digests, logs for gaps, the audit chain and its anchors in git, the guards, and
    every ref and tag against the rows. What it found whole is remembered in your cache folder, and the next time it
    begins behind that, with the rows before only counted; --all reads everything again. Exit code 0: all is well; 1: a
    change is not in git yet or was repaired; 2: damage.

    \b
      promptops fsck
      promptops fsck --all
      promptops fsck --repair
      promptops fsck --remote --json
    """
    url, root = session.database_url("promptops fsck"), session.root()
    from promptops.operations import fsck as checking

    name = ""
    if root is not None:
        from promptops.source.tree import WorkingTree
        from promptops.source.workspace import read_workspace

        name = read_workspace(WorkingTree(root)).registry
    allow = config.setting("PROMPTOPS_ALLOW_NETWORK_FS") == "1"
    place = checking.RegistryLocation(url=url, root=root, name=name, allow_network_fs=allow)
    report = checking.check(
        place, remote=remote, repair=repair, everything=everything, now=session.now, unlock=signing_key
    )
    session.answer(lambda: report_shape(report), lambda page: report_lines(report, page))
    if report.exit_code:
        click.get_current_context().exit(report.exit_code)


def report_shape(report: FsckReport) -> JsonObject:
    from promptops.wire.codec import to_json
    from promptops.wire.documents.commands import ExtentDocument, ReportDocument

    read = report.extent
    extent = ExtentDocument(first=read.first, last=read.last, verified_at=read.verified_at) if read else None
    return to_json(
        ReportDocument(
            ok=report.exit_code == 0,
            exit_code=report.exit_code,
            faults=tuple(map(fault_document, report.faults)),
            repaired=tuple(map(fault_document, report.repaired)),
            notes=report.notes,
            extent=extent,
        )
    )


def report_lines(report: FsckReport, page: Page) -> list[Line]:
    """Damage first; each finding with what, where and the repair; then what was not read now."""
    damage = [fault for fault in report.faults if fault.severity is Condition.DAMAGE]
    waiting = [fault for fault in report.faults if fault.severity is not Condition.DAMAGE]
    lines: list[Line] = []
    for faults, style in ((damage, "bad"), (waiting, "warn"), (report.repaired, "good")):
        word = "repaired" if faults is report.repaired else ""
        lines += _listed(faults, style, word)
    notes: list[Line] = [[Span("note: ", "quiet"), note] for note in report.notes]
    steps: list[tuple[str, Sequence[str]]] = []
    if any(fault.code not in _NO_REPAIR for fault in waiting) and not report.repaired:
        steps.append(("write it again", ["fsck", "--repair"]))
    return [*lines, _verdict(report, len(damage), len(waiting)), *_extent(report, page), *notes, *next_steps(steps)]


def _extent(report: FsckReport, page: Page) -> list[Line]:
    """Which lines of the audit log were read, unless that are all."""
    extent = report.extent
    if extent is None or extent.verified_at is None:
        return []
    newer = f"lines {extent.first:,} to {extent.last:,}" if extent.first <= extent.last else "no line is new"
    before = f"1 to {extent.first - 1:,} were verified before, the first {moment(page, extent.verified_at)}"
    return [[f"Checked: {newer}. {before}: ", Span(typed(["fsck", "--all"]), "command"), " checks them again."]]


def _listed(faults: Sequence[Fault], style: str, word: str) -> list[Line]:
    """The faults code by code; a repair that several share is shown once, below them."""
    lines: list[Line] = []
    for (code, repair), group in groupby(faults, key=lambda fault: (fault.code, fault.repair)):
        lines += [[Span(word or code, style), "  ", Span(fault.where, "name"), "  ", fault.what] for fault in group]
        if not word:
            lines.append(["    ", Span(as_commands(repair), "quiet")])
    return [*lines, ""] if lines else []


def _verdict(report: FsckReport, damage: int, waiting: int) -> Line:
    if damage:
        return [Span("✗ ", "bad"), Span(f"Damage: {counted(damage, 'finding')}", "strong"), ". No row was changed."]
    if any(fault.code in _NO_REPAIR for fault in report.faults):
        return [Span("Lines are missing here that git has. ", "strong"), f"{counted(waiting, 'finding')}."]
    if waiting:
        return [Span("Nothing is lost. ", "strong"), f"{counted(waiting, 'finding')} to put right."]
    if report.repaired:
        return [Span("✓ ", "good"), Span("All is well now", "strong"), f": {counted(len(report.repaired), 'repair')}."]
    return [Span("✓ ", "good"), Span("All is well.", "strong")]
