"""Where a client's prompts come from: a source as it is written  ->  a place; and the questions for every place.

================================  =======================================================================
``https://registry.internal``     a server, or any web server with what ``promptops export-snapshot`` wrote
``file:/srv/prompts``             the same as a folder
``sqlite:///registry.db``         the registry's own database, for one machine without a server
``postgresql://…``, a plain path  the same
``repo:.``                        a working tree, live, for development
================================  =======================================================================

Databases and working trees need much that a client does not: :mod:`promptops.client_adapters` has them, and is found by
the scheme and imported only then.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias
from urllib.parse import unquote, urlsplit

from promptops.core.errors import Invalid
from promptops.core.escape import one_line
from promptops.core.server_url import hide_password, require_server_url

MAX_MESSAGE = 500
"""Characters of a source's message in a status or a log."""

_HINT = "https://HOST, file:FOLDER, sqlite:///PATH, postgresql://HOST/NAME or repo:FOLDER"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcePlace:
    """One of a client's sources. ``label`` is fit to be shown: a password is not in it. ``token`` goes there alone, and
    so does what is in ``token_file``, which is read anew when it changes.
    """

    kind: str
    url: str
    label: str
    token: str = field(default="", repr=False)
    token_file: str = ""

    @property
    def is_http(self) -> bool:
        return self.kind == "http"

    @property
    def is_registry(self) -> bool:
        """True if a registry may be behind it, so that it may take reports."""
        return self.kind in ("http", "database")

    @property
    def identity(self) -> str:
        """The name under which the cache keeps this place: the same for every way to write it."""
        scheme, separator, path = self.url.partition("://")
        if self.kind == "file" or (self.kind == "database" and not separator):
            return os.path.abspath(os.path.expanduser(self.url))
        if self.kind == "database" and scheme.startswith("sqlite"):
            return f"{scheme}:///{os.path.abspath(os.path.expanduser(path.removeprefix('/')))}"
        return self.url

    @property
    def is_kept(self) -> bool:
        """True if its answers are worth keeping on disk: the numbers of a working tree begin anew in each process."""
        return self.kind != "working-tree"


# --- questions and answers --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class AskSnapshot:
    """The snapshot of a channel, for these apps (for all, if none is named), unless it still has this ``etag``."""

    channel: str
    apps: tuple[str, ...] = ()
    etag: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskContents:
    """The canonical bytes of releases by digest. An answer may leave some out, but not all."""

    digests: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AskVersion:
    """The canonical bytes of one version of an app."""

    app: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TellBeat:
    """A heartbeat, for servers only."""

    channel: str
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class AskReportKey:
    """The secret of clients that report their calls on a channel, for servers and databases."""

    channel: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TellOutcomes:
    """A report of calls, for servers and databases. A place that has it already answers as if it were new."""

    channel: str
    body: bytes = field(repr=False)


Question: TypeAlias = AskSnapshot | AskContents | AskVersion | AskReportKey | TellBeat | TellOutcomes


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One question to one place, and the moment of the client's clock by which it must be answered."""

    place: SourcePlace
    what: Question
    deadline: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceAnswer:
    """The answer of a place. ``unchanged``: the snapshot still has the etag. ``api``: the place is a server of ours.

    ``notes`` say what is wrong there with the apps that it does not serve.
    """

    body: bytes = b""
    etag: str = ""
    unchanged: bool = False
    api: bool = False
    contents: Mapping[str, bytes] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """No usable answer came. ``reason`` is a word for counting, ``message`` a sentence; neither has a secret.

    The message may quote a server, so it is made one printable line here, before it is logged or shown.
    """

    reason: str
    message: str
    retry_after: float | None = None
    api: bool | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "message", one_line(self.message, MAX_MESSAGE))


TIMEOUT = Failed(reason="timeout", message="there was no answer in time")


class Lost(Exception):
    """A stream of events ended, or did not begin."""

    def __init__(self, failed: Failed) -> None:
        super().__init__(failed.message)
        self.failed = failed


class OpenPlace(Protocol):
    """A place that is open, asked from threads. Calls block; another thread may end those that wait."""

    def answer(self, what: Question, deadline: float) -> SourceAnswer | Failed:
        """Answer, or return why not. Never raises because something is wrong with the place."""

    def changes(self, seconds: float) -> bool:
        """Wait up to so many seconds; True if something may have changed, so that a question is worth it."""

    def interrupt(self) -> None:
        """End everything that waits here, now."""

    def close(self) -> None:
        """Give back what is open, when no thread waits any more."""

    def forget(self) -> None:
        """In a forked child: let go of what the parent goes on using, without sending anything on it."""


class PlaceOpener(Protocol):
    """What an entry point of an adapter names: opens a place, without waiting for it."""

    def __call__(self, url: str) -> OpenPlace: ...


# --- from text to a place ----------------------------------------------------------------------------


def find_places(source: str | Sequence[str], *, allow_http: bool = False) -> tuple[SourcePlace, ...]:
    """Returns the places that are named, in order. A text may name several, with white space between them.

    Raises:
        Invalid: a text names no place, or the list is empty.
    """
    # Only before a scheme, so that a path may have spaces in it.
    listed = re.split(r"\s+(?=[a-z+]{2,12}:)", source.strip()) if isinstance(source, str) else source
    places = tuple(find_place(text, allow_http=allow_http) for text in listed if text.strip())
    if not places:
        raise Invalid(
            "a client needs a source, which is where its prompts come from",
            hint=f"Client({_HINT!r}) or PROMPTOPS_REGISTRY.",
        )
    return places


def find_place(text: str, *, allow_http: bool = False) -> SourcePlace:
    """Returns the place that one text names.

    Raises:
        Invalid: it names no place, is not safe to read from, or has a secret where it would be logged.
    """
    text = text.strip()
    scheme, colon, rest = text.partition(":")
    family = scheme.lower().partition("+")[0] if colon else ""
    if family in ("http", "https"):
        return _http(text, allow_http=allow_http)
    if family == "file":
        path = unquote(urlsplit(text).path) if rest.startswith("//") else rest
        return _local("file", path, text)
    if family == "repo":
        return _local("working-tree", rest, text)
    if family in ("sqlite", "postgresql", "postgres") or (text and "://" not in text and len(family) != 1):
        return SourcePlace(kind="database", url=text, label=hide_password(text))
    raise Invalid(f"{hide_password(text)[:200]!r} is not a place that prompts come from", hint=_HINT)


def _local(kind: str, path: str, text: str) -> SourcePlace:
    if not path:
        raise Invalid(f"{text!r} names no folder", hint=_HINT)
    return SourcePlace(kind=kind, url=path, label=text)


def _http(text: str, *, allow_http: bool) -> SourcePlace:
    require_server_url(text, allow_http=allow_http)
    url = text.rstrip("/")
    return SourcePlace(kind="http", url=url, label=url)
