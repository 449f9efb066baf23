"""Looks at whole suites: cases that are there twice, that could not be run, or that are alike."""

from __future__ import annotations

from collections import Counter

from promptops.core.suite.similar import groups_of_similar
from promptops.core.suite.suite import Case
from promptops.source.app_source import ReadApp
from promptops.source.lint import characters, secrets
from promptops.source.lint.unfit_cases import unfit_cases
from promptops.source.suites.read_suite import Place, ReadSuite
from promptops.source.text.findings import MAX_PER_CODE, Report

_NAMED = 8  # cases of a group whose places a message lists


def lint_suites(app: ReadApp) -> None:
    """Adds the findings about an app's suites to the reports of their files."""
    for suite in app.suites():
        lint_cases(suite)
        _similar(suite)
    for suite in app.suite_files:
        _labels(suite)
        _data(suite)


def lint_cases(read: ReadSuite) -> None:
    """Adds the findings about cases that are there twice, or that could not be run."""
    _duplicates(read)
    _missing_variables(read)
    unfit_cases(read)


def _duplicates(read: ReadSuite) -> None:
    first: dict[str, Place] = {}
    texts = [_texts_of(case) for case in read.suite.cases]
    count = Counter(texts)
    for case, place, own in zip(read.suite.cases, read.places, texts, strict=True):
        if not case.given_id and count[own] == 1:
            continue  # no other case has these texts: a digest of all variables is not needed to see that
        before = first.setdefault(case.id, place)
        if before is not place:
            same = f"the id '{case.given_id[:80]}'" if case.given_id else "the variables"
            hint = "Remove one, or give them an `id` each." if not case.given_id else "Give it another one."
            message = f"this case has {same} of the one in line {before.line}"
            place.report.add("duplicate-case", place.offset, message, hint)


def _texts_of(case: Case) -> frozenset[tuple[str, str]]:
    return frozenset((name, value) for name, value in case.variables.items() if isinstance(value, str))


def _missing_variables(read: ReadSuite) -> None:
    required = {
        item.name: prompt.name for prompt in read.prompts.values() for item in prompt.variables if item.required
    }
    for case, place in zip(read.suite.cases, read.places, strict=True):
        # A case with fewer variables than are required is known without a look at each of them.
        if len(case.variables) >= len(required) and required.keys() <= case.variables.keys():
            continue
        if place.report.has_room("case-incomplete"):
            missing = [name for name in required if name not in case.variables]
            names = " and ".join(f"'{name}'" for name in missing[:3]) + (" and more" if missing[3:] else "")
            message = f"the case has no {names}, which '{required[missing[0]]}' requires"
            place.report.add("case-incomplete", place.offset, message)


def _labels(read: ReadSuite) -> None:
    for case, place in zip(read.suite.cases, read.places, strict=True):
        known = {check.name for check in read.suite.checks_of(case)}
        for name in case.labels:
            if name not in known:
                message = f"the label '{name[:80]}' is for no check of this case"
                place.report.add("wrong-value", place.offset, message, "A label has the `name` of a check.")


def _similar(read: ReadSuite) -> None:
    """One finding a group, where it can be suppressed: a file of cases has no comments."""
    cases = read.suite.cases
    if not read.is_complete or read.suite.independent or all(case.cluster for case in cases):
        return
    for group in groups_of_similar([case.variables for case in cases]):
        if all(cases[index].cluster for index in group):
            continue
        lines = ", ".join(str(read.places[index].line) for index in group[:_NAMED])
        more = ", …" if len(group) > _NAMED else ""
        where = f" of {read.data.path.rpartition('/')[2]}" if read.data is not None else ""
        offset = read.data_offset if read.data is not None else read.places[group[0]].offset
        read.report.add(
            "similar-cases",
            offset,
            f"{len(group)} cases are alike and name no cluster: lines {lines}{more}{where}",
            "Give them a `cluster`: the name of the document or conversation that they share.",
        )


def _data(read: ReadSuite) -> None:
    """Reports secrets and hidden characters of a file of cases where the suite names it, to be suppressed there."""
    if read.data is None or not read.data.text:
        return
    scratch = Report(read.data.path, read.data.text)
    characters.scan(scratch)
    secrets.scan(scratch)
    name = read.data.path.rpartition("/")[2]
    for finding in scratch.findings(lint=False)[: 10 * MAX_PER_CODE]:
        read.report.add(finding.code, read.data_offset, f"{name}:{finding.line}: {finding.message}", finding.hint)
