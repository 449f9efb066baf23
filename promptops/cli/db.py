"""`promptops db`: the registry's schema. The only commands that load the migrations, beside init."""

from __future__ import annotations

import click

from promptops.cli.command import NounGroup, command
from promptops.cli.render import Line, Span
from promptops.cli.session import Session
from promptops.cli.words import next_steps
from promptops.config import hide_password


@click.group("db", cls=NounGroup, invoke_without_command=True)
@click.pass_context
def db(ctx: click.Context) -> None:
    """Upgrade or inspect the registry's schema."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(current)


@command("upgrade", group=db)
def upgrade(session: Session, /) -> None:
    """Bring the schema to the newest version, and put missing guards back."""
    url = session.registry_url()
    from promptops import store

    with session.reaching(url):
        before, after = store.upgrade(url)
    place = hide_password(url)
    done: Line = (
        [Span("✓ ", "good"), Span("Upgraded ", "strong"), f"{place}: schema {before} → {after}"]
        if before != after
        else [f"{place} is at the newest schema, {after}. Its guards are in place."]
    )
    session.answer(
        lambda: {"registry": place, "before": before, "after": after, "changed": before != after},
        lambda page: [done, *next_steps([("what is live", ["status"])])],
    )


@command("current", group=db)
def current(session: Session, /) -> None:
    """Say which schema the registry has, and which one this promptops wants."""
    url = session.registry_url()
    from promptops import store

    with session.reaching(url):
        found, wanted = store.current_schema(url)
    place = hide_password(url)
    if found is None:
        line: Line = [f"{place}: no registry there yet"]
        steps = [("make it", ["init"])]
    elif found == wanted:
        line, steps = [f"{place}: schema {found}, the newest"], []
    else:
        line, steps = (
            [f"{place}: schema {found}; this promptops wants {wanted}"],
            [("bring it there", ["db", "upgrade"])],
        )
    session.answer(
        lambda: {"registry": place, "current": found, "newest": wanted, "up_to_date": found == wanted},
        lambda page: [line, *next_steps(steps)],
    )
