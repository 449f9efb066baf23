"""`promptops judge`: people label answers of a run, and judges are measured by the labels."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from promptops.cli import complete
from promptops.cli.asking import asking, asking_options
from promptops.cli.command import NounGroup, command
from promptops.cli.git_sync import bring_to_git
from promptops.cli.numbers import Whole
from promptops.cli.session import Session
from promptops.core.errors import Invalid

if TYPE_CHECKING:
    from promptops.evals.labelling import Drawn, Given, Word
    from promptops.evals.run_folder import RunFolder
    from promptops.operations.calibrate import Calibration

OWN_LABELS = 34
"""A third of the 100 labels that a gate asks for by default: these have to be of the release's own answers."""

MOST_MODELS = 100
"""Served models that evidence names."""


@click.group("judge", cls=NounGroup)
def judge() -> None:
    """Measure judges by what people say of the same answers.

    A gate with `judges:` counts a judge that was measured like this.

    \b
      promptops judge label 3f9c21aa               label answers of a run, one after the other
      promptops judge calibrate support-bot        ask its judges about them, and record the result
    """


@command("label", group=judge)
@click.argument("run", metavar="RUN")
@click.option(
    "--count",
    type=Whole(1, 10_000),
    default=OWN_LABELS,
    show_default=True,
    metavar="N",
    help="How many answers are drawn.",
)
@click.option("--write", "target", metavar="FILE", type=click.Path(), help="Write them to fill in: JSONL, or .csv.")
@click.option("--read", "filled", metavar="FILE", type=click.Path(), help="Take the labels of such a file.")
@click.option("--held", is_flag=True, help="Also answers to held cases, where these can be read; nothing writes them.")
def label(session: Session, /, run: str, count: int, target: str | None, filled: str | None, held: bool) -> None:
    """Label answers of a run's candidate: whether each is good enough.

    The answers are drawn at random, in an order that follows from the run, and nothing shows what the judge said. A
    label is kept as soon as it is given, so you can stop and go on. Skip what you cannot tell: a skipped answer counts
    as if the judge was wrong. RUN is the beginning of a run's id.
    """
    from promptops.cli.eval_sources import plan_of
    from promptops.cli.output import judge_report
    from promptops.evals import labelling
    from promptops.evals.run_folder import find_run

    if target and filled:
        raise Invalid("--write and --read are two steps", hint="Write the file, fill it in, then read it.")
    if held and (target or filled):
        raise Invalid("held cases are shown to a person and written nowhere", hint="Label them at the terminal.")
    folder = find_run(session.require_root(), run)
    drawn = labelling.draw(folder, plan_of(session, session.require_root(), folder.id) if held else None)
    actor = session.person()
    if filled:
        path = session.path(filled)
        labelling.keep_labels(folder, labelling.read_sheet(path, drawn, by=actor, at=session.now.isoformat()))
    else:
        places = labelling.unlabelled(drawn, labelling.given_labels(folder), count)
        if target:
            labelling.write_sheet(session.path(target), places)
        else:
            _ask(session, places, _keeper(folder, actor, session))
    given = labelling.given_labels(folder)
    state = judge_report.state(folder.id, drawn, given, count)
    session.answer(lambda: state, lambda page: judge_report.state_lines(state, target))


def _keeper(folder: RunFolder, actor: str, session: Session) -> Callable[[Drawn, str, Word], None]:
    from promptops.evals.labelling import Given, keep_labels

    def keep(one: Drawn, check: str, word: Word) -> None:
        made: Given = Given(key=one.key, check=check, label=word, by=actor, at=session.now.isoformat())
        keep_labels(folder, [made])

    return keep


def _ask(session: Session, places: Sequence[tuple[Drawn, str]], keep: Callable[[Drawn, str, Word], None]) -> None:
    """Shows each answer, and takes a word about it until all have one, the person stops or the input ends."""
    from promptops.cli.output import judge_report

    if session.json:
        raise Invalid("labels are asked of a person", hint="With --json, use --write FILE and --read FILE.")
    for number, (one, check) in enumerate(places, 1):
        lines = judge_report.answer_lines(one, check, number, len(places))
        session.answer(dict, lambda page, lines=lines: lines)  # type: ignore[misc]
        word = _word()
        if word is None:
            return
        keep(one, check, word)


def _word() -> Word | None:
    """Returns what a person types; None to stop."""
    from promptops.evals.labelling import Word

    while True:
        sys.stdout.write("[p]ass, [f]ail, [s]kip, [q]uit: ")
        sys.stdout.flush()
        typed = sys.stdin.readline() if sys.stdin is not None else ""
        said = typed.strip().casefold()
        if not typed or said in ("q", "quit"):
            sys.stdout.write("\n")
            return None
        found = [word for word in Word if said and word.value.startswith(said)]
        if found:
            return found[0]


@command("calibrate", group=judge)
@click.argument("app", metavar="[APP]", required=False, default="", shell_complete=complete.apps)
@click.option("--run", "runs", multiple=True, metavar="RUN", help="Labels of this run alone; repeat it for more.")
@click.option("--suite", "suites", multiple=True, metavar="NAME", help="Judges of this suite; repeat it for more.")
@click.option("--commit", default="", metavar="REF", help="Read suites from a commit, not the files here.")
@click.option("--held", is_flag=True, help="Also labels of answers to held cases, where these can be read.")
@click.option("--local", is_flag=True, help="Without a registry: with labels of local runs too, and recorded nowhere.")
@click.option("--record", metavar="DIR", type=click.Path(), help="Write the judges' answers to a folder, for --replay.")
@click.option("--replay", metavar="DIR", type=click.Path(), help="Take recorded answers; ask no judge.")
@asking_options
def calibrate(session: Session, /, app: str, **options: Any) -> None:
    """Measure an app's judges by all labels that there are, and record the result as evidence.

    Labels are those of `promptops judge label`, and those of cases. A judge is asked about an answer only where no run
    has its verdict. It prints how many good answers the judge passes and how many bad ones it fails, with bounds.
    """
    from promptops.cli.eval_sources import held_places, plan_of
    from promptops.cli.output import judge_report
    from promptops.evals.run_folder import find_run
    from promptops.operations import calibrate as measuring
    from promptops.operations.eval_plan import read_app
    from promptops.operations.held import with_held

    root = session.require_root()
    source = read_app(root, app, commit=options["commit"])
    folders = [find_run(root, run) for run in options["runs"]] or measuring.labelled_runs(root, source.name)
    opened = [folder for folder in folders if options["local"] or folder.arguments().opened]
    if len(opened) < len(folders):
        session.note(f"labels of {len(folders) - len(opened)} local runs are no evidence; --local measures with them")
    if options["held"] and options["record"]:
        raise Invalid("a recording would show what judges said of held cases", hint="Leave out --record.")
    plans = {folder.id: plan_of(session, root, folder.id) for folder in opened} if options["held"] else {}
    if options["held"]:
        source = replace(source, suites=with_held(source, source.held, held_places(root)))
    answers = measuring.labelled_answers(source, opened, options["suites"], plans)
    session.note(f"plan: {len(answers):,} labelled answers, {sum(len(one.checks) for one in answers):,} verdicts")
    replay = session.path(options["replay"]) if options["replay"] else None
    found = measuring.calibrate(root, source, answers, opened, asking(options), replay=replay)
    if options["record"]:
        measuring.record(root, source.name, session.path(options["record"]))
    evidence = [] if options["local"] else _record(session, source.name, found)
    shapes = [judge_report.shape(each, id) for each, id in zip(found, evidence or [""] * len(found), strict=True)]
    session.answer(lambda: {"app": source.name, "judges": shapes}, lambda page: judge_report.lines(shapes, page))


def _record(session: Session, app: str, found: Sequence[Calibration]) -> list[str]:
    """Records what was measured, and returns the ids of the evidence. The same labels are recorded once."""
    from promptops._version import __version__
    from promptops.core.digest import digest
    from promptops.core.evidence.labels import encode_labels
    from promptops.operations.evidence import LabelsRequest
    from promptops.use_cases.evidence import RECORD_LABELS

    actor, made = session.actor(), []
    with session.gateway() as gateway:
        for each in found:
            table = encode_labels(each.labels)
            request = LabelsRequest(
                app=app,
                judge=each.judge,
                labels=table,
                tools=(f"promptops {__version__}",),
                hosts=each.hosts,
                served_models=each.served_models[:MOST_MODELS],
                key=f"labels-{each.judge[7:23]}-{digest(table)[7:39]}",
            )
            made.append(gateway.run(RECORD_LABELS, request, actor=actor).id)
    bring_to_git(session)
    return made
