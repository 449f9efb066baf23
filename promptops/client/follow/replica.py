"""What a process holds of one channel, and the view that its prompts are looked up in. No network.

Snapshots and events arrive from several threads. :meth:`Replica.receive` judges one against what is held at
that moment, follows at once what is ready to be served (a rollback, mostly), and notes the rest as coming. A loader
claims an app, loads it without the lock, and hands the outcome to :meth:`Replica.settle`. So no app waits for another's
bytes or compiling. Held and view are swapped together; readers take the view by one reference and never wait.

Only the methods of this module change a replica; how the client stands with its places is its :class:`Contact`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Set
from contextlib import suppress
from dataclasses import replace

from promptops.client.calls.desk import CallDesk
from promptops.client.follow.acceptance import judge
from promptops.client.follow.arrival import sort
from promptops.client.follow.changes import News
from promptops.client.follow.contact import Contact
from promptops.client.follow.pending_releases import Coming
from promptops.client.follow.received_releases import Supply
from promptops.client.follow.schedule import Schedule, World
from promptops.client.prompt import Reason, Source
from promptops.client.settings import ClientSettings
from promptops.client.sources.source import SourcePlace
from promptops.client.state.asked_prompts import AskedPrompts
from promptops.client.state.conversations import Conversations
from promptops.client.state.lookup_view import OverrideFile, View
from promptops.client.state.release_set import (
    CompiledRelease,
    Held,
    Rejected,
    Unloaded,
    compile_release,
    holding,
    keeping,
    lacking,
    with_version,
)
from promptops.core.asked import Asked
from promptops.core.escape import one_line
from promptops.core.heartbeat import MAX_WORDS, State
from promptops.core.model import ReleaseRef
from promptops.core.snapshot import Pointer, Snapshot

STALE_AFTER = 3
"""Polls without contact after which the state is STALE: one or two may be lost by chance."""


class Replica:
    """One channel of one client. Every method may be called from any thread."""

    def __init__(self, settings: ClientSettings, channel: str, world: World) -> None:
        self.settings = settings
        self.channel = channel
        self.world = world
        self.contact = Contact(world)
        self.schedule = Schedule(interval=settings.poll, now=world.clock(), dice=world.dice)
        self.supply = Supply()
        self.coming = Coming()
        self.news = News(channel)
        self.conversations = Conversations(world.clock)
        self._asked = AskedPrompts(settings.required)
        self.desk = CallDesk(channel, share=len(settings.channels))
        # A folder never takes reports: spans of its first calls already may not be taken for reported ones.
        self.desk.is_off = not any(place.is_registry for place in settings.places)
        self.held: Held | None = None
        self.kept = Source.SERVER
        self.overrides: Mapping[str, OverrideFile] = {}
        self._compiling: Set[str] = frozenset()
        self._lock = threading.Lock()
        self._wanted = tuple((reference.app, reference.version) for reference in (*settings.fixed, *settings.versions))
        self.view = self._made_view(*self._grade())

    def forked(self) -> None:
        """Reset after a fork: the threads that held the lock or were making a change are not in this process."""
        self._lock = threading.Lock()
        self.desk.forked()
        self.coming.forked()
        self.contact.forked()
        self.view = self._view(*self._grade())

    # --- what arrives ----------------------------------------------------------------------------

    def receive(self, snapshot: Snapshot) -> Rejected | None:
        """Judge what arrived, which may be an event, and follow what needs no loading. The rest is coming.

        Returns why a place is not up to date, if the snapshot is older than what is held.

        Raises:
            Rejected: nothing of it is followed, and everything is as it was.
        """
        with self._lock:
            if self.settings.apps:
                snapshot = snapshot.only(self.settings.apps)
            verdict = judge(snapshot, self.held, channel=self.channel)
            if self.held is None:
                self.news.begin(verdict.news)
            arrival = sort(snapshot, verdict, self.held, self.coming.pointers, required=self.settings.required)
            self.coming.replace(arrival.coming)
            self._put(verdict.base, arrival.ready, {}, {}, arrival.unloaded)
            return next(iter(verdict.refused.values()), None) if verdict.behind else None

    @property
    def unloaded(self) -> Mapping[str, Unloaded]:
        """The apps whose newest is not served, each with the reason."""
        return self.held.unloaded if self.held else {}

    def claim(self, tried: Mapping[str, Pointer], *, again: bool) -> dict[str, Pointer]:
        """Claim for this caller the releases to load that no other loader has: :meth:`Coming.claim`."""
        with self._lock:
            return self.coming.claim(tried, self.unloaded, again=again)

    def settle(
        self,
        loaded: Mapping[str, Pointer],
        contents: Mapping[str, bytes],
        compiled: Mapping[str, CompiledRelease],
        failed: Mapping[str, Unloaded],
    ) -> None:
        """Follow the loaded apps and note the failed ones, except apps that the channel has moved on meanwhile.

        :attr:`news` has the changes in what is served.
        """
        with self._lock:
            if self.held is None:
                return
            coming = self.coming.pointers
            loaded = {app: pointer for app, pointer in loaded.items() if coming.get(app) == pointer}
            failed = {app: reason for app, reason in failed.items() if coming.get(app) == reason.pointer}
            over = loaded.keys() | {app for app, reason in failed.items() if reason.final}
            self.coming.replace({app: pointer for app, pointer in coming.items() if app not in over})
            unloaded = {app: reason for app, reason in self.held.unloaded.items() if app not in loaded}
            self._put(self.held.snapshot, loaded, contents, compiled, {**unloaded, **failed})

    def _put(
        self,
        base: Snapshot,
        loaded: Mapping[str, Pointer],
        contents: Mapping[str, bytes],
        compiled: Mapping[str, CompiledRelease],
        unloaded: dict[str, Unloaded],
    ) -> None:
        """Hold this, and report what is new about it; nothing if it is held already."""
        before = self.held
        snapshot = replace(base, apps={**base.apps, **loaded}) if loaded else base
        gone = before.gone.apps if before and before.gone else {}
        known = {*snapshot.apps, *gone, *unloaded, *self.coming.pointers}
        unloaded = unloaded | dict(lacking(known, self.settings.required))
        if before is not None and (snapshot, unloaded) == (before.snapshot, before.unloaded):
            return
        new = {
            app: reason for app, reason in unloaded.items() if (before.unloaded if before else {}).get(app) != reason
        }
        # Counted first and announced last: a caller that sees what is served, or a line of the log, sees the count too.
        for reason in new.values():
            self.contact.count_rejected(reason.reason)
        kept, lacked = self.conversations.digests, self.view.lacking
        self._swap(holding(snapshot, contents, compiled, older=before, unloaded=unloaded, kept=kept), self.kept)
        for app, why in self.view.lacking.items():
            if app not in lacked or lacked[app].message != why.message:
                self.contact.count_rejected(why.reason)
                new[app] = Unloaded(reason=why.reason, message=f"its canary: {why.message}")
        self.news.add(before, loaded, new)

    def tidy(self) -> None:
        """Let go of bytes that came and that nothing needs any more."""
        self.supply.keep_only(self.coming.digests())

    @property
    def cannot_load(self) -> Mapping[str, str]:
        """The apps whose newest is not served, or whose canary cannot be, each with the reason in one line."""
        reasons = {app: reason.message for app, reason in self.view.lacking.items()}
        reasons |= {app: reason.message for app, reason in self.unloaded.items()}
        return {one_line(app, 63): one_line(message, MAX_WORDS) for app, message in reasons.items()}

    def served_of(self, app: str) -> str:
        """Returns the version that is served of an app; empty for none."""
        pointer = self.held.apps.get(app) if self.held else None
        return pointer.version if pointer else ""

    def rollbacks(self) -> tuple[str, ...]:
        """Returns the digests of releases that a rollback would go to and that are not held."""
        held = self.held
        lasts = [pointer.last_good for pointer in held.snapshot.apps.values()] if held else []
        return tuple(dict.fromkeys(last.digest for last in lasts if last and held and last.digest not in held.contents))

    def hold(self, contents: Mapping[str, bytes], compiled: Mapping[str, CompiledRelease] | None = None) -> None:
        """Hold releases that a rollback would go to, or that conversations are on, which are compiled already."""
        with self._lock:
            held, kept = self.held, self.conversations.digests
            if held is not None and contents:
                more = holding(held.snapshot, contents, compiled or {}, older=held, unloaded=held.unloaded, kept=kept)
                self._swap(more, self.kept)

    def hold_for_conversations(self, wanted: Mapping[str, str]) -> None:
        """Hold releases that conversations are on, as far as their bytes came: the app of each digest."""
        compiled = dict[str, CompiledRelease]()
        spare = self.supply.spare
        for digest, app in wanted.items():
            with suppress(Rejected, KeyError):  # that conversation is served what the channel serves
                compiled[digest] = compile_release(app, digest, spare[digest])
                self.conversations.use(digest)
        self.hold({digest: spare[digest] for digest in compiled}, compiled)

    def hold_version(self, app: str, release: ReleaseRef, data: bytes) -> None:
        """Hold a release by its name.

        Raises:
            Rejected: it is not what its digest says.
        """
        with self._lock:
            if self.held is not None:
                self._swap(with_version(self.held, app, release, data), self.kept)

    def keep(self, app: str, version: str) -> bool:
        """Hold a version from now on, if it is held now; False if it is not."""
        with self._lock:
            if self.held is None or version not in self.held.versions(app):
                return False
            kept = keeping(self.held, [(app, version)])
            if kept is not self.held:
                self._swap(kept, self.kept)
            return True

    def restore(self, held: Held, source: Source) -> None:
        """Start from what is on disk."""
        with self._lock:
            for digest in held.spare:
                self.conversations.use(digest)
            self._swap(held, source)
            self.news.add(None, {}, held.unloaded)

    def uncompiled(self) -> Iterator[tuple[str, str]]:
        """Returns the targets of rollbacks that are held and that no thread compiles yet: app and digest."""
        held = self.held
        for app, pointer in held.snapshot.apps.items() if held else ():
            digest = pointer.last_good.digest if pointer.last_good else ""
            if held and digest in held.contents and digest not in held.compiled and digest not in self._compiling:
                yield app, digest

    def compile_rollback(self, app: str, digest: str) -> None:
        """Compile the target of a rollback, so that following one is a swap."""
        held = self.held
        if held is None or digest not in held.contents:
            return
        self._compiling = (self._compiling & held.contents.keys()) | {digest}
        with suppress(Exception):  # what does not compile is that app's trouble when a rollback goes there
            held.add(compile_release(app, digest, held.contents[digest]))

    def _swap(self, held: Held, source: Source) -> None:
        self.held, self.kept = keeping(held, self._wanted), source
        # The next look at the files would find this too, but prompts are looked up before it.
        lineage = held.snapshot.lineage
        self.overrides = {app: file for app, file in self.overrides.items() if file.override.lineage == lineage}
        self.view = self._view(*self._grade())

    # --- how it is served ------------------------------------------------------------------------

    def look(self) -> None:
        """Make the view anew if its prompts carry another source or reason by now."""
        with self._lock:
            graded = self._grade()
            if graded != self._graded:
                self.view = self._view(*graded)

    def set_overrides(self, active: Mapping[str, OverrideFile]) -> None:
        """Serve these override files before the releases of the registry."""
        with self._lock:
            self.overrides = dict(active)
            self.view = self._view(*self._grade())

    def _view(self, source: Source, reason: Reason) -> View:
        self._asked.gather(self.view.apps.values())  # before what was rendered is let go of
        return self._made_view(source, reason)

    def _made_view(self, source: Source, reason: Reason) -> View:
        self._graded = (source, reason)
        return View.make(
            self.held,
            channel=self.channel,
            source=source,
            reason=reason,
            fixed={fixed.app: fixed.version for fixed in self.settings.fixed},
            overrides=self.overrides,
            apps=self.settings.apps or None,
            coming=self.coming.pointers,
            desk=self.desk,
            conversations=self.conversations,
        )

    def asked(self) -> int:
        """Returns how many combinations of names this process passes to prompts, as far as it is known now."""
        with self._lock:
            self._asked.gather(self.view.apps.values())
            return len(self._asked)

    def asks(self, leave_out: Iterable[str]) -> Asked | None:
        """Returns what a heartbeat says of them, without some apps; None where it says nothing."""
        with self._lock:  # an event may replace the view meanwhile, and gather
            self._asked.gather(self.view.apps.values())
            return self._asked.report(leave_out)

    def _grade(self) -> tuple[Source, Reason]:
        state = self.state
        if state is State.READY:
            return Source.SERVER, Reason.STATIC
        source = Source.CACHE if self.contact.last is not None else self.kept
        return source, Reason.STALE if state is State.STALE else Reason.CACHED

    # --- how it stands with its registry ---------------------------------------------------------

    @property
    def state(self) -> State:
        contact = self.contact
        if contact.last is None and (self.held is None or not self.held.apps or self.kept is Source.BUNDLE):
            return State.COLD
        if contact.age > STALE_AFTER * self.settings.poll:
            return State.STALE
        return State.DISCONNECTED if contact.last is None or contact.failing or contact.unfollowed else State.READY

    @property
    def too_old(self) -> bool:
        """True if what is served is older than the application allows."""
        limit = self.settings.max_stale
        return limit is not None and self.contact.age > limit

    def heard(self, place: SourcePlace, *, api: bool, etag: str = "") -> None:
        """A place answered with something that is followed, or that nothing is new."""
        self.contact.heard(place, self.held, api=api, etag=etag)
        self.kept = Source.SERVER
        self.look()

    def heard_event(self) -> None:
        """An event arrived that is followed."""
        with self._lock:
            if self.held is not None and self.contact.last is not None:
                self.contact.renewed()
                self.kept = Source.SERVER
        self.look()

    def failed(self, problem: str) -> None:
        """No place answered with anything that is followed."""
        self.contact.failed(problem)
        self.look()
