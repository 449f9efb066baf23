"""The disk of one channel: what a process starts from, and the last good releases that it keeps for the next one."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Final

from promptops.client.disk import cache, report_key
from promptops.client.disk.cache_format import DiskProblem, restore, stored_of, whole
from promptops.client.disk.trusted_files import read_bundle
from promptops.client.follow.replica import Replica
from promptops.client.prompt import Source
from promptops.client.state.release_set import Held, Rejected
from promptops.client.status import log
from promptops.core.snapshot import Snapshot
from promptops.files import cache_folder

if TYPE_CHECKING:
    from promptops.core.outcomes.report_key import ReportKey

_QUIET: Final = 3600.0
"""Seconds between two log lines about a disk that cannot be written: it may stay full for days."""


class LastGood:
    """Reads and writes the cache of one channel. ``problem`` is why the last write failed, or empty.

    Used by one thread at a time, except ``problem`` and ``unsaved``.
    """

    def __init__(self, replica: Replica) -> None:
        self.problem = ""
        self._replica = replica
        self._slot = self._find_slot()
        self._saved: Held | None = None
        self._save_at = self._logged_at = -_QUIET

    @property
    def slot(self) -> Path | None:
        """The file of the channel; None if the client has no cache."""
        return self._slot

    @property
    def unsaved(self) -> bool:
        """True if what is held is not on disk yet, and shall be."""
        return self._replica.held is not self._saved

    # --- at the start -----------------------------------------------------------------------------

    def start(self) -> None:
        """Start from what is on disk: the last good releases, or a bundle that is newer or all there is."""
        key = report_key.read(self._key_path) if self._key_path else None
        if key is not None:
            self._replica.desk.take_key(key.lineage, key.secret)
        kept = self._read_slot()
        bundle = self._read_bundle(kept)
        if bundle is not None:
            self._restore(bundle, Source.BUNDLE)
        elif kept is not None:
            self._restore(kept, Source.DISK)

    def _restore(self, held: Held, source: Source) -> None:
        self._replica.restore(held, source)
        self._saved = self._replica.held
        apps = len(held.snapshot.apps)
        log(logging.INFO, "disk-read", "%s: %d apps from %s", self._replica.channel, apps, source, source=str(source))

    def _find_slot(self) -> Path | None:
        options = self._replica.settings
        first = options.places[0]
        if not options.caching or not first.is_kept:
            return None
        folder = Path(options.cache) if options.cache else cache_folder()
        if folder is None:
            return None
        return cache.slot_path(folder, registry=first.identity, channel=self._replica.channel, apps=options.apps)

    def _read_slot(self) -> Held | None:
        if self._slot is None:
            return None
        loaded = cache.load(self._slot, channel=self._replica.channel, required=self._replica.settings.required)
        for problem in loaded.problems:
            log_ignored("disk-ignored", problem)
        return loaded.held

    def _read_bundle(self, kept: Held | None) -> Held | None:
        channel, options = self._replica.channel, self._replica.settings
        if not options.bundle:
            return None
        bundle = read_bundle(Path(options.bundle), channel=channel)
        for problem in bundle.problems:
            log_ignored("disk-ignored", problem)
        if bundle.stored is None:
            return None
        try:
            if kept is not None and not _is_newer(whole(bundle.stored.snapshot, channel), kept.snapshot):
                return None
            return restore(bundle.stored, channel=channel, required=options.required, older=kept)
        except Rejected as rejected:
            log(logging.WARNING, "disk-ignored", "the bundle is not used: %s", rejected.message)
            return None

    @property
    def _key_path(self) -> Path | None:
        """The file of the secret of reporting clients; None if the client has no cache."""
        registry = self._replica.settings.places[0].identity
        return report_key.key_path(self._slot.parent, registry=registry) if self._slot else None

    # --- later ------------------------------------------------------------------------------------

    def keep_key(self, key: ReportKey) -> None:
        """Keep the secret of reporting clients for the next process. Any thread may do so."""
        path = self._key_path
        if path is not None and (problem := report_key.keep(path, key)):
            log(logging.WARNING, "disk-failed", "%s could not be written: %s", path, problem)

    def save_at(self, moment: float) -> None:
        """Save at this moment, unless a save is planned already."""
        if self._save_at <= self._replica.world.clock():
            self._save_at = moment

    def wait(self) -> float | None:
        """Returns the seconds until the next save; None if there is nothing to save."""
        if not self.unsaved or self._slot is None:
            return None
        return max(0.0, self._save_at - self._replica.world.clock())

    def save(self) -> None:
        """Bring what is held to disk, if that is due."""
        now, held = self._replica.world.clock(), self._replica.held
        if not self.unsaved or now < self._save_at:
            return
        if self._slot is None or held is None or not held.apps or self._replica.kept is Source.BUNDLE:
            self._saved = held
            return
        problem = cache.write(self._slot, stored_of(held)).problem
        self.problem = problem.message if problem else ""
        if problem is not None and problem.reason == "disk":  # it may have room again: it is tried once an interval
            self._save_at = now + self._replica.settings.poll
        else:
            self._saved = held
        if problem is not None and now - self._logged_at >= _QUIET:
            self._logged_at = now
            log(logging.WARNING, "disk-failed", "%s could not be written: %s", self._slot, problem.message)


def log_ignored(event: str, problem: DiskProblem) -> None:
    """Log that a file on disk is not used."""
    log(logging.WARNING, event, "%s is not used: %s", problem.path, problem.message, reason=problem.reason)


def _is_newer(one: Snapshot, other: Snapshot) -> bool:
    return one.lineage == other.lineage and (one.epoch, one.cursor) > (other.epoch, other.cursor)
