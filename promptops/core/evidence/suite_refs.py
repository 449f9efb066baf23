"""A suite -> its digests, as a run and a release name it; and its cases as a case table has them."""

from __future__ import annotations

from collections.abc import Sequence

from promptops.core.digest import canonical, digest
from promptops.core.evidence.case_table import alike, given_cluster
from promptops.core.evidence.run import SuiteRef
from promptops.core.suite.judge import judge_digest
from promptops.core.suite.similar import groups_of_similar
from promptops.core.suite.suite import Check, Suite, case_digests, suite_digest


def suite_ref(suite: Suite, *, cases: bool = True, repeats: int | None = None) -> SuiteRef:
    """Returns the name and digests of a suite. A run leaves out those of the ``cases``, which its plan has.

    ``repeats`` is how often each case is asked in a run, if not as the suite has it.
    """
    measured = case_digests(suite)
    judges = {judge_digest(check.judge) for check in _all_checks(suite) if check.judge is not None}
    return SuiteRef(
        name=suite.name,
        kind=suite.kind,
        digest=suite_digest(suite, measured),
        prompts=suite.prompts,
        repeats=suite.repeats if repeats is None else repeats,
        judge_digest=digest(canonical(sorted(judges))) if judges else "",
        cases=measured if cases and not suite.held else (),
        independent=suite.independent,
        held=suite.held.digest if suite.held else "",
    )


def clusters(suites: Sequence[Suite]) -> list[tuple[str, ...]]:
    """Returns the cluster of each case of each suite: its own, or that of the cases that are alike; empty otherwise.

    A case that names none belongs to the first cluster that one of those names, or to ``~N``. The names follow from the
    suite alone, so they are the same in every run of it.
    """
    found: list[tuple[str, ...]] = []
    for suite in suites:
        own = [given_cluster(case.cluster) for case in suite.cases]
        names = list(own)
        for number, group in enumerate(groups_of_similar([case.variables for case in suite.cases]), 1):
            of_all = next((own[place] for place in group if own[place]), alike(number))
            for place in group:
                names[place] = own[place] or of_all
        found.append(tuple(names))
    return found


def _all_checks(suite: Suite) -> list[Check]:
    return [*suite.checks, *(check for case in suite.cases for check in case.checks)]
