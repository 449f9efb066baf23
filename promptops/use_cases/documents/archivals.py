"""What an archival, the removal of a channel, or a look at a workspace's apps answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from promptops.operations.archive import Archived
from promptops.operations.remove_channel import RemovedChannel
from promptops.operations.vanished import VanishedApp
from promptops.use_cases.documents.form import Form, alike
from promptops.wire.documents.archivals import ArchivedDocument, RemovedChannelDocument, VanishedAppDocument

FORMS: Final[Mapping[type, Form[Any, Any]]] = {
    Archived: alike(Archived, ArchivedDocument),
    RemovedChannel: alike(RemovedChannel, RemovedChannelDocument),
    VanishedApp: alike(VanishedApp, VanishedAppDocument),
}
