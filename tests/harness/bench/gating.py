"""The gate of a channel, over 10,000 cases against 10, a promotion with that gate against one without, and what `ci`
says of a change whose evidence is there.
"""

from __future__ import annotations

import itertools
import json
import os
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from promptops import store
from promptops.core.evidence.case_table import Arm, Case
from promptops.core.evidence.release_suites import ReleaseSuites
from promptops.core.evidence.run import SuiteRef
from promptops.core.gate.given import GateRelease, gate_release
from promptops.core.model import Policy, Release
from promptops.core.release_bytes import content_from_bytes
from promptops.store.facts.kind import Fact
from tests.gate.world import NOW, P, cases, run, suite_of
from tests.harness.bench.files import change_app, commit_apps, write_apps
from tests.harness.bench.measure import Line, compare, process
from tests.store.facts import do
from tests.support.factory import ACTOR, NAME, content, go_live, make_channels, make_release, minutes

_ROUNDS = 9
_GATE = {"not_worse": {"margin": "10%"}, "evidence": {"max_age": "3650d"}, "mode": "warn"}
"""It only warns, since 10 cases show nothing: what it takes to judge them is measured."""


def lines(folder: Path) -> Iterator[Line]:
    """`promptops gate`, `promote` and `ci`, whole processes on SQLite."""
    many = _registry(folder, "many", count=10_000, gate=_GATE)
    few = _registry(folder, "few", count=10, gate=_GATE)
    none = _registry(folder, "none", count=10_000, gate=None)
    asked = ("gate", "bot@0.1.1", "--channel", "prod")
    yield compare(
        "promptops gate, 10,000 cases",
        partial(process, _promptops(many, *asked), folder),
        partial(process, _promptops(few, *asked), folder),
        named="the same with 10 cases",
        bound=1.5,
        rounds=_ROUNDS,
    )
    with_gate, without = (itertools.cycle(["bot@0.1.1", "bot@0.1.0"]) for _ in range(2))
    yield compare(
        "promptops promote, a gate over 10,000 cases",
        lambda: process(_promptops(many, "promote", next(with_gate), "--channel", "prod"), folder),
        lambda: process(_promptops(none, "promote", next(without), "--channel", "prod"), folder),
        named="the same without a gate",
        bound=1.5,
        rounds=_ROUNDS,
    )

    yield _ci(folder / "ci")


def _ci(root: Path) -> Line:
    """A change of one of 24 apps, which is released and was measured against what is live."""
    write_apps(root, f"channels:\n  prod: {json.dumps({'gate': _GATE})}\n")
    commit_apps(root)
    url = f"sqlite:///{root.parent}/ci.db"
    for words in (("init",), ("release", "app-00"), ("promote", "app-00@0.1.0", "--channel", "prod")):
        _in(root, url, *words)
    change_app(root)
    _in(root, url, "release", "app-00")
    _measure(url)
    return compare(
        "promptops ci of a change in one of 24 apps, with the gate over its evidence",
        lambda: _in(root, url, "ci", "--channel", "prod"),
        lambda: _in(root, url, "check"),
        named="promptops check",
        bound=2.0,
        rounds=5,
    )


def _in(root: Path, url: str, *words: str) -> float:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PROMPTOPS_", "PYTHON"))}
    return process(_promptops(url, *words), root, environment={**kept, "PROMPTOPS_SYNC": "off"})


def _measure(url: str) -> None:
    """Records a run of every suite of the newest release against the one before it."""
    with closing(store.Registry.open(url)) as registry:
        with registry.read() as reader:
            releases = [reader.find_release("app-00", version=version) for version in ("0.1.1", "0.1.0")]
            suites = [reader.suites("app-00", release.digest) for release in releases]
        candidate, other = (
            _given(release, known.suites if known else ()) for release, known in zip(releases, suites, strict=True)
        )
        plan = [
            Case(suite=suite.name, prompt=prompt, id=digest, key=digest, digest=digest)
            for suite in candidate.suites
            for prompt in suite.prompts
            for digest in suite.cases
        ]
        outcomes = {arm: [[P]] * len(plan) for arm in (Arm.CANDIDATE, Arm.LIVE)}
        done = run(candidate, plan, outcomes, others={Arm.LIVE: other}, at=datetime.now(UTC), app="app-00")
        for fact in (done.run, done.evidence):
            assert fact is not None
            do(registry, partial(_record, fact=fact))


def _record(writer: store.Writer, fact: Fact) -> None:
    writer.record(fact)


def _promptops(url: str, *words: str) -> list[str]:
    return [sys.executable, "-m", "promptops", "--registry", url, "--actor", ACTOR, *words]


def _registry(folder: Path, name: str, *, count: int, gate: dict[str, Any] | None) -> str:
    """A registry with two releases that were measured against each other; the first one is live."""
    url = f"sqlite:///{folder}/{name}.db"
    store.create(url, name=NAME, now=minutes(0), actor=ACTOR)
    registry = store.Registry.open(url)
    plan = cases("answer", "answer", count)
    suite = suite_of(plan)
    made = []
    for number in (1, 2):
        release = make_release(registry, content("bot", f"Hello {{{{name}}}}, take {number}"), now=minutes(number))
        known = ReleaseSuites(
            app="bot",
            number=number,
            digest=release.digest,
            commit="c" * 40,
            suites=(suite,),
            at=NOW - timedelta(days=9),
            actor=ACTOR,
        )
        do(registry, lambda writer, known=known: writer.record(known))  # type: ignore[misc]
        made.append(release)
    make_channels(registry, prod=Policy())
    go_live(registry, "bot@0.1.0", "prod", now=NOW - timedelta(days=8))
    make_channels(registry, prod=Policy(gate=gate))
    for new, live in ((made[1], made[0]), (made[0], made[1])):
        outcomes = {Arm.CANDIDATE: [[P]] * count, Arm.LIVE: [[P]] * count}
        others = {Arm.LIVE: _given(live, (suite,))}
        done = run(_given(new, (suite,)), plan, outcomes, others=others, name=new.version)
        do(registry, lambda writer, done=done: writer.record(done.run))  # type: ignore[misc]
        do(registry, lambda writer, done=done: writer.record(done.evidence))  # type: ignore[misc]
    registry.close()
    return url


def _given(release: Release, suites: tuple[SuiteRef, ...]) -> GateRelease:
    return gate_release(content_from_bytes(release.content), release.digest, version=release.version, suites=suites)
