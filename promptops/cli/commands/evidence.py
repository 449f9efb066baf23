"""`promptops evidence`: what is known of a release, and how what was found elsewhere comes in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from promptops import clock
from promptops.cli import complete
from promptops.cli.command import NounGroup, command, key_option, reason_option
from promptops.cli.defaults import whole_release
from promptops.cli.git_sync import bring_to_git
from promptops.cli.output.phrases import counted, facts, moment, next_steps
from promptops.cli.output.render import Cell, Line, Page, Span
from promptops.cli.session import Session
from promptops.core.duration import parse_duration
from promptops.core.errors import RegistryDamaged
from promptops.core.evidence.evidence import BAD, GOOD
from promptops.core.evidence.run import Source
from promptops.core.reference import parse_reference
from promptops.core.verdict import Outcome
from promptops.use_cases.documents import written

if TYPE_CHECKING:
    from promptops.core.evidence.case_table import CaseTable
    from promptops.core.evidence.evidence import Evidence
    from promptops.operations.evidence import EvidenceShown
    from promptops.operations.runs import RunState

FORMATS = ("promptfoo", "junit", "inspect", "pydantic-evals", "deepeval", "jsonl")

_NEVER = "never"
_WORST = 10
"""Cases that failed which are shown; the others are in the JSON."""
_MARKS = 5
"""Fingerprints that are shown."""
_STYLES = {Outcome.PASS: "good", Outcome.INCONCLUSIVE: "warn", Outcome.ERROR: "warn", Outcome.FAIL: "bad"}


@click.group("evidence", cls=NounGroup)
def evidence() -> None:
    """What is known of a release, and how it comes in.

    Evidence is bound to a release's digest: what was measured in a pull request is still good after the merge.
    """


@command("list", group=evidence)
@click.argument("reference", metavar="APP[@VERSION]", shell_complete=complete.releases)
def list_evidence(session: Session, /, reference: str) -> None:
    """List the evidence of an app or of a release, newest first, and runs that were not closed."""
    from promptops.use_cases.evidence import EVIDENCE, EvidenceRequest
    from promptops.use_cases.runs import RUNS, RunsRequest

    about = parse_reference(reference)
    with session.gateway() as gateway:
        asked = EvidenceRequest(app=about.app, version=about.version, digest=about.digest)
        found = gateway.run(EVIDENCE, asked)
        every_run = gateway.run(RUNS, RunsRequest(app=about.app))
    digests = {each.digest for each in found} if about.fixed else None
    runs = [run for run in every_run if digests is None or run.digest in (*digests, about.digest)]
    session.answer(
        lambda: {"evidence": [written(each) for each in found], "runs": [written(run) for run in runs]},
        lambda page: _table(str(about), found, [run for run in runs if not run.evidence], page),
    )


@command("show", group=evidence)
@click.argument("id", metavar="ID")
def show(session: Session, /, id: str) -> None:
    """Show one piece of evidence, with the cases that failed.

    With --json it has the case table, compressed with zlib and in base64.
    """
    shown = _fetched(session, id)
    session.answer(lambda: written(shown), lambda page: _shown(shown, page))


@command("verify", group=evidence)
@click.argument("id", metavar="ID")
def verify(session: Session, /, id: str) -> None:
    """Verify the bytes of evidence on this machine.

    The case table is that of its digest, fits the plan of its run, and says what the counts say. The audit log seals
    the digests: `promptops audit --verify`.
    """
    from promptops.operations.evidence import flaws

    shown = _fetched(session, id)
    found = flaws(shown)
    if found:
        raise RegistryDamaged(
            f"the evidence {id} is not what was recorded: {'; '.join(found)}", hint="Look closer: promptops fsck"
        )
    table = shown.table
    session.answer(
        lambda: {"id": id, "ok": True, "flaws": [], "cases": len(table.cases), "rows": len(table.rows)},
        lambda page: _verified(id, len(table.cases), len(table.rows)),
    )


@command("add", group=evidence)
@click.option("--check", required=True, metavar="NAME", help="The name of the check, as the gate's policy has it.")
@click.option(
    "--verdict",
    required=True,
    type=click.Choice([outcome.value for outcome in Outcome]),
    help="What the other system found.",
)
@click.option(
    "--for",
    "reference",
    required=True,
    metavar="APP@VERSION",
    shell_complete=complete.releases,
    help="The release: APP@VERSION, or APP@sha256:… with its whole digest before it is released.",
)
@click.option("--expires", required=True, metavar="LENGTH", help=f"How long it holds: 12h, 30d, {_NEVER}.")
@click.option("--note", "-m", "note", default="", metavar="TEXT", help="What it rests on; kept in the log.")
@key_option
def add(session: Session, /, check: str, verdict: str, reference: str, expires: str, note: str, key: str) -> None:
    """Record the verdict of another system: of a red-team run, of a lawyer.

    \b
      promptops evidence add --check red-team --verdict pass --for support-bot@1.4.0 --expires 30d
    """
    from promptops.operations.evidence import AddRequest
    from promptops.use_cases.evidence import ADD_EVIDENCE

    actor = session.actor()
    ends = None if expires.strip().lower() == _NEVER else session.now + parse_duration(expires)
    request = AddRequest(
        reference=whole_release(reference), check=check, verdict=Outcome(verdict), note=note, expires_at=ends,
        key=session.key(key),
    )  # fmt: skip
    with session.gateway() as gateway:
        made = gateway.run(ADD_EVIDENCE, request, actor=actor)
    session.answer(lambda: written(made), lambda page: _added(made, page))
    bring_to_git(session)


@command("close", group=evidence)
@click.argument("id", metavar="RUN")
@reason_option
@key_option
def close(session: Session, /, id: str, reason: str, key: str) -> None:
    """Close a run that did not come to its end, and make evidence of what it reported.

    What is missing needs a reason, such as a provider that is down. The run may go on with `promptops eval` for a day
    after it was opened. One without a single answer gives its look back.
    """
    from promptops.core.errors import RunNotFound
    from promptops.core.evidence.run import is_run_id
    from promptops.operations.runs import CloseRequest
    from promptops.use_cases.runs import CLOSE_RUN

    if not is_run_id(id):
        raise RunNotFound(f"'{id[:80]}' is not the id of a run", hint="Find it: promptops evidence list APP")
    actor = session.actor()
    with session.gateway() as gateway:
        request = CloseRequest(run=id, note=reason, key=session.key(key))
        made = gateway.run(CLOSE_RUN, request, actor=actor)
    session.answer(lambda: written(made), lambda page: _added(made, page))
    bring_to_git(session)


@command("import", group=evidence)
@click.argument("file", metavar="FILE", type=click.Path())
@click.option("--format", "form", required=True, type=click.Choice(FORMATS), help="Which tool wrote the file.")
@click.option("--for", "release", required=True, metavar="APP[/PROMPT]@VERSION", help="Which release it measured.")
@click.option("--suite", default="", metavar="NAME", help="The app's own suite that was put, by the files here.")
@reason_option
@key_option
def import_(session: Session, /, file: str, form: str, release: str, suite: str, reason: str, key: str) -> None:
    """Record what another tool measured.

    Named fields of the file are read: cases, outcomes, times, tokens, costs. Its texts stay where they are. A release
    may be named by its whole digest before it is released. A gate counts it only if its policy takes `import`.

    \b
      promptops evidence import results.json --format promptfoo --for support-bot/answer@1.4.0
    """
    from promptops.cli.commands import evidence_import

    evidence_import.run(session, file, form, release, suite=suite, reason=reason, key=key)


def _fetched(session: Session, id: str) -> EvidenceShown:
    from promptops.core.errors import EvidenceNotFound
    from promptops.core.evidence.evidence import is_evidence_id
    from promptops.use_cases.evidence import SHOW_EVIDENCE, ShowRequest

    if not is_evidence_id(id):
        raise EvidenceNotFound(f"'{id[:80]}' is not the id of evidence", hint="Find it: promptops evidence list APP")
    with session.gateway() as gateway:
        return gateway.run(SHOW_EVIDENCE, ShowRequest(evidence=id))


# --- on the terminal -------------------------------------------------------------------------------


def _table(about: str, found: Sequence[Evidence], open_runs: Sequence[RunState], page: Page) -> list[Line]:
    if not found and not open_runs:
        return [f"There is no evidence for {about}."]
    rows: list[list[Cell]] = [[Span(title, "quiet") for title in ("ID", "SOURCE", "RELEASE", "SAYS", "BY", "MADE")]]
    for each in found:
        made = clock.format_age(each.at, page.now)
        rows.append([Span(each.id, "name"), each.source.value, each.digest[:19], _says(each), each.actor, made])
    for run in open_runs:
        says = Span(f"open, {run.missing:,} of {run.reported + run.missing:,} rows are missing", "warn")
        rows.append([Span(run.run, "name"), run.source.value, run.digest[:19], says, run.actor,
                     clock.format_age(run.at, page.now)])  # fmt: skip
    return page.columns(rows, indent=0, spare=("RELEASE", "BY"))


def _says(evidence: Evidence) -> Cell:
    if evidence.verdict is not None:
        return Span(f"{evidence.check}: {evidence.verdict.value}", _STYLES[evidence.verdict])
    if evidence.source is Source.LABELS:
        return _labelled(evidence)
    if evidence.source is Source.MEASURED:
        return evidence.note
    whole = [count for count in evidence.counts if not count.check]
    passed, failed, errors = (sum(getattr(count, name) for count in whole) for name in ("passed", "failed", "errors"))
    parts = [f"{passed:,} passed"]
    parts += [f"{number:,} {word}" for number, word in ((failed, "failed"), (errors, "errors")) if number]
    return ", ".join([*parts, *([] if evidence.complete else ["not complete"])])


def _labelled(evidence: Evidence) -> str:
    """What a judge said of labelled answers, of all prompts together."""
    said = []
    for check, right, word in ((GOOD, "passed", "good"), (BAD, "failed", "bad")):
        counts = [count for count in evidence.counts if count.check == check]
        whole = sum(count.passed + count.failed + count.errors for count in counts)
        said.append(f"{right} {sum(getattr(count, right) for count in counts):,} of {whole:,} {word}")
    return f"its judge {' and '.join(said)} answers"


def _facts(evidence: Evidence, page: Page) -> list[tuple[str, Cell]]:
    ends = clock.format_moment(evidence.expires_at, page.zone) if evidence.expires_at else ""
    rows: list[tuple[str, Cell]] = [
        ("for", f"{evidence.app} {evidence.digest}"),
        ("says", _says(evidence)),
        ("by", f"{evidence.actor}, {moment(page, evidence.at)}"),
        ("ends", ends),
        ("note", evidence.note),
        ("run", evidence.run),
        ("hosts", ", ".join(evidence.hosts)),
        ("models", ", ".join(evidence.served_models)),
        ("tools", ", ".join(evidence.tools)),
    ]
    return [row for row in rows if row[1]]


def _shown(shown: EvidenceShown, page: Page) -> list[Line]:
    evidence, table = shown.evidence, shown.table
    head: Line = [Span(evidence.id, "name"), f", {evidence.source.value}"]
    bad = [row for row in table.rows if row.outcome.value != "passed"]
    rows: list[list[Cell]] = [[Span(title, "quiet") for title in ("CASE", "PROMPT", "ARM", "OUTCOME", "WHY")]]
    for row in bad[:_WORST]:
        case, style = table.cases[row.case], "warn" if row.error else "bad"
        rows.append([case.id[:40], case.prompt, row.arm.value, Span(row.outcome.value, style), row.error])
    more: list[Line] = [Span(f"and {len(bad) - _WORST:,} more", "quiet")] if len(bad) > _WORST else []
    listed = ["", *page.columns(rows, indent=0), *more] if bad else []
    steps = next_steps([("verify its bytes", ["evidence", "verify", evidence.id])])
    known = facts(page, [*_facts(evidence, page), *_fingerprints(table)])
    return [head, "", *known, *_measured(evidence, page), *listed, *steps]


def _measured(evidence: Evidence, page: Page) -> list[Line]:
    """What was measured, by channel, release and prompt."""
    from promptops.core.evidence.evidence import measured_of

    if evidence.source is not Source.MEASURED:
        return []
    titles = ("CHANNEL", "RELEASE", "PROMPT", "CALLS", "COST")
    rows: list[list[Cell]] = [[Span(title, "quiet") for title in titles]]
    for each in measured_of(evidence).sums:
        cost = "unknown" if each.unpriced else f"${float(each.usd):,.6g}"
        rows.append([each.channel, each.release[:19], each.prompt, f"{each.calls:,}", cost])
    return ["", *page.columns(rows, indent=0)]


def _fingerprints(table: CaseTable) -> list[tuple[str, Cell]]:
    """Returns what providers said of the machinery behind their models, and how many answers said so."""
    from promptops.core.evidence.evidence import served

    marks = [f"{each.fingerprint} ({counted(each.answers, 'answer')})" for each in served(table) if each.fingerprint]
    more = [f"{len(marks) - _MARKS:,} more"] if len(marks) > _MARKS else []
    return [("fingerprints", ", ".join(marks[:_MARKS] + more))] if marks else []


def _verified(id: str, cases: int, rows: int) -> list[Line]:
    said = f" is what was recorded: {cases:,} cases, {rows:,} rows"
    return [[Span("✓ ", "good"), Span(id, "name"), said]]


def _added(made: Evidence, page: Page) -> list[Line]:
    head: Line = [Span("✓ ", "good"), Span("Recorded ", "strong"), Span(made.id, "name")]
    steps = next_steps([("see it", ["evidence", "show", made.id])])
    return [head, "", *facts(page, _facts(made, page)), *steps]
