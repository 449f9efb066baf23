"""Findings and faults in the JSON of ``--json``. Scripts rely on these keys: versions add keys and remove none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from promptops.cli.output.advice import as_commands
from promptops.core.model import Json

if TYPE_CHECKING:
    from promptops.core.faults import Fault
    from promptops.core.finding import Finding

JsonObject = dict[str, Json]


def finding_shape(finding: Finding) -> JsonObject:
    return {
        "code": finding.code,
        "severity": finding.severity.value,
        "path": finding.path,
        "line": finding.line,
        "column": finding.column,
        "message": finding.message,
        "hint": finding.hint,
    }


def fault_shape(fault: Fault) -> JsonObject:
    return {
        "code": fault.code,
        "severity": fault.severity.value,
        "what": fault.what,
        "where": fault.where,
        "repair": as_commands(fault.repair),
    }
