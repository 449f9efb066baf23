"""How the answer of a judge is read, and which choices it could not be read by."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptops.core.suite.github import CHOICES, NAMES, github_judge
from promptops.core.suite.judge import Choice, Judge, ambiguities, judge_digest, judged


def choices(*texts: str) -> list[Choice]:
    return [Choice(text=text, score=index / len(texts)) for index, text in enumerate(texts)]


@pytest.mark.parametrize(
    ("texts", "answer", "named"),
    [
        # what GitHub's rule read as A, as "relevant", as "1"
        (["A", "B", "C"], "The answer is C", "C"),
        (["A", "B", "C"], "Answer: B", "B"),
        (["relevant", "not relevant"], "not relevant", "not relevant"),
        (["1", "2", "10"], "10", "10"),
        (["1", "2", "10"], "Score: 10.", "10"),
        # exactly, whatever the case and the blanks around it
        (["pass", "fail"], " PASS\n", "pass"),
        (["pass", "pass with notes"], "pass with notes", "pass with notes"),
        (["straße"], "STRASSE", "straße"),
        # as a whole word
        (["pass", "fail"], "I would say: fail.", "fail"),
        (["correct", "wrong"], "incorrect", None),
        (["+1", "-1"], "it is +1", "+1"),
        (["relevant", "off"], "non-relevant", None),
        (["1", "2", "3"], "1.5", None),
        (["1", "2", "3"], "3/5", None),
        (["pass", "fail"], "pass/fail: fail.", "fail"),
        (["pass", "fail"], "'pass', I think", "pass"),
        (["pass", "fail"], "**fail**", "fail"),
        (["pass", "fail"], "1.\tpass.", "pass"),
        # none, or two
        (["pass", "fail"], "", None),
        (["pass", "fail"], "maybe", None),
        (["pass", "fail"], "I would not pass this: fail", None),
        (["1", "2", "3", "4", "5"], "4 out of 5", None),
        (["relevant", "not relevant"], "It is not relevant.", None),
        (["A", "B", "C"], "B, a detail is missing", None),
    ],
)
def test_the_choice_that_an_answer_names(texts: list[str], answer: str, named: str | None) -> None:
    result = judged(answer, choices(*texts))
    assert result.score == (None if named is None else texts.index(named) / len(texts))
    assert bool(result.why) == (named is None)


@pytest.mark.parametrize(
    ("texts", "found"),
    [
        (["pass", "fail"], []),
        (["1", "2", "10"], []),
        (["correct", "incorrect"], []),
        ([choice.text for choice in CHOICES], []),
        (["A", "no"], ["'A' is a letter, which sentences contain"]),
        (["relevant", "not relevant"], ["'relevant' is a word of 'not relevant'"]),
        (["Pass", "pass"], ["'pass' is there twice"]),
        (["pass", " "], ["a choice is empty"]),
    ],
)
def test_choices_of_which_an_answer_may_name_two(texts: list[str], found: list[str]) -> None:
    assert list(ambiguities(choices(*texts))) == found


words = st.lists(st.text("abcxyz ", min_size=1).filter(lambda text: bool(text.strip())), min_size=1, max_size=5)


@given(words)
def test_of_choices_that_are_clear_each_is_named_by_itself_and_in_a_sentence(texts: list[str]) -> None:
    if not list(ambiguities(choices(*texts))):
        for index, text in enumerate(texts):
            for answer in (text, text.upper(), f"({text})", f"1. {text}!"):
                assert judged(answer, choices(*texts)).score == index / len(texts)


@given(words, st.text())
def test_any_answer_is_a_score_of_one_choice_or_an_error(texts: list[str], answer: str) -> None:
    result = judged(answer, choices(*texts))
    assert result.score is None or result.score in {choice.score for choice in choices(*texts)}


def test_githubs_five_ask_for_a_word_that_they_list() -> None:
    assert len(NAMES) == 5
    for name in NAMES:
        judge = github_judge(name, "a/b-2024-08-06", {})
        assert "{{completion}}" in judge.prompt
        assert all(choice.text in judge.system_prompt and f"{choice.text}:" in judge.prompt for choice in CHOICES)


def test_all_that_decides_what_a_judge_says_is_in_its_digest() -> None:
    judge = {"model": "a/b", "prompt": "p", "choices": tuple(choices("x", "yes")), "system_prompt": "s"}
    changes: list[dict[str, object]] = [
        {},
        {"model": "a/c"},
        {"prompt": "q"},
        {"system_prompt": ""},
        {"parameters": {"temperature": 0}},
        {"choices": tuple(choices("x", "no"))},
        {"choices": (Choice(text="x", score=0.0), Choice(text="yes", score=1.0))},
    ]
    assert len({judge_digest(Judge(**{**judge, **change})) for change in changes}) == len(changes)  # type: ignore[arg-type]
