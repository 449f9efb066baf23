"""Reports models of an app that end soon, or have ended, where `app.yml` or a prompt names them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from promptops.core.models.ends import ending
from promptops.source.app_source import ReadApp
from promptops.source.text.findings import Report


def lint_ends(app: ReadApp, today: date) -> None:
    """Adds a finding for each place that names a model which ends within 60 days of ``today``."""
    for model, report, offset in _places(app):
        for each in ending([model], today, own=app.file.models):
            hint = f"Move to a model without an announced end. {each.source}"
            report.add("model-ends", offset, each.words(today), hint)


def _places(app: ReadApp) -> Iterator[tuple[str, Report, int]]:
    document = app.file.document
    if document is not None:
        for name, pin in app.file.pins.items():
            yield pin.model, app.file.report, document.key_offset(("models", name))
        for name, judge in app.file.judges.items():
            if name not in app.file.judge_pins and judge not in app.file.pins.values():
                yield judge.model, app.file.report, document.key_offset(("judges", name))
    for file in app.prompts:
        if file.prompt is not None and file.prompt.model and not file.pin:
            yield file.prompt.model, file.report, file.model_at
