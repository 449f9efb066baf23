"""``equals``, ``contains``, ``startsWith``, ``endsWith``: GitHub's checks of a text, with GitHub's meaning.

The answer is stripped. ``equals`` is exact, the others ignore case.
"""

from __future__ import annotations

from promptops.core.model import Json

OPERATORS = ("equals", "contains", "startsWith", "endsWith")
"""In GitHub's order: of several in one evaluator, the first counts."""


def problem_of(operator: str, wanted: Json) -> str:
    """Returns what is wrong with the text of an operator; empty if nothing is."""
    if not isinstance(wanted, str):
        return f"'{operator}' must be text"
    return "" if wanted or operator == "equals" else f"'{operator}' is empty, and every answer passes"


def flaw_of(operator: str, wanted: Json, text: str) -> str:
    """Returns why an answer does not have the wanted text where the operator looks for it; empty if it has."""
    expected, answer = str(wanted), text.strip()
    if operator == "equals":
        return "" if answer == expected.strip() else "the answer is another text"
    holds = {"contains": str.__contains__, "startsWith": str.startswith, "endsWith": str.endswith}[operator]
    return "" if holds(answer.lower(), expected.lower()) else f"the answer does not fit '{operator}'"
