"""``equals``, ``contains``, ``startsWith``, ``endsWith``: GitHub's checks of a text, with GitHub's meaning.

The answer is stripped. ``equals`` is exact, the others ignore case. ``{{expected}}`` and the case's variables are
filled in.
"""

from __future__ import annotations

from promptops.core.model import Json
from promptops.core.suite.answer import Answer, Scope
from promptops.core.suite.fill import fill
from promptops.core.suite.result import PASSED, Result, failed

OPERATORS = ("equals", "contains", "startsWith", "endsWith")
"""In GitHub's order: of several in one evaluator, the first counts."""


def problem_of(operator: str, wanted: Json) -> str:
    """Returns what is wrong with the text of an operator; empty if nothing is."""
    if not isinstance(wanted, str):
        return f"'{operator}' must be text"
    return "" if wanted or operator == "equals" else f"'{operator}' is empty, and every answer passes"


def verdict_of(operator: str, wanted: Json, answer: Answer, scope: Scope) -> Result:
    """Returns whether an answer has the wanted text where the operator looks for it."""
    text = fill(str(wanted), scope.values)
    said = answer.text.strip()
    if operator == "equals":
        return PASSED if said == text.strip() else failed("the answer is another text")
    holds = {"contains": str.__contains__, "startsWith": str.startswith, "endsWith": str.endswith}[operator]
    return PASSED if holds(said.lower(), text.lower()) else failed(f"the answer does not fit '{operator}'")
