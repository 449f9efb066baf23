"""Calls that are kept by themselves: what of them is kept, and that no private value can be guessed."""

from __future__ import annotations

from typing import Any

import pytest

from promptops.core.errors import Invalid
from promptops.core.outcomes.call_outcome import Count
from promptops.core.outcomes.kept_call import MAX_TOOLS, MAX_VARIABLES, Kept, KeptCall, ToolUse, captured
from tests.core.outcomes.nouns import SECRET
from tests.core.outcomes.test_report import KEPT


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"call": ""}, "names its call"),
        ({"prompt": ""}, "names its call and its prompt"),
        ({"call": "x" * 261}, "a call id is one line"),
        ({"trace": "a\nb"}, "one line"),
        ({"error": "x" * 101}, "the class of an error"),
        ({"at": -1}, "no call began"),
        ({"at": 60 * 2**31}, "no call began"),
        ({"attempts": -1}, "attempts"),
        ({"latency_ms": -1}, "milliseconds"),
        ({"first_token_ms": 2**53}, "milliseconds"),
        ({"flags": (Count.REFUSED, Count.BAD)}, "in the order"),
        ({"flags": (Count.BAD, Count.BAD)}, "each once"),
        ({"flags": (Count.INPUT_TOKENS,)}, "counts as what a call can be"),
        ({"tools": (ToolUse(name="t"),) * (MAX_TOOLS + 1)}, "20 uses of tools"),
        ({"variables": {"a": "x" * MAX_VARIABLES}}, "over the limit"),
        ({"variables": {"a": list(range(2_000))}}, "2,000"),
        ({"variables": {"a": float("nan")}}, "finite"),
        ({"variables": {"a": b"bytes"}}, "not a JSON value"),
    ],
)
def test_a_call_that_is_malformed_is_refused(change: dict[str, Any], says: str) -> None:
    with pytest.raises(Invalid, match=says):
        KeptCall(**{"call": "pc1", "prompt": "answer", "at": 5, "kept": Kept.BAD, **change})


@pytest.mark.parametrize("change", [{"name": "a\nb"}, {"error": "x" * 101}, {"latency_ms": -1}])
def test_a_use_of_a_tool_that_is_malformed_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        ToolUse(**{"name": "search", **change})


def test_variables_are_kept_as_they_are_and_private_ones_as_a_keyed_hash() -> None:
    variables = {"question": "Where?", "mail": "ada@example.org"}
    kept = captured(variables, private={"mail"}, secret=SECRET)
    assert kept is not None and kept["question"] == "Where?"
    assert str(kept["mail"]).startswith("private:") and "ada" not in str(kept["mail"])
    assert captured(variables, private={"mail"}, secret=SECRET) == kept
    others = [
        captured({"mail": "bob@example.org"}, private={"mail"}, secret=SECRET),
        captured({"mail": "ada@example.org"}, private={"mail"}, secret=SECRET[::-1]),
        captured({"address": "ada@example.org"}, private={"address"}, secret=SECRET),
    ]
    assert len({str(kept["mail"]), *(str(next(iter(other.values()))) for other in others if other)}) == 4
    assert captured(variables, private={"mail"}) == {"question": "Where?"}


@pytest.mark.parametrize("value", ["x" * MAX_VARIABLES, object(), float("inf"), list(range(3_000)), "\ud800"])
def test_variables_that_cannot_be_kept_are_left_out_without_an_error(value: object) -> None:
    assert captured({"a": value}) is None
    nested: list[object] = []
    nested.append(nested)
    assert captured({"a": nested}) is None


def test_a_whole_call_is_made() -> None:
    assert KEPT.variables == {"question": "Where is it?"}
