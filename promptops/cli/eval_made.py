"""What came of a run of `promptops eval`: the files that were wanted of it, the report, and the exit code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from promptops.cli.session import Session
    from promptops.evals.reports.report import Report
    from promptops.evals.run_folder import RunFolder
    from promptops.operations.drift import DriftReport
    from promptops.operations.gate import GateReport

INTERRUPTED = 130


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What a run made: its report and folder; in a registry also its evidence, and what the channel's gate says now."""

    report: Report
    folder: RunFolder
    evidence: str = ""
    gate: GateReport | None = None
    drift: DriftReport | None = None


def write_files(session: Session, folder: RunFolder, report: Report, options: Mapping[str, Any]) -> None:
    """Writes the files that were asked of the run."""
    from promptops.operations import evaluate

    if options["record"]:
        evaluate.record(folder, session.path(options["record"]))
    if options["junit"]:
        from promptops.evals.reports.junit import junit

        session.path(options["junit"]).write_bytes(junit(report))
    if options["html"]:
        from promptops.evals.reports.html import html

        session.path(options["html"]).write_bytes(html(report))


def finish(session: Session, made: Made, *, strict: bool) -> None:
    """Shows the report, and ends with the exit code of what came of the run."""
    from promptops.cli.output import eval_report
    from promptops.evals.reports.report import as_json, fulfils
    from promptops.use_cases.documents import written

    report, folder = made.report, made.folder
    place = str(folder.path.relative_to(session.require_root()))
    session.answer(
        lambda: {
            **as_json(report, texts=False),
            "folder": place,
            "evidence": made.evidence or None,
            "gate": written(made.gate) if made.gate else None,
            "drift": asdict(made.drift) if made.drift else None,
        },
        lambda page: [
            *eval_report.lines(report, page, place, made.evidence, made.gate),
            *(eval_report.drift_lines(made.drift) if made.drift else ()),
        ],
    )
    context = click.get_current_context()
    if report.ended == "interrupted":
        session.note(f"{report.missing:,} answers are missing. To go on: promptops eval --continue {folder.id[:8]}")
        context.exit(INTERRUPTED)
    if report.missing:
        session.complain(*eval_report.stopped(report, folder.id))
        context.exit(6)
    if made.drift is not None:
        context.exit(5 if made.drift.worse else 0)
    if not fulfils(report, strict=strict):  # what a gate says is for the command `gate`: people may still approve
        context.exit(5)
