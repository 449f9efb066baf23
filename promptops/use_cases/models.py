"""What is known of the models of what is live, as a row."""

from __future__ import annotations

from typing import Final

from promptops.core.errors import AppNotFound, ChannelNotFound
from promptops.core.token import Scope
from promptops.operations.model_outlook import Outlook, OutlookRequest, model_outlook
from promptops.use_cases.fields import query
from promptops.use_cases.use_case import UseCase

MODEL_OUTLOOK: Final = UseCase(
    name="model_outlook",
    method="GET",
    path="/v1/models/outlook",
    scope=Scope.READ,
    tag="Looking",
    doc="""The models of every live release, by when they end.

    An end is the one that the provider announced, as the server's version of promptops knows it, or what the release's
    workspace says of the model. `ends` is null where none is known.
    """,
    run=lambda registry, request, caller: model_outlook(registry, request, now=caller.now),
    request=OutlookRequest,
    answer=Outlook,
    fields=(query("app", "apps"), query("channel", max_length=63)),
    errors=(AppNotFound, ChannelNotFound),
)
