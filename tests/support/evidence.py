"""Runs, case tables and evidence for tests, small and valid."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from promptops.core.digest import digest
from promptops.core.evidence.case_table import Arm, Case, CaseTable, Row, RowOutcome
from promptops.core.evidence.evidence import Evidence
from promptops.core.evidence.labels import Label
from promptops.core.evidence.release_suites import ReleaseSuites
from promptops.core.evidence.run import ArmRelease, PromptContent, Run, Source, SuiteRef
from promptops.core.evidence.table_bytes import encode_table
from promptops.core.suite.suite import SuiteKind

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


def sha(text: str) -> str:
    """The digest of a text."""
    return digest(text.encode())


def case(number: int, **fields: Any) -> Case:
    """A case of the suite ``answer``."""
    return Case(
        **{
            "suite": "answer",
            "prompt": "answer",
            "id": f"case-{number}",
            "key": sha(f"key {number}"),
            "digest": sha(f"case {number}"),
            **fields,
        }
    )


def row(place: int, arm: Arm = Arm.CANDIDATE, repeat: int = 1, passed: bool = True, **fields: Any) -> Row:
    """A row with an outcome, and some numbers."""
    outcome = RowOutcome.PASSED if passed else RowOutcome.FAILED
    numbers: dict[str, Any] = {"latency_ms": 812.5, "input_tokens": 310, "output_tokens": 45, "cost_usd": 0.00031}
    return Row(
        **{
            "case": place,
            "arm": arm,
            "repeat": repeat,
            "outcome": outcome,
            "score": float(passed),
            **numbers,
            **fields,
        }
    )


def label(number: int = 1, **fields: Any) -> Label:
    """A label of an answer that a case of the suite ``answer`` expects, or of one of a run."""
    return Label(
        **{
            "suite": "answer",
            "prompt": "answer",
            "case": f"case-{number}",
            "answer": sha(f"answer {number}"),
            "good": True,
            "passed": True,
            **fields,
        }
    )


def arm(which: Arm, release: str) -> ArmRelease:
    """An arm with one prompt, ``answer``."""
    return ArmRelease(
        arm=which, digest=sha(release), prompts=(PromptContent(prompt="answer", digest=sha(f"content {release}")),)
    )


def run(number: int = 1, cases: Sequence[Case] | int = 3, *, repeats: int = 1, **fields: Any) -> Run:
    """A run of a candidate against what is live."""
    plan = encode_table(CaseTable(cases=tuple(map(case, range(cases))) if isinstance(cases, int) else tuple(cases)))
    suite = SuiteRef(name="answer", kind=SuiteKind.SAMPLE, digest=sha("suite"), prompts=("answer",), repeats=repeats)
    return Run(
        **{
            "id": f"{number:032x}",
            "app": "support-bot",
            "arms": (arm(Arm.CANDIDATE, "new"), arm(Arm.LIVE, "old")),
            "suites": (suite,),
            "source": Source.RUN,
            "hosts": ("api.openai.com",),
            "actor": "ci",
            "at": AT,
            "plan": plan,
            "plan_digest": digest(plan),
            **fields,
        }
    )


def evidence_of(opened: Run, *rows: Row, **fields: Any) -> Evidence:
    """The evidence of a run that reported these rows."""
    table = encode_table(CaseTable(cases=opened.cases, rows=rows), with_cases=False)
    return Evidence(
        **{
            "id": f"{opened.id}.1",
            "app": opened.app,
            "digest": opened.candidate.digest,
            "source": opened.source,
            "actor": "ci",
            "at": AT,
            "run": opened.id,
            "table": table,
            "table_digest": digest(table),
            **fields,
        }
    )


def suites(app: str, release: str, *names: str, **fields: Any) -> ReleaseSuites:
    """The suites of a release with this digest."""
    each = (SuiteRef(name=name, kind=SuiteKind.SAMPLE, digest=sha(name), cases=(sha(f"{name} 1"),)) for name in names)
    return ReleaseSuites(
        **{
            "app": app,
            "number": 1,
            "digest": release,
            "suites": tuple(each),
            "commit": "c" * 40,
            "actor": "ci",
            "at": AT,
            **fields,
        }
    )
