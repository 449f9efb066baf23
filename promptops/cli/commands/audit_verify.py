"""`promptops audit --verify`: checks that the log is what was written; exit code 2 if it is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from promptops.cli.output.advice import as_commands
from promptops.cli.output.phrases import counted, facts, next_steps
from promptops.cli.output.render import Cell, Line, Page, Span
from promptops.cli.session import Session

if TYPE_CHECKING:
    from promptops.operations.audit import Audited

DAMAGE = 2  # the exit code of fsck for damage


def verify(session: Session, anchor: str) -> int:
    """Verify the whole log, answer, and return the exit code."""
    root = session.root()
    with session.gateway(
        check_guards=False
    ) as gateway:  # a log that was tampered with has lost its guards, and must still open
        audited = gateway.verify_audit(anchor=anchor, root=root)
    session.answer(
        lambda: {
            "whole": not audited.faults,
            "entries": audited.entries,
            "head": audited.head,
            "anchors": audited.anchors,
            "git": audited.unread or "compared",
            "faults": [
                {"seq": fault.seq, "tampering": fault.tampering.value, "what": as_commands(fault.what)}
                for fault in audited.faults
            ],
        },
        lambda page: _lines(audited, anchor, page),
    )
    return DAMAGE if audited.faults else 0


def _lines(audited: Audited, anchor: str, page: Page) -> list[Line]:
    if audited.faults:
        head: Line = [
            Span("✗ ", "bad"),
            Span("The audit log is not what was written", "strong"),
            f": {counted(len(audited.faults), 'finding')} in {_entries(audited.entries)}",
        ]
        rows: list[list[Cell]] = [
            [
                Span(f"line {fault.seq}" if fault.seq else "the log", "quiet"),
                Span(fault.tampering.value, "bad"),
                as_commands(fault.what),
            ]
            for fault in audited.faults
        ]
        steps = [("the rest of the registry", ["fsck"])]
        return [head, "", *page.columns(rows), "", *facts(page, _compared(audited, anchor)), *next_steps(steps)]
    whole: Line = [Span("✓ ", "good"), Span("The audit log is whole", "strong"), f": {_entries(audited.entries)}"]
    keep: Line = Span(
        "Keep the head somewhere else: --anchor HASH proves later that nothing before it changed.", "quiet"
    )
    return [whole, "", *facts(page, _compared(audited, anchor)), "", keep]


def _compared(audited: Audited, anchor: str) -> list[tuple[str, Cell]]:
    git = (
        f"{audited.anchors:,} hashes compared"
        if not audited.unread
        else Span(f"not compared: {audited.unread}", "warn")
    )
    return [("head", audited.head), ("anchor", f"{anchor.strip()[:12]}…" if anchor else ""), ("git", git)]


def _entries(count: int) -> str:
    return "1 entry" if count == 1 else f"{count:,} entries"
