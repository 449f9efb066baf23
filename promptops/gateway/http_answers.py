"""Reads answers of a server that are not simply the JSON of a noun, and writes parameters of requests."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from promptops.core.digest import digest as digest_of
from promptops.core.errors import Invalid, RegistryDamaged, RegistryUnavailable
from promptops.core.escape import one_line
from promptops.core.model import Json
from promptops.core.snapshot import Snapshot
from promptops.wire import snapshot as wire

_NOT = "the server's answer is not understood"


def parsed(data: bytes) -> Json:
    """Returns the JSON of a server's answer.

    Raises:
        ValueError: it is not JSON, or is nested deeper than any answer of promptops.
    """
    try:
        value: Json = json.loads(data)
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error
    return value


class AnswerObject(dict[str, Json]):
    """The JSON object of an answer. A missing key is an error of the server, with the name of the key."""

    def __missing__(self, name: str) -> Json:
        raise RegistryUnavailable(f"{_NOT}: it has no '{name}'")


def given(**values: str | int | datetime | None) -> list[tuple[str, str]]:
    """Returns the parameters that have a value, as text."""
    return [
        (name, value.astimezone(UTC).isoformat() if isinstance(value, datetime) else str(value))
        for name, value in values.items()
        if value is not None and value != ""
    ]


def number(value: Json) -> int | None:
    """Returns a number, or None for null."""
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    raise RegistryUnavailable(f"{_NOT}: {str(value)[:40]!r} is not a number")


def served(channel: str, data: bytes) -> Snapshot:
    """Returns the snapshot of a channel.

    Raises:
        RegistryDamaged: it is cut, damaged, or of another channel.
    """
    try:
        snapshot = wire.decode(data)
    except Invalid as error:
        why = one_line(error.message)
        raise RegistryDamaged(f"the snapshot of {channel} is not what the server made: {why}") from error
    if snapshot.channel != channel or snapshot.partial:
        raise RegistryDamaged(f"the server answered with another document than the snapshot of {channel}")
    return snapshot


def hashed(digests: Sequence[str], value: Json) -> Mapping[str, bytes]:
    """Returns the requested contents whose bytes have their digest.

    Raises:
        RegistryDamaged: the server sent contents, and none of them has its digest.
    """
    if not isinstance(value, Mapping):
        raise RegistryUnavailable(f"{_NOT}: it has no contents")
    came = {name: text.encode("utf-8", "replace") for name, text in value.items() if isinstance(text, str)}
    intact = {digest: data for digest, data in came.items() if digest in digests and digest_of(data) == digest}
    if came and not intact:
        raise RegistryDamaged("the contents that the server sent are not those of their digests")
    return intact
