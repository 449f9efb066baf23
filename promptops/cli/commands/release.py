"""`promptops release` makes immutable releases from a commit, and `promptops yank` takes one out of use for good."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from typing import TYPE_CHECKING

import click

from promptops import config
from promptops.cli import complete
from promptops.cli.command import command, key_option, required_reason
from promptops.cli.git_sync import OFF, bring_to_git
from promptops.cli.output.advice import as_commands
from promptops.cli.output.json_shapes import JsonObject
from promptops.cli.output.phrases import counted, enumerated, facts, next_steps, short, typed
from promptops.cli.output.render import Cell, Line, Page, Span
from promptops.cli.session import Session
from promptops.core.errors import AppNotFound, PromptopsError, WorkspaceNotFound
from promptops.core.model import Bump, Release
from promptops.use_cases.documents import written

if TYPE_CHECKING:
    from promptops.gateway import Gateway
    from promptops.operations.build import BuiltWorkspace
    from promptops.operations.git_sync import Tagged
    from promptops.operations.release import Released
    from promptops.operations.vanished import VanishedApp

SHOWN = 12
"""Changes that are listed of one release, so that it fits on a screen; `promptops diff` lists them all."""


@command("release")
@click.argument("apps", metavar="[APP]...", nargs=-1, shell_complete=complete.apps)
@click.option(
    "--bump",
    type=click.Choice(["auto", "major", "minor", "patch"]),
    default="auto",
    show_default=True,
    help="Raise the version by at least this much.",
)
@click.option("--version", metavar="V", help="This exact version; not below what the changes require.")
@click.option("--notes", "-m", default="", metavar="TEXT", help="What is new, for people.")
@click.option("--commit", default="HEAD", show_default=True, metavar="REV", help="The commit to release.")
@click.option("--allow-dirty", is_flag=True, help="Release the files as they are; few channels admit that.")
@click.option("--push", is_flag=True, help="Push tags and refs to origin; exit code 1 if that fails.")
@key_option
def release(
    session: Session,
    /,
    apps: tuple[str, ...],
    bump: str,
    version: str | None,
    notes: str,
    commit: str,
    allow_dirty: bool,
    push: bool,
    key: str,
) -> None:
    """Cut immutable releases from a commit.

    Without APP every app that changed is released. The version follows from what changed for the calling code; --bump
    can only raise it. The same content is the same release: releasing it again changes nothing.

    \b
      promptops release
      promptops release support-bot --notes "shorter answers"
    """
    root = session.require_root()
    actor = session.actor()
    from promptops import __version__
    from promptops.operations import build
    from promptops.operations import release as releasing
    from promptops.source.git.repository import Repository
    from promptops.use_cases.release import PUBLISH, Publication

    wanted = config.setting(config.SYNC).lower() != OFF
    with session.gateway() as gateway, closing(Repository.open(root)) as repository:
        with _committed(commit):
            built = build.build(
                repository, root, apps, commit=commit, allow_dirty=allow_dirty, builder=f"promptops {__version__}"
            )
        built = build.with_authors(repository, built, partial(_newest, gateway))
        request = releasing.ReleaseRequest(
            key=session.key(key), bump=None if bump == "auto" else Bump(bump), version=version, notes=notes
        )
        released = gateway.run(PUBLISH, Publication.of(built, request), actor=actor)
        channel = _first_channel(gateway)
        gone = () if apps else _vanished(gateway, built)
        named = [done.release for done in released]
        tags = gateway.tag(repository, named, remote="origin" if push else "") if wanted or push else ()
    warnings = [f"{finding.path}:{finding.line}: {finding.message}" for app in built.built for finding in app.warnings]
    session.answer(
        lambda: {**_shape(released, tags, warnings), "vanished": [written(app) for app in gone]},
        lambda page: [*_lines(released, tags, warnings, channel, page, pushed=push), *_gone(gone)],
    )
    if waits := next((tag.waits for tag in tags if tag.waits), ""):
        session.note(f"not in git yet: the journal waits: {waits}")
    if push and any(tag.problem for tag in tags):
        first = next(tag for tag in tags if tag.problem)
        session.complain(
            f"the release is valid, but it was not pushed: {first.name}: {_problem(first)}",
            "Push it again: promptops sync --remote",
        )
        click.get_current_context().exit(1)


def _vanished(gateway: Gateway, built: BuiltWorkspace) -> Sequence[VanishedApp]:
    """The apps that this workspace released before and does not have any more; none of an older server."""
    from promptops.operations.vanished import WorkspaceRequest
    from promptops.use_cases.vanished import VANISHED

    try:
        return gateway.run(VANISHED, WorkspaceRequest.of(built))
    except PromptopsError:
        return ()  # the release is made, and this must not turn it into an error


def _gone(vanished: Sequence[VanishedApp]) -> list[Line]:
    if not vanished:
        return []
    lines: list[Line] = [""]
    for each in vanished[:SHOWN]:
        twin = f", and {each.renamed_to} has the same content" if each.renamed_to else ""
        step = ["rename", each.app, each.renamed_to] if each.renamed_to else ["archive", each.app]
        lines.append(
            [
                Span("warning: ", "warn"),
                f"{each.app} {each.version} was released from here and is not in these files any more{twin}: ",
                Span(typed(["app", *step, "--reason", "…"]), "command"),
            ]
        )
    if len(vanished) > SHOWN:
        lines.append([Span(f"… and {len(vanished) - SHOWN} more", "quiet")])
    return lines


def _newest(gateway: Gateway, app: str) -> Release | None:
    """Returns the newest release of an app, if it has one."""
    from promptops.use_cases.releases import RELEASES, ReleasesRequest

    try:
        return next((listed.release for listed in gateway.run(RELEASES, ReleasesRequest(app=app, limit=1))), None)
    except AppNotFound:
        return None


@contextmanager
def _committed(commit: str) -> Iterator[None]:
    """The workspace exists at this point, so if it is not found, the commit lacks it."""
    try:
        yield
    except WorkspaceNotFound as error:
        raise WorkspaceNotFound(
            f"promptops.yml is not in the commit '{commit}'", hint="Commit it: git add promptops.yml && git commit"
        ) from error


def _first_channel(gateway: Gateway) -> str:
    """Returns a channel that a new release can go to first: its policy requires no other channel before it."""
    from promptops.use_cases.channels import CHANNELS

    channels = gateway.run(CHANNELS, None)
    return min((channel.name for channel in channels if not channel.policy.promote_from), default="CHANNEL")


def _shape(released: Sequence[Released], tags: Sequence[Tagged], warnings: Sequence[str]) -> JsonObject:
    by_name = {tag.name: tag for tag in tags}
    rows = [_released_shape(done, by_name) for done in released]
    return (rows[0] if len(rows) == 1 else {}) | {"releases": rows, "warnings": list(warnings)}


def _released_shape(outcome: Released, tags: dict[str, Tagged]) -> JsonObject:
    from promptops.projection.tags import tag_name

    tag = tags.get(tag_name(outcome.release))
    named = {"tag": tag.name if tag and not tag.problem else None, "tag_problem": _problem(tag) if tag else ""}
    return written(outcome) | named


def _lines(
    released: Sequence[Released],
    tags: Sequence[Tagged],
    warnings: Sequence[str],
    channel: str,
    page: Page,
    *,
    pushed: bool,
) -> list[Line]:
    new = [done for done in released if done.created]
    same = [done for done in released if not done.created]
    by_name = {tag.name: tag for tag in tags}
    lines: list[Line] = []
    for done in new:
        lines += [*([""] if lines else []), *_new(done, by_name, page, pushed=pushed)]
    if same:
        lines += [*([""] if lines else []), *_same(same, everything=not new)]
    notices = [text for done in released for text in done.warnings]
    notices += [f"{tag.name}: {_problem(tag)}" for tag in tags if tag.problem]
    lines += [""] if notices else []
    for text in notices:
        lines.append([Span("warning: ", "warn"), text])
    if warnings:
        lines += ["", [Span(counted(len(warnings), "warning"), "warn"), " in the files: promptops check"]]
    return [*lines, *next_steps(_next(new, channel))]


def _problem(tag: Tagged) -> str:
    return as_commands(tag.problem).removesuffix(".")


def _new(outcome: Released, tags: dict[str, Tagged], page: Page, *, pushed: bool) -> list[Line]:
    from promptops.projection.tags import tag_name

    release, source = outcome.release, outcome.release.provenance
    tag = tags.get(tag_name(release))
    tagged = f"{tag.name}" + (" (pushed)" if pushed else "") if tag and not tag.problem else ""
    rows: list[tuple[str, Cell]] = [
        ("digest", short(release.digest)),
        ("commit", source.commit[:10] + (" and uncommitted files" if source.dirty else "")),
        ("tag", tagged),
        ("notes", release.notes),
        (
            "bump",
            f"{release.bump.value}, by {counted(len(outcome.changes), 'change')}:"
            if outcome.changes
            else "the first release",
        ),
    ]
    styles = {Bump.MAJOR: "bad", Bump.MINOR: "strong", Bump.PATCH: "quiet"}
    changes: list[Line] = [
        ["    ", Span(change.bump.value.ljust(7), styles.get(change.bump, "")), str(change)]
        for change in outcome.changes[:SHOWN]
    ]
    if len(outcome.changes) > SHOWN:
        changes.append([Span(f"    … and {len(outcome.changes) - SHOWN} more", "quiet")])
    head: Line = [Span("✓ ", "good"), Span("Released ", "strong"), Span(f"{release.app} {release.version}", "name")]
    return [head, "", *facts(page, rows), *changes]


def _same(same: Sequence[Released], *, everything: bool) -> list[Line]:
    names = [f"{done.release.app} {done.release.version}" for done in same]
    if everything:
        have = "has" if len(names) == 1 else "have"
        return [f"Nothing changed: {enumerated(names)} {have} this very content already."]
    return [[Span(f"Unchanged: {enumerated(names)}", "quiet")]]


def _next(new: Sequence[Released], channel: str) -> list[tuple[str, list[str]]]:
    if not new:
        return [("what is live", ["status"])]
    why = "make it live"
    names = [f"{done.release.app}@{done.release.version}" for done in new[:3]]
    return [(why if place == 0 else "", ["promote", name, "--channel", channel]) for place, name in enumerate(names)]


@command("yank")
@click.argument("reference", metavar="APP@VERSION", shell_complete=complete.releases)
@required_reason
@key_option
def yank(session: Session, /, reference: str, reason: str, key: str) -> None:
    """Mark a release as never to be served again.

    Use it for a release that must not come back anywhere: a leaked secret, a legal reason. It stays readable. A release
    that a channel serves now has to be rolled back there first.
    """
    from promptops.cli.defaults import whole_release

    fixed = whole_release(reference)
    actor = session.actor()
    with session.gateway() as gateway:
        from promptops.operations.quarantine import WithholdRequest
        from promptops.use_cases.quarantine import YANK

        request = WithholdRequest(reference=fixed, reason=reason, key=session.key(key))
        yanked = gateway.run(YANK, request, actor=actor)

    def lines(page: Page) -> list[Line]:
        name = f"{yanked.app}@{yanked.version}"
        who = f"{yanked.yank.actor}, {yanked.yank.at:%Y-%m-%d %H:%M UTC}: {yanked.yank.reason}" if yanked.yank else ""
        head: Line = [Span("✓ ", "good"), Span("Yanked ", "strong"), Span(name, "name"), ": no channel takes it again"]
        return [head, "", *facts(page, [("by", who)]), *next_steps([("what is left", ["releases", yanked.app])])]

    session.answer(lambda: written(yanked), lines)
    bring_to_git(session)
