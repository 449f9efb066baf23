"""Steps grow with what is searched, compared or made, and with nothing that was not paid for."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import pytest

from promptops.core.errors import PromptopsError
from promptops.core.model import Json
from promptops.core.template.budget import Budget, compared
from promptops.core.template.jinja_sandbox import KEY, Sandbox

ALL = 1 << 40
Work = Callable[[Budget, int], object]


def spent(work: Work, size: int) -> int:
    budget = Budget(ALL, ALL, ALL)
    work(budget, size)
    return ALL - budget._left


def comparing(operator: str, one: Callable[[int], Json], other: Callable[[int], Json]) -> Work:
    return lambda budget, n: compared(budget, one(n), operator, other(n))


def filtering(name: str, value: Callable[[int], Json], *more: Json, **named: Json) -> Work:
    call = Sandbox().filters[name]
    return lambda budget, n: call(SimpleNamespace(parent={KEY: budget}), value(n), *more, **named)


def words(n: int) -> Json:
    return ["word"] * n


def nested(n: int) -> Json:
    return [{"a": ["b"] * n}]


@pytest.mark.parametrize(
    "work",
    [
        # in a text, a list, a list of large things
        comparing("in", lambda n: "ab", lambda n: "a" * (n * 256)),
        comparing("in", lambda n: "a" * 90 + "b", lambda n: "a" * (n * 256)),
        comparing("notin", lambda n: "x", words),
        comparing("in", lambda n: [*["b"] * n, "c"], lambda n: [["b"] * n + ["d"]]),
        # large things that are alike
        comparing("eq", lambda n: "a" * (n * 256), lambda n: "a" * (n * 256)),
        comparing("eq", nested, nested),
        comparing("ne", lambda n: {str(k): 1 for k in range(n)}, lambda n: {str(k): 1 for k in range(n)}),
        comparing("lt", words, words),
        comparing("gteq", lambda n: "a" * (n * 256), lambda n: "a" * (n * 256)),
        # filters
        filtering("join", words),
        filtering("join", lambda n: [nested(n)]),
        filtering("sort", words),
        filtering("sort", lambda n: ["a" * (n * 256)] * 4),
        filtering("sort", lambda n: [["b"] * n] * 4),
        filtering("unique", words),
        filtering("unique", lambda n: [nested(n)] * 2),
        filtering("tojson", nested),
        filtering("tojson", nested, indent=8),
        filtering("indent", lambda n: "a\n" * n),
        filtering("upper", lambda n: "a" * (n * 16)),
        filtering("upper", nested),
        filtering("trim", lambda n: "a" * n, "b" * 1_000),
        filtering("list", lambda n: "a" * n),
        filtering("items", lambda n: {str(k): 1 for k in range(n)}),
        filtering("int", lambda n: "1" * (n * 16)),
    ],
)
def test_what_is_ten_times_as_large_costs_about_ten_times_as_much(work: Work) -> None:
    few, many = spent(work, 200), spent(work, 2_000)
    assert few >= 100
    assert 5 * few <= many <= 20 * few


@pytest.mark.parametrize("name", ["first", "last", "length", "count", "default"])
def test_what_looks_at_one_thing_costs_one_step_however_large_the_rest_is(name: str) -> None:
    for value in (lambda n: {str(k): 1 for k in range(n)}, words):
        assert spent(filtering(name, value), 2_000) == spent(filtering(name, value), 200) <= 2


@pytest.mark.parametrize(
    "value",
    [[["x" * 1_000] * 1_000] * 1_000, [[[[[1] * 100] * 100] * 100] * 100]],
)
def test_what_would_be_too_large_is_refused_before_it_is_made(value: Json) -> None:
    def given(n: int) -> Json:
        return value

    for name in ("tojson", "join", "unique", "upper"):
        with pytest.raises(PromptopsError):
            filtering(name, given)(Budget(1_000_000, 1_000_000, 1_000_000), 0)


@pytest.mark.parametrize(
    ("one", "operator", "other", "answer"),
    [
        (1, "eq", True, True),
        (1, "eq", 1.0, True),
        ([1, {"a": [2]}], "eq", [1, {"a": [2]}], True),
        ({"a": 1}, "eq", {"b": 1}, False),
        ([1], "ne", [2], True),
        ("b", "in", "abc", True),
        ("a", "in", {"a": 1}, True),
        ([1], "in", [[1], 2], True),
        (3, "notin", [1, 2], True),
        ([1, 2], "lt", [1, 3], True),
        ("b", "gteq", "a", True),
        (2, "lteq", 2, True),
        (2, "gt", 2, False),
        (2, "ge", 2, True),
        (1, "le", 2, True),
    ],
)
def test_a_comparison_answers_as_python_does(one: Json, operator: str, other: Json, answer: bool) -> None:
    assert compared(Budget(ALL, ALL, ALL), one, operator, other) is answer
