"""`promptops outcomes` and `promptops cost`: what calls of an app did and cost, as the registry added it up."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from promptops import clock
from promptops.cli import complete
from promptops.cli.command import channel_option, command
from promptops.cli.numbers import Number, Whole
from promptops.cli.session import Session
from promptops.core.errors import Invalid
from promptops.use_cases.documents import written

if TYPE_CHECKING:
    from promptops.operations.outcome_report import OutcomesRequest

_since_option = click.option(
    "--since",
    default="7d",
    show_default=True,
    metavar="TIME",
    help="From then on: 7d, yesterday, 2026-03-01, ISO 8601.",
)
_csv_option = click.option("--csv", "as_csv", is_flag=True, help="As CSV, for a spreadsheet.")


@command("outcomes")
@click.argument("app", shell_complete=complete.apps)
@channel_option
@click.option(
    "--by",
    default="release",
    show_default=True,
    metavar="WHAT",
    help="Group calls by release, prompt, model, day or tag:NAME.",
)
@_since_option
@_csv_option
def outcomes(session: Session, /, app: str, channel: str | None, by: str, since: str, as_csv: bool) -> None:
    """What calls did: errors, latency, tokens, cost, results.

    Intervals in brackets are of 95 %. Without --channel, all channels are shown.

    \b
      promptops outcomes support-bot
      promptops outcomes support-bot --by day --since 30d
    """
    from promptops.use_cases.outcome_reports import OUTCOMES

    _one_answer(session, as_csv)
    request = _outcomes_request(session, app, channel, by, since)
    with session.gateway() as gateway:
        found = gateway.run(OUTCOMES, request)
    from promptops.cli.output import outcome_report

    if as_csv:
        outcome_report.print_groups(found.document)
    else:
        session.answer(lambda: written(found), lambda page: outcome_report.outcomes_lines(found.document, page))


@command("cost")
@click.argument("app", shell_complete=complete.apps)
@channel_option
@click.option("--at", "at", metavar="TIMES", help="With so many times today's calls: 10x.")
@click.option("--calls-per-day", type=Whole(1), metavar="N", help="With so many calls a day.")
@_since_option
@_csv_option
def cost(
    session: Session,
    /,
    app: str,
    channel: str | None,
    at: str | None,
    calls_per_day: int | None,
    since: str,
    as_csv: bool,
) -> None:
    """What an app's calls cost, and would cost with more of them.

    Says whether `plan:` of app.yml holds. No call is ever refused for money.

    \b
      promptops cost support-bot
      promptops cost support-bot --at 10x
    """
    from promptops.operations.outcome_report import CostRequest
    from promptops.use_cases.outcome_reports import COST

    _one_answer(session, as_csv)
    request = CostRequest(
        app=app,
        channel=session.channel(channel),
        since=clock.parse_since(since, session.now, session.zone),
        calls_a_day=calls_per_day,
        times=None if at is None else _times(at),
        prices=_own_prices(session),
    )
    with session.gateway() as gateway:
        found = gateway.run(COST, request)
    from promptops.cli.output import outcome_report

    if as_csv:
        outcome_report.print_models(found.document)
    else:
        session.answer(lambda: written(found), lambda page: outcome_report.cost_lines(found.document, page))


def _outcomes_request(session: Session, app: str, channel: str | None, by: str, since: str) -> OutcomesRequest:
    from promptops.operations.outcome_report import By, OutcomesRequest

    name, _, tag = by.partition(":")
    if name not in list(By) or bool(tag) != (name == By.TAG.value):
        raise Invalid(
            f"'{by[:80]}' is nothing that calls are grouped by", hint="release, prompt, model, day, or tag:NAME"
        )  # fmt: skip
    return OutcomesRequest(
        app=app,
        by=By(name),
        tag=tag,
        channel=session.channel(channel),
        since=clock.parse_since(since, session.now, session.zone),
        prices=_own_prices(session),
    )


def _one_answer(session: Session, as_csv: bool) -> None:
    if as_csv and session.json:
        raise Invalid("--csv and --json are two answers", hint="Give one of them.")


def _times(text: str) -> float:
    return Number(0.000_001, 1_000_000).convert(text.strip().lower().removesuffix("x"), None, None)


def _own_prices(session: Session) -> tuple[str, ...]:
    """The prices of the workspace around this folder, if there is one."""
    root = session.root()
    if root is None:
        return ()
    from promptops.source.tree import WorkingTree
    from promptops.source.workspace import read_workspace

    prices = read_workspace(WorkingTree(root)).prices
    return tuple(f"{model}={rates.to_text()}" for model, rates in sorted(prices.items()))
