"""A rollback walks as if there were no canaries: beside every log is the same one without them, and both go to the same
release.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

from hypothesis import given
from hypothesis import strategies as st

from promptops.core import canary_steps, rollout
from promptops.core.deployment_parts import Action, Canary, Kind
from promptops.core.errors import NothingToRollBackTo
from promptops.core.model import Bump, Deployment, Past, Policy, Provenance, Release, ReleaseRef
from promptops.core.policy import Candidate
from promptops.core.rollout import Intent

BEGIN = datetime(2026, 3, 1, tzinfo=UTC)
RELEASES = "ABCD"
ORIGIN = Provenance(repository="r", commit="c", path="p", author="a", builder="b")

Change: TypeAlias = tuple[str, str, frozenset[str]]
"""What is done, with which release, and which ones are not good then."""
CHANGES = st.lists(
    st.tuples(
        st.sampled_from(("promote", "start", "start", "advance", "pause", "abort", "finish", "back", "back")),
        st.sampled_from(RELEASES),
        st.frozensets(st.sampled_from(RELEASES), max_size=2),
    ),
    max_size=30,
)


def ref(name: str) -> ReleaseRef:
    return ReleaseRef(version=name, digest=name)


def candidate(name: str) -> Candidate:
    release = Release(
        app="bot", version=name, digest=name, created_at=BEGIN, created_by="a", bump=Bump.NONE, changes=(), notes="",
        provenance=ORIGIN,
    )  # fmt: skip
    return Candidate(release=release, quarantine=None)


@dataclass
class Log:
    """The deployments of one app, oldest first."""

    entries: list[Deployment] = field(default_factory=list)

    @property
    def live(self) -> Deployment | None:
        return self.entries[-1] if self.entries else None

    @property
    def intent(self) -> Intent:
        now = BEGIN + timedelta(minutes=len(self.entries))
        return Intent(app="bot", channel="prod", actor="a", reason="", now=now)

    def promote(self, name: str) -> None:
        self.entries.append(rollout.promote(self.intent, candidate(name), Policy(), self.live))

    def back(self, bad: frozenset[str]) -> bool:
        """Roll back; whether there was something to go back to."""
        assert self.live is not None
        try:
            self.entries.append(rollout.rollback(self.intent, self.live, self.past(bad)))
        except NothingToRollBackTo:
            return False
        return True

    def past(self, bad: frozenset[str]) -> list[Past]:
        return [Past(deployment=each, flaw="bad" * (each.version in bad)) for each in reversed(self.entries[:-1])]

    def goes_to(self, bad: frozenset[str]) -> str | None:
        """The release that a rollback would restore, beside a canary too."""
        found = rollout.target(self.live, self.past(bad)) if self.live else None
        return found.deployment.version if found else None


@given(CHANGES)
def test_a_rollback_goes_where_it_would_go_if_no_canary_was_ever_in_the_log(changes: list[Change]) -> None:
    log, plain = Log(), Log()
    for what, name, bad in changes:
        apply(log, plain, what, name, bad)
        for flaws in (frozenset[str](), bad):
            assert log.goes_to(flaws) == plain.goes_to(flaws)
    assert [each.version for each in log.entries if each.kind not in (Kind.CANARY, Kind.ABORT)] == [
        each.version for each in plain.entries
    ]


def apply(log: Log, plain: Log, what: str, name: str, bad: frozenset[str]) -> None:
    """Change both logs: what is done with a canary changes the first one alone, but for its finish."""
    live = log.live
    canary = live.canary if live else None
    if what in ("promote", "start") and (live is None or (canary is None and live.version != name)):
        if what == "start" and live is not None:
            log.entries.append(begin(log, name))
        else:
            log.promote(name)
            plain.promote(name)
    elif what == "back" and live is not None and canary is None:
        assert log.back(bad) == plain.back(bad)
    elif what == "back" and live is not None:
        assert log.back(bad), "a canary goes, whatever was before"
    elif live is not None and canary is not None:
        if what == "finish":
            made = canary_steps.finish(log.intent, candidate(canary.release.version), Policy(), live)
            log.entries.append(made)
            plain.promote(canary.release.version)
        elif what == "advance":
            log.entries.append(canary_steps.advance(log.intent, live, canary.weight + 1))
        elif what in ("pause", "abort"):
            made = canary_steps.pause(log.intent, live) if what == "pause" else canary_steps.abort(log.intent, live)
            log.entries += [made] if made is not live else []


def begin(log: Log, name: str) -> Deployment:
    number = len(log.entries) + 1
    canary = Canary(
        release=ref(name),
        weight=number,
        rollout=f"1.{number}",
        salt=f"bot#prod#1.{number}",
        step=1,
        action=Action.START,
    )
    return canary_steps.start(log.intent, candidate(name), Policy(), log.live, canary=canary)
