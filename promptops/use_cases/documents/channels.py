"""Channels, and what applying those of a workspace did."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from promptops.core.model import Channel
from promptops.operations.channels import Applied, ChannelChange
from promptops.use_cases.documents.form import Form
from promptops.wire.documents.channels import ChannelChangeDocument, ChannelDocument, PolicyDocument
from promptops.wire.documents.registry import OriginDocument


def _change(change: ChannelChange) -> ChannelChangeDocument:
    return ChannelChangeDocument(
        name=change.name,
        policy=PolicyDocument.of(change.policy),
        version=change.version,
        change=change.applied.value,
        before=PolicyDocument.of(change.before) if change.before else None,
        loosens=change.loosens,
        owner=OriginDocument.of(change.owner) if change.owner else None,
    )


def _from_change(document: ChannelChangeDocument) -> ChannelChange:
    return ChannelChange(
        name=document.name,
        policy=document.policy.policy(),
        version=document.version,
        applied=Applied(document.change),
        before=document.before.policy() if document.before else None,
        loosens=document.loosens,
        owner=document.owner.origin() if document.owner else None,
    )


FORMS: Final[Mapping[type, Form[Any, Any]]] = {
    Channel: Form(ChannelDocument, ChannelDocument.of, ChannelDocument.channel),
    ChannelChange: Form(ChannelChangeDocument, _change, _from_change),
}
