"""``repo:FOLDER``: the prompts as they are in the files now, live, for development.

A channel's name means nothing here: each one serves the working tree. Every edit is a new revision of its app. An app
with an error in it keeps its earlier state, and the client reports the error.
"""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path

from promptops.client.sources.source import AskContents, AskSnapshot, Failed, Question, SourceAnswer
from promptops.core.digest import digest as digest_of
from promptops.core.errors import Invalid, PromptopsError
from promptops.core.finding import Finding, Severity
from promptops.core.model import ReleaseRef
from promptops.core.release_bytes import encode as encode_release
from promptops.core.snapshot import Pointer, Snapshot
from promptops.source.app_file import APP_FILE
from promptops.source.app_source import PARTIALS
from promptops.source.load import Loaded, load
from promptops.source.prompt_file import ENDINGS
from promptops.source.tree import WorkingTree as Files
from promptops.source.workspace import MARKER
from promptops.wire.snapshot import encode

_LOOK = 0.25
"""Seconds between two looks at the files: docs/client.md promises an edit within a second."""
_SHARE = 10
"""The pause after a look is at least this many times its length, so a huge tree takes at most a tenth of a core."""

_numbered: dict[Path, dict[str, Pointer]] = {}
"""The last pointer of each app of a folder, so that revisions go on if it is opened again in this process."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tree:
    """The apps that were built from the files, each with its pointer and bytes, and notes on errors in the others."""

    registry: str = "working-tree"
    apps: dict[str, Pointer]
    contents: dict[str, bytes]
    notes: tuple[str, ...] = ()


class WorkingTree:
    """A folder with a ``promptops.yml`` in it."""

    def __init__(self, path: str) -> None:
        self._root = Path(os.path.expanduser(path)).absolute()
        self._lineage = "working-tree " + digest_of(os.fsencode(self._root))
        self._files = Files(self._root)
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._state = _Tree(apps={}, contents={})
        self._read: object = None
        self._pause = _LOOK

    def __repr__(self) -> str:
        return f"<WorkingTree {self._root}>"

    def answer(self, what: Question, deadline: float) -> SourceAnswer | Failed:
        """Answer from the files as they are now; ``deadline`` is ignored."""
        try:
            with self._lock:
                return self._answer(what)
        except (OSError, PromptopsError) as error:
            return Failed(reason="source", message=f"{self._root}: {getattr(error, 'message', error)}")

    def _answer(self, what: Question) -> SourceAnswer | Failed:
        if isinstance(what, AskSnapshot):
            return self._snapshot(what)
        if isinstance(what, AskContents):
            contents = self._state.contents
            return SourceAnswer(contents={digest: contents[digest] for digest in what.digests if digest in contents})
        return Failed(reason="status-404", message="a working tree has no versions")

    def _snapshot(self, what: AskSnapshot) -> SourceAnswer | Failed:
        signature = self._signature()
        if signature != self._read:
            self._state, self._read = self._load(), signature
        state = self._state
        if not state.apps and state.notes:
            return Failed(reason="source", message=state.notes[0])
        snapshot = Snapshot(
            registry=state.registry,
            lineage=self._lineage,
            epoch=1,
            channel=what.channel,
            cursor=sum(pointer.revision for pointer in state.apps.values()),
            apps=state.apps,
        )
        body, digest = encode(snapshot.only(what.apps) if what.apps else snapshot)
        etag = f'"{digest}"'
        if etag == what.etag:
            return SourceAnswer(unchanged=True, etag=etag, notes=state.notes)
        return SourceAnswer(body=body, etag=etag, notes=state.notes)

    def _load(self) -> _Tree:
        loaded = load(self._files)
        state = replace(self._state, apps=dict(self._state.apps), contents={}, notes=_notes(loaded))
        numbered = _numbered.setdefault(self._root, {})
        if loaded.workspace is not None:
            state = replace(state, registry=loaded.workspace.registry)
        for app in loaded.apps:
            if app.content is not None:
                try:
                    data = encode_release(app.content)
                except Invalid as error:
                    state = replace(state, notes=(*state.notes, f"{app.name}: {error.message}"))
                    continue
                state.apps[app.name] = numbered[app.name] = replace(
                    _next(numbered.get(app.name), digest_of(data)), declared=app.declared.reported
                )
                state.contents[digest_of(data)] = data
        for pointer in state.apps.values():
            for release in pointer.releases():
                if release.digest in self._state.contents:
                    state.contents[release.digest] = self._state.contents[release.digest]
        return state

    def changes(self, seconds: float) -> bool:
        waited = 0.0
        while waited < seconds and not self._closed.wait(self._pause):
            began = time.monotonic()
            changed = self._signature() != self._read
            self._pause = max(_LOOK, _SHARE * (time.monotonic() - began))
            waited += self._pause
            if changed:
                return True
        return False

    def interrupt(self) -> None:
        self._closed.set()

    def close(self) -> None:
        """Nothing is open between two looks."""

    def forget(self) -> None:
        """Nothing is shared with a parent."""

    def _signature(self) -> tuple[object, ...]:
        facts_of_files: list[object] = []
        for path in self._files.files():
            if path.endswith((MARKER, APP_FILE, *ENDINGS)) or f"/{PARTIALS}" in path:
                try:
                    facts = os.stat(self._root / path, follow_symlinks=False)
                except OSError:
                    continue
                facts_of_files.append((path, facts.st_ino, facts.st_mtime_ns, facts.st_size))
        return tuple(facts_of_files)


def _next(now: Pointer | None, digest: str) -> Pointer:
    if now is not None and now.digest == digest:
        return now
    revision = now.revision + 1 if now else 1
    stable = ReleaseRef(version=f"0.0.0-dev.{revision}", digest=digest)
    return Pointer(revision=revision, stable=stable, last_good=now.stable if now else None)


def _notes(loaded: Loaded) -> tuple[str, ...]:
    def text(finding: Finding) -> str:
        return f"{finding.path}:{finding.line}:{finding.column}: {finding.message}"

    return tuple(text(finding) for finding in loaded.findings if finding.severity is Severity.ERROR)
