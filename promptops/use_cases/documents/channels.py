"""Channels, and what applying those of a workspace did."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from promptops.core.model import Channel
from promptops.operations.channels import Applied, ChannelChange
from promptops.use_cases.documents.form import Form
from promptops.wire.documents.channels import ChannelChangeDocument, ChannelDocument, PolicyDocument


def _change(change: ChannelChange) -> ChannelChangeDocument:
    return ChannelChangeDocument(
        name=change.name,
        policy=PolicyDocument.of(change.policy),
        version=change.version,
        change=change.applied.value,
    )


def _from_change(document: ChannelChangeDocument) -> ChannelChange:
    return ChannelChange(
        name=document.name,
        policy=document.policy.policy(),
        version=document.version,
        applied=Applied(document.change),
    )


FORMS: Final[Mapping[type, Form[Any, Any]]] = {
    Channel: Form(ChannelDocument, ChannelDocument.of, ChannelDocument.channel),
    ChannelChange: Form(ChannelChangeDocument, _change, _from_change),
}
