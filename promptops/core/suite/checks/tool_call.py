"""``tool_call``: the model asks for a tool, with these arguments among its own."""

from __future__ import annotations

from collections.abc import Mapping

from promptops.core.checks.json_text import same
from promptops.core.model import Json
from promptops.core.suite.answer import Answer, Scope
from promptops.core.suite.fill import fill_json
from promptops.core.suite.result import PASSED, Result, failed


def problem(wanted: Json) -> str:
    """Returns what is wrong with a wanted call; empty if nothing is."""
    if isinstance(wanted, str):
        return "" if wanted else "'tool_call' must name a tool"
    if not isinstance(wanted, Mapping) or not {"name"} <= wanted.keys() <= {"name", "arguments"}:
        return "'tool_call' must be a tool's name, or a mapping of name and arguments"
    if not isinstance(wanted["name"], str):
        return "'name' of 'tool_call' must be text"
    return "" if isinstance(wanted.get("arguments", {}), Mapping) else "'arguments' of 'tool_call' must be a mapping"


def verdict(wanted: Json, answer: Answer, scope: Scope) -> Result:
    """Returns whether one of the answer's calls is the wanted one. It may have more arguments."""
    name, arguments = wanted_call(wanted)
    named = [call for call in answer.tool_calls if call.name == name]
    if not named:
        return failed(f"the answer does not call {name}")
    filled = {key: fill_json(value, scope.values) for key, value in arguments.items()}
    for call in named:
        got = call.arguments
        if isinstance(got, Mapping) and all(key in got and same(value, got[key]) for key, value in filled.items()):
            return PASSED
    return failed(f"the answer calls {name} with other arguments")


def wanted_call(wanted: Json) -> tuple[str, Mapping[str, Json]]:
    """Returns the tool's name and the arguments that it is called with."""
    if not isinstance(wanted, Mapping):
        return str(wanted), {}
    arguments = wanted.get("arguments", {})
    return str(wanted["name"]), arguments if isinstance(arguments, Mapping) else {}
