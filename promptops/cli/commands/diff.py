"""`promptops diff`: compares two references; contract changes come first, the version bump last."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING

import click

from promptops.cli import complete
from promptops.cli.command import command
from promptops.cli.output.changes import change_lines, difference_shape
from promptops.cli.output.measured_tokens import measured_lines
from promptops.cli.output.phrases import counted, enumerated, next_steps
from promptops.cli.output.render import Line, Page, Span
from promptops.cli.resolve import named
from promptops.cli.session import Session
from promptops.core.errors import ReferenceInvalid
from promptops.core.model import Bump, Change
from promptops.core.reference import Reference, parse_reference

if TYPE_CHECKING:
    from pathlib import Path

    from promptops.operations.queries import Difference

_TITLES = {
    Bump.MAJOR: "Contract: callers have to change (major)",
    Bump.MINOR: "Behaviour: models, parameters, what is new (minor)",
    Bump.PATCH: "Wording (patch)",
}


@command("diff")
@click.argument("old", metavar="[A]", required=False, shell_complete=complete.references)
@click.argument("new", metavar="[B]", required=False, shell_complete=complete.references)
def diff(session: Session, /, old: str | None, new: str | None) -> None:
    """Compare two releases, channels or the working tree.

    A and B are app@1.4.0, app:channel, or app for the files here; with one reference only, it is compared to the files
    here. A prompt after the app (app/prompt@1.4.0) compares that prompt alone. Without A and B: all that is not
    released, the files here against the newest release of each app.

    \b
      promptops diff                                       what is not released yet
      promptops diff support-bot:prod                      what of an app is not live yet
      promptops diff support-bot@1.1.0 support-bot@1.2.0
      promptops diff support-bot:prod support-bot:staging  what a promotion would change
    """
    from promptops.operations import queries

    if old is None:
        _unreleased(session)
        return
    first = parse_reference(old)
    second = parse_reference(new) if new else Reference(app=first.app, prompt=first.prompt)
    if first == second:
        raise ReferenceInvalid(
            f"'{old}' compared to itself shows nothing",
            hint=f"For example: promptops diff {first.app}:prod, or two releases: {first.app}@1.0.0 {first.app}@1.1.0.",
        )
    difference = queries.diff(*named(session, first, second))
    changes = tuple(change for change in difference.changes if _asked(change, first.prompt or second.prompt))
    session.answer(
        lambda: difference_shape(difference, changes), lambda page: _lines(difference, changes, page), long=True
    )


def _unreleased(session: Session) -> None:
    """Shows what releases of all apps here would change, each against the newest release of the app."""
    from promptops.operations import queries
    from promptops.use_cases.registry import APPS
    from promptops.use_cases.releases import NAMED, RELEASES, ReleasesRequest

    root = session.require_root()
    here = [queries.working_tree(Reference(app=name), root) for name in _apps_of(root)]
    found: list[Difference] = []
    new: list[str] = []
    with session.gateway() as gateway:
        known = gateway.run(APPS, None)
        for each in here:
            app = each.content.app
            listed = gateway.run(RELEASES, ReleasesRequest(app=app, limit=1)) if app in known else ()
            if not listed:
                new.append(app)
                continue
            newest = gateway.run(NAMED, Reference(app=app, version=listed[0].release.version))
            difference = queries.diff(newest, each)
            found += [difference] if difference.changes else []
    session.answer(
        lambda: {"differences": [difference_shape(each, each.changes) for each in found], "never_released": list(new)},
        lambda page: _all_of_it(found, new, page),
        long=True,
    )


def _apps_of(root: Path) -> list[str]:
    from promptops.source.load import load
    from promptops.source.tree import WorkingTree

    return sorted(app.name for app in load(WorkingTree(root)).apps)


def _all_of_it(found: Sequence[Difference], new: Sequence[str], page: Page) -> list[Line]:
    lines: list[Line] = []
    for difference in found:
        lines += [*_lines(difference, difference.changes, page), ""]
    if new:
        lines += [[Span("Never released: ", "strong"), enumerated(new)]]
    return lines or ["All of it is released: the files here are the newest release of each app."]


def _asked(change: Change, prompt: str) -> bool:
    return not prompt or change.prompt == prompt


def _lines(difference: Difference, changes: tuple[Change, ...], page: Page) -> list[Line]:
    head: Line = [Span(difference.old.label, "name"), " → ", Span(difference.new.label, "name")]
    if not difference.changes:
        return [head, "", "No difference: the same content, the same digest."]
    lines: list[Line] = [head]
    for bump, group in groupby(changes, key=lambda change: change.bump):
        lines += ["", [Span(_TITLES[bump], "bad" if bump is Bump.MAJOR else "strong")]]
        for prompt, members in groupby(group, key=lambda change: change.prompt):
            lines += ["", ["  ", Span(prompt or difference.new.content.app, "name")]]
            for change in members:
                lines += change_lines(change, page)
    if not changes:
        lines += ["", "This prompt is the same in both; other prompts of the app differ."]
    elif len(changes) < len(difference.changes):
        lines += ["", Span(f"{counted(len(difference.changes) - len(changes), 'change')} in other prompts", "quiet")]
    return [*lines, *_measured(difference, changes, page), "", *_verdict(difference)]


def _measured(difference: Difference, changes: tuple[Change, ...], page: Page) -> list[Line]:
    """The measured tokens of the prompts that differ, of both releases."""
    changed = {change.prompt for change in changes}
    measured = [*difference.old.measured, *difference.new.measured]
    return measured_lines([each for each in measured if each.prompt in changed], page)


def _verdict(difference: Difference) -> list[Line]:
    count = counted(len(difference.changes), "change")
    style = "bad" if difference.bump is Bump.MAJOR else "strong"
    if difference.version:
        verdict: Line = [
            Span(f"{count}, {difference.bump.value}", style),
            f": would be released as {difference.version}",
        ]
        return [verdict, *next_steps([("release it", ["release", difference.new.content.app])])]
    return [[Span(f"{count}, {difference.bump.value}", style), " by the contract with the calling code"]]
