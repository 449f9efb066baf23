"""`promptops audit --verify`: whether the log is what was written; exit code 2 where it is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from promptops.cli.output.phrases import counted, facts, next_steps
from promptops.cli.output.render import Cell, Line, Page, Span
from promptops.cli.session import Session

if TYPE_CHECKING:
    from promptops.operations.audit import Audited

DAMAGE = 2


def verify(session: Session, anchor: str) -> int:
    """Verify the whole log, answer, and return the exit code."""
    root = session.root()
    with session.gateway(check_guards=False) as gateway:  # who changes a log takes its guards away first
        found = gateway.verify_audit(anchor=anchor, root=root)
    session.answer(
        lambda: {
            "whole": not found.faults,
            "entries": found.entries,
            "head": found.head,
            "anchors": found.anchors,
            "git": found.unread or "compared",
            "faults": [
                {"seq": fault.seq, "tampering": fault.tampering.value, "what": fault.what} for fault in found.faults
            ],
        },
        lambda page: _lines(found, anchor, page),
    )
    return DAMAGE if found.faults else 0


def _lines(found: Audited, anchor: str, page: Page) -> list[Line]:
    if found.faults:
        head: Line = [
            Span("✗ ", "bad"),
            Span("The audit log is not what was written", "strong"),
            f": {counted(len(found.faults), 'finding')} in {_entries(found.entries)}",
        ]
        rows: list[list[Cell]] = [
            [
                Span(f"line {fault.seq}" if fault.seq else "the log", "quiet"),
                Span(fault.tampering.value, "bad"),
                fault.what,
            ]
            for fault in found.faults
        ]
        steps = [("the rest of the registry", ["fsck"])]
        return [head, "", *page.columns(rows), "", *facts(page, _compared(found, anchor)), *next_steps(steps)]
    whole: Line = [Span("✓ ", "good"), Span("The audit log is whole", "strong"), f": {_entries(found.entries)}"]
    keep: Line = Span(
        "Keep the head somewhere else: --anchor HASH proves later that nothing before it changed.", "quiet"
    )
    return [whole, "", *facts(page, _compared(found, anchor)), "", keep]


def _compared(found: Audited, anchor: str) -> list[tuple[str, Cell]]:
    git = f"{found.anchors:,} hashes compared" if not found.unread else Span(f"not compared: {found.unread}", "warn")
    return [("head", found.head), ("anchor", f"{anchor.strip()[:12]}…" if anchor else ""), ("git", git)]


def _entries(count: int) -> str:
    return "1 entry" if count == 1 else f"{count:,} entries"
