"""``json_path``: one place of a JSON answer has a certain value: ``{path: $.items[0].name, equals: Ada}``.

The path is a singular query of RFC 9535, names and indices from the root: one place, so that there is one value to
compare, and no expression that could take long.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from promptops.core.checks.json_text import parse, same
from promptops.core.model import Json

_STEP = re.compile(
    r"\.(?P<name>[^\W\d]\w*+)|\[(?P<index>-?[0-9]{1,9})\]|\[(?:'(?P<single>[^'\\\n]*+)'|\"(?P<double>[^\"\\\n]*+)\")\]"
)


def problem(wanted: Json) -> str:
    """Returns what is wrong with a path or its value; empty if nothing is."""
    if not isinstance(wanted, Mapping) or wanted.keys() != {"path", "equals"}:
        return "'json_path' must be a mapping of path and equals"
    path = wanted["path"]
    if not isinstance(path, str) or steps(path) is None:
        return f"{path!r:.80} is not a path of names and indices, such as $.items[0].name"
    return ""


def flaw_of(wanted: Json, text: str) -> str:
    """Returns why an answer does not have the wanted value at the path; empty if it has."""
    assert isinstance(wanted, Mapping)
    try:
        value = parse(text)
    except ValueError as error:
        return f"the answer is not JSON: {error}"
    path = str(wanted["path"])
    for step in steps(path) or ():
        if not _has(value, step):
            return f"the answer has nothing at {path}"
        value = value[step]  # type: ignore[index]
    return "" if same(wanted["equals"], value) else f"the answer has another value at {path}"


def steps(path: str) -> tuple[str | int, ...] | None:
    """Returns the names and indices of a path; None if it is not one."""
    found: list[str | int] = []
    position = 1
    while path.startswith("$") and position < len(path):
        match = _STEP.match(path, position)
        if match is None:
            return None
        found.append(
            int(match["index"]) if match["index"] else match["name"] or match["single"] or match["double"] or ""
        )
        position = match.end()
    return tuple(found) if path.startswith("$") else None


def _has(value: Json, step: str | int) -> bool:
    if isinstance(step, str):
        return isinstance(value, dict) and step in value
    return isinstance(value, list) and -len(value) <= step < len(value)
