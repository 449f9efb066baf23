"""Evidence for a release: what there is, and how verdicts and results from elsewhere come in.

Other systems push what they found, with a token of their own. The registry runs no command and fetches nothing.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from promptops.core.digest import digest as digest_of
from promptops.core.errors import Invalid
from promptops.core.evidence.case_table import Arm, CaseTable
from promptops.core.evidence.evidence import (
    Count,
    Evidence,
    counted,
    label_counts,
    labels_of,
    measured_of,
    missing,
    table_of,
)
from promptops.core.evidence.labels import Labels, decode_labels
from promptops.core.evidence.run import Run, Source, SuiteRef, expected, is_digest
from promptops.core.evidence.table_bytes import decode_table
from promptops.core.free_text import require_words
from promptops.core.names import AppName
from promptops.core.reference import Reference
from promptops.core.verdict import Outcome
from promptops.operations.idempotency import Once
from promptops.operations.named_release import named_release
from promptops.operations.runs import holder

if TYPE_CHECKING:
    from promptops.store import Reader, Registry, Writer


@dataclass(frozen=True, slots=True, kw_only=True)
class AddRequest:
    """The verdict of another system about a release, under the name of its ``check``. It may have an end.

    The release may be named by its whole digest before it is released.
    """

    reference: Reference
    check: str
    verdict: Outcome
    note: str
    key: str
    expires_at: datetime | None = None
    token: str = ""

    def __post_init__(self) -> None:
        require_words(self.note, "the note")


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportRequest:
    """Results that another tool measured: ``table`` are the bytes of a case table with the candidate's rows alone.

    ``complete`` is False where the tool says that its run was not finished.
    """

    reference: Reference
    table: bytes
    key: str
    suites: tuple[SuiteRef, ...] = ()
    counts: tuple[Count, ...] = ()
    tools: tuple[str, ...] = ()
    served_models: tuple[str, ...] = ()
    complete: bool = True
    note: str = ""
    token: str = ""

    def __post_init__(self) -> None:
        require_words(self.note, "the note")


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelsRequest:
    """What people and judges said of some answers: ``labels`` are the bytes of a table of labels.

    ``judge`` is the digest of all judges of a suite together, as the suites of a release have it.
    """

    app: AppName
    judge: str
    labels: bytes
    key: str
    tools: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    served_models: tuple[str, ...] = ()
    note: str = ""
    token: str = ""

    def __post_init__(self) -> None:
        require_words(self.note, "the note")


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceShown:
    """One piece of evidence with its table; ``run`` is its run with the plan, if it is of one."""

    evidence: Evidence
    run: Run | None = None

    @property
    def table(self) -> CaseTable:
        """Its cases and rows.

        Raises:
            Invalid: it is damaged.
        """
        return table_of(self.evidence, self.run)


def add(registry: Registry, request: AddRequest, *, actor: str, now: datetime) -> Evidence:
    """Record a verdict of another system.

    Raises:
        NotFound: there is no such release. Invalid: the check has no such name, or it ends before it begins.
    """
    if request.expires_at is not None and request.expires_at <= now:
        raise Invalid("the verdict would expire before it is recorded", hint="Give it a later time.")
    said = {"check": request.check, "verdict": request.verdict.value}
    said["expires"] = request.expires_at.isoformat() if request.expires_at else ""
    once = _once("add-evidence", request.key, request.token, request.reference, said, request.note)
    return _of_release(
        registry, once, request, actor=actor, now=now, source=Source.EXTERNAL, check=request.check,
        verdict=request.verdict, expires_at=request.expires_at,
    )  # fmt: skip


def import_table(registry: Registry, request: ImportRequest, *, actor: str, now: datetime) -> Evidence:
    """Record the results of another tool.

    Raises:
        NotFound: there is no such release. Invalid: the table is damaged, empty, or has rows of another arm.
    """
    table = decode_table(request.table)
    if not table.rows or any(row.arm is not Arm.CANDIDATE for row in table.rows):
        raise Invalid("results of another tool have rows, and those of the candidate alone")
    said = {"table": digest_of(request.table), "complete": str(request.complete)}
    once = _once("import-evidence", request.key, request.token, request.reference, said, request.note)
    return _of_release(
        registry, once, request, actor=actor, now=now, source=Source.IMPORT, suites=request.suites,
        counts=(*counted(table), *request.counts), tools=request.tools, served_models=request.served_models,
        complete=request.complete, table=request.table, table_digest=digest_of(request.table),
    )  # fmt: skip


def record_labels(registry: Registry, request: LabelsRequest, *, actor: str, now: datetime) -> Evidence:
    """Record labels as evidence about the judges with this digest.

    Raises:
        RunNotFound: answers are of a run that was not opened here. Invalid: the table is damaged, or an answer is not
        in the plan of its run.
    """
    labels = decode_labels(request.labels)
    once = Once(
        key=request.key,
        token=request.token,
        operation="record-labels",
        arguments={"app": request.app, "judge": request.judge, "labels": digest_of(request.labels)},
        words=request.note,
    )

    def work(writer: Writer) -> Evidence:
        _require_planned(writer, request.app, labels)
        return _record(
            writer, once, request, app=request.app, digest=request.judge, source=Source.LABELS, actor=actor, at=now,
            counts=label_counts(labels), tools=request.tools, hosts=request.hosts, served_models=request.served_models,
            table=request.labels, table_digest=digest_of(request.labels),
        )  # fmt: skip

    return registry.write(work)


def _require_planned(reader: Reader, app: str, labels: Labels) -> None:
    """Raises Invalid: an answer is of another app's run, or of a case that its run did not plan."""
    for id in sorted({label.run for label in labels.labels if label.run}):
        run = reader.run(id)
        planned = {(case.suite, case.prompt, case.id) for case in run.cases} if run.app == app else set()
        for label in labels.labels:
            if label.run == id and (label.suite, label.prompt, label.case) not in planned:
                raise Invalid(f"the case {label.case[:80]} of the suite {label.suite} is not in the plan of run {id}")


def evidence_of(registry: Registry, app: str, *, version: str = "", digest: str = "") -> tuple[Evidence, ...]:
    """The evidence of an app, or of one of its releases, newest first, without the tables.

    Raises:
        ReleaseNotFound: there is no such version.
    """
    with registry.read() as reader:
        if version:
            digest = reader.find_release(app, version=version).digest
        return reader.evidence(app=app, digest=digest)[::-1]


def shown(registry: Registry, id: str) -> EvidenceShown:
    """One piece of evidence, whole.

    Raises:
        EvidenceNotFound
    """
    with registry.read() as reader:
        evidence = reader.one_evidence(id)
        return EvidenceShown(evidence=evidence, run=reader.run(evidence.run) if evidence.run else None)


def _digest(reader: Reader, reference: Reference) -> str:
    """The digest of a release, which need not be released yet if all of it is given."""
    return reference.digest if is_digest(reference.digest) else named_release(reader, reference).digest


def _id(token: str, key: str) -> str:
    """An id that follows from who asked with which key: no request is done twice."""
    return hashlib.sha256(f"{token}|{key}".encode()).hexdigest()[:32]


def _once(operation: str, key: str, token: str, reference: Reference, said: dict[str, str], note: str) -> Once:
    return Once(key=key, token=token, operation=operation, arguments={"release": str(reference), **said}, words=note)


def _of_release(
    registry: Registry, once: Once, request: AddRequest | ImportRequest, *, actor: str, now: datetime, **own: Any
) -> Evidence:
    """Records evidence of the release that a request names; ``own`` are the fields of its kind."""
    app = request.reference.app
    return registry.write(
        lambda writer: _record(
            writer, once, request, app=app, digest=_digest(writer, request.reference), actor=actor, at=now, **own
        )
    )


def _record(writer: Writer, once: Once, request: AddRequest | ImportRequest | LabelsRequest, **own: Any) -> Evidence:
    """Records what a request brings, with who brings it."""
    name, person = holder(writer, request.token)
    evidence = Evidence(
        id=_id(request.token, request.key), note=request.note, token=request.token, token_name=name, person=person,
        **own,
    )  # fmt: skip
    if once.answered(writer) is not None:
        return writer.one_evidence(evidence.id)
    writer.record(evidence, key=once.key)
    once.remember(writer, [(evidence.id,)], evidence.at)
    return evidence


def flaws(shown: EvidenceShown) -> tuple[str, ...]:
    """Why the bytes of evidence are not what was recorded: its table against its digest, its run and its counts."""
    evidence, run = shown.evidence, shown.run
    if evidence.source is Source.LABELS:
        return _label_flaws(evidence)
    if evidence.source is Source.MEASURED:
        return _measured_flaws(evidence)
    found = [evidence.flaw, f"the run {run.id}: {run.flaw}" if run is not None and run.flaw else ""]
    try:
        table = shown.table
    except Invalid as error:
        return tuple(dict.fromkeys(filter(None, (*found, error.message))))
    if table.rows and counted(table) != evidence.counts[: len(counted(table))]:
        found.append("its counts are not those of its rows")
    if run is not None:
        if stray := {row.place for row in table.rows} - set(expected(run)):
            found.append(f"{len(stray):,} rows are not in the plan of its run")
        if evidence.complete == bool(missing(run, table)):
            found.append("it is called complete and lacks rows, or the other way round")
    return tuple(filter(None, found))


def _measured_flaws(evidence: Evidence) -> tuple[str, ...]:
    try:
        measured_of(evidence)
    except Invalid as error:
        return (error.message,)
    return ()


def _label_flaws(evidence: Evidence) -> tuple[str, ...]:
    try:
        labels = labels_of(evidence)
    except Invalid as error:
        return (error.message,)
    return () if label_counts(labels) == evidence.counts else ("its counts are not those of its labels",)
