"""Looks at the override files of this machine, serves those that count, and logs what became of each."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

from promptops.client.disk.override import Overrides, read_overrides, signature
from promptops.client.follow.last_good import log_ignored
from promptops.client.follow.replica import Replica
from promptops.client.state.lookup_view import OverrideFile
from promptops.client.status import log


class OverrideWatch:
    """The override files of one channel of one client. Used by one thread at a time."""

    def __init__(self, replica: Replica) -> None:
        self._replica = replica
        self._seen: object = None
        self._ignored: frozenset[tuple[str, str]] = frozenset()

    def look(self) -> None:
        """Read the files again if they changed, another registry is followed, or an override has expired."""
        path = self._replica.settings.override
        if not path:
            return
        held, now = self._replica.held, self._replica.world.now()
        lineage = held.snapshot.lineage if held else None
        ends = self._replica.view.overrides_end
        seen = (signature(Path(path)), lineage)
        if seen == self._seen and not (ends is not None and now >= ends):
            return
        self._seen = seen
        files = read_overrides(Path(path), channel=self._replica.channel, lineage=lineage, now=now)
        before = self._replica.overrides
        self._replica.set_overrides(files.active)
        self._log(files, before)

    def _log(self, files: Overrides, before: Mapping[str, OverrideFile]) -> None:
        for app, file in files.active.items():
            override = file.override
            if app not in before or before[app].override != override:
                until = override.expires_at.isoformat()
                what = f"{app}@{override.version} until {until}, by {override.actor}: {override.reason}"
                log(logging.WARNING, "override-active", "an override is served: %s", what, app=app)
        for app in before:
            if app not in files.active:
                log(logging.WARNING, "override-ended", "%s: no override any more", app, app=app)
        for problem in files.ignored:
            if (str(problem.path), problem.reason) not in self._ignored:
                log_ignored("override-ignored", problem)
        self._ignored = frozenset((str(problem.path), problem.reason) for problem in files.ignored)
