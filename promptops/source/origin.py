"""Where the text of a template comes from: a place in a file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from promptops.source.text.findings import Near, Report


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """A template's text; ``place`` maps its offsets to offsets in the file of ``report``."""

    report: Report
    text: str
    place: Callable[[int], int]

    def add(self, code: str, offset: int, message: str, hint: str | Near = "") -> None:
        self.report.add(code, self.place(offset), message, hint)
