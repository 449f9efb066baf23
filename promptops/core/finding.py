"""What `promptops check` has to say about a place in a file."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How bad a finding is; only errors stop a release."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something `promptops check` has to say about a place in a file. Lines and columns count from 1."""

    code: str
    severity: Severity
    path: str
    line: int
    column: int
    message: str
    hint: str = ""
