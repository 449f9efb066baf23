"""The result of a case, and the digests of cases and suites."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptops.core.digest import digest
from promptops.core.evidence.suite_refs import suite_ref
from promptops.core.suite.judge import Choice, Judge
from promptops.core.suite.result import Result, case_result
from promptops.core.suite.suite import (
    Case,
    Check,
    Held,
    Suite,
    SuiteKind,
    case_digest,
    case_digests,
    check_digest,
    held_digest,
    suite_digest,
)

scores = st.none() | st.floats(0, 1)
results = st.lists(st.tuples(scores.map(lambda score: Result(score=score)), st.floats(0.01, 1)), min_size=1, max_size=6)


@given(results)
def test_a_case_passes_when_all_its_checks_pass_and_its_score_is_their_mean(of: list[tuple[Result, float]]) -> None:
    found = case_result(of)
    values = [result.score for result, _ in of]
    passes = [score is not None and score >= at for score, (_, at) in zip(values, of, strict=True)]
    assert (found.passed is True) == all(passes)
    known = [score for score in values if score is not None]
    assert found.score == (sum(known) / len(known) if len(known) == len(values) else None)
    assert (found.passed is None) == (
        None in values and all(passed or score is None for passed, score in zip(passes, values, strict=True))
    )


@given(results, st.randoms())
def test_the_order_of_checks_does_not_count(of: list[tuple[Result, float]], random: st.DataObject) -> None:
    shuffled = sorted(of, key=lambda _: random.random())  # type: ignore[attr-defined]
    assert case_result(shuffled).passed == case_result(of).passed


@given(results, st.integers(0, 5), scores)
def test_no_check_that_gets_worse_makes_a_case_pass(
    of: list[tuple[Result, float]], which: int, worse: float | None
) -> None:
    index = which % len(of)
    now, at = of[index]
    lower = None if worse is None or now.score is None else min(worse, now.score)
    after = [*of[:index], (Result(score=lower), at), *of[index + 1 :]]
    assert case_result(after).passed is not True or case_result(of).passed is True


def test_nothing_measured_is_no_result() -> None:
    with pytest.raises(ValueError, match="without a check"):
        case_result([])


@pytest.mark.parametrize("score", [float("nan"), float("inf"), -0.1, 1.1])
def test_a_score_is_a_number_from_0_to_1(score: float) -> None:
    with pytest.raises(ValueError, match="not a score"):
        Result(score=score)


CHECK = Check(name="city", kind="contains", wanted="{{expected}}")
JUDGE = Judge(model="a/b", prompt="p", choices=(Choice(text="x", score=1),))
CASE = Case(variables={"q": "France?", "n": 1}, expected="Paris", tags=("b", "a"), cluster="c")
SUITE = Suite(name="geo", prompts=("ask", "tell"), cases=(CASE, Case(variables={"q": "Italy?"})), checks=(CHECK,))


def test_a_case_is_known_by_its_id_or_by_its_variables() -> None:
    assert Case(variables={}, given_id="paris").id == "paris"
    assert CASE.id == digest(b'{"n":1,"q":"France?"}')
    assert CASE.id == replace(CASE, expected="Lyon", tags=(), variables={"n": 1.0, "q": "France?"}).id


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"given_id": "paris"}, True),
        ({"labels": {"city": "pass"}}, True),
        ({"tags": ("a", "b", "a")}, True),
        ({"variables": {"q": "France"}}, False),
        ({"expected": None}, False),
        ({"cluster": ""}, False),
        ({"tags": ("a",)}, False),
    ],
)
def test_what_is_measured_of_a_case_is_in_its_digest(change: dict[str, object], same: bool) -> None:
    changed = replace(CASE, **change)  # type: ignore[arg-type]
    assert (case_digest(changed, ["x"]) == case_digest(CASE, ["x"])) == same


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"name": "other"}, True),
        ({"kind": "equals"}, False),
        ({"wanted": "x"}, False),
        ({"pass_at": 0.6}, False),
        ({"judge": JUDGE}, False),
        ({"judge": replace(JUDGE, prompt="q")}, False),
    ],
)
def test_what_a_check_asks_is_in_the_digests_of_check_case_and_suite(change: dict[str, object], same: bool) -> None:
    changed = replace(CHECK, **change)  # type: ignore[arg-type]
    assert (check_digest(changed) == check_digest(CHECK)) == same
    assert (case_digest(CASE, [check_digest(changed)]) == case_digest(CASE, [check_digest(CHECK)])) == same
    assert (suite_digest(replace(SUITE, checks=(changed,))) == suite_digest(SUITE)) == same


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"name": "x"}, True),
        ({"kind": SuiteKind.REQUIRED}, True),  # recorded beside the digest
        ({"cases": SUITE.cases[::-1]}, True),
        ({"prompts": ("tell", "ask")}, True),
        ({"prompts": ("ask",)}, False),
        ({"cases": SUITE.cases[:1]}, False),
        ({"cases": (replace(CASE, given_id="x"), SUITE.cases[1])}, False),
        ({"repeats": 2}, False),
        ({"independent": True}, False),
        # a check of all cases is the same as that check in each of them
        ({"cases": tuple(replace(case, checks=(CHECK,)) for case in SUITE.cases), "checks": ()}, True),
    ],
)
def test_what_a_suite_measures_is_in_its_digest(change: dict[str, object], same: bool) -> None:
    assert (suite_digest(replace(SUITE, **change)) == suite_digest(SUITE)) == same  # type: ignore[arg-type]


def test_a_suite_with_held_cases_has_one_digest_before_and_after_they_are_read() -> None:
    cases = held_digest(case_digests(replace(SUITE, held=Held(place="x"))))
    held = replace(SUITE, held=Held(place="/srv/a.csv", digest=cases))
    assert suite_digest(replace(held, cases=())) == suite_digest(held) != suite_digest(SUITE)
    moved = replace(held, held=Held(place="https://a/b.csv", digest=cases))
    assert suite_digest(moved) == suite_digest(held)
    other = replace(held, checks=(replace(CHECK, wanted="x"),))
    assert suite_digest(other) != suite_digest(held)
    assert case_digests(other) == case_digests(held) != case_digests(SUITE)
    assert suite_digest(replace(held, held=Held(place="/srv/a.csv", digest=digest(b"y")))) != suite_digest(held)
    assert suite_ref(held).cases == () and suite_ref(held).held == cases
    assert held_digest(["b", "a", "b"]) == held_digest(["a", "b"]) != held_digest(["a"])


def test_the_digest_of_a_suite_stays_what_it_is() -> None:
    """Evidence is bound to it."""
    assert suite_digest(SUITE) == "sha256:1d2dc75a5498f981adc545bdf3a701519ff530d12ffed4432f00bea05bd9d5f1"


def test_a_keyed_hash_stands_for_the_variables_of_a_user_in_every_digest() -> None:
    keyed = "5f0c" * 16
    one, other = (Case(variables={"name": name}, given_id="a", keyed=keyed) for name in ("Ada", "Grace"))
    assert case_digest(one, []) == case_digest(other, [])
    assert case_digest(one, []) != case_digest(replace(one, keyed="0" * 64), [])
    assert case_digest(one, []) != case_digest(replace(one, keyed=""), [])
