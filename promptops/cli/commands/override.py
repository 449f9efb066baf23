"""`promptops break-glass`: a pin for the hours without the registry, and its record afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from promptops import clock
from promptops.cli import complete
from promptops.cli.command import NounGroup, channel_option, command, dry_run_option, expect_option
from promptops.cli.git_sync import bring_to_git
from promptops.cli.output.json_shapes import JsonObject
from promptops.cli.output.phrases import facts, moment, next_steps, short
from promptops.cli.output.render import Cell, Line, Page, Span
from promptops.cli.session import Session
from promptops.core.duration import parse_duration
from promptops.core.errors import Unavailable
from promptops.core.reference import Reference

if TYPE_CHECKING:
    from promptops.core.override import Override
    from promptops.operations.override import PinRequest

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.group("break-glass", cls=NounGroup)
def break_glass() -> None:
    """Pin a release while the registry is away.

    When the database is gone too, a rollback is not possible. A pin is a small file that names a release, carries its
    bytes and a reason, and ends by itself after at most seven days. Put it where the applications look for it; when the
    registry is back, reconcile makes it a deployment in its log.

    \b
      promptops break-glass pin support-bot@1.4.0 --channel prod --reason "database gone" --from-git .
      promptops break-glass reconcile support-bot.prod.override.json
    """


@command("pin", group=break_glass)
@click.argument("reference", metavar="APP@VERSION", shell_complete=complete.promotable)
@channel_option
@click.option("--reason", "-m", required=True, metavar="TEXT", help="Why; it is in the file and later in the log.")
@click.option("--expires", default="24h", show_default=True, metavar="LENGTH", help="How long it holds: up to 7d.")
@click.option(
    "--from-git", type=click.Path(path_type=Path), metavar="PATH", help="Take the release from this git repository."
)
@click.option("--out", type=_FILE, metavar="FILE", help="Where to put it. [default: APP.CHANNEL.override.json]")
def pin(
    session: Session,
    /,
    reference: str,
    channel: str | None,
    reason: str,
    expires: str,
    from_git: Path | None,
    out: Path | None,
) -> None:
    """Write a pin of a release to a file.

    The release comes from the registry, or with --from-git from the records that promptops keeps in a git repository
    (a clone with refs/promptops/*, or a mirror), which needs no database. Nothing is changed anywhere.
    """
    from promptops.cli.defaults import whole_release
    from promptops.operations import override as pinning

    wanted = whole_release(reference)
    request = pinning.PinRequest(
        reference=wanted,
        channel=session.require_channel(channel),
        reason=reason,
        lifetime=parse_duration(expires),
    )
    actor = session.actor()
    if from_git is not None:
        override = pinning.pin_from_git(session.directory / from_git, request, actor=actor, now=session.now)
    else:
        override = _from_registry(session, wanted, request, actor)
    path = session.directory / (out or f"{override.app}.{override.channel}.override.json")
    replaced = pinning.save(override, path)
    session.answer(
        lambda: override_shape(override, session) | {"file": str(path), "replaced": replaced},
        lambda page: _pinned(override, path, replaced, page),
    )


def _from_registry(session: Session, wanted: Reference, request: PinRequest, actor: str) -> Override:
    try:
        with session.gateway() as gateway:
            return gateway.pin(request, actor=actor)
    except Unavailable as problem:
        way = f"promptops break-glass pin {wanted} --channel {request.channel} --reason … --from-git PATH"
        problem.hint = f"Without the database, take the release from git: {way}"
        raise


@command("reconcile", group=break_glass)
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=_FILE)
@dry_run_option
@expect_option
def reconcile(session: Session, /, files: tuple[Path, ...], dry_run: bool, expect_revision: int | None) -> None:
    """Record pins as deployments, now that the registry is back.

    Each pin becomes one deployment of the kind break-glass, unless the channel serves its release already. Doing it
    again changes nothing. A pin that has ended, or a channel that somebody changed since, is not overwritten.
    """
    from promptops.cli.output.deployment_report import deployed_lines, deployed_shape
    from promptops.operations import override as pinning

    pins = [pinning.load(session.directory / path) for path in files]
    actor = session.actor()
    with session.gateway() as gateway:
        all_deployed = [
            gateway.reconcile(pin, expect_revision=expect_revision, dry_run=dry_run, actor=actor) for pin in pins
        ]
    shapes = [deployed_shape(deployed) for deployed in all_deployed]

    def lines(page: Page) -> list[Line]:
        shown: list[Line] = []
        for deployed in all_deployed:
            shown += [*([""] if shown else []), *deployed_lines(deployed, page)]
        return shown

    session.answer(lambda: shapes[0] if len(shapes) == 1 else {"outcomes": list(shapes)}, lines)
    if any(deployed.deployments for deployed in all_deployed) and not dry_run:
        bring_to_git(session)


@command("show", group=break_glass)
@click.argument("file", metavar="FILE", type=_FILE)
def show(session: Session, /, file: Path) -> None:
    """Show what a pin says, and whether it is sound."""
    from promptops.operations import override as pinning

    path = session.directory / file
    override = pinning.load(path)
    session.answer(
        lambda: override_shape(override, session) | {"file": str(path)},
        lambda page: [_headline(override, page), "", *_facts(override, page)],
    )


def override_shape(override: Override, session: Session) -> JsonObject:
    """A pin without its content."""
    from promptops.core.override import identity

    return {
        "app": override.app,
        "channel": override.channel,
        "version": override.version,
        "digest": override.digest,
        "registry": override.registry,
        "lineage": override.lineage,
        "reason": override.reason,
        "actor": override.actor,
        "created_at": clock.format_iso(override.created_at),
        "expires_at": clock.format_iso(override.expires_at),
        "expired": override.expired(session.now),
        "override": identity(override),
    }


def _headline(override: Override, page: Page) -> list[Cell]:
    name: list[Cell] = [Span(f"{override.app}@{override.version}", "name"), " on ", Span(override.channel, "name")]
    if override.expired(page.now):
        return [Span("✗ This pin has ended: ", "bad"), *name]
    return [Span("✓ ", "good"), Span("A sound pin of ", "strong"), *name]


def _facts(override: Override, page: Page, path: Path | None = None) -> list[Line]:
    rows: list[tuple[str, Cell]] = [
        ("file", str(path) if path else ""),
        ("digest", short(override.digest)),
        ("registry", f"{override.registry}  {override.lineage}"),
        ("by", f"{override.actor}, {moment(page, override.created_at)}"),
        ("reason", override.reason),
        ("ends", clock.format_moment(override.expires_at, page.zone)),
    ]
    return facts(page, rows)


def _pinned(override: Override, path: Path, replaced: bool, page: Page) -> list[Line]:
    head: Line = [
        Span("✓ ", "good"),
        Span("Pinned ", "strong"),
        Span(f"{override.app}@{override.version}", "name"),
        " for ",
        Span(override.channel, "name"),
        ". Nothing is live because of it until the file is where the applications look for it.",
    ]
    again: list[Line] = [[Span("It replaces the pin that was in this file.", "warn")]] if replaced else []
    steps = next_steps([("when it is back", ["break-glass", "reconcile", str(path)])])
    return [head, *again, "", *_facts(override, page, path), *steps]
