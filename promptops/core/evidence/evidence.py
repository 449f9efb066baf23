"""Evidence: what is known of a release's digest, bound to it for ever, whether or not it is released yet."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from promptops.core.digest import digest as digest_of
from promptops.core.errors import Invalid
from promptops.core.evidence.case_table import Arm, CaseTable, RowOutcome
from promptops.core.evidence.labels import Labels, decode_labels
from promptops.core.evidence.measured_sums import MeasuredSums, decode_measured
from promptops.core.evidence.run import Run, Source, SuiteRef, expected, is_digest
from promptops.core.evidence.table_bytes import decode_answers, decode_table
from promptops.core.evidence.table_columns import AnswerTable
from promptops.core.names import AppName, is_name
from promptops.core.verdict import Outcome

GOOD: Final = "labelled good"
BAD: Final = "labelled bad"
"""The names of the counts of labels: answers that people passed, and that they failed."""

_OTHER_TABLES: Final = (Source.LABELS, Source.MEASURED)
"""Sources whose table has no cases."""

_ID = re.compile(r"[0-9a-f]{32}(?:\.[1-9][0-9]{0,5})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """How many answers of the candidate passed, failed or were errors: of one check, or with an empty name of all."""

    prompt: str
    check: str = ""
    passed: int = 0
    failed: int = 0
    errors: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """How many answers came from a served model with one fingerprint; empty where the provider does not say."""

    model: str
    fingerprint: str
    answers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One piece of evidence for the release with this digest; of ``labels``, for the judges with this digest.

    Of a run, ``run`` is its id, and ``number`` counts how often it was closed: a run that was closed with rows missing
    (``complete`` is False) may go on, and its newest evidence has all rows of the earlier ones. Its ``table`` has rows
    only, for the cases of the run's plan; an import's has its cases too. A ``verdict`` of another system has the name
    of its ``check`` and mostly an end; it has no table. Those of labels and of what was
    measured are :mod:`promptops.core.evidence.labels` and :mod:`promptops.core.evidence.measured_sums`.

    ``suites`` are empty where the run has them. ``tools`` are names with versions, ``prices`` is the id of the price
    list, ``note`` says why it was closed or where it is from.
    """

    id: str
    app: AppName
    digest: str
    source: Source
    actor: str
    at: datetime
    run: str = ""
    number: int = 1
    complete: bool = True
    check: str = ""
    verdict: Outcome | None = None
    expires_at: datetime | None = None
    suites: tuple[SuiteRef, ...] = ()
    tools: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    served_models: tuple[str, ...] = ()
    prices: str = ""
    counts: tuple[Count, ...] = ()
    note: str = ""
    token: str = ""
    token_name: str = ""
    person: str = ""
    table_digest: str = ""
    table: bytes = b""

    def __post_init__(self) -> None:
        """Raises Invalid: its parts do not belong together."""
        if not is_digest(self.digest):
            raise Invalid(f"'{self.digest[:80]}' is not the digest of a release", hint="sha256: and 64 digits.")
        external = self.source is Source.EXTERNAL
        if (
            external != (self.verdict is not None)
            or external != bool(self.check)
            or external == bool(self.table_digest)
        ):
            raise Invalid("a verdict of another system has the name of its check and no cases; all other evidence has")
        if self.check and not is_name(self.check):
            raise Invalid(
                f"'{self.check[:80]}' is not the name of a check",
                hint="Lower case letters, digits, '-', '_' and '.', up to 63: red-team.",
            )
        if bool(self.run) != (self.source in (Source.RUN, Source.REPLAY)):
            raise Invalid("evidence of a run names it, and no other does")

    @property
    def flaw(self) -> str:
        """Why the table is not that of the evidence; empty where it is."""
        whole = (not self.table and not self.table_digest) or digest_of(self.table) == self.table_digest
        return "" if whole else "its case table is not the bytes of its digest"


def is_evidence_id(text: str) -> bool:
    """Returns whether a text has the form of the id of evidence."""
    return _ID.fullmatch(text) is not None


def table_of(evidence: Evidence, run: Run | None = None) -> CaseTable:
    """Returns the case table of evidence, with the cases of its run. Verdicts, labels and what
    was measured have an empty one.

    Raises:
        Invalid: it is damaged, or the run is another one.
    """
    if not evidence.table_digest or evidence.source in _OTHER_TABLES:
        return CaseTable(cases=())
    _require_whole(evidence, run)
    return decode_table(evidence.table, run.cases if run else None)


def answers_of(evidence: Evidence, run: Run | None = None) -> AnswerTable:
    """Returns the case table of evidence as a gate reads it.

    Raises:
        Invalid: as :func:`table_of` does.
    """
    if not evidence.table_digest or evidence.source in _OTHER_TABLES:
        return AnswerTable(cases=())
    _require_whole(evidence, run)
    return decode_answers(evidence.table, run.cases if run else None)


def _require_whole(evidence: Evidence, run: Run | None) -> None:
    if evidence.run != (run.id if run else ""):
        raise Invalid(f"the evidence {evidence.id} is not of this run")
    if evidence.flaw:
        raise Invalid(f"the evidence {evidence.id}: {evidence.flaw}")


def labels_of(evidence: Evidence) -> Labels:
    """Returns the labels of evidence about a judge.

    Raises:
        Invalid: it is damaged, or of another kind.
    """
    if evidence.source is not Source.LABELS:
        raise Invalid(f"the evidence {evidence.id} has no labels")
    if evidence.flaw:
        raise Invalid(f"the evidence {evidence.id}: {evidence.flaw}")
    return decode_labels(evidence.table)


def measured_of(evidence: Evidence) -> MeasuredSums:
    """Returns the frozen sums of evidence of what was measured.

    Raises:
        Invalid: it is damaged, or of another kind.
    """
    if evidence.source is not Source.MEASURED:
        raise Invalid(f"the evidence {evidence.id} has no sums")
    if evidence.flaw:
        raise Invalid(f"the evidence {evidence.id}: {evidence.flaw}")
    return decode_measured(evidence.table)


def newest_of_each_run(evidence: Iterable[Evidence]) -> tuple[Evidence, ...]:
    """Returns evidence without what a later closing of the same run replaces, in the order given."""
    pieces = tuple(evidence)
    newest: dict[str, int] = {}
    for piece in pieces:
        newest[piece.run] = max(piece.number, newest.get(piece.run, 0))
    return tuple(piece for piece in pieces if not piece.run or piece.number == newest[piece.run])


def missing(run: Run, table: CaseTable) -> int:
    """Returns how many rows that a run plans are not in a table."""
    there = {row.place for row in table.rows}
    return sum(place not in there for place in expected(run))


def served(table: CaseTable) -> tuple[Served, ...]:
    """Returns which models answered, with which fingerprints, and how often: the most frequent first."""
    counts = Counter((row.served_model, row.fingerprint) for row in table.rows if row.outcome is not RowOutcome.ERROR)
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return tuple(Served(model=model, fingerprint=mark, answers=count) for (model, mark), count in ordered)


def counted(table: CaseTable) -> tuple[Count, ...]:
    """Returns the outcomes of the candidate's rows, by prompt in order of their names."""
    counts: dict[str, dict[RowOutcome, int]] = {}
    for row in table.rows:
        if row.arm is Arm.CANDIDATE:
            of_prompt = counts.setdefault(table.cases[row.case].prompt, dict.fromkeys(RowOutcome, 0))
            of_prompt[row.outcome] += 1
    return tuple(
        Count(
            prompt=prompt,
            passed=of[RowOutcome.PASSED],
            failed=of[RowOutcome.FAILED],
            errors=of[RowOutcome.ERROR],
        )
        for prompt, of in sorted(counts.items())
    )


def label_counts(labels: Labels) -> tuple[Count, ...]:
    """Returns what the judges said of the answers that people passed and failed, by prompt in order of their names.

    The names of the checks are :data:`GOOD` and :data:`BAD`; an answer without a verdict of the judges is an error.
    """
    counts: dict[tuple[str, str], dict[bool | None, int]] = {}
    for label in labels.labels:
        if label.good is not None:
            of = counts.setdefault((label.prompt, GOOD if label.good else BAD), {True: 0, False: 0, None: 0})
            of[label.passed] += 1
    return tuple(
        Count(prompt=prompt, check=check, passed=of[True], failed=of[False], errors=of[None])
        for (prompt, check), of in sorted(counts.items())
    )
