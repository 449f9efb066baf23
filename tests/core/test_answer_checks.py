"""The checks that a prompt has of its answers, as a client runs them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptops.core.checks.table import KINDS, first_failure
from promptops.core.model import AnswerCheck, Json

CITES = AnswerCheck(kind="contains", wanted="[1]")
REFUND = AnswerCheck(kind="json_path", wanted={"path": "$.intent", "equals": "refund"})


@pytest.mark.parametrize(
    ("checks", "answer", "flaw"),
    [
        ((), "anything", ""),
        ((CITES,), "As [1] says.", ""),
        ((CITES,), "As it says.", "the answer does not fit 'contains'"),
        ((AnswerCheck(kind="equals", wanted="Yes\n"),), "  Yes ", ""),
        ((AnswerCheck(kind="equals", wanted="Yes"),), "yes", "the answer is another text"),
        ((AnswerCheck(kind="startsWith", wanted="dear"),), "\nDear Ada", ""),
        ((AnswerCheck(kind="endsWith", wanted="REGARDS"),), "Kind regards\n", ""),
        ((AnswerCheck(kind="contains", wanted="{{name}}"),), "Dear {{name}}", ""),  # compared as it is written
        ((REFUND,), '{"intent": "refund"}', ""),
        ((REFUND,), '{"intent": "order"}', "the answer has another value at $.intent"),
        ((REFUND,), "[]", "the answer has nothing at $.intent"),
        ((REFUND,), "refund", "the answer is not JSON: Expecting value: line 1 column 1 (char 0)"),
        ((REFUND,), '{"intent": NaN}', "the answer is not JSON: NaN is not JSON"),
        ((REFUND,), "[" * 60_000, "the answer is not JSON: nested too deeply"),
        ((REFUND, CITES), '{"intent": "refund"}', "the answer does not fit 'contains'"),
        ((CITES, REFUND), "", "the answer does not fit 'contains'"),  # the first one is named
    ],
)
def test_an_answer_fulfils_its_checks_or_the_first_that_fails_says_why(
    checks: tuple[AnswerCheck, ...], answer: str, flaw: str
) -> None:
    assert first_failure(checks, answer) == flaw


JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.sampled_from(sorted(KINDS)),
    JSONS | st.fixed_dictionaries({"path": st.text("$.a[]0'"), "equals": JSONS}),
    st.text(),
)
def test_no_setting_that_is_taken_makes_a_check_raise(kind: str, wanted: Json, answer: str) -> None:
    if not KINDS[kind].problem(wanted):
        first_failure([AnswerCheck(kind=kind, wanted=wanted)], answer)
