"""Which registry this is, its apps, and the clients that follow it, as rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from promptops.core.errors import ChannelNotFound, Invalid, RegistryUnavailable
from promptops.core.escape import one_line
from promptops.core.heartbeat import Beat, Clients, LiveClient, State
from promptops.core.model import Json
from promptops.core.names import AppName, ChannelName
from promptops.core.token import Scope
from promptops.operations import heartbeats, names
from promptops.operations.names import Identity
from promptops.use_cases.fields import query
from promptops.use_cases.use_case import AnswerForm, UseCase
from promptops.wire.heartbeat import client_to_json, clients_from_json, clients_to_json

IDENTITY: UseCase[None, Identity] = UseCase(
    name="registry",
    method="GET",
    path="/v1/registry",
    scope=Scope.READ,
    tag="Looking",
    doc="""Which registry this is.

    The lineage distinguishes it from others of its name; the epoch counts how often it came back from a backup.
    """,
    run=lambda registry, request, caller: names.identity(registry),
    answer=Identity,
)

APPS: UseCase[None, tuple[str, ...]] = UseCase(
    name="apps",
    method="GET",
    path="/v1/apps",
    scope=Scope.READ,
    tag="Looking",
    doc="The names of all apps, in order.",
    run=lambda registry, request, caller: names.apps(registry),
    answer=tuple[AppName, ...],
    under="apps",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientsRequest:
    """The channel whose clients to list; empty: of all."""

    channel: ChannelName = ""


def _clients(document: Mapping[str, Json]) -> Clients:
    try:
        return clients_from_json(document)
    except Invalid as error:
        raise RegistryUnavailable(f"the server's answer is not understood: {one_line(error.message)}") from error


_CLIENT: Final = LiveClient(
    beat=Beat(
        id="4bf92f3577b34da6a3ce929d0e0e4736",
        channel="prod",
        name="web-3:4711",
        sdk="promptops/0.1.0 python/3.11.7",
        state=State.READY,
        lineage="0b0e6c7e-8a0c-4d0f-9f0a-3c2b1d0e9f8a",
        epoch=1,
        revisions={"support-bot": 7},
    ),
    seen_at=datetime(2026, 3, 1, 18, 30, tzinfo=UTC),
    comparable=True,
    behind=(),
)
_LIST: Final = {"type": "array", "items": {"type": "object", "required": [*client_to_json(_CLIENT)]}}

CLIENTS = UseCase(
    name="clients",
    method="GET",
    path="/v1/clients",
    scope=Scope.READ,
    tag="Operating",
    doc="""The running clients, the revisions that they serve, and the apps that they cannot load.

    `clients` sent a heartbeat within the last 90 seconds; `silent` ones up to 10 minutes ago, without a goodbye since.
    The answer leaves out channels and apps that the token may not see, and a client that follows nothing else. A
    client that came with another token is shown with a substitute `id`, which only distinguishes it from others.
    """,
    run=lambda registry, request, caller: heartbeats.clients(registry, request.channel, now=caller.now),
    request=ClientsRequest,
    answer=Clients,
    form=AnswerForm(
        write=clients_to_json,
        read=_clients,
        schema={"type": "object", "properties": {"clients": _LIST, "silent": _LIST}, "required": ["clients", "silent"]},
        example=clients_to_json(Clients(live=(_CLIENT,))),
    ),
    fields=(query("channel", max_length=63),),
    errors=(ChannelNotFound,),
)
