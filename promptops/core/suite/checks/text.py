"""``equals``, ``contains``, ``startsWith``, ``endsWith`` of a suite: the values of the case are filled in."""

from __future__ import annotations

from promptops.core.checks.text import flaw_of
from promptops.core.model import Json
from promptops.core.suite.answer import Answer, Scope
from promptops.core.suite.fill import fill
from promptops.core.suite.result import PASSED, Result, failed


def verdict_of(operator: str, wanted: Json, answer: Answer, scope: Scope) -> Result:
    """Returns whether an answer has the wanted text where the operator looks for it."""
    flaw = flaw_of(operator, fill(str(wanted), scope.values), answer.text)
    return failed(flaw) if flaw else PASSED
