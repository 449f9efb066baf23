"""The reports of clients, and the registry's view of clients  <->  JSON.

::

    {"schema": "promptops.heartbeat/1", "id": "<32 hex digits>", "name": "web-1:4711",
     "sdk": "promptops/0.1.0 python/3.11.7", "state": "READY", "lineage": "0b0e…", "epoch": 1,
     "revisions": {"support-bot": 7}, "cannot_load": {"search": "the template of 'search/ask' …"},
     "understands": ["off"], "leaving": true,
     "extensions": {"asks": {"support-bot/answer": {"always": ["question"], "sometimes": ["customer_name"]}}}}

``cannot_load``, ``understands`` and ``leaving`` are left out if they are empty. Servers before 0.2.0 refuse all of them
(422), and 0.2.0 ``understands``. What a client asks for is among the extensions, which servers before 0.9.0 ignore; as
every extension, it is left out where it cannot be read.

A client in a list has no schema, and also ``channel``, ``seen_at``, ``comparable`` and ``behind``. A list has the live
clients as ``clients``, which is all that 0.1.0 reads, and the others as ``silent``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final

from promptops.core.asked import Asked, asked_from_json, asked_to_json
from promptops.core.errors import Invalid
from promptops.core.heartbeat import Beat, Clients, LiveClient, State
from promptops.core.model import Json
from promptops.core.timestamp import timestamp
from promptops.wire.extensions import EXTENSIONS, require_extensions

HEARTBEAT: Final = "promptops.heartbeat/1"
MAX_BYTES: Final = 64 << 10
"""Bytes of a heartbeat that a server reads. A client shortens the reasons of ``cannot_load`` to stay below it."""

_KEYS = frozenset(
    {"schema", "id", "name", "sdk", "state", "lineage", "epoch", "revisions", "cannot_load", "leaving", "understands"}
)


def beat_to_json(beat: Beat) -> dict[str, Json]:
    """Returns the JSON of a heartbeat; its channel is in the address that it is sent to."""
    extensions: Mapping[str, Json] = {} if beat.asks is None else {EXTENSIONS: {"asks": asked_to_json(beat.asks)}}
    return {"schema": HEARTBEAT, **_report(beat), **extensions}


def beat_from_json(document: Json, channel: str) -> Beat:
    """Read a heartbeat that came for this channel.

    Raises:
        Invalid: it is not a heartbeat, a part is malformed, or it has a key that this version does not know.
    """
    if not isinstance(document, Mapping) or document.get("schema") != HEARTBEAT:
        raise Invalid(f"not a heartbeat: its schema is not {HEARTBEAT!r}")
    require_extensions(document, "$")
    if unknown := sorted(set(document) - _KEYS - {EXTENSIONS}):
        raise Invalid(f"the heartbeat has the unknown key {unknown[0][:80]!r}")
    return replace(_beat(document, channel), asks=_asks(document))


def client_to_json(client: LiveClient) -> dict[str, Json]:
    """Returns the JSON of a client as it last reported."""
    return {
        "channel": client.beat.channel,
        **_report(client.beat),
        "seen_at": timestamp(client.seen_at),
        "comparable": client.comparable,
        "behind": list(client.behind),
    }


def client_from_json(document: Json) -> LiveClient:
    """Read a client; keys that a newer server adds are ignored.

    Raises:
        Invalid: it is not a client.
    """
    if not isinstance(document, Mapping):
        raise Invalid("a client is an object")
    behind, comparable = document.get("behind"), document.get("comparable")
    if not isinstance(behind, list) or not isinstance(comparable, bool):
        raise Invalid("a client says which apps it is behind with, and whether it can be compared")
    try:
        seen_at = datetime.fromisoformat(_text(document, "seen_at"))
    except ValueError as error:
        raise Invalid("a client's seen_at is no time") from error
    if seen_at.tzinfo is None:
        raise Invalid("a client's seen_at has no time zone")
    beat = _beat(document, _text(document, "channel"))
    return LiveClient(beat=beat, seen_at=seen_at, comparable=comparable, behind=tuple(map(str, behind)))


def clients_to_json(clients: Clients) -> dict[str, Json]:
    """Returns the JSON of live and silent clients."""
    return {
        "clients": [client_to_json(client) for client in clients.live],
        "silent": [client_to_json(client) for client in clients.silent],
    }


def clients_from_json(document: Mapping[str, Json]) -> Clients:
    """Read a list of clients; servers before 0.2.0 do not list silent ones.

    Raises:
        Invalid: it is not a list of clients.
    """
    live, silent = document.get("clients"), document.get("silent", [])
    if not isinstance(live, list) or not isinstance(silent, list):
        raise Invalid("it has no list of clients")
    return Clients(live=tuple(map(client_from_json, live)), silent=tuple(map(client_from_json, silent)))


def _report(beat: Beat) -> dict[str, Json]:
    return {
        "id": beat.id,
        "name": beat.name,
        "sdk": beat.sdk,
        "state": beat.state.value,
        "lineage": beat.lineage,
        "epoch": beat.epoch,
        "revisions": dict(sorted(beat.revisions.items())),
        **({"cannot_load": dict(sorted(beat.cannot_load.items()))} if beat.cannot_load else {}),
        **({"understands": list(beat.understands)} if beat.understands else {}),
        **({"leaving": True} if beat.leaving else {}),
    }


def _beat(document: Mapping[str, Json], channel: str) -> Beat:
    revisions, state = document.get("revisions"), _text(document, "state")
    cannot_load, leaving = document.get("cannot_load", {}), document.get("leaving", False)
    if not isinstance(revisions, Mapping) or not isinstance(cannot_load, Mapping):
        raise Invalid("a client's revisions are an object, and so is its cannot_load")
    understands = document.get("understands", [])
    if not isinstance(understands, list) or not all(isinstance(name, str) for name in understands):
        raise Invalid("a client's understands is a list of texts")
    if not isinstance(leaving, bool):
        raise Invalid("a client's leaving is true or false")
    if state not in list(State):
        raise Invalid(f"'{state[:80]}' is not a state of a client", hint=f"There are: {', '.join(State)}.")
    return Beat(
        id=_text(document, "id"),
        channel=channel,
        name=_text(document, "name"),
        sdk=_text(document, "sdk"),
        state=State(state),
        lineage=_text(document, "lineage"),
        epoch=_number(document.get("epoch"), "epoch"),
        revisions={app: _number(revision, f"revision of {app[:80]}") for app, revision in revisions.items()},
        cannot_load={app: _text(cannot_load, app) for app in cannot_load},
        leaving=leaving,
        understands=tuple(map(str, understands)),
    )


def _asks(document: Mapping[str, Json]) -> Asked | None:
    extensions = document.get(EXTENSIONS)
    return asked_from_json(extensions.get("asks")) if isinstance(extensions, Mapping) else None


def _text(document: Mapping[str, Json], key: str) -> str:
    value = document.get(key)
    if not isinstance(value, str):
        raise Invalid(f"a client's {key} is not text")
    return value


def _number(value: Json, what: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise Invalid(f"a client's {what} is not a whole number")
    return value
