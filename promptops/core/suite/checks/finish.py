"""``finish``: the answer ended for one of these reasons, in the words of OpenAI's API."""

from __future__ import annotations

from promptops.core.model import Json
from promptops.core.suite.answer import Answer, Scope
from promptops.core.suite.result import PASSED, Result, failed

REASONS = ("stop", "length", "tool_calls", "content_filter", "refusal")


def problem(wanted: Json) -> str:
    """Returns what is wrong with the wanted reasons; empty if nothing is."""
    reasons = [wanted] if isinstance(wanted, str) else wanted
    if isinstance(reasons, list) and reasons and all(reason in REASONS for reason in reasons):
        return ""
    return f"'finish' must be one or several of {', '.join(REASONS)}"


def verdict(wanted: Json, answer: Answer, scope: Scope) -> Result:
    """Returns whether the answer ended in a wanted way."""
    reasons = wanted if isinstance(wanted, list) else [wanted]
    return PASSED if answer.finish in reasons else failed(f"the answer ended with '{answer.finish}'")
