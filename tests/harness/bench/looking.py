"""What a registry takes longer for a document of outcomes while a canary is analysed, with five guardrails.

A document is of 10 seconds of a process, as in ``reporting``: 100 calls, of 20 keys that were bad and of 20 of the
sample. Both registries have a canary; a person takes the steps of one, and the policy those of the other.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from promptops import store
from promptops.core.model import Deployment, Policy
from promptops.core.outcomes.report import OutcomeReport
from promptops.operations.known_releases import Known
from promptops.operations.outcomes import Document, take
from promptops.store import Registry
from tests.harness.bench.fill import ACTOR, NOW
from tests.harness.bench.measure import Line, compare, timed
from tests.operations.canaries import SETTINGS, Crowd, begin_again, start_by_hand
from tests.support import factory
from tests.support.postgresql import postgresql

_GUARDRAILS: Final = ("error", "refusal", "schema", "check", "unrecorded")
_DOCUMENTS = 40
_BAD = 20
_KEYS = 5_000
_ROUNDS = 9


def lines(folder: Path) -> Iterator[Line]:
    """One on each database."""
    yield _compared("SQLite", f"sqlite:///{folder}/with.db", f"sqlite:///{folder}/without.db")
    rooms = [folder / name for name in ("with", "without")]
    for room in rooms:
        room.mkdir()
    with postgresql(rooms[0]) as first, postgresql(rooms[1]) as second:
        yield _compared("PostgreSQL", first, second)


def _compared(name: str, analysed: str, plain: str) -> Line:
    with ExitStack() as stack:
        ours, base = (
            _Taking(stack.enter_context(closing(_filled(url))), by_policy=url == analysed) for url in (analysed, plain)
        )
        return compare(
            f"a document of outcomes with an analysis of {len(_GUARDRAILS)} guardrails, {name}",
            ours.take,
            base.take,
            named="without",
            rounds=_ROUNDS,
            bound=2.0,
        )


def _filled(url: str) -> Registry:
    store.create(url, name="test", now=NOW, actor=ACTOR)
    registry = store.Registry.open(url)
    factory.make_channels(registry, prod=Policy())
    for release in factory.make_releases(registry, "bot", 2)[:1]:
        factory.go_live(registry, f"bot@{release.version}", now=NOW)
    return registry


class _Taking:
    """A registry with a canary that takes documents, each in a transaction of its own, as a quiet server does."""

    def __init__(self, registry: Registry, *, by_policy: bool) -> None:
        self._registry = registry
        self._canary = _begin(registry, by_policy=by_policy)
        self._crowd = Crowd(registry, self._canary)
        self._known = Known()
        self._lot = random.Random(1)

    def take(self) -> float:
        """Seconds of the documents of one round."""
        documents = [self._document() for _ in range(_DOCUMENTS)]
        now = datetime.now(UTC)

        def all_of_them() -> None:
            for each in documents:
                take(self._registry, [Document(report=each)], now=now, known=self._known)

        return timed(all_of_them)

    def _document(self) -> OutcomeReport:
        bad = {name: self._lot.sample(range(_KEYS), _BAD // len(_GUARDRAILS)) for name in _GUARDRAILS}
        seen = self._lot.sample(range(_KEYS), _BAD)
        return self._crowd.document(self._canary, datetime.now(UTC), bad=bad, seen=seen)


def _begin(registry: Registry, *, by_policy: bool) -> Deployment:
    now = datetime.now(UTC)
    if not by_policy:
        return start_by_hand(registry, now=now)
    settings = SETTINGS | {"guardrails": list(_GUARDRAILS)}
    factory.make_channels(registry, prod=Policy(rollout=settings))
    return begin_again(registry, now=now)
