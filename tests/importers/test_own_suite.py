"""Results that are of an app's own suite: its cases, whatever the file calls them."""

from __future__ import annotations

from pathlib import Path

import pytest

from promptops.cli.commands.evidence import FORMATS as OFFERED
from promptops.core.errors import Invalid
from promptops.core.suite.suite import Case, Suite, case_digests
from promptops.importers.own_suite import as_own
from promptops.importers.reading import FORMATS
from tests.importers import made

OWN = Suite(
    name="golden",
    prompts=("answer",),
    cases=(Case(variables={"topic": "labels"}), Case(variables={"topic": "refunds"}, given_id="r", cluster="money")),
)


def test_cases_are_known_by_id_or_variables_and_the_others_are_missing_or_left_out(tmp_path: Path) -> None:
    rows = [made.promptfoo_row("labels"), made.promptfoo_row("labels "), made.promptfoo_row("else")]
    read = made.read(tmp_path, "promptfoo", made.promptfoo(rows[0], rows[2]))
    own = as_own(read, OWN)
    assert [case.digest for case in own.table.cases] == list(case_digests(OWN))
    assert [(row.case, row.outcome.value) for row in own.table.rows] == [(0, "passed")]
    assert own.missing == 1 and own.suite == "golden" and "left out: 1" in own.notes[0]
    by_id = made.read(tmp_path, "jsonl", made.json_lines({"case": "r", "passed": False}))
    assert [(row.case, row.outcome.value) for row in as_own(by_id, OWN).table.rows] == [(1, "failed")]
    with pytest.raises(Invalid, match="two cases of the file"):  # a blank is no other variable
        as_own(made.read(tmp_path, "promptfoo", made.promptfoo(*rows)), OWN)


def test_results_of_something_else_are_refused(tmp_path: Path) -> None:
    read = made.read(tmp_path, "promptfoo", made.promptfoo(made.promptfoo_row("else")))
    with pytest.raises(Invalid, match="no result in the file is of a case"):
        as_own(read, OWN)
    with pytest.raises(Invalid, match="is for tell"):
        as_own(read, Suite(name="golden", prompts=("tell",), cases=OWN.cases))


def test_the_command_offers_every_format() -> None:
    assert set(OFFERED) == set(FORMATS)
