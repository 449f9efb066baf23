"""Plans and runs for the tests of this folder: small apps in memory, a provider on this machine."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from promptops.client.sources.trust import no_trust
from promptops.core.compiled import compile_content
from promptops.core.digest import digest
from promptops.core.evidence.case_table import Arm
from promptops.core.model import Content, Json, Message, Prompt, Role
from promptops.core.release_bytes import encode
from promptops.core.suite.judge import Choice, Judge
from promptops.core.suite.suite import Case, Check, Suite
from promptops.evals.answers import Answers
from promptops.evals.caller import Pace
from promptops.evals.journal import Journal
from promptops.evals.limiter import Limiter
from promptops.evals.plan import Plan, Selection, Side, plan
from promptops.evals.providers import Endpoint
from promptops.evals.recordings import Recordings
from promptops.evals.runner import Finished, Runner, Workers
from tests.support.model_server import MODEL, ModelServer

JUDGE = Judge(
    model="local/judge-2026-01-01",
    prompt="Say good or bad of: {{completion}}",
    choices=(Choice(text="good", score=1.0), Choice(text="bad", score=0.0)),
)


def prompt(text: str = "Q: {{question}}", **more: object) -> Prompt:
    """A prompt named `answer` with one user message."""
    settings: dict[str, object] = {"model": MODEL, "name": "answer", **more}
    return Prompt(messages=(Message(role=Role.USER, content=text),), **settings)  # type: ignore[arg-type]


def side(*prompts: Prompt, arm: Arm = Arm.CANDIDATE) -> Side:
    """A release of these prompts."""
    content = Content(app="bot", prompts=prompts)
    return Side(
        arm=arm, label=arm.value, digest=digest(encode(content)), content=content, prompts=compile_content(content)
    )


def suite(
    *questions: str, checks: Iterable[Check] = (), repeats: int = 1, cases: Sequence[Case] = (), name: str = "answer"
) -> Suite:
    """A suite of questions; by default the answer has to contain the question."""
    made = tuple(Case(variables={"question": question}, given_id=question) for question in questions)
    usual = (Check(name="echoes", kind="contains", wanted="{{question}}"),)
    return Suite(name=name, prompts=("answer",), cases=(*made, *cases), checks=tuple(checks) or usual, repeats=repeats)


def planned(*sides: Side, suites: Sequence[Suite], selection: Selection | None = None) -> Plan:
    """The plan of a run."""
    return plan("bot", sides, suites, selection or Selection())


def endpoints(server: ModelServer, *providers: str) -> dict[str, Endpoint]:
    """The server as every one of these providers."""
    return {name: Endpoint(url=server.url, key="", host="127.0.0.1") for name in providers or ("local",)}


def workers(server: ModelServer | None, *, concurrency: int = 4, attempt: float = 5.0, call: float = 60.0) -> Workers:
    """Workers that ask this server."""
    found: Mapping[str, Endpoint] = endpoints(server) if server else {}
    pace = Pace(limiters={name: Limiter() for name in found}, attempt=attempt, call=call, until=time.monotonic() + 600)
    return Workers(endpoints=found, pace=pace, trust=no_trust(), concurrency=concurrency)


def ran(
    planned: Plan,
    folder: Path,
    server: ModelServer | None,
    *,
    recorded: Recordings | None = None,
    offline: bool = False,
    max_cost: float | None = None,
    with_workers: Workers | None = None,
) -> Finished:
    """Runs a plan to its end, with its journal in this folder; raises what ended it."""
    folder.mkdir(exist_ok=True)
    journal = Journal(folder / "answers.jsonl")
    try:
        answers = Answers(journal, recorded=recorded, offline=offline, max_cost=max_cost)
        finished = Runner(planned, answers, with_workers or workers(server)).run()
    finally:
        journal.close()
    if finished.error is not None:
        raise finished.error
    return finished


def outcomes(finished: Finished) -> list[tuple[int, str, str]]:
    """Each row as its case, arm and outcome."""
    return [(row.case, row.arm.value, row.graded.outcome.value) for row in finished.rows]


def values(**variables: Json) -> dict[str, Json]:
    """Variables of a case."""
    return variables
