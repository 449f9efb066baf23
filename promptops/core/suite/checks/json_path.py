"""``json_path`` of a suite: the values of the case are filled in. A text that is one tag becomes the value itself."""

from __future__ import annotations

from collections.abc import Mapping

from promptops.core.checks.json_path import flaw_of
from promptops.core.model import Json
from promptops.core.suite.answer import Answer, Scope
from promptops.core.suite.fill import fill_json
from promptops.core.suite.result import PASSED, Result, failed


def verdict(wanted: Json, answer: Answer, scope: Scope) -> Result:
    """Returns whether the answer has the wanted value at the path."""
    assert isinstance(wanted, Mapping)
    flaw = flaw_of({**wanted, "equals": fill_json(wanted["equals"], scope.values)}, answer.text)
    return failed(flaw) if flaw else PASSED
