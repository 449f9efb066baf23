"""Evidence, as rows: list it, show one, add a verdict, import results."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from promptops.core import free_text
from promptops.core.errors import EvidenceNotFound, KeyReused, ReleaseNotFound, RunNotFound
from promptops.core.evidence.evidence import Count, Evidence
from promptops.core.evidence.run import MOST_HOSTS, MOST_SUITES, SuiteRef
from promptops.core.names import AppName
from promptops.core.token import Scope
from promptops.operations import evidence
from promptops.operations.evidence import AddRequest, EvidenceShown, ImportRequest, LabelsRequest
from promptops.use_cases.fields import CHANGE, KEY, MOMENT, REFERENCE, body, path, query
from promptops.use_cases.nouns import BASE64, ELEMENTS, LARGEST, nouns
from promptops.use_cases.use_case import Caller, UseCase

if TYPE_CHECKING:
    from promptops.store import Registry

_RELEASE = body("release", "reference", form=REFERENCE, max_length=300, example="support-bot@0.2.1")


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceRequest:
    """Whose evidence to list: of an app, of one version of it, or of one digest."""

    app: AppName
    version: str = ""
    digest: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowRequest:
    """Which evidence to show."""

    evidence: str


def _show(registry: Registry, request: ShowRequest, caller: Caller) -> EvidenceShown:
    found = evidence.shown(registry, request.evidence)
    if not caller.rights.sees(app=found.evidence.app):
        raise EvidenceNotFound(f"there is no evidence {request.evidence} in this registry")
    return found


EVIDENCE = UseCase(
    name="evidence",
    method="GET",
    path="/v1/apps/{app}/evidence",
    scope=Scope.READ,
    tag="Evidence",
    doc="The evidence of an app, or of one of its releases, newest first, without the case tables.",
    run=lambda registry, request, caller: evidence.evidence_of(
        registry, request.app, version=request.version, digest=request.digest
    ),
    request=EvidenceRequest,
    answer=tuple[Evidence, ...],
    under="evidence",
    fields=(
        path("app"),
        query("version", max_length=100, examples=["0.2.1"]),
        query("digest", max_length=71, description="All of it; it need not be released."),
    ),
    errors=(ReleaseNotFound,),
)

SHOW_EVIDENCE = UseCase(
    name="shown",
    method="GET",
    path="/v1/evidence/{evidence}",
    scope=Scope.READ,
    tag="Evidence",
    doc="""One piece of evidence with its case table, and its run with the plan.

    Both are compressed with zlib, in base64, and are the bytes of their digests.
    """,
    run=_show,
    request=ShowRequest,
    answer=EvidenceShown,
    fields=(path("evidence"),),
    errors=(EvidenceNotFound,),
)

ADD_EVIDENCE = UseCase(
    name="added",
    method="POST",
    path="/v1/evidence",
    scope=Scope.EVIDENCE,
    tag="Evidence",
    doc="""Record the verdict of another system about a release: of a red-team run, of a lawyer.

    A release that is named by its whole digest need not be released yet.
    """,
    run=lambda registry, request, caller: evidence.add(registry, request, actor=caller.actor, now=caller.now),
    request=AddRequest,
    answer=Evidence,
    sample={"source": "external", "check": "red-team", "verdict": "pass", "run": "", "table_digest": "", "suites": []},
    body=("ExternalVerdict", "What another system found."),
    fields=(
        KEY,
        _RELEASE,
        body("check", max_length=63, example="red-team"),
        body("verdict", example="pass"),
        body("note", max_length=free_text.LONGEST, example="report 7, no jailbreak in 400 tries"),
        body("expires_at", form=MOMENT, max_length=40, example="2026-06-01T00:00:00Z"),
    ),
    errors=(ReleaseNotFound, KeyReused),
    largest=CHANGE,
)

IMPORT_EVIDENCE = UseCase(
    name="imported",
    method="POST",
    path="/v1/evidence-tables",
    scope=Scope.EVIDENCE,
    tag="Evidence",
    doc="""Record what another tool measured: a case table with the candidate's rows, zlib, in base64.

    The file of the tool itself is never sent.
    """,
    run=lambda registry, request, caller: evidence.import_table(registry, request, actor=caller.actor, now=caller.now),
    request=ImportRequest,
    answer=Evidence,
    sample={"source": "import", "run": "", "check": "", "verdict": None},
    body=("ImportedResults", "Results as a case table, and what belongs to all of them."),
    fields=(
        KEY,
        _RELEASE,
        body("table", form=BASE64, example="eJyrVip…"),
        body("suites", form=nouns(SuiteRef), max_length=MOST_SUITES),
        body("counts", form=nouns(Count), max_length=10_000),
        body("tools", max_length=100, example=["promptfoo 0.121"]),
        body("served_models", max_length=100),
        body("complete"),
        body("note", max_length=free_text.LONGEST),
    ),
    errors=(ReleaseNotFound, KeyReused),
    largest=LARGEST,
    elements=ELEMENTS,
)

RECORD_LABELS = UseCase(
    name="labelled",
    method="POST",
    path="/v1/judge-labels",
    scope=Scope.EVIDENCE,
    tag="Evidence",
    doc="""Record what people and judges said of the same answers: a table of labels, compressed with zlib, in base64.

    `judge` is the digest of all judges of a suite together: `judge_digest` of the suite. The answers are of runs that
    were opened here, or are those that cases expect.
    """,
    run=lambda registry, request, caller: evidence.record_labels(registry, request, actor=caller.actor, now=caller.now),
    request=LabelsRequest,
    answer=Evidence,
    sample={"source": "labels", "run": "", "check": "", "verdict": None, "suites": []},
    body=("JudgeLabels", "Labels, and what belongs to all of them."),
    fields=(
        KEY,
        body("app", max_length=63, example="support-bot"),
        body("judge", max_length=71, example="sha256:" + "7" * 64),
        body("labels", form=BASE64, example="eJyrVip…"),
        body("tools", max_length=100, example=["promptops 0.7.0"]),
        body("hosts", max_length=MOST_HOSTS, example=["api.openai.com"]),
        body("served_models", max_length=100, example=["gpt-4o-2024-08-06"]),
        body("note", max_length=free_text.LONGEST),
    ),
    errors=(RunNotFound, KeyReused),
    largest=LARGEST,
)
