"""``regex``: the stripped answer contains the pattern. RE2 looks for it, in time that grows with the text alone."""

from __future__ import annotations

from promptops.core.model import Json
from promptops.core.schema.patterns import refusal, search_of
from promptops.core.suite.answer import Answer, Scope
from promptops.core.suite.result import PASSED, Result, failed, unscored


def problem(wanted: Json) -> str:
    """Returns what is wrong with a pattern; empty if nothing is."""
    if not isinstance(wanted, str) or not wanted:
        return "'regex' must be a pattern"
    construct = refusal(wanted)
    return f"the pattern has {construct}, which has no linear time" if construct else ""


def verdict(wanted: Json, answer: Answer, scope: Scope) -> Result:
    """Returns whether an answer contains the pattern."""
    search = search_of(str(wanted))
    if search is None:
        return unscored(problem(wanted))
    return PASSED if search(answer.text.strip()) else failed("the answer does not match the pattern")
