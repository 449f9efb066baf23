"""The laws of a rollback, as a state machine against a plain Python model, on both databases.

The model keeps each app's log as a list and the sets of what is quarantined and yanked. People and the policy take the
steps of canaries: neither changes what a rollback goes to, and no step follows after the end of one.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
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
    Invalid,
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
from promptops.operations.canary_look import LookRequest, look
from promptops.operations.quarantine import WithholdRequest, quarantine, unquarantine, yank
from promptops.store import Registry
from promptops.store.checks.checks import check_store
from tests.operations.canaries import Crowd
from tests.operations.rollback_model import ROLLOUT, STEPS, App, Canary, each_once, next_step
from tests.support.factory import ACTOR, START, content, go_back, go_live, key, make_channels, make_release

APPS = ("bot", "faq", "triage")
WHICH = st.sampled_from(("bot", *APPS))
"""One of them, and one more often, so that more happens to it."""
VERSIONS = 5
PASSING = st.lists(st.sampled_from((200, 200, 200, 200, 1, 300)), min_size=1, max_size=6)
"""Minutes from look to look."""
NEXT = None
"""As a weight: that of the next step of the rollout."""
SHOWN = 5_000
"""The highest weight at which 40 keys that fail on the side of the canary alone show that it is worse."""


class RollbackLaws(RuleBasedStateMachine):
    """Random promotions, canaries, looks, rollbacks, quarantines and yanks of three apps on one channel."""

    registry: Registry
    worlds = 0
    crowds: Iterator[int]

    @initialize(stepped=st.booleans(), live=st.sampled_from((APPS, APPS, APPS[:1], ())))
    def begin(self, stepped: bool, live: tuple[str, ...]) -> None:
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
        for app in live:
            self.promote(app, 0, waive=False)
        if stepped:
            self.declare_the_other_policy()

    @rule()
    def declare_the_other_policy(self) -> None:
        """With a rollout or without one: what holds for canaries that stand is what was said at their start."""
        self.stepped = not self.stepped
        make_channels(self.registry, **{self.channel: Policy(rollout=ROLLOUT if self.stepped else None)})

    def tick(self, minutes: int = 1) -> datetime:
        self.clock += timedelta(minutes=minutes)
        return self.clock

    def reference(self, app: str, release: int) -> str:
        return f"{self.names[app]}@{self.versions[app][release]}"

    def begun(self, release: int, weight: int, at: datetime) -> Canary:
        return Canary(release=release, weight=weight, by_policy=self.stepped, began=at, looked=at)

    # --- what comes --------------------------------------------------------------------------------

    @rule(app=WHICH, release=st.integers(0, VERSIONS - 1), waive=st.booleans())
    def promote(self, app: str, release: int, waive: bool) -> None:
        model, at = self.apps[app], self.tick()
        waived = {"waive": ("rollout",), "waive_for": timedelta(hours=1), "reason": "law"} if waive else {"blind": True}
        if model.live == release or (self.stepped and not waive and model.on_trial == release):
            deployed = go_live(self.registry, self.reference(app, release), self.channel, now=at, **waived)
            assert not deployed.deployments, "promoting what is live, or on trial by a rollout, makes no revision"
        elif waive and not self.stepped:
            with pytest.raises(Invalid):
                go_live(self.registry, self.reference(app, release), self.channel, now=at, **waived)
        elif model.canary is not None:
            with pytest.raises(CanaryInProgress):
                go_live(self.registry, self.reference(app, release), self.channel, now=at, **waived)
        elif not model.good(release):
            with pytest.raises(Yanked if release in model.yanked else Quarantined):
                go_live(self.registry, self.reference(app, release), self.channel, now=at, **waived)
        else:
            go_live(self.registry, self.reference(app, release), self.channel, now=at, **waived)
            if waive and model.log:  # beside nothing there is no canary to waive
                model.at_once[release] = at + timedelta(hours=1)
            if model.log and self.stepped and model.at_once.get(release, at) <= at:
                model.step(at, self.begun(release, STEPS[0], at))
            else:
                model.go_live(release, at)

    @rule(app=WHICH, release=st.integers(0, VERSIONS - 1))
    def start_canary(self, app: str, release: int) -> None:
        model, at = self.apps[app], self.tick()
        request = StartRequest(
            reference=parse_reference(self.reference(app, release)),
            channel=self.channel,
            weight=400,
            key=key(),
            blind=True,
        )
        if model.live == release:
            assert not start(self.registry, request, actor=ACTOR, now=at).deployments
        elif model.canary is None and model.good(release):
            start(self.registry, request, actor=ACTOR, now=at)
            if model.log:
                model.step(at, self.begun(release, 400, at))
            else:  # beside nothing there is no canary
                model.go_live(release, at)
        else:
            kind = CanaryInProgress if model.canary is not None else Yanked if release in model.yanked else Quarantined
            with pytest.raises(kind):
                start(self.registry, request, actor=ACTOR, now=at)

    # --- steps of canaries -------------------------------------------------------------------------

    @rule(
        app=WHICH,
        what=st.sampled_from(Step),
        out=st.booleans(),
        weight=st.one_of(st.just(NEXT), st.integers(401, 9_999)),
    )
    def step_of_a_canary(self, app: str, what: Step, out: bool, weight: int | None) -> None:
        model, at = self.apps[app], self.tick()
        request = StepRequest(
            app=self.names[app],
            channel=self.channel,
            step=what,
            weight=weight if what is Step.ADVANCE else None,
            quarantine=out and what is Step.ABORT,
            key=key(),
        )
        canary = model.canary
        if canary is None:
            with pytest.raises(NoCanary):
                step(self.registry, request, actor=ACTOR, now=at)
        elif what is Step.ADVANCE:
            self._advance(model, canary, request, at)
        elif (what is Step.PAUSE and canary.paused) or (what is Step.RESUME and not canary.paused):
            assert not step(self.registry, request, actor=ACTOR, now=at).deployments
        else:
            assert step(self.registry, request, actor=ACTOR, now=at).deployments
            if what is Step.FINISH:
                model.go_live(canary.release, at)
            elif what is Step.ABORT:
                model.keep_out(canary.release if out else None)
                model.step(at, None)
            else:
                canary.paused = what is Step.PAUSE
                model.step(at, canary)

    def _advance(self, model: App, canary: Canary, request: StepRequest, at: datetime) -> None:
        weight = request.weight
        if weight is None and canary.by_policy:
            weight = next_step(canary.weight)
        if weight is not None and weight > canary.weight:
            step(self.registry, request, actor=ACTOR, now=at)
            model.advance(at, weight)
        else:
            with pytest.raises(Invalid if not canary.by_policy and request.weight is None else CanaryInProgress):
                step(self.registry, request, actor=ACTOR, now=at)

    @precondition(lambda self: any(model.canary for model in self.apps.values()))
    @rule(worse=st.none() | WHICH, passing=PASSING)
    def the_policy_looks(self, worse: str | None, passing: list[int]) -> None:
        """Some times, in turn. Before the first one, the canary of one app gets worse."""
        self.tick()
        if worse is not None and self.apps[worse].canary is not None:
            self._fail(worse)
        for minutes in passing:
            self._look(self.tick(minutes), worse)
            worse = None

    @rule(app=WHICH, release=st.integers(0, VERSIONS - 1), worse=st.none() | WHICH, passing=PASSING)
    def a_rollout(self, app: str, release: int, worse: str | None, passing: list[int]) -> None:
        """A canary by the policy and looks at it, in one: by chance alone they seldom come together."""
        if not self.stepped:
            self.declare_the_other_policy()
        self.promote(app, release, waive=False)
        self.the_policy_looks(worse, passing)

    def _look(self, at: datetime, worse: str | None) -> None:
        done = {each.app: each.verb for each in look(self.registry, LookRequest(channel=self.channel), now=at)}
        looked = [app for app, model in self.apps.items() if model.canary is not None and model.canary.by_policy]
        assert done.keys() == {self.names[app] for app in looked}, "what no policy takes further is left alone"
        for app in looked:
            self._looked(app, done[self.names[app]], at, is_worse=app == worse)

    def _looked(self, app: str, verb: str, at: datetime, *, is_worse: bool) -> None:
        model = self.apps[app]
        canary = model.canary
        assert canary is not None
        if is_worse and canary.weight <= SHOWN:
            assert verb == "abort"
        else:
            assert verb == canary.due(at) or (is_worse and verb == "abort")
        canary.looked = at
        if verb == "abort":
            model.keep_out(canary.release)
            model.step(at, None)
        elif verb == "pause":
            canary.paused = True
            model.step(at, canary)
        elif verb == "advance":
            model.advance(at, next_step(canary.weight) or 0)
        elif verb == "finish":
            model.go_live(canary.release, at)

    def _fail(self, app: str) -> None:
        """40 keys of the canary fail for the first time, and none of what is live."""
        with self.registry.read() as reader:
            live = reader.live(self.names[app], self.channel)
        assert live is not None and live.canary is not None
        number = next(self.crowds)
        crowd = Crowd(self.registry, live, app=self.names[app], client=number)
        keys = crowd.keys(40, live.canary.weight, canary=True, after=number * 10_000)
        crowd.report(live, self.clock, bad={"error": keys})

    # --- what goes ---------------------------------------------------------------------------------

    @rule(app=WHICH)
    def rollback(self, app: str) -> None:
        model, at = self.apps[app], self.tick()
        entry = model.back() if model.log else None
        if entry is None:
            with pytest.raises(NothingToRollBackTo if model.log else NothingDeployed):
                go_back(self.registry, self.names[app], channel=self.channel, now=at)
            return
        left = model.live if model.canary is None else model.on_trial
        deployed = go_back(self.registry, self.names[app], channel=self.channel, now=at)
        model.go_back(entry, at)
        assert deployed.served[0].version == self.versions[app][entry.release]
        assert entry.release != left, "a rollback always changes what is served"

    @rule(app=WHICH, release=st.integers(0, VERSIONS - 1))
    def rollback_to(self, app: str, release: int) -> None:
        model, at = self.apps[app], self.tick()
        promoted = [entry for entry in model.log if entry.release == release and entry.place == entry.revision]
        moves = bool(model.log) and (model.live != release or model.canary is not None)
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
        moves = {a: e for a, e in was.items() if e and (e.release != live[a].live or a in ends)}
        if all(was.values()) and moves and all(live[app].good(entry.release) for app, entry in moves.items()):
            go_back(self.registry, every=True, at=moment, channel=self.channel, now=at)
            for app, entry in moves.items():
                live[app].go_back(entry, at)
        else:
            with pytest.raises(PromptopsError):
                go_back(self.registry, every=True, at=moment, channel=self.channel, now=at)

    @rule(app=WHICH, back=st.integers(1, 12))
    def rollback_at(self, app: str, back: int) -> None:
        moment, at = self.clock - timedelta(minutes=back), self.tick()
        model = self.apps[app]
        entry = model.at(moment)
        moves = entry is not None and (entry.release != model.live or model.canary is not None)
        if entry is not None and moves and model.good(entry.release):
            go_back(self.registry, self.names[app], at=moment, channel=self.channel, now=at)
            model.go_back(entry, at)
        else:
            with pytest.raises(PromptopsError):
                go_back(self.registry, self.names[app], at=moment, channel=self.channel, now=at)

    @rule(app=WHICH, release=st.integers(0, VERSIONS - 1))
    def quarantine(self, app: str, release: int) -> None:
        model, at = self.apps[app], self.tick()
        request = self._withhold(app, release, channel=self.channel)
        if model.log and release in (model.live, model.on_trial):
            with pytest.raises(StillServed):
                quarantine(self.registry, request, actor=ACTOR, now=at)
        else:
            quarantine(self.registry, request, actor=ACTOR, now=at)
            model.quarantined.add(release)

    @rule(app=WHICH, release=st.integers(0, VERSIONS - 1))
    def unquarantine(self, app: str, release: int) -> None:
        model, at = self.apps[app], self.tick()
        request = self._withhold(app, release, channel=self.channel)
        if release in model.quarantined:
            unquarantine(self.registry, request, actor=ACTOR, now=at)
            model.quarantined.remove(release)
        else:
            with pytest.raises(NotQuarantined):
                unquarantine(self.registry, request, actor=ACTOR, now=at)

    @rule(app=WHICH, release=st.integers(0, VERSIONS - 1))
    def yank(self, app: str, release: int) -> None:
        model, at = self.apps[app], self.tick()
        request = self._withhold(app, release)
        if model.log and release in (model.live, model.on_trial) and release not in model.yanked:
            with pytest.raises(StillServed):
                yank(self.registry, request, actor=ACTOR, now=at)
        else:
            yank(self.registry, request, actor=ACTOR, now=at)
            model.yanked.add(release)

    def _withhold(self, app: str, release: int, **more: str) -> WithholdRequest:
        return WithholdRequest(reference=parse_reference(self.reference(app, release)), reason="law", key=key(), **more)

    # --- what holds --------------------------------------------------------------------------------

    @invariant()
    def the_registry_says_what_the_model_says(self) -> None:
        if not hasattr(self, "apps"):
            return
        with self.registry.read() as reader:
            for app, model in self.apps.items():
                log = reader.history(self.names[app], self.channel)[::-1]
                assert [d.revision for d in log] == list(range(1, len(model.log) + 1))
                assert [d.version for d in log] == [self.versions[app][entry.release] for entry in model.log]
                assert each_once(d.canary.rollout if d.canary else "" for d in log), "nothing follows after an end"
                if model.log:
                    assert model.live is not None and model.good(model.live), "a bad release is never live"
                    trial, canary = log[-1].canary, model.canary
                    seen = trial and (trial.release.version, trial.weight)
                    assert seen == (canary and (self.versions[app][canary.release], canary.weight))
                    assert canary is None or model.good(canary.release), "nor is a bad release on trial"
                held = {q.release.version for q in reader.quarantines(self.names[app], self.channel)}
                assert held == {self.versions[app][release] for release in model.quarantined}


def test_the_laws_of_rollback_hold(registry: Registry) -> None:
    class Laws(RollbackLaws):
        pass

    Laws.registry = registry
    Laws.crowds = itertools.count(1)
    run_state_machine_as_test(
        Laws,
        settings=settings(
            max_examples=30, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
    assert check_store(registry) == ()
