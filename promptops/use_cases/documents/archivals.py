"""What an archival, the removal of a channel, or a look at a workspace's apps answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from promptops.operations.archive import Archived
from promptops.operations.remove_channel import RemovedChannel
from promptops.operations.vanished import VanishedApp
from promptops.use_cases.documents.form import Form
from promptops.wire.documents.archivals import ArchivedDocument, RemovedChannelDocument, VanishedAppDocument


def _archived(answer: Archived) -> ArchivedDocument:
    return ArchivedDocument(
        app=answer.app,
        archived=answer.archived,
        successor=answer.successor,
        changed=answer.changed,
        reason=answer.reason,
        actor=answer.actor,
        at=answer.at,
    )


def _from_archived(document: ArchivedDocument) -> Archived:
    return Archived(
        app=document.app,
        archived=document.archived,
        successor=document.successor,
        changed=document.changed,
        reason=document.reason,
        actor=document.actor,
        at=document.at,
    )


def _removed(gone: RemovedChannel) -> RemovedChannelDocument:
    return RemovedChannelDocument(
        channel=gone.channel, version=gone.version, reason=gone.reason, actor=gone.actor, at=gone.at
    )


def _from_removed(document: RemovedChannelDocument) -> RemovedChannel:
    return RemovedChannel(
        channel=document.channel, version=document.version, reason=document.reason, actor=document.actor, at=document.at
    )


FORMS: Final[Mapping[type, Form[Any, Any]]] = {
    Archived: Form(ArchivedDocument, _archived, _from_archived),
    RemovedChannel: Form(RemovedChannelDocument, _removed, _from_removed),
    VanishedApp: Form(
        VanishedAppDocument,
        lambda each: VanishedAppDocument(app=each.app, version=each.version, renamed_to=each.renamed_to),
        lambda document: VanishedApp(app=document.app, version=document.version, renamed_to=document.renamed_to),
    ),
}
