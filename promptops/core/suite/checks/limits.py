"""``max_latency_ms`` and ``max_cost_usd``: what an answer may take. What is not known is an error and never a 0."""

from __future__ import annotations

from promptops.core.model import Json
from promptops.core.suite.answer import Answer, Scope
from promptops.core.suite.result import PASSED, Result, failed, unscored


def problem(wanted: Json) -> str:
    """Returns what is wrong with a limit; empty if nothing is."""
    if isinstance(wanted, bool) or not isinstance(wanted, int | float) or not wanted > 0:
        return "a limit must be a number above 0"
    return ""


def latency(wanted: Json, answer: Answer, scope: Scope) -> Result:
    """Returns whether the answer took at most so many milliseconds."""
    return _within(wanted, answer.latency_ms, "latency", "ms")


def cost(wanted: Json, answer: Answer, scope: Scope) -> Result:
    """Returns whether the answer cost at most so many US dollars."""
    return _within(wanted, answer.cost_usd, "cost", "USD")


def _within(wanted: Json, took: float | None, what: str, unit: str) -> Result:
    if took is None:
        return unscored(f"the {what} of the answer is not known")
    assert isinstance(wanted, int | float)
    return PASSED if took <= wanted else failed(f"the {what} is {took:g} {unit}, over {wanted:g}")
