"""A canary whose steps the policy takes, and the reports of its keys, as clients make them."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from promptops.core.bucketing import bucket
from promptops.core.model import Deployment, Policy
from promptops.core.outcomes.report import BadUnit, OutcomeReport, SampledUnit
from promptops.core.outcomes.series import Arm, Assignment
from promptops.core.outcomes.sums import Sums
from promptops.core.outcomes.units import Unit
from promptops.core.reference import parse_reference
from promptops.operations.canary import StartRequest, Step, StepRequest, start, step
from promptops.operations.canary_look import Looked, LookRequest, look
from promptops.operations.deploy import Deployed
from promptops.operations.outcomes import Document, Taken, report_key, take
from promptops.store import Registry
from tests.support import factory
from tests.support.factory import ACTOR, START
from tests.support.reports import CALL, report, series

SETTINGS: dict[str, Any] = {
    "steps": [{"percent": 20, "bake": "4h"}, {"percent": 50, "bake": "4h"}],
    "wait": "12h",
    "guardrails": ["error", "refusal"],
}
HOUR = timedelta(hours=1)
_COULD = ("error", "refusal")


def begin(registry: Registry, *, now: datetime = START, app: str = "bot", **settings: Any) -> Deployment:
    """0.1.0 is stable on prod, and 0.1.1 becomes a canary beside it, whose steps the policy takes."""
    factory.make_channels(registry, prod=Policy(rollout=SETTINGS | settings))
    for release in factory.make_releases(registry, app, 2)[:1]:
        factory.go_live(registry, f"{app}@{release.version}", now=now)
    return begin_again(registry, now=now, app=app)


def begin_again(registry: Registry, version: str = "0.1.1", *, now: datetime = START, app: str = "bot") -> Deployment:
    """The same where a release is stable already."""
    [made] = factory.go_live(registry, f"{app}@{version}", now=now, blind=True).deployments
    assert made.canary is not None
    return made


def start_by_hand(registry: Registry, version: str = "0.1.1", *, now: datetime = START) -> Deployment:
    """The same, but a person takes the steps."""
    request = StartRequest(reference=parse_reference(f"bot@{version}"), channel="prod", weight=2_000, key=factory.key())
    [made] = start(registry, request, actor=ACTOR, now=now).deployments
    return made


def live(registry: Registry, app: str = "bot") -> Deployment:
    """What is live now."""
    with registry.read() as reader:
        found = reader.live(app, "prod")
    assert found is not None
    return found


def by_hand(registry: Registry, what: Step, now: datetime, **more: Any) -> Deployed:
    """A person takes a step."""
    request = StepRequest(app="bot", channel="prod", step=what, **{"key": factory.key(), **more})
    return step(registry, request, actor=ACTOR, now=now)


def look_once(registry: Registry, now: datetime) -> Looked | None:
    """One look at the canary of `bot`; None where no policy takes its steps."""
    found = look(registry, LookRequest(channel="prod"), now=now)
    return found[0] if found else None


class Crowd:
    """The users of an app, whose keys are numbers, and the process that reports their calls."""

    def __init__(self, registry: Registry, canary: Deployment, *, app: str = "bot", client: int = 0) -> None:
        assert canary.canary is not None
        self.registry = registry
        self.app, self.channel = app, canary.channel
        self.salt = canary.canary.salt
        self.secret = report_key(registry).secret
        self._client = f"{client:032x}"
        self._numbers = itertools.count(1)

    def bucket(self, key: int) -> int:
        """The bucket of a key in this canary."""
        return bucket(self.salt, str(key))

    def keys(self, count: int, weight: int, *, canary: bool, after: int = 0) -> list[int]:
        """The first keys of one side at a weight, beyond a number."""
        found = (key for key in itertools.count(after) if (self.bucket(key) < weight) == canary)
        return list(itertools.islice(found, count))

    def place(self, key: int, at: Deployment, epoch: int = 1) -> Assignment:
        """What a call of a key is assigned to at a revision."""
        on_canary = at.canary is not None and self.bucket(key) < at.canary.weight
        arm = Arm.CANARY if on_canary else Arm.STABLE
        return Assignment(app=self.app, channel=self.channel, epoch=epoch, revision=at.revision, arm=arm)

    def document(
        self,
        at: Deployment,
        now: datetime,
        *,
        bad: Mapping[str, Iterable[int]] | None = None,
        seen: Iterable[int] = (),
        epoch: int = 1,
    ) -> OutcomeReport:
        """A document of calls at a revision: by guardrail the keys that were bad, and those of the sample."""
        minute = int(now.timestamp()) // 60
        guardrails: dict[int, set[str]] = {}
        for name, keys in (bad or {}).items():
            for key in keys:
                guardrails.setdefault(key, set()).add(name)
        seen = set(seen)
        every = {*guardrails, *seen}
        sums: dict[Assignment, Sums] = {}
        for key in every:
            place = self.place(key, at, epoch)
            sums[place] = sums[place].merged(CALL) if place in sums else CALL
        return report(
            self.registry.lineage,
            next(self._numbers),
            {(series(place), minute): found for place, found in sums.items()},
            client=self._client,
            channel=self.channel,
            bad=tuple(
                BadUnit(
                    assignment=self.place(key, at, epoch),
                    unit=self.unit(key),
                    minute=minute,
                    guardrails=tuple(sorted(names)),
                )
                for key, names in guardrails.items()
            ),
            sampled=tuple(
                SampledUnit(
                    assignment=self.place(key, at, epoch),
                    unit=self.unit(key),
                    minute=minute,
                    could=_COULD,
                    bad=tuple(sorted(guardrails.get(key, set()) & set(_COULD))),
                )
                for key in sorted(seen)
            ),
        )

    def unit(self, key: int) -> Unit:
        """The unit of a key."""
        return Unit.of(self.secret, self.app, str(key), salt=self.salt)

    def report(self, at: Deployment, now: datetime, *, taken: datetime | None = None, **what: Any) -> Taken:
        """Report calls of a moment, which are taken then or later."""
        return take(self.registry, [Document(report=self.document(at, now, **what))], now=taken or now)
