"""Runs of suites, and evidence."""

from __future__ import annotations

from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Self

from promptops.core.evidence.case_table import Arm, Row, RowOutcome
from promptops.core.evidence.evidence import Count, Evidence
from promptops.core.evidence.run import ArmRelease, PromptContent, Purpose, Run, Source, SuiteRef
from promptops.core.suite.suite import SuiteKind
from promptops.core.verdict import Outcome


def _same(document: Any, noun: Any, **other: Any) -> Any:
    """Returns the values of a document's fields that a noun has too."""
    return {each.name: getattr(noun, each.name) for each in fields(document) if each.name not in other} | other


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeCountDocument:
    """How many answers of the candidate passed, failed or were errors: of one check, or without one of all."""

    prompt: str
    check: str
    passed: int
    failed: int
    errors: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteRefDocument:
    """A suite by its digest; `cases` are the digests of its cases, empty in a run, whose plan has them.

    `independent` says that cases that are alike are independent all the same; a gate believes it if a person does.
    `held` is the digest of cases that are held elsewhere.
    """

    name: str
    kind: str
    digest: str
    prompts: tuple[str, ...]
    repeats: int
    judge_digest: str
    cases: tuple[str, ...]
    independent: bool = False
    held: str = ""

    @classmethod
    def of(cls, suite: SuiteRef) -> Self:
        return cls(**_same(cls, suite, kind=suite.kind.value))

    def suite(self) -> SuiteRef:
        return SuiteRef(**_same(self, self, kind=SuiteKind(self.kind)))


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceDocument:
    """What is known of the release with this digest, which need not be released yet.

    `source` is `run`, `replay`, `import`, `external`, `measured` or `labels`: these are about the judges with this
    digest, and their table is one of labels. A verdict of another system has its `check` and its
    `verdict` (`pass`, `inconclusive`, `error`, `fail`); all other evidence has a case table, of which `table_digest` is
    the digest. Of a `run`, `number` counts how often it was closed, and `complete` is false if rows are missing.
    """

    id: str
    app: str
    digest: str
    source: str
    run: str
    number: int
    complete: bool
    check: str
    verdict: str | None
    expires_at: datetime | None
    suites: tuple[SuiteRefDocument, ...]
    tools: tuple[str, ...]
    hosts: tuple[str, ...]
    served_models: tuple[str, ...]
    prices: str
    counts: tuple[OutcomeCountDocument, ...]
    note: str
    actor: str
    at: datetime
    token: str
    token_name: str
    person: str
    table_digest: str

    @classmethod
    def of(cls, evidence: Evidence) -> Self:
        other: dict[str, Any] = {
            "source": evidence.source.value,
            "verdict": evidence.verdict.value if evidence.verdict else None,
            "suites": tuple(map(SuiteRefDocument.of, evidence.suites)),
            "counts": tuple(OutcomeCountDocument(**_same(OutcomeCountDocument, count)) for count in evidence.counts),
        }
        return cls(**_same(cls, evidence, **other))

    def evidence(self, table: bytes = b"") -> Evidence:
        """Returns the evidence, with its table where that is known.

        Raises:
            ValueError, Invalid: no evidence is like this.
        """
        other: dict[str, Any] = {
            "source": Source(self.source),
            "verdict": None if self.verdict is None else Outcome(self.verdict),
            "suites": tuple(each.suite() for each in self.suites),
            "counts": tuple(Count(**_same(each, each)) for each in self.counts),
            "table": table,
        }
        return Evidence(**_same(self, self, **other))


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRowDocument:
    """What came of one try of a case: `case` is its place in the plan, `outcome` is `passed`, `failed` or `error`."""

    case: int
    arm: str
    repeat: int
    outcome: str
    score: float | None
    latency_ms: float | None
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: float | None
    error: str
    first_attempt_failed: bool
    reused: bool
    served_model: str
    fingerprint: str

    @classmethod
    def of(cls, row: Row) -> Self:
        return cls(**_same(cls, row, arm=row.arm.value, outcome=row.outcome.value))

    def row(self) -> Row:
        return Row(**_same(self, self, arm=Arm(self.arm), outcome=RowOutcome(self.outcome)))


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStateDocument:
    """How far a run is. It takes rows `until` then; `missing` are rows of its plan that it did not report.

    Two runs with one `plan_digest` put the same cases. `evidence` is the id of its newest evidence, empty while it was
    not closed. `standing` are the rows that stand where a report had others.
    """

    run: str
    app: str
    digest: str
    purpose: str
    source: str
    actor: str
    at: datetime
    until: datetime
    reported: int
    missing: int
    plan_digest: str
    evidence: str
    standing: tuple[RunRowDocument, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptContentDocument:
    """A prompt, and the digest of all that it sends with white space normalised."""

    prompt: str
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmReleaseDocument:
    """The release of an arm (`candidate`, `live` or `anchor`), and the prompts of it that take part."""

    arm: str
    digest: str
    version: str
    prompts: tuple[PromptContentDocument, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunDocument:
    """A run as it was opened. `plan` is its case table without rows: zlib, in base64."""

    id: str
    app: str
    arms: tuple[ArmReleaseDocument, ...]
    suites: tuple[SuiteRefDocument, ...]
    source: str
    purpose: str
    hosts: tuple[str, ...]
    actor: str
    at: datetime
    token: str
    token_name: str
    person: str
    plan_digest: str
    plan: str

    @classmethod
    def of(cls, run: Run) -> Self:
        other: dict[str, Any] = {
            "arms": tuple(_arm(arm) for arm in run.arms),
            "suites": tuple(map(SuiteRefDocument.of, run.suites)),
            "source": run.source.value,
            "purpose": run.purpose.value,
            "plan": as_base64(run.plan),
        }
        return cls(**_same(cls, run, **other))

    def run(self) -> Run:
        """Returns the run.

        Raises:
            ValueError, Invalid: no run is like this.
        """
        other: dict[str, Any] = {
            "arms": tuple(
                ArmRelease(
                    arm=Arm(each.arm),
                    digest=each.digest,
                    version=each.version,
                    prompts=tuple(PromptContent(prompt=part.prompt, digest=part.digest) for part in each.prompts),
                )
                for each in self.arms
            ),
            "suites": tuple(each.suite() for each in self.suites),
            "source": Source(self.source),
            "purpose": Purpose(self.purpose),
            "plan": from_base64(self.plan),
        }
        return Run(**_same(self, self, **other))


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownEvidenceDocument:
    """One piece of evidence with its case table: zlib, in base64. `run` is its run, null for evidence of none."""

    evidence: EvidenceDocument
    table: str
    run: RunDocument | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceListDocument:
    """The evidence of an app, newest first, and its runs, newest first."""

    evidence: tuple[EvidenceDocument, ...]
    runs: tuple[RunStateDocument, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedEvidenceDocument:
    """What this machine found in the bytes of evidence: `flaws` say what is wrong, and `ok` that nothing is."""

    id: str
    ok: bool
    flaws: tuple[str, ...]
    cases: int
    rows: int


def _arm(arm: ArmRelease) -> ArmReleaseDocument:
    prompts = tuple(PromptContentDocument(prompt=each.prompt, digest=each.digest) for each in arm.prompts)
    return ArmReleaseDocument(arm=arm.arm.value, digest=arm.digest, version=arm.version, prompts=prompts)


def as_base64(data: bytes) -> str:
    """Returns bytes as text."""
    return b64encode(data).decode("ascii")


def from_base64(text: str) -> bytes:
    """Returns the bytes that a text holds.

    Raises:
        ValueError: it is not base64.
    """
    try:
        return b64decode(text.encode("ascii", "replace"), validate=True)
    except NotBase64 as error:
        raise ValueError("it is not base64") from error
