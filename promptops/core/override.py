"""An override: one release for one app on one channel, for some days, in a small file  <->  an Override.

::

    {"schema": "promptops.override/1", "registry": "shop", "lineage": "0b0e…", "app": "support-bot", "channel": "prod",
     "version": "1.4.0", "digest": "sha256:9f86…", "content": "{…}", "reason": "database gone", "actor": "Ada <ada@…>",
     "created_at": "2026-11-21T18:30:05.123456Z", "expires_at": "2026-11-22T18:30:05.123456Z"}

``content`` is the release's canonical bytes as text, so the file needs nothing else to be served. It is for the hours
in which the registry cannot be asked, so it ends by itself after at most :data:`LONGEST`. Reading is strict: a key that
is not known, a content that is not the digest's, or a life that is too long is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from promptops.core.advice import Action, Advice, Sentence, option
from promptops.core.digest import MAX_BYTES, canonical, check_text, parse_canonical
from promptops.core.digest import digest as digest_of
from promptops.core.errors import Invalid, OverrideInvalid, ReferenceInvalid
from promptops.core.free_text import require_words
from promptops.core.json_size import require_few
from promptops.core.model import Json, ReleaseRef, is_name
from promptops.core.names import AppName, ChannelName
from promptops.core.reference import parse_reference
from promptops.core.release_bytes import content_from_bytes
from promptops.core.timestamp import timestamp

SCHEMA = "promptops.override/1"

LONGEST = timedelta(days=7)
"""No override lives longer: for more than a week, make a new one, which checks the release again."""

MAX_FILE = 3 * MAX_BYTES
"""No file is larger. Quoting a release's bytes as text at most doubles them."""

_MAX_ELEMENTS = 100  # values and names of a file; it has some twenty, since the content is one text
_MAX_REASON = 2_000  # a page: the file is read by people in a hurry
_TEXTS = ("registry", "lineage", "app", "channel", "version", "digest", "content", "reason", "actor")
_TIMES = ("created_at", "expires_at")
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,6})?(?:Z|\+00:00)", re.ASCII)
_HINT = Sentence(
    "The file was damaged or edited. Make a new one: ",
    Advice(Action.MAKE_OVERRIDE, release="APP@VERSION", channel="NAME"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """The release of an app that applications serve on a channel until ``expires_at``, with its reason and author.

    Raises:
        OverrideInvalid: the values do not fit together.
    """

    registry: str
    lineage: str
    app: AppName
    channel: ChannelName
    version: str
    digest: str
    content: bytes
    reason: str
    actor: str
    created_at: datetime
    expires_at: datetime

    def __post_init__(self) -> None:
        _require_names(self)
        _require_content(self)
        if not self.reason.strip() or len(self.reason) > _MAX_REASON:
            raise OverrideInvalid(f"an override needs a reason of 1 to {_MAX_REASON:,} characters", hint=_HINT)
        try:
            require_words(self.reason)
        except Invalid as error:
            raise OverrideInvalid(error.message, hint=_HINT) from error
        if not timedelta(0) < self.expires_at - self.created_at <= LONGEST:
            raise OverrideInvalid(
                f"an override lives for up to {LONGEST.days} days, and this one from "
                f"{timestamp(self.created_at)} to {timestamp(self.expires_at)}",
                hint=Sentence(
                    option("expires", "24 hours", value="24h"),
                    ", or up to 7d. For longer, make the release live: ",
                    Advice(Action.PROMOTE, words="promote it"),
                    ".",
                ),
            )

    @property
    def release(self) -> ReleaseRef:
        return ReleaseRef(version=self.version, digest=self.digest)

    def expired(self, now: datetime) -> bool:
        """Returns True when it must not be served any more."""
        return now >= self.expires_at


def encode(override: Override) -> bytes:
    """The canonical bytes of the file."""
    written: dict[str, Json] = {"schema": SCHEMA, "content": override.content.decode("utf-8")}
    for name in (*_TEXTS, *_TIMES):
        value = getattr(override, name)
        if name != "content":
            written[name] = _moment(value) if isinstance(value, datetime) else value
    return canonical(written, limit=MAX_FILE)


def _moment(at: datetime) -> str:
    """Always with six digits, unlike :func:`timestamp`: the file's identity is the digest of these bytes."""
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def identity(override: Override) -> str:
    """``sha256:<hex>`` of the file's canonical bytes: names this override, however the file is laid out."""
    return digest_of(encode(override))


def decode(data: bytes) -> Override:
    """Read a file.

    Raises:
        OverrideInvalid: saying what is wrong with it.
    """
    try:
        require_few(data, _MAX_ELEMENTS)
        document = parse_canonical(data, limit=MAX_FILE)
    except Invalid as error:
        raise OverrideInvalid(f"not an override file: {error.message}", hint=_HINT) from error
    if not isinstance(document, Mapping) or document.get("schema") != SCHEMA:
        raise OverrideInvalid(f"not an override file: it has no schema {SCHEMA!r}", hint=_HINT)
    if extra := sorted(set(document) - {"schema", *_TEXTS, *_TIMES}):
        raise OverrideInvalid(f"the override file has the unknown key {extra[0]!r}", hint="Upgrade promptops.")
    texts = {name: _text(document, name) for name in _TEXTS}
    content = texts.pop("content").encode("utf-8")
    times = {name: _time(_text(document, name), name) for name in _TIMES}
    return Override(**texts, content=content, created_at=times["created_at"], expires_at=times["expires_at"])


def _text(document: Mapping[str, Json], name: str) -> str:
    value = document.get(name)
    if not isinstance(value, str) or not value:
        raise OverrideInvalid(f"the override file has no {name}", hint=_HINT)
    return value


def _time(text: str, name: str) -> datetime:
    try:
        return datetime.fromisoformat(text).astimezone(UTC) if _TIME.fullmatch(text) else _no_time(text, name)
    except ValueError:
        return _no_time(text, name)


def _no_time(text: str, name: str) -> datetime:
    raise OverrideInvalid(f"{name} of the override file is {text!r}, not a time in UTC", hint=_HINT)


def _require_names(override: Override) -> None:
    """Names are those of a registry, so that none of them can be another place in a path, a URL or a log."""
    try:
        named = parse_reference(f"{override.app}@{override.version}")
        if (named.app, named.version) != (override.app, override.version):
            raise ReferenceInvalid(f"'{override.app}' and '{override.version}' are not an app and a version")
        for name in ("registry", "lineage", "reason", "actor"):
            check_text(getattr(override, name), name)
    except ReferenceInvalid as error:
        raise OverrideInvalid(f"the override names no release: {error.message}", hint=_HINT) from error
    except Invalid as error:
        raise OverrideInvalid(f"the override is malformed: {error.message}", hint=_HINT) from error
    if not is_name(override.channel):
        raise OverrideInvalid(f"the override names no channel: {override.channel!r}", hint=_HINT)


def _require_content(override: Override) -> None:
    """The content is what the digest says, is a release that can be read, and is this app's."""
    actual = digest_of(override.content)
    name = f"{override.app}@{override.version}"
    if actual != override.digest:
        raise OverrideInvalid(
            f"the content of the override of {name} is {actual}, and the file names {override.digest}", hint=_HINT
        )
    try:
        content = content_from_bytes(override.content)
    except Invalid as error:
        raise OverrideInvalid(
            f"the content of the override of {name} is no release: {error.message}", hint=_HINT
        ) from error
    if content.app != override.app:
        raise OverrideInvalid(f"the content of the override of {name} is a release of '{content.app}'", hint=_HINT)
