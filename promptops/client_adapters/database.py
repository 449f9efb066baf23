"""``sqlite:///…`` and ``postgresql://…``: a client reads the registry itself, without a server.

For applications on the registry's own machine. There are no heartbeats, so ``promptops clients`` does not know of such
a client. Its calls are reported, if the application makes any. Changes are seen as a server sees them.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from promptops import clock
from promptops.client.sources.source import (
    AskContents,
    AskReportKey,
    AskSnapshot,
    AskVersion,
    Failed,
    Question,
    SourceAnswer,
    TellOutcomes,
)
from promptops.core.errors import NotFound, PromptopsError, RegistryUnavailable, Unavailable
from promptops.operations import outcomes, snapshots
from promptops.store import Registry
from promptops.store.engine.database import locate
from promptops.store.engine.forking import no_fork
from promptops.store.engine.watching import Watch
from promptops.store.queries.serving import Progress
from promptops.wire.codec import to_json
from promptops.wire.documents.outcomes import ReportKeyDocument
from promptops.wire.snapshot import encode

_TRY_AGAIN = 1.0
"""Seconds between two tries to open a database that is out of reach: soon enough, and cheap for its server."""

_kept_open: list[object] = []
"""Objects that a forked child inherits. They are kept, because closing them would end the parent's connections."""


class Database:
    """Reads a registry's database. It is opened for the first question, and again after it was out of reach."""

    def __init__(self, url: str) -> None:
        """Opens nothing yet.

        Raises:
            Invalid: the URL is not a registry's.
        """
        self._url = url
        self._label = str(locate(url))
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._counting = threading.Lock()
        self._busy = 0
        self._registry: Registry | None = None
        self._watch: Watch | None = None
        self._seen: tuple[AskSnapshot, Progress, str] | None = None

    def __repr__(self) -> str:
        return f"<Database {self._label}>"

    def answer(self, what: Question, deadline: float) -> SourceAnswer | Failed:
        """Answer from the database. ``deadline`` is ignored: the caller abandons a question that takes too long."""
        try:
            with self._at_work():
                return self._answer(self._open(), what)
        except NotFound as error:
            return Failed(reason="status-404", message=error.message)
        except PromptopsError as error:
            if isinstance(error, Unavailable):
                self._drop()
            return Failed(reason=error.code, message=error.message)

    @contextmanager
    def _at_work(self) -> Iterator[None]:
        """Keeps the registry open during a call; if it was closed meanwhile, the end of the last call closes it."""
        with self._counting:
            self._busy += 1
        try:
            with no_fork():
                yield
        finally:
            with self._counting:
                self._busy -= 1
            if self._closed.is_set():
                self.close()

    def _answer(self, registry: Registry, what: Question) -> SourceAnswer | Failed:
        match what:
            case AskSnapshot():
                return self._snapshot(registry, what)
            case AskContents():
                stored_releases = snapshots.contents(registry, what.digests)
                return SourceAnswer(contents={digest: stored.content for digest, stored in stored_releases.items()})
            case AskVersion():
                release = snapshots.content_of_version(registry, what.app, what.version)
                return SourceAnswer(body=release.content, etag=release.digest)
            case AskReportKey():
                key = ReportKeyDocument.of(outcomes.report_key(registry, what.channel))
                return SourceAnswer(body=json.dumps(to_json(key)).encode())
            case TellOutcomes():
                reported = outcomes.report(registry, what.channel, what.body, now=clock.now())
                answer = {"sample": dict(reported.sample), "rates": dict(reported.rates)}
                return SourceAnswer(body=json.dumps(answer).encode())
        return Failed(reason="unknown", message="a database takes no heartbeats")

    def _snapshot(self, registry: Registry, what: AskSnapshot) -> SourceAnswer:
        # Read before the snapshot: it can only be older than that, and then the next question compares again.
        progress = snapshots.progress(registry, what.channel)
        if what.etag and self._seen == (what, progress, what.etag):
            return SourceAnswer(unchanged=True, etag=what.etag)
        snapshot = snapshots.snapshot(registry, what.channel)
        body, digest = encode(snapshot.only(what.apps) if what.apps else snapshot)
        etag = f'"{digest}"'
        self._seen = (AskSnapshot(channel=what.channel, apps=what.apps, etag=etag), progress, etag)
        return SourceAnswer(unchanged=True, etag=etag) if etag == what.etag else SourceAnswer(body=body, etag=etag)

    def changes(self, seconds: float) -> bool:
        before = self._watch
        try:
            with self._at_work():
                watch = self._watching()
        except PromptopsError:
            self._closed.wait(min(_TRY_AGAIN, seconds))
            return False
        if watch is not before:
            return True  # what changed between the last answer and now is unknown
        was_connected = watch.connected
        # Out of reach is a change too: the next question finds out, and the client reports it.
        return watch.wait(seconds) or (was_connected and not watch.connected and not self._closed.is_set())

    def interrupt(self) -> None:
        self._closed.set()
        watch = self._watch
        if watch is not None:
            watch.close()

    def close(self) -> None:
        self.interrupt()
        with self._counting:
            busy = self._busy > 0
        if not busy:  # otherwise the end of the last call drops it
            self._drop()

    def forget(self) -> None:
        _kept_open.extend((self._registry, self._watch))
        self._registry = self._watch = None

    def _open(self) -> Registry:
        if self._closed.is_set():
            raise RegistryUnavailable(f"{self._label} was closed")
        if self._watch is not None and not self._watch.connected:
            # A connection may still read a file that was moved away, which gets no changes any more.
            self._drop()
        with self._lock:
            if self._registry is None:
                self._registry = Registry.open(self._url)
            return self._registry

    def _watching(self) -> Watch:
        registry = self._open()
        with self._lock:
            if self._watch is None:
                self._watch = registry.watch()
            return self._watch

    def _drop(self) -> None:
        """Opens the registry anew for the next question: the address may have another one by then.

        The watch goes on.
        """
        with self._lock:
            registry, self._registry = self._registry, None
        if registry is not None:
            with no_fork():
                registry.close()
