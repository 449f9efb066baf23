"""Answers of a server that are not simply the JSON of a noun, and the parameters that were given."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from promptops.core.digest import digest as digest_of
from promptops.core.errors import Invalid, RegistryDamaged, RegistryUnavailable
from promptops.core.escape import one_line
from promptops.core.heartbeat import Clients
from promptops.core.model import Json, Release
from promptops.core.reference import Reference
from promptops.core.snapshot import Snapshot
from promptops.wire import snapshot as wire
from promptops.wire.heartbeat import clients_from_json

_NOT = "the server's answer is not understood"


def parsed(data: bytes) -> Json:
    """The JSON of a server.

    Raises:
        ValueError: it is not JSON, or is nested deeper than any answer of promptops.
    """
    try:
        found: Json = json.loads(data)
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error
    return found


class Document(dict[str, Json]):
    """An answer; what it lacks was never what was asked for."""

    def __missing__(self, name: str) -> Json:
        raise RegistryUnavailable(f"{_NOT}: it has no '{name}'")


def given(**values: str | int | datetime | None) -> list[tuple[str, str]]:
    """Parameters that have a value, as text."""
    return [
        (name, value.astimezone(UTC).isoformat() if isinstance(value, datetime) else str(value))
        for name, value in values.items()
        if value is not None and value != ""
    ]


def texts(value: Json) -> tuple[str, ...]:
    """A list of texts."""
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise RegistryUnavailable(f"{_NOT}: it has no list of names")
    return tuple(item for item in value if isinstance(item, str))


def require_same(reference: Reference, release: Release, app: str) -> None:
    """What came is what was asked for: another release with a digest of its own would be as whole."""
    same = app == release.app == reference.app and release.digest.startswith(reference.digest or "sha256:")
    if not same or (reference.version and release.version != reference.version):
        raise RegistryDamaged(
            f"the server was asked for {reference} and answered " + one_line(f"{release.app}@{release.version}")
        )


def number(value: Json) -> int | None:
    """A number, or None for null."""
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    raise RegistryUnavailable(f"{_NOT}: {str(value)[:40]!r} is no number")


def served(channel: str, data: bytes) -> Snapshot:
    """The snapshot of a channel.

    Raises:
        RegistryDamaged: it is cut, damaged, or of another channel.
    """
    try:
        found = wire.decode(data)
    except Invalid as error:
        why = one_line(error.message)
        raise RegistryDamaged(f"the snapshot of {channel} is not what the server made: {why}") from error
    if found.channel != channel or found.partial:
        raise RegistryDamaged(f"the server was asked for a snapshot of {channel} and answered something else")
    return found


def hashed(digests: Sequence[str], value: Json) -> Mapping[str, bytes]:
    """The contents among those that were asked for whose bytes are those of their digest.

    Raises:
        RegistryDamaged: that leaves none of those that came.
    """
    if not isinstance(value, Mapping):
        raise RegistryUnavailable(f"{_NOT}: it has no contents")
    came = {name: text.encode("utf-8", "replace") for name, text in value.items() if isinstance(text, str)}
    intact = {digest: data for digest, data in came.items() if digest in digests and digest_of(data) == digest}
    if came and not intact:
        raise RegistryDamaged("the contents that the server sent are not those of their digests")
    return intact


def clients(document: Mapping[str, Json]) -> Clients:
    """The clients of a list of them."""
    try:
        return clients_from_json(document)
    except Invalid as error:
        raise RegistryUnavailable(f"{_NOT}: {one_line(error.message)}") from error
