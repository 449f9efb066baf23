"""The kinds of checks that need no judge, by the key of a file: one row a kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from promptops.core.checks.table import KINDS as SHARED
from promptops.core.checks.text import OPERATORS
from promptops.core.model import Json
from promptops.core.suite.answer import Answer, Scope
from promptops.core.suite.checks import finish, json_path, json_schema, limits, regex, text, tool_call
from promptops.core.suite.result import Result


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of check: what is wrong with a setting of a file, and what the check says of an answer."""

    problem: Callable[[Json], str]
    verdict: Callable[[Json, Answer, Scope], Result]


KINDS: Mapping[str, Kind] = {
    **{name: Kind(SHARED[name].problem, partial(text.verdict_of, name)) for name in OPERATORS},
    "regex": Kind(regex.problem, regex.verdict),
    "json_schema": Kind(json_schema.problem, json_schema.verdict),
    "json_path": Kind(SHARED["json_path"].problem, json_path.verdict),
    "tool_call": Kind(tool_call.problem, tool_call.verdict),
    "finish": Kind(finish.problem, finish.verdict),
    "max_latency_ms": Kind(limits.problem, limits.latency),
    "max_cost_usd": Kind(limits.problem, limits.cost),
}
