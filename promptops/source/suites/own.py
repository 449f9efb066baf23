"""Reads ``testData`` and ``evaluators`` of a prompt file as the prompt's own suite, which has the prompt's name.

Format: https://docs.github.com/en/github-models/use-github-models/storing-prompts-in-github-repositories
"""

from __future__ import annotations

from collections.abc import Mapping

from promptops.core.model import Json, Prompt
from promptops.core.suite.fill import names_in
from promptops.core.suite.suite import Suite
from promptops.source.app_file import Pin
from promptops.source.parts import AppFiles
from promptops.source.suites.case_media import CaseFiles
from promptops.source.suites.cases import OWN_KEYS, CaseReader
from promptops.source.suites.checks import EVALUATOR, read_check
from promptops.source.suites.judges import unknown_variables
from promptops.source.suites.read_suite import Place, ReadSuite
from promptops.source.text.fields import Fields

SUITE_KEYS = ("testData", "evaluators")


def read_own_suite(
    fields: Fields, prompt: Prompt, judges: Mapping[str, Pin], aliases: Mapping[str, str], files: AppFiles
) -> ReadSuite | None:
    """Reads both keys; None if there is nothing at them. An evaluator that cannot run is kept and reported.

    ``aliases`` are what cases may call a variable besides its name, ``files`` those that a case may name.
    """
    if not fields.value.get("testData") and not fields.value.get("evaluators"):
        return None
    inputs = {item.name for item in prompt.variables}
    media = CaseFiles.of({prompt.name: prompt}, files)
    reader = CaseReader(inputs=inputs, named=_named(fields.value), aliases=aliases, media=media)
    cases, places = [], []
    offsets = fields.document.offsets((*fields.path, "testData"))
    for item in fields.each("testData"):
        case = reader.read(item)
        if case is not None:
            cases.append(case)
            places.append(Place(report=item.report, offset=offsets[int(item.path[-1])]))
    known = inputs.union(*(case.variables for case in cases))
    checks = []
    for item in fields.each("evaluators"):
        unknown_variables(item, known)
        check = read_check(item, judges, EVALUATOR)
        if check is not None:
            checks.append(check)
    return ReadSuite(
        report=fields.report,
        suite=Suite(name=prompt.name, prompts=(prompt.name,), cases=tuple(cases), checks=tuple(checks)),
        prompts={prompt.name: prompt},
        places=tuple(places),
    )


def _named(value: Mapping[str, Json]) -> set[str]:
    """Returns the variables that evaluators use, if a case has a key that could be its own or one of them."""
    cases = value.get("testData")
    items = cases if isinstance(cases, list) else []
    own = any(not case.keys().isdisjoint(OWN_KEYS) for case in items if isinstance(case, Mapping))
    return names_in(value.get("evaluators")) if own else set()
