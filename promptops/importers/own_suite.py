"""Results of another tool -> the cases of an app's own suite: so that a gate which asks for the suite finds them.

A case of the file is one of the suite by its id, or by its variables. All cases of the suite are there; one without a
result is missing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from promptops.core.errors import Invalid
from promptops.core.evidence.case_table import Case, CaseTable
from promptops.core.evidence.content import case_key
from promptops.core.evidence.suite_refs import clusters
from promptops.core.suite.suite import Suite, case_digests
from promptops.importers.results import Results


def as_own(results: Results, suite: Suite) -> Results:
    """Returns the results with the cases of a suite, under its name. What is of no case of it is left out, with a note.

    Raises:
        Invalid: none is of the suite, two cases of the file are one of the suite, or it is not put to this prompt.
    """
    prompt = results.table.cases[0].prompt
    if prompt not in suite.prompts:
        raise Invalid(f"the suite {suite.name} is for {', '.join(suite.prompts)}, and the results are of {prompt}")
    cases = tuple(_cases(suite, prompt))
    places = {case.key: place for place, case in enumerate(cases)}
    places |= {case.id: place for place, case in enumerate(cases)}
    found: dict[int, int] = {}
    for number, case in enumerate(results.table.cases):
        place = places.get(case.id, places.get(case.key))
        if place is None:
            continue
        if place in found.values():
            raise Invalid(f"two cases of the file are the case {cases[place].id[:80]} of the suite {suite.name}")
        found[number] = place
    if not found:
        raise Invalid(
            f"no result in the file is of a case of the suite {suite.name}",
            hint="A case is known by its id, or by its variables.",
        )
    rows = tuple(replace(row, case=found[row.case]) for row in results.table.rows if row.case in found)
    stray = len(results.table.cases) - len(found)
    notes = (f"Cases of the file that the suite {suite.name} does not have, left out: {stray:,}",) if stray else ()
    table = CaseTable(cases=cases, rows=rows)
    return replace(results, suite=suite.name, table=table, notes=(*results.notes, *notes))


def _cases(suite: Suite, prompt: str) -> Iterator[Case]:
    of_all = any(check.judge is not None for check in suite.checks)
    for case, digest, cluster in zip(suite.cases, case_digests(suite), clusters([suite])[0], strict=True):
        yield Case(
            suite=suite.name,
            prompt=prompt,
            id=case.id,
            key=case_key(case.variables),
            digest=digest,
            cluster=cluster,
            tags=case.tags,
            judged=of_all or any(check.judge is not None for check in case.checks),
        )
