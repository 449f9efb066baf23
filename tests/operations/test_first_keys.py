"""Keys that get a canary first: as hashes in the fact and in snapshots, and never as keys. On both databases."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from promptops.core.bucketing import key_hash
from promptops.core.errors import Invalid, KeyReused
from promptops.core.model import Policy
from promptops.core.outcomes.units import Sample
from promptops.core.reference import parse_reference
from promptops.core.snapshot import Pointer
from promptops.operations import snapshots
from promptops.operations.canary import StartRequest, Step, StepRequest, start, step
from promptops.operations.deploy import Deployed
from promptops.store import Registry
from promptops.store.schema import tables
from promptops.wire.snapshot import decode, encode
from tests.operations.counting import send
from tests.operations.test_canary_limits import KEYS, calls, units
from tests.support.factory import ACTOR, go_live, key, make_channels, make_releases, minutes
from tests.support.reports import MINUTE, assignment, report, series

ROLLOUT: dict[str, Any] = {"steps": [{"percent": 5, "bake": "4h"}, {"percent": 25, "bake": "4h"}]}
STAFF = ("ada@example.org", "ben@example.org")


@pytest.fixture
def bot(registry: Registry) -> Registry:
    """0.1.2 is live at revision 3 and its calls are known; the channel takes what comes next in steps."""
    make_channels(registry)
    for number, release in enumerate(make_releases(registry, "bot", 4)[:3]):
        go_live(registry, f"bot@{release.version}", now=minutes(number / 10))
    sums = {(series(assignment(revision=3)), MINUTE): calls(1_200)}
    send(registry, report(registry.lineage, 1, sums, sampled=units(KEYS)))
    make_channels(registry, prod=Policy(rollout=ROLLOUT))
    return registry


def begin(registry: Registry, **more: Any) -> Deployed:
    given = {"key": key(), "weight": 500, "first_keys": STAFF, **more}
    request = StartRequest(reference=parse_reference("bot@0.1.3"), channel="prod", **given)
    return start(registry, request, actor=ACTOR, now=minutes(10))


def served(registry: Registry) -> Pointer:
    return snapshots.snapshot(registry, "prod").apps["bot"]


def test_clients_get_them_as_hashes_with_the_salt_of_the_canary_and_what_else_was_frozen(bot: Registry) -> None:
    begin(bot)
    pointer = served(bot)
    trial = pointer.trial
    assert trial is not None
    assert trial.keys == {key_hash(pointer.salt, each) for each in STAFF}
    sample = Sample.giving(KEYS, weight=500)
    assert trial.sample == (sample.canary, sample.stable)
    limits = trial.limits["answer"]
    assert limits.slow_ms is not None and 400 <= limits.slow_ms <= 408
    assert limits.dear_micro_usd is not None and 100 <= limits.dear_micro_usd <= 103
    snapshot = snapshots.snapshot(bot, "prod")
    assert decode(encode(snapshot)[0]) == snapshot


def test_they_hold_through_the_steps_and_end_with_the_canary(bot: Registry) -> None:
    begin(bot)
    first = served(bot)
    for what, weight in ((Step.ADVANCE, 2_500), (Step.PAUSE, None), (Step.RESUME, None)):
        request = StepRequest(app="bot", channel="prod", step=what, weight=weight, key=key())
        step(bot, request, actor=ACTOR, now=minutes(20))
        then = served(bot).trial
        assert then is not None and first.trial is not None
        assert (then.keys, then.limits) == (first.trial.keys, first.trial.limits)
    step(bot, StepRequest(app="bot", channel="prod", step=Step.ABORT, key=key()), actor=ACTOR, now=minutes(30))
    assert served(bot).trial is None


def test_a_step_changes_the_thresholds_of_the_sample_with_the_weight(bot: Registry) -> None:
    begin(bot)
    with bot.read() as reader:
        held = reader.rollout("bot", "prod", "1.4")
    assert held is not None
    many = replace(held, keys_a_day=1_000_000)
    small, large = many.trial_at(500).sample, many.trial_at(2_500).sample
    assert small is not None and large is not None
    assert small[0] > large[0] and small[1] < large[1]


def test_no_table_has_a_key(bot: Registry) -> None:
    begin(bot)
    with bot.read() as reader:
        held = reader.rollout("bot", "prod", "1.4")
        everything = [
            repr(row) for table in tables.metadata.sorted_tables for row in reader._connection.execute(table.select())
        ]
    assert held is not None
    assert held.keys_count == 2
    assert len(everything) > 20
    assert not [row for row in everything if "ben@example" in row]
    assert "ben@example" not in repr(StartRequest(
        reference=parse_reference("bot@0.1.3"), channel="prod", weight=1, key="k", first_keys=STAFF
    ))  # fmt: skip


def test_a_channel_without_a_rollout_holds_none(bot: Registry) -> None:
    make_channels(bot, prod=Policy())
    with pytest.raises(Invalid, match="no rollout holds which keys"):
        begin(bot)
    assert served(bot).canary is None
    assert begin(bot, first_keys=()).deployments[0].canary is not None
    assert served(bot).trial is None


@pytest.mark.parametrize("keys", [tuple(map(str, range(1_001))), ("",), ("x" * 501,)])
def test_too_many_keys_and_what_is_none_are_refused(bot: Registry, keys: tuple[str, ...]) -> None:
    with pytest.raises(Invalid):
        begin(bot, first_keys=keys)


def test_the_same_request_is_done_once_and_one_with_other_keys_is_another(bot: Registry) -> None:
    once = begin(bot, key="one")
    assert begin(bot, key="one").deployments == once.deployments
    with pytest.raises(KeyReused):
        begin(bot, key="one", first_keys=STAFF[:1])
