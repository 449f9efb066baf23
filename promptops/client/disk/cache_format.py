"""Releases that are held  <->  bytes that prove themselves: the format of a cache file, and of a bundle in one file.

::

    POPSLKG1
    <SHA-256 of the rest, 64 hex digits>
    {"schema": "promptops.last-known-good/1", "snapshot": "{…}", "releases": {"sha256:…": "{…}"}, "gone": null,
     "fixed": {"support-bot@1.3.0": "sha256:…"}}

Snapshot and releases are the canonical texts that the registry gave, so a file is verified like an answer of the
network: the file by its digest, the snapshot by the digest in it, each release by its own. It is JSON, read strictly:
nothing in it can be run.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from promptops.client.state.release_set import (
    Held,
    Rejected,
    Rejection,
    Required,
    build,
    require_possible,
    with_version,
)
from promptops.core.digest import digest as digest_of
from promptops.core.errors import Invalid
from promptops.core.model import ReleaseRef
from promptops.core.reference import parse_reference
from promptops.core.snapshot import Snapshot
from promptops.wire.snapshot import decode as decode_snapshot
from promptops.wire.snapshot import encode as encode_snapshot
from promptops.wire.snapshot import is_digest

MAGIC = b"POPSLKG1\n"
SCHEMA = "promptops.last-known-good/1"
MAX_FILE = 256 << 20
"""No file is larger: a channel of 200 apps with releases of 400 KB each."""

_HEX = 64  # digits of a SHA-256
_KEYS = {"schema", "snapshot", "releases", "gone", "fixed"}


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskProblem:
    """A file that is not used, and why: ``reason`` is one word that stays the same, ``message`` is for people."""

    path: Path
    reason: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredChannel:
    """What is held, as bytes: the fields are those of :class:`promptops.client.state.release_set.Held`."""

    snapshot: bytes
    contents: Mapping[str, bytes]
    gone: bytes = b""
    fixed: Mapping[str, str] = field(default_factory=dict)


def stored_of(held: Held) -> StoredChannel:
    """Returns what is held, ready to be written."""
    return StoredChannel(
        snapshot=encode_snapshot(held.snapshot)[0],
        contents=held.contents,
        gone=encode_snapshot(held.gone)[0] if held.gone else b"",
        fixed={f"{app}@{version}": digest for (app, version), digest in held.fixed.items()},
    )


def restore(stored: StoredChannel, *, channel: str, required: Required = (), older: Held | None = None) -> Held:
    """Returns what was held, verified and compiled as if it had just arrived. An app that cannot be loaded comes from
    ``older``, if it is there.

    Raises:
        Rejected: it is damaged, of another channel, or nothing of it can be loaded.
    """
    snapshot, held = whole(stored.snapshot, channel), older
    if stored.gone:
        held = build(whole(stored.gone, channel), stored.contents, older=older)
    # What no pointer names was kept for conversations.
    held = build(snapshot, stored.contents, older=held, required=required, kept=stored.contents)
    if held.unloaded and not held.apps:
        first = next(iter(held.unloaded.values()))
        raise Rejected(Rejection(first.reason), first.message)
    for name, digest in stored.fixed.items():
        ref = parse_reference(name)
        if digest in stored.contents:
            release = ReleaseRef(version=ref.version, digest=digest)
            with suppress(Rejected):  # the next call for this version finds it missing, and fetches it
                held = with_version(held, ref.app, release, stored.contents[digest])
    return held


def whole(data: bytes, channel: str) -> Snapshot:
    """Returns a stored snapshot, or event, as a whole snapshot.

    Raises:
        Rejected: it is damaged, of another channel, or has numbers that no registry reaches.
    """
    try:
        snapshot = decode_snapshot(data)
    except Invalid as error:
        raise Rejected(Rejection.CONTENT, error.message) from error
    if snapshot.channel != channel:
        raise Rejected(Rejection.CHANNEL, f"it is of the channel '{snapshot.channel}', not of '{channel}'")
    require_possible(snapshot)
    return replace(snapshot, partial=False)


def encode(stored: StoredChannel) -> bytes:
    """Returns the bytes of the file."""
    document = {
        "schema": SCHEMA,
        "snapshot": stored.snapshot.decode(),
        "releases": {digest: data.decode() for digest, data in stored.contents.items()},
        "gone": stored.gone.decode() or None,
        "fixed": dict(stored.fixed),
    }
    body = json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
    return MAGIC + hashlib.sha256(body).hexdigest().encode() + b"\n" + body


def decode(data: bytes) -> StoredChannel:
    """Read the bytes of a file, and prove every one of them.

    Raises:
        Rejected: with the reason.
    """
    start = len(MAGIC) + _HEX + 1
    if not data.startswith(MAGIC) or len(data) < start or data[start - 1 : start] != b"\n":
        raise Rejected(Rejection.CONTENT, "it does not begin as such a file does")
    body = data[start:]
    if hashlib.sha256(body).hexdigest().encode() != data[len(MAGIC) : start - 1]:
        raise Rejected(Rejection.DIGEST, "its digest is not that of what it holds")
    return _stored(_json(body), sealed=True)


def decode_bundle(data: bytes) -> StoredChannel:
    """Read a bundle in one file: such a file, or its JSON alone.

    Raises:
        Rejected: with the reason.
    """
    return decode(data) if data.startswith(MAGIC) else _stored(_json(data), sealed=False)


def _json(body: bytes) -> Mapping[str, object]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Rejected(Rejection.CONTENT, f"not JSON: {str(error)[:100]}") from error
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise Rejected(Rejection.CONTENT, f"its schema is not {SCHEMA!r}")
    if document.keys() != _KEYS:
        raise Rejected(Rejection.CONTENT, "it has unknown keys, or lacks some; a newer promptops may read it")
    return document


def _stored(document: Mapping[str, object], *, sealed: bool) -> StoredChannel:
    fixed = _texts(document["fixed"])
    contents = {digest: text.encode() for digest, text in _texts(document["releases"]).items()}
    wrong = [digest for digest, data in contents.items() if not is_digest(digest) or digest_of(data) != digest]
    if wrong and sealed:
        raise Rejected(Rejection.DIGEST, f"the bytes of {wrong[0][:80]} do not match its digest")
    for digest in wrong:  # the app that needs it cannot be loaded, and no other is touched
        del contents[digest]
    gone = document["gone"]
    return StoredChannel(
        snapshot=_text(document["snapshot"]).encode(),
        contents=contents,
        gone=b"" if gone is None else _text(gone).encode(),
        fixed={name: digest for name, digest in fixed.items() if _is_release(name)},
    )


def _is_release(name: str) -> bool:
    try:
        return bool(parse_reference(name).version)
    except Invalid:
        return False


def _texts(value: object) -> Mapping[str, str]:
    if not isinstance(value, dict):
        raise Rejected(Rejection.CONTENT, f"{type(value).__name__} stands where an object belongs")
    return {key: _text(item) for key, item in value.items()}


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise Rejected(Rejection.CONTENT, f"{type(value).__name__} stands where text belongs")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise Rejected(Rejection.CONTENT, "a lone surrogate is not a character") from error
    return value
