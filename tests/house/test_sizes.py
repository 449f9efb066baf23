"""Modules that fit the head and functions that fit the screen; names that say what they are about; no patched mocks."""

from __future__ import annotations

import ast
import re
import statistics
from pathlib import Path

from tests.support.checkout import modules

MAX_MODULE = 400
MAX_FUNCTION = 60
MAX_MEDIAN = 10
NAMELESS = {"utils", "util", "helpers", "common", "base", "manager", "service", "misc"}


def _functions() -> list[tuple[str, int]]:
    return [
        (f"{module.path}:{node.lineno} {node.name}", (node.end_lineno or node.lineno) - node.lineno + 1)
        for module in modules("promptops", "migrations")
        for node in ast.walk(module.tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    ]


def test_no_module_is_over_400_lines() -> None:
    sizes = {str(module.path): module.text.count("\n") for module in modules("promptops", "migrations", "tests")}
    assert {path: lines for path, lines in sizes.items() if lines > MAX_MODULE} == {}


def test_no_function_is_over_60_lines() -> None:
    assert [f"{name}: {lines} lines" for name, lines in _functions() if lines > MAX_FUNCTION] == []


def test_the_usual_function_is_short() -> None:
    assert statistics.median(lines for _, lines in _functions()) <= MAX_MEDIAN


def test_every_module_says_in_its_docstring_what_it_is() -> None:
    silent = [str(module.path) for module in modules("promptops") if not ast.get_docstring(module.tree)]
    assert silent == []


def test_no_module_is_named_for_nothing_in_particular() -> None:
    assert [str(module.path) for module in modules("promptops", "tests") if module.path.stem in NAMELESS] == []


def test_no_test_patches_what_it_tests() -> None:
    assert _naming(r"mock\.patch|MagicMock|mocker\b|unittest\.mock") == []


def test_nothing_is_left_unfinished() -> None:
    assert _naming(r"\b(?:TODO|FIXME|XXX)\b|NotImplementedError") == []


def _naming(pattern: str) -> list[str]:
    return [
        f"{module.path}:{module.text.count(chr(10), 0, match.start()) + 1} {match[0]}"
        for module in modules("promptops", "migrations", "tests")
        if module.path.name != Path(__file__).name
        for match in re.finditer(pattern, module.text)
    ]
