"""The JSON of ``--json`` that scripts rely on: versions add keys and remove none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from promptops.core.model import Json

if TYPE_CHECKING:
    from promptops.core.faults import Fault
    from promptops.wire.documents.commands import FaultDocument

JsonObject = dict[str, Json]


def fault_document(fault: Fault) -> FaultDocument:
    """Returns a fault with its repair as a command to paste."""
    from promptops.cli.output.advice import as_commands
    from promptops.wire.documents.commands import FaultDocument

    return FaultDocument.of(fault, repair=as_commands(fault.repair))
