"""The theorem: the expected e-value is at most 1 under every rule of when to step and when to stop."""

from __future__ import annotations

import pytest

from tests.core.canary.exhaustive import RAMP, again, best_of_any_schedule, best_of_log, forgetful, late_logs, orders


@pytest.mark.parametrize(("keys", "events", "steps"), [(4, 5, 1), (4, 5, 3)])
def test_no_rule_of_when_to_stop_makes_a_canary_that_is_no_different_look_worse(
    keys: int, events: int, steps: int
) -> None:
    """For every log of this size and every time of each step, also chosen by the sides of keys that went bad."""
    assert all(best_of_any_schedule(order, RAMP[:steps]) == 1 for order in orders(keys, events))


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_nor_does_any_rule_make_it_look_better(steps: int) -> None:
    """So the odds of each coin are the true ones: with higher ones nothing would be shown where something is wrong."""
    assert all(best_of_any_schedule(order, RAMP[:steps], best=min) == 1 for order in orders(3, 4))


def test_reports_that_arrive_late_change_nothing() -> None:
    assert all(best_of_log(log, RAMP) == 1 for log in late_logs(3, 4, 3))


@pytest.mark.parametrize("steps", [1, 2])
def test_keys_that_are_bad_again_and_again_are_fair_coins_too(steps: int) -> None:
    assert all(best_of_any_schedule(order, RAMP[:steps], again, sides_seen=False) == 1 for order in orders(2, 6))


def test_a_schedule_that_knows_the_sides_of_keys_which_are_not_yet_counted_gains_by_it() -> None:
    """Why the bound of steps that look at data is measured: they see sides before the third bad minute."""
    assert best_of_any_schedule((0, 0, 0), RAMP[:2], again) > 1


def test_the_search_finds_coins_that_are_not_fair() -> None:
    assert best_of_log([(0, 0), (0, 0)], RAMP[:1], forgetful) > 1
    assert best_of_log([(0, 0), (1, 0)], RAMP[:1], forgetful) == 1
    assert best_of_any_schedule((0, 0), RAMP[:1], forgetful) > 1
