"""Loads the functions of the checks of kind ``python``: code of the workspace, on the machine of who wrote it."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path

from promptops.core.errors import Invalid
from promptops.core.suite.suite import Check
from promptops.evals.grading import PYTHON, PythonCheck


def load_functions(checks: Iterable[Check], root: Path) -> dict[str, PythonCheck]:
    """Returns the function of each ``module:function``; modules are found in the workspace first.

    Raises:
        Invalid: a module cannot be imported, or has no such function.
    """
    wanted = {str(check.wanted) for check in checks if check.kind == PYTHON}
    if wanted and str(root) not in sys.path:
        sys.path.insert(0, str(root))
    return {name: _function(name) for name in sorted(wanted)}


def _function(name: str) -> PythonCheck:
    module, _, attribute = name.partition(":")
    try:
        function = getattr(import_module(module), attribute)
    except Exception as error:  # a module of the user may raise anything while it is imported
        raise Invalid(f"the check {name} cannot be loaded: {type(error).__name__}: {error}"[:400]) from error
    if not callable(function):
        raise Invalid(f"the check {name} is no function")
    checked: PythonCheck = function
    return checked
