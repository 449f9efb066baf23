"""The laws of a rollback, as a state machine against a plain Python model, on both databases.

The model keeps each app's log as a list and the sets of what is quarantined and yanked, and states the laws in its own
words: it shares no code with the product.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from promptops.core.errors import (
    CanaryInProgress,
    NoCanary,
    NothingDeployed,
    NothingToRollBackTo,
    NotQuarantined,
    PromptopsError,
    Quarantined,
    StillServed,
    Yanked,
)
from promptops.core.model import Policy
from promptops.core.reference import parse_reference
from promptops.operations.canary import StartRequest, Step, StepRequest, start, step
from promptops.operations.quarantine import WithholdRequest, quarantine, unquarantine, yank
from promptops.store import Registry
from tests.support.factory import ACTOR, START, content, go_back, go_live, key, make_channels, make_release

APPS = ("bot", "faq", "triage")
VERSIONS = 5
STEPS = {"steps": [{"percent": 5, "bake": "4h"}, {"percent": 25, "bake": "4h"}]}


@dataclass
class Entry:
    release: int
    place: int  # the revision of the promotion whose release this serves
    at: datetime


@dataclass
class App:
    log: list[Entry] = field(default_factory=list)
    quarantined: set[int] = field(default_factory=set)
    yanked: set[int] = field(default_factory=set)
    canary: int | None = None

    def good(self, release: int) -> bool:
        return release not in self.quarantined | self.yanked

    def target(self) -> Entry | None:
        """Walk back from the place of what is live; the first good other release is it."""
        now = self.log[-1]
        for entry in reversed(self.log[: now.place - 1]):
            if self.good(entry.release) and entry.release != now.release:
                return entry
        return None

    def at(self, moment: datetime) -> Entry | None:
        return next((entry for entry in reversed(self.log) if entry.at <= moment), None)

    def go_back(self, entry: Entry, at: datetime) -> None:
        """A rollback leaves the canary, and what is live where that is not what it goes to."""
        self.quarantined |= {self.log[-1].release} - {entry.release}
        self.quarantined |= set() if self.canary is None else {self.canary}
        self.log.append(Entry(entry.release, entry.place, at))
        self.canary = None

    def step(self, at: datetime, canary: int | None) -> None:
        """A step of a canary, or its end: what is live stays, at its place."""
        self.log.append(Entry(self.log[-1].release, self.log[-1].place, at))
        self.canary = canary

    def back(self) -> Entry | None:
        """Where a rollback goes: of a canary back to what is live."""
        return self.target() if self.canary is None else self.log[-1]


class RollbackLaws(RuleBasedStateMachine):
    """Random promotions, canaries, rollbacks, quarantines and yanks of three apps on one channel."""

    registry: Registry
    worlds = 0

    @initialize()
    def begin(self) -> None:
        # One database serves every example: each gets channel and app names of its own.
        type(self).worlds += 1
        self.channel = f"prod{type(self).worlds}"
        self.names = {app: f"{app}{type(self).worlds}" for app in APPS}
        self.clock = START
        self.stepped = False
        make_channels(self.registry, **{self.channel: Policy()})
        self.versions = {
            app: [make_release(self.registry, content(name, f"take {n} {{{{name}}}}")).version for n in range(VERSIONS)]
            for app, name in self.names.items()
        }
        self.apps = {app: App() for app in APPS}

    @rule()
    def declare_the_other_policy(self) -> None:
        """With a rollout or without one: what holds for canaries that stand is what was said at their start."""
        self.stepped = not self.stepped
        make_channels(self.registry, **{self.channel: Policy(rollout=STEPS if self.stepped else None)})

    def tick(self) -> datetime:
        self.clock += timedelta(minutes=1)
        return self.clock

    def reference(self, app: str, release: int) -> str:
        return f"{self.names[app]}@{self.versions[app][release]}"

    @rule(app=st.sampled_from(APPS), release=st.integers(0, VERSIONS - 1))
    def promote(self, app: str, release: int) -> None:
        model, at = self.apps[app], self.tick()
        if model.log and (model.log[-1].release == release or (self.stepped and model.canary == release)):
            deployed = go_live(self.registry, self.reference(app, release), self.channel, now=at, blind=True)
            assert not deployed.deployments, "promoting what is live, or on trial by a rollout, makes no revision"
        elif model.canary is not None:
            with pytest.raises(CanaryInProgress):
                go_live(self.registry, self.reference(app, release), self.channel, now=at)
        elif model.good(release):
            go_live(self.registry, self.reference(app, release), self.channel, now=at, blind=True)
            if model.log and self.stepped:
                model.step(at, release)
            else:
                model.log.append(Entry(release, len(model.log) + 1, at))
        else:
            with pytest.raises(Yanked if release in model.yanked else Quarantined):
                go_live(self.registry, self.reference(app, release), self.channel, now=at)

    @rule(app=st.sampled_from(APPS))
    def rollback(self, app: str) -> None:
        model, at = self.apps[app], self.tick()
        entry = model.back() if model.log else None
        if entry is None:
            with pytest.raises(NothingToRollBackTo if model.log else NothingDeployed):
                go_back(self.registry, self.names[app], channel=self.channel, now=at)
            return
        left = model.log[-1].release if model.canary is None else model.canary
        deployed = go_back(self.registry, self.names[app], channel=self.channel, now=at)
        model.go_back(entry, at)
        assert deployed.served[0].version == self.versions[app][entry.release]
        assert entry.release != left, "a rollback always changes what is served"

    @rule(app=st.sampled_from(APPS), release=st.integers(0, VERSIONS - 1))
    def start_canary(self, app: str, release: int) -> None:
        model, at = self.apps[app], self.tick()
        request = StartRequest(
            reference=parse_reference(self.reference(app, release)),
            channel=self.channel,
            weight=500,
            key=key(),
            blind=True,
        )
        if model.log and model.log[-1].release == release:
            assert not start(self.registry, request, actor=ACTOR, now=at).deployments
        elif model.canary is None and model.good(release):
            start(self.registry, request, actor=ACTOR, now=at)
            if model.log:
                model.step(at, release)
            else:  # beside nothing there is no canary
                model.log.append(Entry(release, 1, at))
        else:
            kind = CanaryInProgress if model.canary is not None else Yanked if release in model.yanked else Quarantined
            with pytest.raises(kind):
                start(self.registry, request, actor=ACTOR, now=at)

    @rule(app=st.sampled_from(APPS), what=st.sampled_from(Step), out=st.booleans(), weight=st.integers(501, 9_999))
    def step_of_a_canary(self, app: str, what: Step, out: bool, weight: int) -> None:
        model, at = self.apps[app], self.tick()
        request = StepRequest(
            app=self.names[app],
            channel=self.channel,
            step=what,
            weight=weight if what is Step.ADVANCE else None,
            quarantine=out and what is Step.ABORT,
            key=key(),
        )
        if model.canary is None:
            with pytest.raises(NoCanary):
                step(self.registry, request, actor=ACTOR, now=at)
            return
        try:
            deployed = step(self.registry, request, actor=ACTOR, now=at)
        except CanaryInProgress:
            assert what is Step.ADVANCE, "it grows, or it says why it does not"
            return
        if not deployed.deployments:
            assert what in (Step.PAUSE, Step.RESUME), "it was paused before, or was not"
        elif what is Step.FINISH:
            model.log.append(Entry(model.canary, len(model.log) + 1, at))
            model.canary = None
        elif what is Step.ABORT:
            model.quarantined |= {model.canary} if out else set()
            model.step(at, None)
        else:
            model.step(at, model.canary)

    @rule(app=st.sampled_from(APPS), release=st.integers(0, VERSIONS - 1))
    def rollback_to(self, app: str, release: int) -> None:
        model, at = self.apps[app], self.tick()
        promoted = [
            entry for place, entry in enumerate(model.log, 1) if entry.release == release and entry.place == place
        ]
        moves = bool(model.log) and (model.log[-1].release != release or model.canary is not None)
        if promoted and model.good(release) and moves:
            go_back(self.registry, self.names[app], channel=self.channel, to=self.versions[app][release], now=at)
            model.go_back(promoted[-1], at)
        else:
            with pytest.raises(PromptopsError):
                go_back(self.registry, self.names[app], channel=self.channel, to=self.versions[app][release], now=at)

    @rule()
    def rollback_all(self) -> None:
        at = self.tick()
        live = {app: model for app, model in self.apps.items() if model.log}
        targets = {app: model.back() for app, model in live.items()}
        if live and all(targets.values()):
            go_back(self.registry, every=True, channel=self.channel, now=at)
            for app, entry in targets.items():
                assert entry is not None
                live[app].go_back(entry, at)
        else:
            with pytest.raises(NothingToRollBackTo if live else NothingDeployed):
                go_back(self.registry, every=True, channel=self.channel, now=at)

    @precondition(lambda self: any(model.log for model in self.apps.values()))
    @rule(back=st.integers(1, 12))
    def rollback_all_at(self, back: int) -> None:
        moment, at = self.clock - timedelta(minutes=back), self.tick()
        live = {app: model for app, model in self.apps.items() if model.log}
        was = {app: model.at(moment) for app, model in live.items()}
        ends = {app for app, model in live.items() if model.canary is not None}
        moves = {a: e for a, e in was.items() if e and (e.release != live[a].log[-1].release or a in ends)}
        if all(was.values()) and moves and all(live[app].good(entry.release) for app, entry in moves.items()):
            go_back(self.registry, every=True, at=moment, channel=self.channel, now=at)
            for app, entry in moves.items():
                live[app].go_back(entry, at)
        else:
            with pytest.raises(PromptopsError):
                go_back(self.registry, every=True, at=moment, channel=self.channel, now=at)

    @rule(app=st.sampled_from(APPS), release=st.integers(0, VERSIONS - 1))
    def quarantine(self, app: str, release: int) -> None:
        model, at = self.apps[app], self.tick()
        request = WithholdRequest(
            reference=parse_reference(self.reference(app, release)), channel=self.channel, reason="law", key=key()
        )
        if model.log and release in (model.log[-1].release, model.canary):
            with pytest.raises(StillServed):
                quarantine(self.registry, request, actor=ACTOR, now=at)
        else:
            quarantine(self.registry, request, actor=ACTOR, now=at)
            model.quarantined.add(release)

    @rule(app=st.sampled_from(APPS), release=st.integers(0, VERSIONS - 1))
    def unquarantine(self, app: str, release: int) -> None:
        model, at = self.apps[app], self.tick()
        request = WithholdRequest(
            reference=parse_reference(self.reference(app, release)), channel=self.channel, reason="law", key=key()
        )
        if release in model.quarantined:
            unquarantine(self.registry, request, actor=ACTOR, now=at)
            model.quarantined.remove(release)
        else:
            with pytest.raises(NotQuarantined):
                unquarantine(self.registry, request, actor=ACTOR, now=at)

    @rule(app=st.sampled_from(APPS), release=st.integers(0, VERSIONS - 1))
    def yank(self, app: str, release: int) -> None:
        model, at = self.apps[app], self.tick()
        request = WithholdRequest(reference=parse_reference(self.reference(app, release)), reason="law", key=key())
        if model.log and release in (model.log[-1].release, model.canary) and release not in model.yanked:
            with pytest.raises(StillServed):
                yank(self.registry, request, actor=ACTOR, now=at)
        else:
            yank(self.registry, request, actor=ACTOR, now=at)
            model.yanked.add(release)

    @invariant()
    def the_registry_says_what_the_model_says(self) -> None:
        if not hasattr(self, "apps"):
            return
        with self.registry.read() as reader:
            for app, model in self.apps.items():
                log = reader.history(self.names[app], self.channel)[::-1]
                assert [d.revision for d in log] == list(range(1, len(model.log) + 1))
                assert [d.version for d in log] == [self.versions[app][entry.release] for entry in model.log]
                if model.log:
                    assert model.good(model.log[-1].release), "a bad release is never live"
                    trial = log[-1].canary
                    name = None if model.canary is None else self.versions[app][model.canary]
                    assert (trial.release.version if trial else None) == name
                    assert model.canary is None or model.good(model.canary), "nor is a bad release on trial"
                held = {q.release.version for q in reader.quarantines(self.names[app], self.channel)}
                assert held == {self.versions[app][release] for release in model.quarantined}


def test_the_laws_of_rollback_hold(registry: Registry) -> None:
    class Laws(RollbackLaws):
        pass

    Laws.registry = registry
    run_state_machine_as_test(
        Laws,
        settings=settings(
            max_examples=25, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
