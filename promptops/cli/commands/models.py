"""`promptops models`: which models of what is live, and of this workspace, end, and when."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

import click

from promptops import clock
from promptops.cli import complete
from promptops.cli.command import NounGroup, command
from promptops.cli.output.phrases import counted, enumerated
from promptops.cli.output.render import Cell, Line, Page, Span
from promptops.cli.session import Session
from promptops.core.duration import parse_duration
from promptops.core.models.ends import endings
from promptops.core.models.table import facts_of
from promptops.use_cases.documents import written

if TYPE_CHECKING:
    from promptops.core.model import Json
    from promptops.operations.model_outlook import Outlook

ENDS = 5  # as a refused promotion: a job that runs this fails before calls do


@dataclass(frozen=True, slots=True, kw_only=True)
class _Use:
    """A model, when it ends, and what uses it: ``support-bot@0.2.0 on prod``, or an app of this workspace."""

    model: str
    ends: date | None
    successor: str
    source: str
    user: str


@click.group("models", cls=NounGroup)
def models() -> None:
    """Which models of what is live end, and when."""


@command("outlook", group=models)
@click.argument("apps", metavar="[APP]...", nargs=-1, shell_complete=complete.apps)
@click.option("--channel", default="", metavar="NAME", shell_complete=complete.channels, help="Only this channel.")
@click.option(
    "--within", default="60d", show_default=True, metavar="TIME", help="Exit with 5 if a model ends in this time."
)
@click.option("--here", is_flag=True, help="Only the models that this workspace names; asks no registry.")
def outlook(session: Session, /, apps: tuple[str, ...], channel: str, within: str, here: bool) -> None:
    """List the models of what is live by when they end, and those that this workspace names.

    The exit code is 5 if one of them ends within the time, or has ended, so that a scheduled job can tell: 0 says that
    none does. Ends are those that providers announced.

    \b
      promptops models outlook
      promptops models outlook --within 90d --json
      promptops models outlook support-bot --here
    """
    until = parse_duration(within)
    live = None if here else _live(session, apps, channel)
    today = clock.now().date() if live is None else live.today
    named = () if channel else tuple(_of_workspace(session, apps, required=here))
    used = [*_uses(live), *named]
    soon = [use for use in used if use.ends is not None and use.ends <= today + until]
    session.answer(
        lambda: _shape(live, named, today, until, len({use.model for use in soon})),
        lambda page: list(_lines(used, soon, today, within, page)),
    )
    if soon:
        click.get_current_context().exit(ENDS)


def _live(session: Session, apps: Sequence[str], channel: str) -> Outlook:
    from promptops.operations.model_outlook import OutlookRequest
    from promptops.use_cases.models import MODEL_OUTLOOK

    with session.gateway() as gateway:
        found: Outlook = gateway.run(MODEL_OUTLOOK, OutlookRequest(apps=tuple(apps), channel=channel))
    return found


def _uses(live: Outlook | None) -> Iterator[_Use]:
    for each in live.models if live is not None else ():
        user = f"{each.app}@{each.version} on {each.channel}{', a canary' if each.canary else ''}"
        yield _Use(model=each.model, ends=each.ends, successor=each.successor, source=each.source, user=user)


def _of_workspace(session: Session, apps: Sequence[str], *, required: bool) -> Iterator[_Use]:
    """The models that the workspace around this folder names, if there is one: pins, judges, and those of prompts."""
    root = session.require_root() if required else session.root()
    if root is None:
        return
    from promptops.source.load import load
    from promptops.source.tree import WorkingTree

    loaded = load(WorkingTree(root))
    own = loaded.workspace.models if loaded.workspace is not None else {}
    for app in loaded.apps:
        facts = {model: facts_of(model, own.get(model)) for model in sorted(app.models)}
        ends = {each.model: each for each in endings(facts)}
        for model in facts if not apps or app.name in apps else ():
            end = ends.get(model)
            yield _Use(
                model=model,
                ends=end.ends if end else None,
                successor=end.successor if end else "",
                source=end.source if end else "",
                user=f"{app.name} here",
            )


def _shape(
    live: Outlook | None, named: Sequence[_Use], today: date, until: timedelta, ending: int
) -> Mapping[str, Json]:
    here: list[Json] = [
        {
            "app": use.user.removesuffix(" here"),
            "model": use.model,
            "ends": use.ends.isoformat() if use.ends else None,
            "successor": use.successor,
            "source": use.source,
        }
        for use in named
    ]
    known = {"today": today.isoformat(), "models": []} if live is None else written(live)
    return {**known, "workspace": here, "within_days": until / timedelta(days=1), "ending": ending}


def _lines(used: Sequence[_Use], soon: Sequence[_Use], today: date, within: str, page: Page) -> Iterator[Line]:
    by_model: dict[tuple[date, str], list[_Use]] = {}
    for use in used:
        if use.ends is not None:
            by_model.setdefault((use.ends, use.model), []).append(use)
    count = len({use.model for use in soon})
    if count:
        yield [Span(f"{counted(count, 'model')} {'ends' if count == 1 else 'end'} within {within}", "bad"), "."]
    else:
        yield [Span(f"No model ends within {within}", "good"), "."]
    if by_model:
        rows: list[list[Cell]] = [[Span(title, "quiet") for title in ("ENDS", "MODEL", "INSTEAD", "USED BY")]]
        for (ends, model), uses in sorted(by_model.items()):
            style = "bad" if any(use in soon for use in uses) else ""
            when = f"{ends}, {_away(ends, today)}"
            rows.append([Span(when, style), model, uses[0].successor, ", ".join(dict.fromkeys(u.user for u in uses))])
        yield ""
        yield from page.columns(rows)
    others = {use.model for use in used} - {model for _, model in by_model}
    if others:
        yield ""
        listed = enumerated(sorted(others)[:5]) if len(others) <= 5 else counted(len(others), "model")
        yield Span(f"No end is known of {listed}.", "quiet")


def _away(ends: date, today: date) -> str:
    days = (ends - today).days
    if days > 0:
        return f"in {counted(days, 'day')}"
    return "today" if not days else f"{counted(-days, 'day')} ago"
