"""`promptops eval`: asks models the cases of an app's suites, grades the answers, and shows the report."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from promptops.cli import complete
from promptops.cli.asking import asking, asking_options
from promptops.cli.command import NounGroup, command, dry_run_option
from promptops.cli.eval_made import Made, finish, write_files
from promptops.cli.numbers import Whole
from promptops.cli.output.phrases import counted
from promptops.cli.output.screen import LiveLine
from promptops.cli.session import Session

if TYPE_CHECKING:
    from promptops.cli.eval_rebase import Lacking
    from promptops.evals.reports.report import Report
    from promptops.evals.runner import Progress
    from promptops.operations.eval_plan import Prepared
    from promptops.operations.evaluate import Asking

_RUN = "run"
_PROGRESS = LiveLine()


class EvalGroup(NounGroup):
    """The group whose first word may be left out: ``eval bot`` is ``eval run bot``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        first = args[0] if args else ""
        if first not in self.commands and first not in ("--help", "-h"):
            args = [_RUN, *args]
        return super().parse_args(ctx, args)


@click.group("eval", cls=EvalGroup)
def eval() -> None:
    """Ask models the cases of suites, and grade what they answer.

    Without the name of a command it is `run`: promptops eval support-bot. Keys of providers are in the environment:
    OPENAI_API_KEY, ANTHROPIC_API_KEY. Answers are kept in .promptops/runs of the workspace, and nowhere else.

    \b
      promptops eval support-bot --local                    the files here
      promptops eval support-bot/answer --against live      one prompt, beside what is live
    """


@command(_RUN, group=eval)
@click.argument(
    "reference", metavar="[APP[/PROMPT][@VERSION|:CHANNEL]]", required=False, shell_complete=complete.prompts
)
@click.option("--against", metavar="RELEASE", help="Also ask `live`, or a version; the report compares them.")
@click.option(
    "--channel",
    metavar="NAME",
    shell_complete=complete.channels,
    help="For the gate of this channel: asks what is live there too, as often as it wants. [PROMPTOPS_CHANNEL]",
)
@click.option("--anchor", metavar="RELEASE", help="A third release to ask: the best of an earlier time.")
@click.option("--suite", "suites", multiple=True, metavar="NAME", help="This suite alone; repeat it for more.")
@click.option(
    "--cases", metavar="calls:CHANNEL", help="Captured calls of a channel as cases, beside what is live there."
)
@click.option("--last", type=Whole(1, 1000), metavar="N", help="With --cases: the newest N of them; 200 if left out.")
@click.option("--bad", is_flag=True, help="With --cases: bad calls alone, to look at; never evidence.")
@click.option("--tag", "tags", multiple=True, metavar="TAG", help="Cases with this tag alone; repeat it for more.")
@click.option("--limit", type=Whole(1), metavar="N", help="The first N cases of each suite.")
@click.option("--commit", default="", metavar="REF", help="Read prompts and suites from a commit, not the files here.")
@click.option("--local", is_flag=True, help="Without a registry: the run is never evidence.")
@asking_options
@click.option("--record", metavar="DIR", type=click.Path(), help="Write the answers to a folder, for --replay.")
@click.option("--replay", metavar="DIR", type=click.Path(), help="Take recorded answers; ask no provider.")
@click.option("--rescore", default="", metavar="RUN", help="New checks and judges for the answers of a run.")
@click.option("--continue", "continued", default="", metavar="RUN", help="Go on with a run that has not ended.")
@click.option("--rebase", is_flag=True, help="After another release went live: ask just what the gate still lacks.")
@click.option("--drift", is_flag=True, help="A scheduled run of APP:CHANNEL: is it still as good as at first?")
@click.option("--fresh", is_flag=True, help="Ask also the cases of which an earlier run has the answers.")
@click.option("--strict", is_flag=True, help="Fail if any answer fails; without it, if a required case does.")
@click.option("--junit", metavar="FILE", type=click.Path(), help="Write the report as JUnit XML.")
@click.option("--html", metavar="FILE", type=click.Path(), help="Write the report as one HTML file.")
@dry_run_option
def run(session: Session, /, reference: str | None, **options: Any) -> None:
    """Ask the models of an app's prompts the cases of its suites.

    Suites are read from the files here, prompts too unless @ or : names a release. The plan is shown first, with its
    calls and what they will cost. Ctrl-C stops: calls under way have 10 s, and --continue goes on later.

    The exit code is 5 if a case of a suite of kind `required` fails, 6 if the run did not come to its end.
    """
    from promptops.cli import eval_rebase
    from promptops.cli.output import eval_report

    lacks = eval_rebase.lacking(session, reference, options) if options["rebase"] else None
    if lacks is not None and not lacks.checks:
        eval_rebase.answer_nothing(session, lacks)
        return
    prepared, how = _planned(session, reference, options, lacks)
    if options["dry_run"]:
        session.answer(lambda: eval_report.plan_shape(prepared), lambda page: [])
        return
    made = _evaluated(session, prepared, how, options["channel"] or "")
    write_files(session, made.folder, made.report, options)
    finish(session, made, strict=options["strict"])


def evaluated(session: Session, words: Sequence[str], lacks: Lacking) -> Report:
    """Runs what is lacking of the command line ``promptops eval WORDS``; the caller shows the report."""
    with run.make_context(_RUN, list(words)) as context:
        options = dict(context.params)
    prepared, how = _planned(session, options.pop("reference"), options, lacks)
    return _evaluated(session, prepared, how, options["channel"] or "").report


def _planned(
    session: Session, reference: str | None, options: dict[str, Any], lacks: Lacking | None = None
) -> tuple[Prepared, Asking]:
    """Returns what is to be run, after the plan is shown, and how; with ``lacks``, just what is lacking.

    Raises:
        Refused: it would cost too much. Invalid, NotFound: it cannot be asked.
    """
    from promptops.cli import eval_sources
    from promptops.cli.output import eval_report
    from promptops.operations import eval_plan, evaluate

    root = session.require_root()
    before = eval_sources.started(root, options)
    for line in lacks.notes() if lacks is not None else ():
        session.note(line)
    prepared = eval_sources.prepared(session, root, reference, options, lacks)
    how = _asking(options)
    session.note(eval_report.plan_text(prepared, evaluate.minutes(prepared, how)))
    evaluate.require_affordable(prepared, how.max_cost)
    if before is not None and not options["dry_run"]:
        prepared = eval_plan.continued(prepared, before.arguments())
    return prepared, how


def _evaluated(session: Session, prepared: Prepared, how: Asking, channel: str) -> Made:
    """Runs it, with the registry unless it is local."""
    try:
        return _run(session, prepared, how, channel)
    finally:
        _PROGRESS.end()


def _run(session: Session, prepared: Prepared, how: Asking, channel: str) -> Made:
    from promptops.operations.evaluate import evaluate

    if not prepared.arguments.opened:
        report, folder = evaluate(prepared, how)
        return Made(report=report, folder=folder)
    from promptops.cli.git_sync import bring_to_git
    from promptops.cli.run_ledger import RunLedger, gate_after

    with session.gateway() as gateway:
        ledger = RunLedger(gateway, session.actor())
        try:
            report, folder = evaluate(prepared, how, ledger=ledger, actor=session.actor())
        finally:
            bring_to_git(session)
        if prepared.arguments.drift and ledger.evidence:
            from promptops.cli.drift_runs import drift_of

            moved = drift_of(gateway, report.app, report.run)
            return Made(report=report, folder=folder, evidence=ledger.evidence, drift=moved)
        version = report.arms[0].version
        asked = channel and version and ledger.evidence
        found = gate_after(gateway, f"{report.app}@{version}", channel) if asked else None
    return Made(report=report, folder=folder, evidence=ledger.evidence, gate=found)


def _asking(options: Mapping[str, Any]) -> Asking:
    shown = sys.stderr is not None and sys.stderr.isatty()
    return asking(options, **({"progress": _show_progress} if shown else {}))


def _show_progress(progress: Progress) -> None:
    errors = f", {progress.errors} errors" if progress.errors else ""
    spent = f", ${progress.spent:.4f}" if progress.spent else ""
    _PROGRESS.show(f"{progress.done:,} of {progress.of:,} cases{errors}{spent}")


@command("show", group=eval)
@click.argument("run", metavar="RUN")
@click.option("--junit", metavar="FILE", type=click.Path(), help="Write the report as JUnit XML.")
@click.option("--html", metavar="FILE", type=click.Path(), help="Write the report as one HTML file.")
def show(session: Session, /, run: str, **options: Any) -> None:
    """Show the report of a run again. RUN is the beginning of its id."""
    from promptops.cli.output import eval_report
    from promptops.evals.reports.report import as_json, read_report
    from promptops.evals.run_folder import find_run

    root = session.require_root()
    folder = find_run(root, run)
    report = read_report(folder.report())
    write_files(session, folder, report, {"record": None, **options})
    place = str(folder.path.relative_to(root))
    session.answer(
        lambda: {**as_json(report, texts=False), "folder": place},
        lambda page: eval_report.lines(report, page, place),
    )


@command("diff", group=eval)
@click.argument("old", metavar="RUN")
@click.argument("new", metavar="[RUN]", required=False)
@click.option("--case", "case", default="", metavar="ID", help="Show both answers to this case.")
def diff(session: Session, /, old: str, new: str | None, case: str) -> None:
    """Compare two runs case by case, or the two releases of one run.

    Without --case it lists the cases that came out differently. RUN is the beginning of its id.
    """
    from promptops.cli.output import eval_diff
    from promptops.evals.reports.report import read_report
    from promptops.evals.run_folder import find_run

    root = session.require_root()
    reports = [read_report(find_run(root, name).report()) for name in (old, new) if name]
    pairs = eval_diff.pairs(reports, case)
    session.answer(lambda: eval_diff.shape(pairs), lambda page: eval_diff.lines(pairs, page, whole=bool(case)))


@command("hold", group=eval)
@click.argument("app", metavar="APP", shell_complete=complete.apps)
@click.argument("suite", metavar="SUITE")
def hold(session: Session, /, app: str, suite: str) -> None:
    """Read the cases of a suite that are held elsewhere, and say which digest the suite has to name.

    It works where they can be read: PROMPTOPS_HELD is the address or the folder that they are in, and
    PROMPTOPS_HELD_TOKEN the token for it. Nothing of the cases is shown but their number.
    """
    from promptops.cli.eval_sources import held_places
    from promptops.operations.held import read_held_suite
    from promptops.source.lint.lint import check
    from promptops.source.tree import WorkingTree

    root = session.require_root()
    source = check(WorkingTree(root), apps={app}).app(app)
    found = read_held_suite(source, suite, held_places(root))
    held = found.suite.held
    assert held is not None
    is_named = held.digest == found.digest
    said = "the suite names them" if is_named else "the suite has to say it in `held:`"
    session.answer(
        lambda: {
            "app": app,
            "suite": suite,
            "from": held.place,
            "cases": len(found.suite.cases),
            "digest": found.digest,
            "named": is_named,
        },
        lambda page: [f"{counted(len(found.suite.cases), 'case')}; {said}:", f"  digest: {found.digest}"],
    )
