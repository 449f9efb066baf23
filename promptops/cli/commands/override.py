"""`promptops override`: a file that replaces a release while the registry is away, and its record afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from promptops import clock
from promptops.cli import complete
from promptops.cli.command import NounGroup, channel_option, command, dry_run_option, expect_option
from promptops.cli.doubts import asking, yes_option
from promptops.cli.git_sync import bring_to_git, named_ref
from promptops.cli.output.json_shapes import JsonObject
from promptops.cli.output.phrases import facts, moment, next_steps, short
from promptops.cli.output.render import Cell, Line, Page, Span
from promptops.cli.session import Session
from promptops.cli.trusted_keys import trusted, trusted_key_option
from promptops.core.duration import parse_duration
from promptops.core.errors import Unavailable
from promptops.core.reference import Reference
from promptops.core.timestamp import timestamp

if TYPE_CHECKING:
    from promptops.core.override import Override
    from promptops.operations.override import OverrideRequest

_FILE = click.Path(path_type=Path, dir_okay=False)


class _Override(NounGroup):
    """The group, which also answers to `pin`, the earlier name of `create`."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        return super().resolve_command(ctx, ["create", *args[1:]] if args[:1] == ["pin"] else args)


@click.group("override", cls=_Override)
def override() -> None:
    """Serve a release from a file while the registry is away.

    When the database is gone too, a rollback is not possible. An override is a small file that names a release, carries
    its bytes and a reason, and ends by itself after at most seven days. Put it where the applications look for it. When
    the registry is back, reconcile makes it a deployment in its log.

    \b
      promptops override create support-bot@1.4.0 --channel prod --reason "database gone" --from-git .
      promptops override reconcile support-bot.prod.override.json
    """


@command("create", group=override)
@click.argument("reference", metavar="APP@VERSION", shell_complete=complete.promotable)
@channel_option
@click.option("--reason", "-m", required=True, metavar="TEXT", help="Why; it is in the file and later in the log.")
@click.option("--expires", default="24h", show_default=True, metavar="LENGTH", help="How long it holds: up to 7d.")
@click.option(
    "--from-git", type=click.Path(path_type=Path), metavar="PATH", help="Take the release from this git repository."
)
@click.option("--ref", default="", metavar="REF", help="Take this ref for the journal, and no other.")
@click.option("--out", type=_FILE, metavar="FILE", help="Where to put it. [default: APP.CHANNEL.override.json]")
@trusted_key_option
@yes_option
def create(
    session: Session,
    /,
    reference: str,
    channel: str | None,
    reason: str,
    expires: str,
    from_git: Path | None,
    ref: str,
    out: Path | None,
    keys: tuple[str, ...],
    yes: bool,
) -> None:
    """Write an override to a file.

    The release comes from the registry, or with --from-git from the records that promptops keeps in a git repository
    (a clone of the home of the journal), which needs no database. Making the file changes nothing else. Where
    neither a key nor this machine vouches for the lines about that release, they are listed before a person at a
    terminal is asked.
    """
    from promptops.cli.defaults import whole_release
    from promptops.operations import override as overriding

    release = whole_release(reference)
    request = overriding.OverrideRequest(
        reference=release,
        channel=session.require_channel(channel),
        reason=reason,
        lifetime=parse_duration(expires),
    )
    actor = session.person() if from_git is not None else session.actor()
    if from_git is not None:
        place = session.directory / from_git
        from_there = overriding.InGit(
            ref=ref or named_ref(place),
            only_ref=bool(ref),
            keys=trusted(session, keys),
            confirm=asking(session, yes=yes),
        )
        made = overriding.create_from_git(place, request, actor=actor, now=session.now, how=from_there)
    else:
        made = _from_registry(session, release, request, actor)
    path = session.directory / (out or f"{made.app}.{made.channel}.override.json")
    replaced = overriding.save(made, path)
    session.answer(
        lambda: override_shape(made, session) | {"file": str(path), "replaced": replaced},
        lambda page: _created(made, path, replaced, page),
    )


def _from_registry(session: Session, release: Reference, request: OverrideRequest, actor: str) -> Override:
    try:
        with session.gateway() as gateway:
            from promptops.use_cases.override import CREATE_OVERRIDE

            return gateway.run(CREATE_OVERRIDE, request, actor=actor)
    except Unavailable as problem:
        way = f"promptops override create {release} --channel {request.channel} --reason … --from-git PATH"
        problem.hint = f"Without the database, take the release from git: {way}"
        raise


@command("reconcile", group=override)
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=_FILE)
@dry_run_option
@expect_option
def reconcile(session: Session, /, files: tuple[Path, ...], dry_run: bool, expect_revision: int | None) -> None:
    """Record overrides as deployments, now that the registry is back.

    Each override becomes one deployment of the kind break-glass, unless the channel serves its release already. Doing
    it again changes nothing. An override that has ended is refused, and so is one whose channel was changed after the
    file was made.
    """
    from promptops.cli.output.deployment_report import deployed_lines, deployed_shape
    from promptops.operations import override as overriding

    overrides = [overriding.load(session.directory / path) for path in files]
    actor = session.actor()
    with session.gateway() as gateway:
        from promptops.use_cases.override import RECONCILE, ReconcileRequest

        requests = [
            ReconcileRequest(override=each, expect_revision=expect_revision, dry_run=dry_run) for each in overrides
        ]
        all_deployed = [gateway.run(RECONCILE, request, actor=actor) for request in requests]
    shapes = [deployed_shape(deployed) for deployed in all_deployed]

    def lines(page: Page) -> list[Line]:
        shown: list[Line] = []
        for deployed in all_deployed:
            shown += [*([""] if shown else []), *deployed_lines(deployed, page)]
        return shown

    session.answer(lambda: shapes[0] if len(shapes) == 1 else {"outcomes": list(shapes)}, lines)
    if any(deployed.deployments for deployed in all_deployed) and not dry_run:
        bring_to_git(session)


@command("show", group=override)
@click.argument("file", metavar="FILE", type=_FILE)
def show(session: Session, /, file: Path) -> None:
    """Show what an override says, and whether it is valid."""
    from promptops.operations import override as overriding

    path = session.directory / file
    loaded = overriding.load(path)
    session.answer(
        lambda: override_shape(loaded, session) | {"file": str(path)},
        lambda page: [_headline(loaded, page), "", *_facts(loaded, page)],
    )


def override_shape(override: Override, session: Session) -> JsonObject:
    """Returns the JSON of an override without its content."""
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
        "created_at": timestamp(override.created_at),
        "expires_at": timestamp(override.expires_at),
        "expired": override.expired(session.now),
        "override": identity(override),
    }


def _headline(override: Override, page: Page) -> list[Cell]:
    name: list[Cell] = [Span(f"{override.app}@{override.version}", "name"), " on ", Span(override.channel, "name")]
    if override.expired(page.now):
        return [Span("✗ This override has ended: ", "bad"), *name]
    return [Span("✓ ", "good"), Span("A valid override: ", "strong"), *name]


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


def _created(override: Override, path: Path, replaced: bool, page: Page) -> list[Line]:
    head: Line = [
        Span("✓ ", "good"),
        Span("Made an override: ", "strong"),
        Span(f"{override.app}@{override.version}", "name"),
        " for ",
        Span(override.channel, "name"),
        ". Applications serve it once the file is where they look for it.",
    ]
    again: list[Line] = [[Span("It replaces the override that was in this file.", "warn")]] if replaced else []
    steps = next_steps([("when it is back", ["override", "reconcile", str(path)])])
    return [head, *again, "", *_facts(override, page, path), *steps]
