"""A finding of `promptops check` about a place in a file."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """The severity of a finding. Only errors stop a release."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A finding of `promptops check` about a place in a file. Lines and columns count from 1."""

    code: str
    severity: Severity
    path: str
    line: int
    column: int
    message: str
    hint: str = ""
