"""Reads ``evals/NAME.suite.yml``: cases for some prompts of the app, in the file or beside it, and their checks.

A suite is not part of a release, so an error here stops none. It makes `promptops check` fail all the same: a suite has
to measure what its author meant.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from promptops.core.model import Placeholder, Prompt
from promptops.core.schema.input_schema import is_text
from promptops.core.suite.fill import names_in
from promptops.core.suite.suite import Case, Check, Suite, SuiteKind
from promptops.source.app_file import Pin
from promptops.source.parts import AppFiles
from promptops.source.suites.case_media import CaseFiles
from promptops.source.suites.cases import CaseReader, CaseRules
from promptops.source.suites.checks import CHECK, read_checks
from promptops.source.suites.data_file import ENDINGS as DATA_ENDINGS
from promptops.source.suites.data_file import read_rows
from promptops.source.suites.held import read_held
from promptops.source.suites.judges import unknown_variables
from promptops.source.suites.read_suite import Place, ReadSuite
from promptops.source.text.fields import Fields, read_fields, read_yaml
from promptops.source.text.findings import Near, Report

KEYS = ("prompts", "kind", "cases", "checks", "repeats", "independent", "held")
MAX_REPEATS = 100
"""How often a case may be asked: what is still uncertain after so many answers is a matter of more cases."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteSurroundings:
    """What a suite file may name: the app's prompts, its judges, and the files of cases in ``evals/`` by path."""

    prompts: Mapping[str, Prompt] = field(default_factory=dict)
    judges: Mapping[str, Pin] = field(default_factory=dict)
    data_files: Sequence[str] = ()
    read: Callable[[str], Report] = Report
    files: AppFiles | None = None

    def base_of(self, report: Report) -> str:
        """Returns the folder of a file of a suite, relative to the app."""
        folder = self.files.folder if self.files is not None else ""
        return posixpath.dirname(report.path.removeprefix(f"{folder}/") if folder else report.path)


def read_suite_file(report: Report, name: str, around: SuiteSurroundings) -> ReadSuite | None:
    """Reads the text of a report as the suite of this name. Problems become findings of the report."""
    fields = read_fields(report, read_yaml(report), "a suite")
    if fields is None:
        return None
    fields.refuse_unknown(KEYS)
    prompts = _prompts(fields, around.prompts)
    data = _data_report(fields, around)
    rules = _case_rules(fields, around, prompts)
    held = read_held(fields)
    placed = [] if "held" in fields.value else list(_cases(fields, rules, data))
    without = not fields.value.get("cases") or (_is_there(data, around) and not data)
    _require_cases(fields, is_empty=not placed and without)
    # What variables held cases have is not known here.
    known = None if "held" in fields.value else _inputs(prompts).union(*(case.variables for _, case in placed))
    suite = Suite(
        name=name,
        prompts=tuple(prompts),
        cases=tuple(case for _, case in placed),
        checks=tuple(_checks(fields, around.judges, known)),
        kind=_kind(fields),
        repeats=_repeats(fields),
        independent=fields.flag("independent") or False,
        held=held,
    )
    return ReadSuite(
        report=report,
        suite=suite,
        prompts=prompts,
        places=tuple(place for place, _ in placed),
        data=data if _is_there(data, around) else None,
        data_offset=fields.document.offset(("cases",)),
        held_rules=rules if held is not None else None,
    )


def _require_cases(fields: Fields, *, is_empty: bool) -> None:
    if "held" in fields.value and "cases" in fields.value:
        fields.add("wrong-value", "held", "a suite has `cases` or `held`, not both", "Make two suites of them.")
    elif "held" not in fields.value and is_empty:
        fields.add("suite-empty", "cases", "the suite has no case", "cases: a list, or a file beside it.")


def _prompts(fields: Fields, known: Mapping[str, Prompt]) -> dict[str, Prompt]:
    names = fields.texts("prompts")
    if not names and fields.value.get("prompts") in (None, []):
        fields.add("missing-key", None, "a suite needs `prompts`", "prompts: the names of the prompts that it is for.")
    for index, name in enumerate(names or ()):
        if name not in known:
            path = ("prompts", index) if isinstance(fields.value["prompts"], list) else ("prompts",)
            hint = Near(name, known, "The prompts are")
            message = f"the app has no prompt '{name[:80]}'"
            fields.report.add("wrong-value", fields.document.offset(path), message, hint)
    return {name: known[name] for name in names or () if name in known}


def _inputs(prompts: Mapping[str, Prompt]) -> set[str]:
    return {item.name for prompt in prompts.values() for item in prompt.variables}


def _case_rules(fields: Fields, around: SuiteSurroundings, prompts: Mapping[str, Prompt]) -> CaseRules:
    inputs = _inputs(prompts)
    named = names_in(fields.value.get("checks"))
    media = CaseFiles.of(prompts, None if "held" in fields.value else around.files, around.base_of(fields.report))
    reader = CaseReader.of_suite_file(inputs, named, around.judges, media)
    if not prompts:  # then no variable is known, and each would be a finding
        reader = CaseReader(inputs=inputs, named=named)
    typed = {
        item.name
        for prompt in prompts.values()
        for item in prompt.variables
        if isinstance(item, Placeholder) or not is_text(item.schema)
    }
    return CaseRules(reader=reader, typed=typed, texts=inputs | named)


def _cases(fields: Fields, rules: CaseRules, data: Report | None) -> Iterator[tuple[Place, Case]]:
    """Yields the cases with their places, from the file itself or from the file of cases beside it."""
    items = fields.each("cases") if data is None else read_rows(data, rules.typed, rules.texts)
    for item in items:
        if not fields.value.get("checks") and not item.value.get("checks"):
            hint = "`checks` of the suite hold for all its cases."
            item.add("case-unchecked", None, "no check judges this case, so nothing is measured", hint)
        case = rules.reader.read(item)
        if case is not None:
            yield Place(report=item.report, offset=item.document.offset(item.path)), case


def _checks(fields: Fields, judges: Mapping[str, Pin], known: Collection[str] | None) -> Iterator[Check]:
    for item, check in read_checks(fields, "checks", judges, CHECK):
        if known is not None:
            unknown_variables(item, known)
        yield check


def _data_report(fields: Fields, around: SuiteSurroundings) -> Report | None:
    """Returns the file of cases that a suite names, empty if it is missing; None if the suite file has the cases."""
    name = fields.value.get("cases")
    if not isinstance(name, str):
        return None
    folder = posixpath.dirname(fields.report.path)
    path = posixpath.normpath(posixpath.join(folder, name))
    if path in around.data_files:
        return around.read(path)
    known = [posixpath.relpath(file, folder or ".") for file in around.data_files]
    hint = Near(name, known, otherwise=f"It lies in evals/ and ends in {' or '.join(DATA_ENDINGS)}.")
    fields.add("wrong-value", "cases", f"there is no file of cases '{name[:120]}'", hint)
    return Report(fields.report.path)


def _is_there(data: Report | None, around: SuiteSurroundings) -> bool:
    return data is not None and data.path in around.data_files


def _kind(fields: Fields) -> SuiteKind:
    value = fields.text("kind")
    known = [kind.value for kind in SuiteKind]
    if value is not None and value not in known:
        fields.add("wrong-value", "kind", f"'{value[:80]}' is not a kind of suite", Near(value, known, "One of"))
    return SuiteKind(value) if value in known else SuiteKind.SAMPLE


def _repeats(fields: Fields) -> int:
    value = fields.value.get("repeats")
    if value is None:
        return 1
    if type(value) is int and 1 <= value <= MAX_REPEATS:
        return value
    fields.add("wrong-value", "repeats", f"'repeats' must be a whole number from 1 to {MAX_REPEATS}")
    return 1
