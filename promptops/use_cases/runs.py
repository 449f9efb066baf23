"""Open, report and close a run, as rows; and how far runs are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from promptops.core import free_text
from promptops.core.errors import ChannelNotFound, Conflict, KeyReused, NotAllowed, RunClosed, RunNotFound
from promptops.core.evidence.case_table import LONGEST_ID, Row
from promptops.core.evidence.evidence import Count, Evidence
from promptops.core.evidence.run import MOST_HOSTS, MOST_SUITES, ArmRelease, Purpose, Source, SuiteRef
from promptops.core.names import AppName
from promptops.core.token import Scope
from promptops.operations import runs
from promptops.operations.measured import Measured, MeasuredRequest, measured
from promptops.operations.runs import MOST_AT_ONCE, CloseRequest, OpenRequest, ReportRequest, RunState
from promptops.use_cases.fields import KEY, body, path
from promptops.use_cases.nouns import BASE64, ELEMENTS, LARGEST, ROWS, nouns, word
from promptops.use_cases.use_case import Caller, UseCase

if TYPE_CHECKING:
    from promptops.store import Registry

OPEN_RUN = UseCase(
    name="opened",
    method="POST",
    path="/v1/runs",
    scope=Scope.EVIDENCE,
    tag="Evidence",
    doc="""Open a run before its first call. It spends its look then.

    `plan` is a case table without rows, compressed with zlib, in base64: every case that is put to a release, fixed
    beforehand. A run that is open already is found, if everything is the same.
    """,
    run=lambda registry, request, caller: runs.open_run(registry, request, actor=caller.actor, now=caller.now),
    request=OpenRequest,
    answer=RunState,
    sample={"standing": [], "evidence": ""},
    body=("Opening", "A run: its arms, its suites and its plan."),
    fields=(
        KEY,
        body("id", pattern="^[0-9a-f]{32}$", example="4bf92f3577b34da6a3ce929d0e0e4736"),
        body("app", max_length=63, example="support-bot"),
        body("arms", form=nouns(ArmRelease), min_length=1, max_length=3),
        body("suites", form=nouns(SuiteRef), min_length=1, max_length=MOST_SUITES),
        body("plan", form=BASE64, example="eJyrVip…"),
        body("source", form=word(Source), example="run"),
        body("purpose", form=word(Purpose), example="gate"),
        body("hosts", max_length=MOST_HOSTS, example=["api.openai.com"]),
    ),
    errors=(Conflict, KeyReused, NotAllowed),
    largest=LARGEST,
    elements=ELEMENTS,
)

MEASURED = UseCase(
    name="measured",
    method="POST",
    asks=True,
    path="/v1/channels/{channel}/apps/{app}/measured",
    scope=Scope.READ,
    tag="Evidence",
    doc="""Which cases of a planned run need not be asked: an earlier run has the answers, or they are for another day.

    An earlier run has those of unchanged cases of prompts that are as in what is live, by the `evidence` that the
    channel's gate counts. Nothing is changed. A run names in its plan what it leaves to an earlier run, and the gate
    finds the answers by itself.

    `spread` has the suites and prompts whose cases the gate wants on several `days`, such as two. A run of today asks
    the cases of one `share`, counted from 0, or none of them if it is null. A case's share is SHA-256 of the digest of
    the prompt's content in the candidate, a line feed and the case's id: its first eight bytes as a big-endian number,
    modulo `days`.
    """,
    run=lambda registry, request, caller: measured(registry, request, now=caller.now),
    request=MeasuredRequest,
    answer=Measured,
    body=("Planned", "The arms and suites of a run, and its plan."),
    fields=(
        path("channel"),
        path("app"),
        body("arms", form=nouns(ArmRelease), max_length=3),
        body("suites", form=nouns(SuiteRef), min_length=1, max_length=MOST_SUITES),
        body("plan", form=BASE64, example="eJyrVip…"),
    ),
    errors=(ChannelNotFound,),
    largest=LARGEST,
    elements=ELEMENTS,
)

REPORT_ROWS = UseCase(
    name="reported",
    method="POST",
    path="/v1/runs/{run}/rows",
    scope=Scope.EVIDENCE,
    tag="Evidence",
    doc="""Report rows of a run as they are answered.

    The first row for a case, an arm and a repeat stands: where a report has another one, `standing` has the one that
    stands. A run takes rows for a day.
    """,
    run=lambda registry, request, caller: runs.report(registry, request, now=caller.now),
    request=ReportRequest,
    answer=RunState,
    sample={"evidence": ""},
    body=("Rows", "What came of some tries."),
    fields=(
        KEY,
        path("run"),
        body("rows", form=nouns(Row), min_length=1, max_length=MOST_AT_ONCE),
    ),
    errors=(RunNotFound, RunClosed, NotAllowed),
    largest=ROWS,
    elements=ELEMENTS,
)

CLOSE_RUN = UseCase(
    name="closed",
    method="POST",
    path="/v1/runs/{run}/close",
    scope=Scope.EVIDENCE,
    tag="Evidence",
    doc="""Make evidence of what a run reported.

    Where rows are missing, `note` says why, and the run may go on until a day after its opening: closed again, it has
    evidence of the next number. If nothing came since, the evidence that there is is the answer.
    """,
    run=lambda registry, request, caller: runs.close(registry, request, actor=caller.actor, now=caller.now),
    request=CloseRequest,
    answer=Evidence,
    body=("Closing", "What belongs to the whole run."),
    fields=(
        KEY,
        path("run"),
        body("note", max_length=free_text.LONGEST, example="the provider is down"),
        body("counts", form=nouns(Count), max_length=10_000),
        body("tools", max_length=100, example=["promptops 0.7.0"]),
        body("served_models", max_length=100, example=["gpt-4o-2024-08-06"]),
        body("prices", max_length=LONGEST_ID),
    ),
    errors=(RunNotFound, KeyReused, NotAllowed),
    largest=ROWS,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunsRequest:
    """Whose runs to list."""

    app: AppName


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """Which run to show."""

    run: str


def _state(registry: Registry, request: RunRequest, caller: Caller) -> RunState:
    found = runs.state(registry, request.run)
    if not caller.rights.sees(app=found.app):
        raise RunNotFound(f"no run {request.run} was opened in this registry")
    return found


RUNS = UseCase(
    name="runs",
    method="GET",
    path="/v1/apps/{app}/runs",
    scope=Scope.READ,
    tag="Evidence",
    doc="Every run of an app, newest first, and how far it is.",
    run=lambda registry, request, caller: runs.runs(registry, request.app),
    request=RunsRequest,
    answer=tuple[RunState, ...],
    under="runs",
    sample={"standing": []},
    fields=(path("app"),),
)

RUN = UseCase(
    name="run",
    method="GET",
    path="/v1/runs/{run}",
    scope=Scope.READ,
    tag="Evidence",
    doc="How far a run is.",
    run=_state,
    request=RunRequest,
    answer=RunState,
    sample={"standing": []},
    fields=(path("run"),),
    errors=(RunNotFound,),
)
