"""When a model ends is said from 60 days before, in words of the day that it is asked on."""

from __future__ import annotations

from datetime import date

import pytest

from promptops.core.models.ends import SOON, ending

GPT = "openai/gpt-4o-2024-08-06"  # ends on 2027-01-14


@pytest.mark.parametrize(
    ("today", "words"),
    [
        (date(2026, 11, 14), ""),
        (date(2026, 11, 15), "ends on 2027-01-14, in 60 days; its provider proposes gpt-6-luna"),
        (date(2027, 1, 13), "ends on 2027-01-14, in 1 day; its provider proposes gpt-6-luna"),
        (date(2027, 1, 14), "ends today; its provider proposes gpt-6-luna"),
        (date(2030, 1, 1), "ended on 2027-01-14; its provider proposes gpt-6-luna"),
    ],
)
def test_an_end_is_announced_sixty_days_before(today: date, words: str) -> None:
    assert [each.words(today) for each in ending([GPT], today)] == ([f"{GPT} {words}"] if words else [])


def test_the_first_end_comes_first_and_a_model_without_one_is_left_out() -> None:
    models = [GPT, "openai/gpt-5.2-2025-12-11", "local/llama", "anthropic/claude-sonnet-4-5-20250929"]
    assert [each.model for each in ending(models, date(2026, 1, 1), within=None)] == [models[3], GPT]
    assert ending(models, date(2026, 1, 1), within=SOON) == ()
