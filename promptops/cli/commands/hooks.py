"""`promptops hooks`: refuses a push that a channel would not take, before it leaves or where it arrives."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from promptops.cli.command import NounGroup, command
from promptops.cli.exit import EXIT_CODES
from promptops.cli.hook_deadline import Deadline, in_time
from promptops.cli.numbers import Seconds
from promptops.cli.output.json_shapes import JsonObject
from promptops.cli.output.render import Line, Span
from promptops.cli.session import Session
from promptops.core.errors import Conflict, Invalid
from promptops.core.escape import one_line
from promptops.core.server_url import hide_password
from promptops.core.verdict import Outcome

if TYPE_CHECKING:
    from promptops.ci.report import Report
    from promptops.operations.pushes import Pushed

SECONDS: Final = 2.5
"""What the work may take, so that it is three with the start of the process: GitHub Enterprise Server gives five to all
hooks of a repository together.
"""

_RANGE: Final = Seconds(0.001, 600)
REFUSE, ACCEPT = "refuse", "accept"
_AWAY: Final = {REFUSE: Outcome.INCONCLUSIVE, ACCEPT: Outcome.PASS}
"""What it is worth that the registry does not answer."""

_MARK: Final = "# promptops hooks install wrote this file"
_SHOWN: Final = 10


_channel = click.option("--channel", default="", metavar="NAME", help="Ask the gate of this channel too.")


@click.group("hooks", cls=NounGroup)
def hooks() -> None:
    """Refuse pushes with errors, here or on the server.

    `install` writes the hook; git calls the other two.
    """


@command("install", group=hooks)
@click.option("--pre-push", "kind", flag_value="pre-push", help="In this clone, before a push leaves it.")
@click.option("--pre-receive", "kind", flag_value="pre-receive", help="In this bare repository, where pushes arrive.")
@click.option("--folder", default="", metavar="PATH", help="Where the workspace is in a bare repository.  [default: .]")
@click.option("--ref", "refs", multiple=True, metavar="PATTERN", help="Which refs; repeat it.  [default: refs/heads/*]")
@click.option("--seconds", type=_RANGE, metavar="N", help="How long pre-receive may take.  [default: 2.5]")
@_channel
@click.option("--away", type=click.Choice(tuple(_AWAY)), help="What pre-receive does while no registry answers.")
@click.option("--replace", is_flag=True, help="Replace a hook that is there.")
def install(session: Session, /, kind: str | None, channel: str, replace: bool, **options: Any) -> None:
    """Write the hook of a repository.

    All that it goes by stands in the hook itself: nothing that is pushed can change it.

    \b
      promptops hooks install --pre-push
      promptops -C /srv/git/prompts.git hooks install --pre-receive --ref refs/heads/main
    """
    from promptops.source.git.repository import Repository

    if kind is None:
        raise Invalid("which hook?", hint="--pre-push in a clone, --pre-receive in a bare repository.")
    bare = kind == "pre-receive"
    place = session.directory if bare else session.require_root()
    with closing(Repository.archive(place) if bare else Repository.open(place)) as repository:
        if bare and repository.root != repository.folder:
            raise Invalid(f"{place} is no bare repository", hint="pre-receive runs where pushes arrive.")
        path = repository.folder / "hooks" / kind
    if path.exists() and not replace and _MARK not in path.read_text(encoding="utf-8", errors="replace"):
        raise Conflict(f"there is a hook {path} already", hint="Call promptops from it, or replace it: --replace")
    url = session.registry_url() if channel else ""
    if hide_password(url) != url:  # the file can be read by others
        session.note("the hook does not hold a URL with a password: set PROMPTOPS_REGISTRY in the environment of git")
        url = ""
    words = [*([] if bare else ["-C", str(place)]), "hooks", kind, *_options(kind, channel, url, **options)]
    _write(path, _script(words, all_arguments=not bare))
    session.answer(lambda: {"hook": str(path)}, lambda page: [[Span("✓ ", "good"), f"Wrote {path}"]])


@command("pre-push", group=hooks)
@click.argument("remote", nargs=-1)
@click.option("--ref", "refs", multiple=True, default=("refs/heads/*",), metavar="PATTERN", help="Which refs.")
@_channel
def pre_push(session: Session, /, remote: tuple[str, ...], refs: tuple[str, ...], channel: str) -> None:
    """Judge the tip of each ref that is pushed; git calls it."""
    from promptops.operations.build import workspace_folder
    from promptops.operations.pushes import judged, sent
    from promptops.source.git.repository import Repository

    root = session.require_root()
    pushed = tuple(sent(sys.stdin))
    with closing(Repository.open(root)) as repository:
        folder = workspace_folder(repository, root, "")
        reports = judged(repository, folder, pushed, refs, required=False)
        _answer(session, _asked(session, reports, channel))


@command("pre-receive", group=hooks)
@click.option("--folder", default="", metavar="PATH", help="Where the workspace is.")
@click.option("--ref", "refs", multiple=True, default=("refs/heads/*",), metavar="PATTERN", help="Which refs.")
@click.option("--seconds", type=_RANGE, default=SECONDS, metavar="N", help="How long it may take.")
@_channel
@click.option("--away", type=click.Choice(tuple(_AWAY)), default=REFUSE, help="What to do while no registry answers.")
def pre_receive(
    session: Session, /, folder: str, refs: tuple[str, ...], seconds: float, channel: str, away: str
) -> None:
    """Judge each ref that arrives in a bare repository; git calls it."""
    from promptops.operations.pushes import judged, received
    from promptops.source.git.repository import Repository

    pushed = tuple(received(sys.stdin))
    with in_time(seconds) as deadline, closing(Repository.receiving(session.directory)) as repository:
        repository.patience.limit(seconds)
        reports = judged(repository, folder.strip("/"), pushed, refs, required=True)
        _answer(session, _asked(session, reports, channel, deadline, _AWAY[away]))


def _asked(
    session: Session,
    reports: Iterable[tuple[Pushed, Report]],
    channel: str,
    deadline: Deadline | None = None,
    away: Outcome = Outcome.INCONCLUSIVE,
) -> list[tuple[Pushed, Report]]:
    """Returns the reports with what the channel's gate says, if the hook has a channel. Equal ones are asked once."""
    from promptops.cli.asked_gates import with_gates

    read = list(reports)
    if not channel:
        return read
    session.load()  # before the time of a question is counted
    asked: dict[int, Report] = {}
    for _, report in read:
        if id(report) not in asked:
            seconds = deadline.for_registry(fair=away is Outcome.PASS) if deadline else None
            asked[id(report)] = with_gates(session, report, channel, seconds=seconds, away=away)
    return [(pushed, asked[id(report)]) for pushed, report in read]


def _answer(session: Session, reports: Sequence[tuple[Pushed, Report]]) -> None:
    session.answer(lambda: _shape(reports), lambda page: [line for each in reports for line in _lines(*each)])
    if any(report.errors for _, report in reports):
        click.get_current_context().exit(EXIT_CODES["Invalid"])
    if any(report.closed for _, report in reports):
        click.get_current_context().exit(EXIT_CODES["Refused"])


def _shape(reports: Sequence[tuple[Pushed, Report]]) -> JsonObject:
    return {
        "refs": [
            {"ref": pushed.ref, "errors": report.errors, "apps": [app.name for app in report.apps]}
            for pushed, report in reports
        ]
    }


def _lines(pushed: Pushed, report: Report) -> Iterator[Line]:
    from promptops.ci.report import worst_first
    from promptops.core.finding import Severity

    errors = [finding for finding in worst_first(report.findings) if finding.severity is Severity.ERROR]
    if not errors and not report.closed:
        return
    yield [Span(f"promptops refuses {one_line(pushed.ref, 200)}: {report.verdict}", "bad")]
    for finding in errors[:_SHOWN]:
        yield f"  {finding.path}:{finding.line}:{finding.column}: {finding.message}"
    if len(errors) > _SHOWN:
        yield f"  … and {len(errors) - _SHOWN:,} more"
    for line in report.closed:
        yield f"  {line.app}: {line.check} is {line.outcome.value}: {line.reason}"
        if line.hint:
            yield f"    {line.hint}"
    if errors:
        yield ["  Every one of them: ", Span("promptops check --full", "command")]


def _options(
    kind: str, channel: str, url: str, *, folder: str, refs: Sequence[str], seconds: float | None, away: str | None
) -> Iterator[str]:
    """Yields what the hook goes by. The registry is named here too: nothing that is pushed names another one."""
    if url:
        yield from ("--registry", url)
    if channel:
        yield from ("--channel", channel)
    if kind == "pre-receive" and folder:
        yield from ("--folder", folder)
    if kind == "pre-receive" and seconds:
        yield from ("--seconds", str(seconds))
    if kind == "pre-receive" and away:
        yield from ("--away", away)
    for ref in refs:
        yield from ("--ref", ref)


def _script(words: Sequence[str], *, all_arguments: bool) -> str:
    start = shlex.join([sys.executable, "-P", "-m", "promptops", *words])
    given = ' "$@"' if all_arguments else ""
    return f"#!/bin/sh\n{_MARK}; git starts it\nexec {start}{given}\n"


def _write(path: Path, script: str) -> None:
    try:
        path.parent.mkdir(exist_ok=True)
        path.write_text(script, encoding="utf-8")
        path.chmod(0o755)
    except OSError as error:
        raise Invalid(f"{path} cannot be written: {error.strerror}") from error
