"""`promptops ci`: what a change does, for the pages and the exit code of continuous integration."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from promptops import config
from promptops.cli import complete
from promptops.cli.command import command
from promptops.cli.exit import EXIT_CODES
from promptops.cli.numbers import Number
from promptops.cli.output.json_shapes import JsonObject
from promptops.cli.output.phrases import counted
from promptops.cli.output.render import Cell, Line, Span
from promptops.cli.session import Session
from promptops.core.errors import Invalid
from promptops.core.finding import Severity
from promptops.core.model import Bump
from promptops.core.verdict import Outcome

if TYPE_CHECKING:
    from promptops.ci.report import ChangedApp, Report, SuiteChange
    from promptops.core.evidence.calls import CallChange
    from promptops.wire.documents.ci import CallChangeDocument, ChangedAppDocument, SuiteChangeDocument

GITHUB, GITLAB, PLAIN = "github", "gitlab", "plain"
_STYLE: Final = {Severity.ERROR: "bad", Severity.WARNING: "warn", Severity.INFO: "quiet"}
_OUTCOMES: Final = {Outcome.PASS: "good", Outcome.INCONCLUSIVE: "warn", Outcome.ERROR: "bad", Outcome.FAIL: "bad"}
_SHOWN: Final = 20
"""Findings on the terminal: a screen of them. The files have all."""

_file = click.Path(dir_okay=False)


@command("ci")
@click.option("--base", default="", metavar="REF", help="The commit to compare with. [default: the one before HEAD]")
@click.option(
    "--channel", default="", metavar="NAME", shell_complete=complete.channels, help="Ask the gate of this channel too."
)
@click.option("--run", "runs", is_flag=True, help="Evaluate first what that gate has no evidence of.")
@click.option("--max-cost", type=Number(0, 1e6), metavar="USD", help="Of --run: start no evaluation above this.")
@click.option("--head", default="HEAD", metavar="REF", help="The commit to look at.  [default: HEAD]")
@click.option(
    "--format",
    "form",
    type=click.Choice((GITHUB, GITLAB, PLAIN)),
    default=PLAIN,
    help="For whom to print. [default: plain]",
)
@click.option("--summary", metavar="FILE", type=_file, help="Append a summary in Markdown.")
@click.option("--comment", metavar="FILE", type=_file, help="Write the one comment of a pull request.")
@click.option("--previous", metavar="FILE", type=_file, help="The comment that it replaces, for the list of runs.")
@click.option("--sarif", metavar="FILE", type=_file, help="Write all findings as SARIF.")
@click.option("--junit", metavar="FILE", type=_file, help="Write checks as JUnit's XML.")
@click.option("--code-quality", metavar="FILE", type=_file, help="Write all findings as GitLab's code quality.")
def ci(
    session: Session,
    /,
    base: str,
    channel: str,
    runs: bool,
    max_cost: float | None,
    head: str,
    form: str,
    previous: str | None,
    **files: str | None,
) -> None:
    """Say what a change does: apps, version, suites, findings.

    It reads git's objects and no files, so it sees what was committed. Errors in the files make the exit code 2, a gate
    that does not open 5. Only with --channel it needs a registry, and only with --run keys of providers.

    \b
      promptops ci --base origin/main
      promptops ci --base origin/main --channel prod --run --max-cost 5
      promptops ci --base origin/main --format github --summary "$GITHUB_STEP_SUMMARY"
    """
    if runs and not channel:
        raise Invalid("--run makes the evidence that a gate lacks", hint="Name its channel: --channel NAME")
    report = _report(session, base, head)
    if channel:
        report = _judged(session, report, channel, runs=runs, max_cost=max_cost)
    _write(session, report, files, previous)
    session.answer(lambda: _shape(report), lambda page: _printed(report, form))
    if report.errors:
        click.get_current_context().exit(EXIT_CODES["Invalid"])
    if report.closed:
        click.get_current_context().exit(EXIT_CODES["Refused"])


def _judged(session: Session, report: Report, channel: str, *, runs: bool, max_cost: float | None) -> Report:
    from promptops.cli.asked_gates import with_evidence, with_gates

    if runs:
        from promptops.cli.ci_runs import run_missing
        from promptops.cli.commands.eval import evaluated

        report = run_missing(session, report, channel, evaluated, max_cost=max_cost)
    return with_evidence(session, with_gates(session, report, channel), channel)


def _report(session: Session, base: str, head: str) -> Report:
    from promptops.operations.build import workspace_folder
    from promptops.operations.changes import changes
    from promptops.source.git.repository import Repository

    root = session.require_root()
    with closing(Repository.open(root)) as repository:
        folder = workspace_folder(repository, root, repository.resolve(head).sha)
        return changes(repository, folder, _start(repository.resolve, base, head), head)


def _start(resolve: Callable[[str], object], base: str, head: str) -> str:
    """Returns the base: the commit before the head without one; empty for a first commit, or a branch that is new."""
    if base:
        return "" if set(base) == {"0"} else base
    try:
        resolve(f"{head}^1")
    except Invalid:
        return ""
    return f"{head}^1"


def _write(session: Session, report: Report, files: dict[str, str | None], previous: str | None) -> None:
    from promptops.ci import machine, summary

    before = _read(session.path(previous)) if previous else ""
    texts: dict[str, Callable[[], str]] = {
        "summary": lambda: summary.summary(report),
        "comment": lambda: summary.comment(report, before),
        "sarif": lambda: machine.sarif(report),
        "junit": lambda: machine.junit(report),
        "code_quality": lambda: machine.code_quality(report),
    }
    for name, typed in files.items():
        if typed:
            _put(session.path(typed), texts[name](), append=name == "summary")


def _read(path: Path) -> str:
    """Returns the earlier comment; nothing where there was none."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")[:70_000]
    except OSError:
        return ""


def _put(path: Path, text: str, *, append: bool) -> None:
    try:
        with path.open("a" if append else "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise Invalid(f"{path} cannot be written: {error.strerror}") from error


def _shape(report: Report) -> JsonObject:
    from promptops.wire.codec import to_json
    from promptops.wire.documents.ci import CheckLineDocument, CiDocument
    from promptops.wire.documents.commands import FindingDocument

    return to_json(
        CiDocument(
            base=report.base,
            head=report.head,
            folder=report.folder,
            apps=tuple(map(_app_document, report.apps)),
            findings=tuple(map(FindingDocument.of, report.new)),
            errors=report.errors,
            checks=tuple(
                CheckLineDocument(
                    app=line.app, check=line.check, outcome=line.outcome.value, reason=line.reason, hint=line.hint
                )
                for line in report.checks
            ),
            notes=report.notes,
        )
    )


def _app_document(app: ChangedApp) -> ChangedAppDocument:
    from promptops.wire.documents.ci import ChangedAppDocument
    from promptops.wire.documents.releases import ChangeDocument

    return ChangedAppDocument(
        app=app.name,
        path=app.path,
        old_digest=app.old_digest or None,
        digest=app.digest or None,
        bump=app.bump.value,
        new=app.is_new,
        gone=app.is_gone,
        errors=app.errors,
        evidence=app.evidence,
        calls=_calls_document(app.calls) if app.calls else None,
        changes=tuple(map(ChangeDocument.of, app.changes)),
        suites=tuple(map(_suite_document, app.suites)),
    )


def _calls_document(change: CallChange) -> CallChangeDocument:
    from promptops.wire.documents.ci import CallChangeDocument, CallsDocument

    now, live = (CallsDocument(**asdict(each)) if each else None for each in (change.now, change.live))
    assert now is not None
    return CallChangeDocument(run=change.run, cases=change.cases, now=now, live=live)


def _suite_document(suite: SuiteChange) -> SuiteChangeDocument:
    from promptops.wire.documents.ci import SuiteChangeDocument

    return SuiteChangeDocument(
        suite=suite.suite,
        added=suite.added,
        removed=suite.removed,
        changed=suite.changed,
        new=suite.is_new,
        gone=suite.is_gone,
        lowered=suite.lowered,
        checks_changed=suite.checks_changed,
        weaker=suite.is_weaker,
    )


def _lines(report: Report) -> Iterator[Line]:
    from promptops.ci.call_words import call_lines
    from promptops.ci.report import worst_first

    ends = f"{report.base[:12] or 'nothing'} → {report.head[:12]}"
    yield [Span("promptops ci  ", "strong"), ends, f", in {report.folder}" if report.folder else ""]
    for note in report.notes:
        yield [Span(note, "warn")]
    yield ""
    if not report.apps:
        yield "No app has other content or other suites."
    for app in report.apps:
        yield [Span(app.name, "name"), "  ", Span(_state(app), "bad" if app.errors else "strong")]
        yield from (["  ", change.summary if not change.prompt else str(change)] for change in app.changes)
        yield from (f"  evidence {line}" for line in app.evidence)
        yield from (f"  {line}" for line in call_lines(app.calls))
        yield from ([Span(f"  {_suite_line(suite)}", "warn" if suite.is_weaker else "")] for suite in app.suites)
    for check in report.checks:
        said: list[Cell] = [f"  {check.check} of ", Span(check.app, "name"), ": "]
        said += [Span(check.outcome.value, _OUTCOMES[check.outcome]), f"  {check.reason}"]
        yield [*said, Span(f"  {check.hint}" if check.hint else "", "quiet")]
    if report.new:
        yield from ("", [Span(counted(len(report.new), "new finding"), "strong")])
    for finding in worst_first(report.new)[:_SHOWN]:
        mark = Span(f"{finding.severity}[{finding.code}]", _STYLE[finding.severity])
        yield [f"  {finding.path}:{finding.line}:{finding.column}: ", mark, f" {finding.message}"]
    if len(report.new) > _SHOWN:
        yield [Span(f"  … and {len(report.new) - _SHOWN:,} more", "quiet")]
    yield from ("", [Span(report.verdict, "bad" if report.errors or report.closed else "good")])


def _printed(report: Report, form: str) -> Iterator[Line]:
    """Yields the lines and annotations. On GitHub what stands in the lines is taken for no command of the runner."""
    on_github = form == GITHUB or config.setting(config.GITHUB_ACTIONS) == "true"
    end = secrets.token_hex(16)
    yield from [f"::stop-commands::{end}"] if on_github else []
    yield from _lines(report)
    yield from [f"::{end}::"] if on_github else []
    if form == GITHUB:
        from promptops.ci.annotations import annotation_lines

        yield from annotation_lines(report)


def _state(app: ChangedApp) -> str:
    if app.is_gone:
        return "is gone"
    if app.errors:
        return f"cannot be released: {counted(app.errors, 'error')}"
    if app.is_new:
        return "is new"
    return "other suites" if app.bump is Bump.NONE else f"{app.bump.value} change"


def _suite_line(suite: SuiteChange) -> str:
    kinds = (("new", suite.is_new), ("gone", suite.is_gone), ("not required any more", suite.lowered))
    parts = [word for word, is_so in (*kinds, ("other checks", suite.checks_changed)) if is_so]
    counts = (("added", suite.added), ("removed", suite.removed), ("changed", suite.changed))
    parts += [f"{counted(count, 'case')} {word}" for word, count in counts if count]
    return f"suite {suite.suite}: {', '.join(parts)}"
