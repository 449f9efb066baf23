"""A snapshot, or an event of one  <->  bytes that carry their own digest.

::

    {"schema": "promptops.snapshot/1", "digest": "sha256:…", "registry": "shop", "lineage": "0b0e…", "epoch": 1,
     "channel": "prod", "cursor": 42,
     "apps": {"support-bot": {"revision": 7, "stable": {"version": "1.4.0", "digest": "sha256:…"}, "canary": null,
                              "weight": 0, "salt": "", "last_good": {"version": "1.3.0", "digest": "sha256:…"}}}}

``stable`` is null where the app is off there. ``digest`` is that of the canonical bytes (RFC 8785) of everything else,
so a reader notices a document that was cut, mixed or damaged over HTTP, in a CDN or on a disk. An event
has ``"schema": "promptops.event/1"`` and the changed apps only. Reading is strict: an unknown key is a newer format,
and is refused, except within an object ``extensions`` of the document or of an app
(:mod:`promptops.wire.extensions`); :mod:`promptops.wire.served_extensions` has those of an app.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from promptops.core.bucketing import WHOLE
from promptops.core.digest import digest as digest_of
from promptops.core.digest import parse_canonical
from promptops.core.errors import Invalid
from promptops.core.model import Json, ReleaseRef, is_name, is_segment
from promptops.core.reference import VERSION
from promptops.core.snapshot import Pointer, Snapshot
from promptops.wire.extensions import EXTENSIONS, require_extensions
from promptops.wire.served_extensions import bare, extensions_to_json, with_extensions

SNAPSHOT: Final = "promptops.snapshot/1"
EVENT: Final = "promptops.event/1"
RELEASES: Final = "promptops.releases/1"
"""The schema of several releases in one answer: their canonical bytes as text, by digest."""

MAX_BYTES: Final = 4 << 20
"""Bytes of a document at most, which bounds what a client reads: some 15,000 apps of a channel."""

_KEYS = frozenset({"schema", "digest", "registry", "lineage", "epoch", "channel", "cursor", "apps"})
_POINTER = frozenset({"revision", "stable", "canary", "weight", "salt", "last_good"})
_DIGITS = frozenset("0123456789abcdef")


def encode(snapshot: Snapshot) -> tuple[bytes, str]:
    """Returns the canonical bytes, on one line, and the digest that is in them.

    Raises:
        Invalid: it is larger than :data:`MAX_BYTES`.
    """
    document = _document(snapshot)
    body = _canonical(document)
    if len(body) > MAX_BYTES - 100:  # what apps declare stops no channel
        apps = {app: bare(pointer) for app, pointer in snapshot.apps.items()}
        body = _canonical(_document(replace(snapshot, apps=apps)))
    if len(body) > MAX_BYTES - 100:
        raise Invalid(f"the snapshot of {snapshot.channel} is {len(body):,} bytes, over the limit of {MAX_BYTES:,}")
    digest = digest_of(body)
    place = body.rindex(b'"epoch":')  # keys are in order; what follows are numbers and quoted texts
    return b"%b%b%b" % (body[:place], f'"digest":"{digest}",'.encode(), body[place:]), digest


def _document(snapshot: Snapshot) -> dict[str, Json]:
    apps: dict[str, Json] = {app: _pointer_to_json(pointer) for app, pointer in snapshot.apps.items()}
    return {
        "schema": EVENT if snapshot.partial else SNAPSHOT,
        "registry": snapshot.registry,
        "lineage": snapshot.lineage,
        "epoch": snapshot.epoch,
        "channel": snapshot.channel,
        "cursor": snapshot.cursor,
        "apps": apps,
    }


def decode(data: bytes) -> Snapshot:
    """Read a snapshot or an event.

    Raises:
        Invalid: it is cut, damaged, of another format, or has a value that is not valid; the message names it.
    """
    document = parse_canonical(data, limit=MAX_BYTES)
    if not isinstance(document, Mapping) or document.get("schema") not in (SNAPSHOT, EVENT):
        raise Invalid(f"not a snapshot: its schema is neither {SNAPSHOT!r} nor {EVENT!r}")
    _require_keys(document, _KEYS, "$", extensible=True)
    _require_digest(data, document["digest"])
    apps = document["apps"]
    channel = _text(document, "channel", "$")
    if not isinstance(apps, Mapping) or not all(map(is_name, apps)) or not is_name(channel):
        raise Invalid("the snapshot names an app or a channel that cannot be one")
    return Snapshot(
        registry=_text(document, "registry", "$"),
        lineage=_text(document, "lineage", "$"),
        epoch=_number(document, "epoch", "$", least=1),
        channel=channel,
        cursor=_number(document, "cursor", "$", least=0),
        apps={app: _pointer(value, f"$.apps.{app}") for app, value in apps.items()},
        partial=document["schema"] == EVENT,
    )


def _require_digest(data: bytes, named: Json) -> None:
    """Checks the digest: it is of the bytes without itself, which are canonical, so nothing is encoded again."""
    member = f'"digest":"{named}",'.encode("utf-8", "replace")
    actual = digest_of(data.replace(member, b"")) if data.count(member) == 1 else "something else"
    if actual != named:
        raise Invalid(f"the snapshot is damaged: it is {actual}, and names {str(named)[:80]!r}")


def _canonical(document: Mapping[str, Json]) -> bytes:
    """Returns what RFC 8785 makes of text, null, whole numbers and such fractions as those of :class:`DeclaredScore`,
    under names in ASCII.

    It is many times as fast, and every client waits for it after a rollback.
    """
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


def is_digest(text: str) -> bool:
    """Returns True for ``sha256:<64 lower-case hex digits>``."""
    return text.startswith("sha256:") and len(text) == 71 and _DIGITS.issuperset(text[7:])


def _pointer_to_json(pointer: Pointer) -> Json:
    extensions = extensions_to_json(pointer)
    return {
        **({EXTENSIONS: extensions} if extensions else {}),
        "revision": pointer.revision,
        "stable": _ref_to_json(pointer.stable),
        "canary": _ref_to_json(pointer.canary),
        "weight": pointer.weight,
        "salt": pointer.salt,
        "last_good": _ref_to_json(pointer.last_good),
    }


def _ref_to_json(ref: ReleaseRef | None) -> Json:
    return {"version": ref.version, "digest": ref.digest} if ref else None


def _pointer(value: Json, path: str) -> Pointer:
    document = _mapping(value, _POINTER, path, extensible=True)
    stable = _ref(document["stable"], f"{path}.stable")
    canary, weight = _ref(document["canary"], f"{path}.canary"), _number(document, "weight", path, least=0)
    salt = document["salt"]
    if weight > WHOLE or not isinstance(salt, str) or (canary is not None and not salt) or (weight and canary is None):
        raise Invalid(f"{path}: canary, weight and salt do not fit together")
    if canary is not None and stable is None:
        raise Invalid(f"{path} has a canary and no stable release beside it")
    pointer = Pointer(
        revision=_number(document, "revision", path, least=1),
        stable=stable,
        canary=canary,
        weight=weight,
        salt=salt,
        last_good=_ref(document["last_good"], f"{path}.last_good"),
    )
    return with_extensions(pointer, document.get(EXTENSIONS))


def _ref(value: Json, path: str) -> ReleaseRef | None:
    if value is None:
        return None
    document = _mapping(value, frozenset({"version", "digest"}), path)
    version, digest = _text(document, "version", path), _text(document, "digest", path)
    if not is_digest(digest):
        raise Invalid(f"{path}.digest is {digest[:80]!r}, not sha256:<hex>")
    if not VERSION.fullmatch(version) or not is_segment(version):
        raise Invalid(f"{path}.version is {version[:80]!r}, not a version")
    return ReleaseRef(version=version, digest=digest)


def _mapping(value: Json, keys: frozenset[str], path: str, *, extensible: bool = False) -> Mapping[str, Json]:
    if not isinstance(value, Mapping):
        raise Invalid(f"{path} is not an object")
    _require_keys(value, keys, path, extensible=extensible)
    return value


def _require_keys(document: Mapping[str, Json], keys: frozenset[str], path: str, *, extensible: bool = False) -> None:
    if missing := sorted(keys - set(document)):
        raise Invalid(f"{path} has no {missing[0]!r}")
    if extensible:
        require_extensions(document, path)
        keys |= {EXTENSIONS}
    if unknown := sorted(set(document) - keys):
        raise Invalid(f"{path} has the unknown key {unknown[0][:80]!r}", hint="A newer promptops may read it.")


def _text(document: Mapping[str, Json], key: str, path: str) -> str:
    value = document[key]
    if not isinstance(value, str) or not value:
        raise Invalid(f"{path}.{key} is not text")
    return value


def _number(document: Mapping[str, Json], key: str, path: str, *, least: int) -> int:
    value = document[key]
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise Invalid(f"{path}.{key} is not a whole number of at least {least}")
    return value
