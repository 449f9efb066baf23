"""Which cases belong together, and that thousands of them are compared in time."""

from __future__ import annotations

import gc
import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptops.core.model import Json
from promptops.core.suite.similar import groups_of_similar

WORDS = [f"word{number}" for number in range(3000)]
DOCUMENT = " ".join(WORDS[:15])
QUESTION = (
    "In {} I bought shoes from you that do not fit: how many days do I have to send them back, and who pays for that"
)


def text(count: int, seed: int) -> str:
    return " ".join(random.Random(seed).choices(WORDS, k=count))


FOURTEEN = " ".join(WORDS[:14])
CHINESE = "我想知道如何取消我{}在你们的网站上购买的运输标签"

TOGETHER: list[tuple[list[dict[str, Json]], list[list[int]]]] = [
    ([], []),
    ([{"q": "a"}, {"q": "a"}], []),  # short texts say nothing
    # a document: a text of 15 words, wherever it stands
    ([{"docs": [{"text": DOCUMENT}], "q": "a"}, {"q": "b"}, {"context": DOCUMENT}], [[0, 2]]),
    ([{"d": FOURTEEN}, {"d": FOURTEEN, "q": text(8, 2)}], []),
    # a history that goes on
    ([{"history": ["hi"], "q": "x"}, {"history": ["hi", "yes"]}, {"history": ["no", "hi"]}], [[0, 1]]),
    ([{"history": [{"role": "user", "content": "hi"}]}] * 2, [[0, 1]]),
    ([{"history": ["hi", "a"]}, {"history": ["hi", "b"]}], []),
    # variants
    ([{"q": QUESTION.format("March")}, {"q": QUESTION.format("May")}, {"q": text(24, 1)}], [[0, 1]]),
    ([{"q": QUESTION.format("March")}, {"q": QUESTION.format("May").upper()}], [[0, 1]]),
    ([{"q": QUESTION.format("May")}, {"q": QUESTION.format("May") + " " + text(10, 1)}], []),
    # Chinese has no spaces
    ([{"q": CHINESE.format("昨天")}, {"q": CHINESE.format("上个星期五")}], []),
    ([{"q": CHINESE.format("")}, {"d": CHINESE.format("")}], [[0, 1]]),
]


@pytest.mark.parametrize(("cases", "groups"), TOGETHER)
def test_what_belongs_together(cases: list[dict[str, Json]], groups: list[list[int]]) -> None:
    assert groups_of_similar(cases) == groups


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(st.sampled_from("abcdef"), min_size=5, max_size=14).map(" ".join), max_size=12))
def test_the_filter_finds_what_comparing_all_pairs_finds(texts: list[str]) -> None:
    grams = [frozenset(zip(*(words[i:] for i in range(5)), strict=False)) for words in map(str.split, texts)]
    pairs = {
        (one, other)
        for one in range(len(texts))
        for other in range(one)
        if len(grams[one] & grams[other]) >= 0.8 * max(len(grams[one]), len(grams[other]), 1)
    }
    groups = groups_of_similar([{"q": words} for words in texts])
    together = {(one, other) for group in groups for one in group for other in group if other < one}
    assert pairs <= together
    assert all(any(index in pair for pair in pairs) for group in groups for index in group)


@pytest.mark.parametrize(
    "make",
    [
        lambda number: {"q": text(60, number)},
        lambda number: {"q": QUESTION.format(number)},
        lambda number: {"q": text(4, number) + " " + QUESTION.format("May") + " " + text(10, number)},
        lambda number: {"docs": [text(15, number // 10), text(15, number % 100)], "history": WORDS[: number % 20]},
    ],
    ids=["all different", "one family", "one template", "documents"],
)
def test_ten_thousand_cases_take_seconds(make: object) -> None:
    cases = [make(number) for number in range(10_000)]  # type: ignore[operator]
    gc.disable()  # a collection takes as long as there are objects of other tests
    try:
        began = time.process_time()
        groups_of_similar(cases[:2_500])
        quarter = time.process_time() - began
        groups_of_similar(cases)
        assert time.process_time() - began - quarter < 8 * quarter + 1
    finally:
        gc.enable()
