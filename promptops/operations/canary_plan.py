"""Says what the steps of a canary will see before it starts: from what was reported of its app. Reads only."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from promptops.core.canary.foresight import TIMES, Growing, Shown, first_sight, foretold, headline
from promptops.core.canary.low_traffic import LowTraffic
from promptops.core.canary.plan import DEFAULT, Plan, plan
from promptops.core.canary.rollout_policy import RolloutPolicy, read_rollout, unseen_hours
from promptops.core.canary.traffic import KeyOfDay, Scored, Traffic, traffic_of
from promptops.core.model import Deployment, ReleaseRef
from promptops.core.names import AppName, ChannelName
from promptops.core.outcomes.call_outcome import Count
from promptops.core.outcomes.report import Guardrail, score_guardrail
from promptops.core.outcomes.series import Arm, Assignment
from promptops.core.reference import Reference, parse_reference
from promptops.core.timestamp import DAY, midnight, minute_of
from promptops.operations.canary_limits import LOOKED_BACK, AtStart, at_start
from promptops.operations.named_release import named_release
from promptops.operations.outcome_report import releases_of
from promptops.wire.documents import canaries as documents

if TYPE_CHECKING:
    from promptops.store import Reader, Registry

_KEYS: Final = 5_000
"""Keys of a day that are read: of seven days, a share of 1 % is known within a ninth of it."""
_FEW_KEYS: Final = 512
"""The same where a promotion only asks whether the first step sees anything."""
_BACK: Final = range(1, LOOKED_BACK.days + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryPlanRequest:
    """What a canary of an app on a channel would see; ``release`` is the version or the digest of the one to try."""

    app: AppName
    channel: ChannelName
    release: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryPlanned:
    """What a canary would see."""

    document: documents.CanaryPlanDocument


def canary_plan(registry: Registry, request: CanaryPlanRequest, *, now: datetime) -> CanaryPlanned:
    """Returns what the steps of a canary would see, by the rollout of the channel or the one of :data:`DEFAULT`.

    Raises:
        ChannelNotFound, AppNotFound: listing those that exist. NothingDeployed: no release is stable there.
        ReferenceInvalid, ReleaseNotFound: of the release to try.
    """
    app, place = request.app, request.channel
    with registry.read() as reader:
        settings = reader.channel(place).policy.rollout
        stable = named_release(reader, Reference(app=app, channel=place)).ref
        candidate = None
        if request.release:
            candidate = named_release(reader, parse_reference(f"{app}@{request.release}")).ref
        policy = read_rollout(DEFAULT if settings is None else settings)
        start = at_start(
            reader,
            app,
            place,
            stable=stable,
            candidate=candidate,
            bake=policy.steps[0].bake,
            guardrails=policy.guardrails,
            now=now,
        )
        week = _week(reader, app, place, stable, policy, start, now)
        reported = reader.is_reported(app, place, since=now - LOOKED_BACK)
    found = plan(policy, week.traffic.keys, off=start.off, settings=settings)
    return CanaryPlanned(
        document=documents.CanaryPlanDocument(
            app=app,
            channel=place,
            stable=stable.version,
            release=candidate.version if candidate else "",
            by_default=settings is None,
            reported=reported,
            of_stable=week.of_stable,
            slow_times=start.dearer.slow,
            dear_times=start.dearer.dear,
            **_counts(week.traffic, start),
            **_seen(policy, found, week.traffic, start),
        )
    )


def low_traffic(reader: Reader, made: Deployment, now: datetime) -> LowTraffic | None:
    """Returns how little the first step of a canary sees that a deployment starts. None where it sees enough, no policy
    takes the steps of the canary, or nothing was reported of the app: then a person started it blind.

    It is about the guardrail that speaks for all, as if each day had other keys: that takes a few questions to the
    database, and :func:`canary_plan` reads thousands of keys.
    """
    app, place, canary = made.app, made.channel, made.canary
    settings = reader.channel(place).policy.rollout
    if settings is None or canary is None or not reader.is_reported(app, place, since=now - LOOKED_BACK):
        return None
    policy = read_rollout(settings)
    name = headline(policy.guardrails)
    shown = _shown(reader, app, place, name, minute_of(now) // DAY)
    sees = first_sight(policy, shown, canary.weight, len(policy.guardrails))
    if sees is not None and sees <= policy.wait:
        return None
    share = _foretold_share(policy, shown)
    return LowTraffic(
        app=app,
        channel=place,
        version=canary.release.version,
        weight=canary.weight,
        keys_a_day=round(shown.keys.a_day),
        guardrail=name,
        share=share,
        tripled=share > policy.tolerance,
        sees=sees,
        wait=policy.wait,
    )


def _shown(reader: Reader, app: str, channel: str, guardrail: str, today: int) -> Shown:
    """What the keys of the newest two days before today show of a guardrail, of those with any; else those of today."""
    before = (reader.rate_of_day(app, channel, today - back, guardrail, most=_FEW_KEYS) for back in _BACK)
    rates = list(islice((rate for rate in before if rate[0]), 2))
    rates = rates or [reader.rate_of_day(app, channel, today, guardrail, most=_FEW_KEYS)]
    count, able, bad = (sum(rate[place] for rate in rates) for place in range(3))
    return Shown(keys=Growing(count / len(rates)), bad=bad / able if able else 0.0)


def _foretold_share(policy: RolloutPolicy, shown: Shown) -> float:
    return min(1.0, TIMES * foretold(shown, policy.tolerance).bad)


# --- what was reported -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Week:
    """The last days: their keys, and whether these say something ``of_stable``, or of other releases."""

    traffic: Traffic
    of_stable: bool


def _week(
    reader: Reader,
    app: str,
    channel: str,
    stable: ReleaseRef,
    policy: RolloutPolicy,
    start: AtStart,
    now: datetime,
) -> _Week:
    """All keys of the last days are traffic. What they show is that of the stable release, and of those before it if no
    whole day of it was reported yet.
    """
    today, since = minute_of(now) // DAY, midnight(now - LOOKED_BACK)
    days = range(minute_of(since) // DAY, today + 1)
    rows = [(day, *row) for day in days for row in reader.keys_of_day(app, channel, day, most=_KEYS)]
    releases = releases_of(reader, app, {place for _, place, *_ in rows})
    beside = {place for place in releases if place.arm is Arm.STABLE}
    of_stable = {place for place in beside if releases[place].digest == stable.digest}
    is_known = any(place in of_stable and day < today for day, place, *_ in rows) or of_stable == beside
    judged = of_stable if is_known else beside
    unrecorded = _bad(reader, judged, Guardrail.UNRECORDED.value, since)
    keys = [
        _key(day, unit, place in judged, could, bad, (day, unit) in unrecorded) for day, place, unit, could, bad in rows
    ]
    counts = {day: reader.count_of_day(app, channel, day) for day in days}
    scores = {
        name: Scored(calls=_scored(start, name), bad=_bad(reader, of_stable, name, since))
        for name in policy.guardrails
        if name.startswith(score_guardrail(""))
    }
    traffic = traffic_of(keys, counts, policy.guardrails, today=today, most=_KEYS, scores=scores)
    return _Week(traffic=traffic, of_stable=is_known)


def _key(
    day: int, unit: str, counts: bool, could: frozenset[str], bad: frozenset[str], is_unrecorded: bool
) -> KeyOfDay:
    """A key of a day; every one of the stable release could be left unrecorded."""
    if not counts:
        return KeyOfDay(day, unit, False, frozenset(), frozenset())
    more = frozenset([Guardrail.UNRECORDED.value])
    return KeyOfDay(day, unit, True, could | more, bad | more if is_unrecorded else bad)


def _bad(reader: Reader, places: Collection[Assignment], guardrail: str, since: datetime) -> frozenset[tuple[int, str]]:
    found: frozenset[tuple[int, str]] = frozenset()
    return found.union(*(reader.days_bad(place, guardrail, since=since) for place in places))


def _scored(start: AtStart, guardrail: str) -> int:
    name = guardrail.removeprefix(score_guardrail(""))
    return sum(sums.scores[name].count for sums in start.calls.values() if name in sums.scores)


# --- as a document ---------------------------------------------------------------------------------


def _counts(traffic: Traffic, start: AtStart) -> dict[str, Any]:
    calls, without_key = (sum(sums[name] for sums in start.calls.values()) for name in (Count.CALLS, Count.NO_UNIT))
    return {
        "days": traffic.days,
        "keys_a_day": round(traffic.keys.a_day),
        "calls": calls,
        "calls_without_key": without_key,
    }


def _seen(policy: RolloutPolicy, found: Plan, traffic: Traffic, start: AtStart) -> dict[str, Any]:
    share = _foretold_share(policy, traffic.keys.of(found.headline))
    return {
        "wait_seconds": _seconds(policy.wait),
        "keys_needed": policy.canary_keys,
        "headline": found.headline,
        "headline_share": share,
        "headline_tripled": share > policy.tolerance,
        "guardrails": tuple(_guardrail(name, found, traffic, start) for name in policy.guardrails),
        "steps": tuple(
            documents.CanaryPlanStepDocument(
                weight=step.weight,
                bake_seconds=_seconds(asked.bake),
                canary_keys_a_day=round(step.canary_keys_a_day, 1),
                enough_keys_seconds=_seconds_or_none(step.enough_keys),
                sees_seconds=_seconds_or_none(step.foretold),
                sights=tuple(
                    documents.CanarySightDocument(
                        guardrail=name,
                        worse_seconds=_seconds_or_none(sight.worse),
                        not_worse_seconds=_seconds_or_none(sight.not_worse),
                    )
                    for name, sight in step.sights.items()
                ),
            )
            for step, asked in zip(found.steps, policy.steps, strict=True)
        ),
        "inside": documents.CanaryInsideDocument(
            guardrail=found.inside.guardrail,
            weight=found.inside.weight,
            share=found.inside.share,
            keys=found.inside.keys,
        )
        if found.inside
        else None,
        "unseen_hours": unseen_hours(policy),
        "proposed": found.proposed,
    }


def _guardrail(name: str, found: Plan, traffic: Traffic, start: AtStart) -> documents.CanaryPlanGuardrailDocument:
    state = "off" if name in start.off else "dropped" if name in found.dropped else "judges"
    return documents.CanaryPlanGuardrailDocument(
        guardrail=name,
        state=state,
        why=start.off.get(name) or found.dropped.get(name, ""),
        bad=traffic.keys.bad.get(name, 0.0),
    )


def _seconds(length: timedelta) -> int:
    return int(length.total_seconds())


def _seconds_or_none(length: timedelta | None) -> int | None:
    return None if length is None else _seconds(length)
