"""Finds values of cases that the prompt refuses, which would end a run before its first call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from promptops.core.errors import PromptopsError
from promptops.core.model import LISTS, OBJECTS, Json, Prompt
from promptops.core.schema.input_schema import ANNOTATIONS, is_text
from promptops.core.template.template import Template
from promptops.source.suites.read_suite import ReadSuite

_COMPILED: Final = 65_536
"""Characters of a prompt up to which it is compiled for this: more only costs time."""
_MOST_CHOICES: Final = 100
"""Entries of an ``enum`` up to which values are looked at, since each value is compared with all of them."""


def unfit_cases(read: ReadSuite) -> None:
    """Adds a finding for each case with a value that a prompt of the suite refuses.

    Schemas of lists and mappings are left to the run: checking one value may take a second, and a file has many.
    """
    for prompt in read.prompts.values():
        flat = {item.name: is_text(item.schema) for item in prompt.inputs if _is_flat(item.schema)}
        flat |= dict.fromkeys((each.name for each in prompt.placeholders), False)
        looked_at = [
            (case.variables, names, place)
            for case, place in zip(read.suite.cases, read.places, strict=True)
            if (names := [name for name in case.variables if _is_looked_at(name, case.variables[name], flat)])
        ]
        template = _compiled(prompt) if looked_at else None
        for variables, names, place in looked_at if template is not None else ():
            assert template is not None
            problems = [(name, problem) for name in names if (problem := template.problem_of(name, variables[name]))]
            if problems and place.report.has_room("case-unfit"):
                name, problem = problems[0]
                message = f"'{prompt.name}' refuses this case: '{name}': {problem}"
                place.report.add("case-unfit", place.offset, message)


def _is_looked_at(name: str, value: Json, flat: Mapping[str, bool]) -> bool:
    """Text for an input of text is never refused, and most cases have nothing else."""
    return name in flat and not (flat[name] and isinstance(value, str))


def _is_flat(schema: Mapping[str, Json]) -> bool:
    said = {key: value for key, value in schema.items() if key not in ANNOTATIONS}
    return not any(
        isinstance(value, OBJECTS)
        or (isinstance(value, LISTS) and (key not in ("type", "enum") or len(value) > _MOST_CHOICES))
        for key, value in said.items()
    )


def _compiled(prompt: Prompt) -> Template | None:
    if sum(len(text) for message in prompt.written for text in message.templates) > _COMPILED:
        return None
    try:
        return Template.compile(prompt)
    except PromptopsError:  # the file has a finding for it
        return None
