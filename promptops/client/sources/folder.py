"""``file:``, a place that is a folder written by ``promptops export-snapshot``, or a bundle in one file.

A folder is read as a web server would serve it. A copy (rsync, a volume, a git checkout) may be under way: a snapshot
whose releases are not there yet is read again later, and the last good one is served meanwhile.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path

from promptops.client.disk.cache_format import StoredChannel
from promptops.client.disk.trusted_files import read_bundle, read_exported
from promptops.client.sources.source import AskContents, AskSnapshot, Failed, Question, SourceAnswer
from promptops.core.digest import MAX_BYTES as MAX_RELEASE
from promptops.core.digest import digest as digest_of
from promptops.core.errors import Invalid
from promptops.wire.snapshot import MAX_BYTES

_LOOK = 0.5
"""Seconds between two looks at the folder: docs/client.md promises changes within a second."""


class Folder:
    """A folder or a file with a channel's snapshot and the releases it points to."""

    def __init__(self, path: str) -> None:
        self._path = Path(os.path.expanduser(path)).absolute()
        self._seen = self._signature()
        self._channel = ""
        self._closed = threading.Event()

    def __repr__(self) -> str:
        return f"<Folder {self._path}>"

    def answer(self, what: Question, deadline: float) -> SourceAnswer | Failed:
        """Answer from the files as they are now; ``deadline`` is ignored."""
        try:
            return self._answer(what)
        except OSError as error:
            text = f"{error.strerror}: {error.filename or self._path}" if error.strerror else str(error)
            return Failed(reason="file", message=text)
        except Invalid as error:
            return Failed(reason="malformed", message=error.message)

    def _answer(self, what: Question) -> SourceAnswer | Failed:
        if isinstance(what, AskSnapshot):
            body = self._snapshot(what.channel)
            etag = f'"{digest_of(body)}"'
            return SourceAnswer(unchanged=True, etag=etag) if etag == what.etag else SourceAnswer(body=body, etag=etag)
        if isinstance(what, AskContents):
            return SourceAnswer(contents=self._contents(what.digests))
        return Failed(reason="unknown", message=f"{self._path} has releases by digest only, for the snapshot it has")

    def _snapshot(self, channel: str) -> bytes:
        if self._path.is_file():
            return self._bundle(channel).snapshot
        return read_exported(self._path / "v1" / "channels" / channel / "snapshot", MAX_BYTES)

    def _bundle(self, channel: str) -> StoredChannel:
        bundle = read_bundle(self._path, channel=channel)
        if bundle.stored is None:
            raise Invalid(f"{self._path}: {bundle.problems[0].message if bundle.problems else 'it is not a bundle'}")
        self._channel = channel
        return bundle.stored

    def _contents(self, digests: tuple[str, ...]) -> dict[str, bytes]:
        if self._path.is_file():
            kept = self._bundle(self._channel).contents
            return {digest: kept[digest] for digest in digests if digest in kept}
        contents, trouble = {}, None
        for digest in digests:
            file = self._path / "v1" / "releases" / digest.removeprefix("sha256:")
            try:
                contents[digest] = read_exported(file, MAX_RELEASE)
            except FileNotFoundError:
                continue
            except (OSError, Invalid) as error:
                trouble = error
        if trouble is not None and not contents:
            raise trouble
        return contents

    def changes(self, seconds: float) -> bool:
        waited = 0.0
        while waited < seconds and not self._closed.wait(min(_LOOK, seconds - waited)):
            waited += _LOOK
            now = self._signature()
            if now != self._seen:
                self._seen = now
                return True
        return False

    def interrupt(self) -> None:
        self._closed.set()

    def close(self) -> None:
        """Nothing is open between two looks."""

    def forget(self) -> None:
        """Nothing is shared with a parent."""

    def _signature(self) -> tuple[object, ...]:
        named = [self._path] if self._path.is_file() else sorted(self._path.glob("v1/channels/*/snapshot"))
        signature: list[object] = []
        for path in named:
            try:
                facts = path.stat()
            except OSError:
                continue
            signature.append((str(path), facts.st_ino, facts.st_mtime_ns, facts.st_size))
        return tuple(signature)
