"""`promptops db`: the registry's schema and its backups. Only these commands and init load the migrations."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from promptops import config
from promptops.cli.command import NounGroup, command, dry_run_option, reason_option
from promptops.cli.doubts import asking, yes_option
from promptops.cli.git_sync import bring_to_git
from promptops.cli.output.json_shapes import JsonObject, fault_document
from promptops.cli.output.phrases import counted, facts, moment, next_steps
from promptops.cli.output.render import Cell, Line, Page, Span
from promptops.cli.session import Session
from promptops.cli.trusted_keys import trusted, trusted_key_option
from promptops.core.errors import ActorUnknown, Invalid
from promptops.core.server_url import hide_password
from promptops.core.timestamp import timestamp
from promptops.wire.codec import to_json

if TYPE_CHECKING:
    from promptops.operations.backup import Restored
    from promptops.operations.fsck import RegistryLocation
    from promptops.store import Manifest

DAMAGE = 2  # the exit code of fsck for damage
_SHOWN = 10
"""Lines of git that a restore left out and names one by one; --json names them all."""


@click.group("db", cls=NounGroup, invoke_without_command=True)
@click.pass_context
def db(ctx: click.Context) -> None:
    """Back up, restore, upgrade or inspect the registry."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(current)


@command("upgrade", group=db)
def upgrade(session: Session, /) -> None:
    """Bring the schema to the newest version, and put missing guards and indexes back.

    Names foreign objects on the registry's tables, and leaves them as they are.
    """
    url = session.database_url("promptops db upgrade")
    from promptops import store
    from promptops.store.checks.checks import check_schema_of

    with session.reaching(url):
        before, after = store.upgrade(url, actor=_actor(session), now=session.now)
        faults = check_schema_of(url)
    place = hide_password(url)
    line: Line = (
        [Span("✓ ", "good"), Span("Upgraded ", "strong"), f"{place}: schema {before} → {after}"]
        if before != after
        else [f"{place} is at the newest schema, {after}. Its guards are in place."]
    )
    named: list[Line] = [[Span("! ", "warn"), Span(fault.where, "name"), f"  {fault.what}"] for fault in faults]
    steps = [("what that means", ["fsck"])] if faults else [("what is live", ["status"])]
    session.answer(
        lambda: {
            "registry": place,
            "before": before,
            "after": after,
            "changed": before != after,
            "faults": [to_json(fault_document(fault)) for fault in faults],
        },
        lambda page: [line, *named, *next_steps(steps)],
    )


def _actor(session: Session) -> str:
    """Returns the actor of an upgrade for its line in the audit log; it must not fail if no setting names one."""
    try:
        return session.actor()
    except ActorUnknown:
        return "promptops db upgrade"


@command("current", group=db)
def current(session: Session, /) -> None:
    """Show which schema the registry has, and which one this promptops needs."""
    url = session.database_url("promptops db current")
    from promptops import store

    with session.reaching(url):
        schema, newest = store.current_schema(url)
    place = hide_password(url)
    if schema is None:
        line: Line = [f"{place}: no registry there yet"]
        steps = [("make it", ["init"])]
    elif schema == newest:
        line, steps = [f"{place}: schema {schema}, the newest"], []
    else:
        line, steps = (
            [f"{place}: schema {schema}; this promptops needs {newest}"],
            [("bring it there", ["db", "upgrade"])],
        )
    session.answer(
        lambda: {"registry": place, "current": schema, "newest": newest, "up_to_date": schema == newest},
        lambda page: [line, *next_steps(steps)],
    )


@command("backup", group=db)
@click.argument("target", metavar="DEST", type=click.Path(path_type=Path))
@click.option("--verify/--no-verify", default=True, help="Restore it into a temporary place and check it; the default.")
@click.option("--without-outcomes", is_flag=True, help="Leave out what clients reported of their calls.")
def backup(session: Session, /, target: Path, verify: bool, without_outcomes: bool) -> None:
    """Copy the registry to a file, while it is in use.

    DEST is a new file, or a folder, in which the file gets a name of its own. A manifest beside it lists its contents.
    Do not copy the database's file yourself: the newest changes may not be in it.

    The copy gets its name only after it was restored into a temporary place and checked as by `promptops fsck`.
    --no-verify skips that, and also copies a damaged registry.

    For PostgreSQL, pg_dump and pg_restore have to be on the PATH.
    """
    url, place = session.database_url("promptops db backup"), session.directory / target.expanduser()
    from promptops.operations import backup as backing_up

    manifest = backing_up.backup(url, place, now=session.now, verify=verify, outcomes=not without_outcomes)
    file = place / manifest.file if place.is_dir() else place
    session.answer(
        lambda: {"file": str(file), "verified": verify, **manifest_shape(manifest)},
        lambda page: _backed_up(manifest, file, page, verified=verify),
    )


@command("restore", group=db)
@click.argument("source", metavar="BACKUP", type=click.Path(path_type=Path))
@click.option("--leave-newer", is_flag=True, help="Do not take the changes after the backup that git has.")
@click.option("--reason", "-m", default="", metavar="TEXT", help="Why; the audit log has it afterwards.")
@trusted_key_option
@yes_option
def restore(
    session: Session, /, source: Path, leave_newer: bool, reason: str, keys: tuple[str, ...], yes: bool
) -> None:
    """Make a registry of a backup, where none exists.

    Every byte of the backup is verified first; one that was changed or cut off is refused, and nothing is changed. An
    existing registry is never overwritten. Changes after the backup that the journal in git has are taken from there;
    those that neither a key of the registry nor this machine vouches for are listed before a person at a terminal is
    asked.
    The registry begins a new epoch and is checked as by `promptops fsck`. Exit code 2 if that finds damage.

    \b
      promptops db restore /srv/backups/promptops.backup --registry sqlite:////srv/promptops/registry.db
    """
    url, actor = session.database_url("promptops db restore"), session.actor()
    from promptops.operations import backup as backing_up

    path = session.directory / source.expanduser()
    place = _place(session, url)
    if leave_newer and not reason.strip():
        raise Invalid("a reason is needed", hint="--reason TEXT: why the newer changes are left; the log has it.")
    restored = backing_up.restore(
        path,
        place,
        actor=actor,
        now=session.now,
        leave_newer=leave_newer,
        reason=reason,
        keys=trusted(session, keys),
        confirm=asking(session, yes=yes),
    )
    destination = hide_password(url)
    session.answer(lambda: _restored_shape(restored, destination), lambda page: _restored(restored, destination, page))
    if restored.lacks:
        end = restored.manifest.holdings.audit_seq + restored.taken
        session.note(
            f"this machine has verified line {restored.lacks:,} of the audit log, and what comes after line {end:,} is"
            " neither in the backup nor in git"
        )
    for each in restored.ignored[:_SHOWN]:
        session.note(f"ignored: {each}")
    if restored.report.exit_code == DAMAGE:
        click.get_current_context().exit(DAMAGE)
    if place.root is not None:
        bring_to_git(session)


@command("prune", group=db)
@dry_run_option
def prune(session: Session, /, dry_run: bool) -> None:
    """Throw away what the registry keeps for a while: old idempotency keys, and silent clients.

    A key is kept for 30 days, or until its token ends; a client until it was silent for a day. Facts are never thrown
    away: releases, deployments, tokens and the audit log stay. It may run while the registry is in use.
    """
    from promptops.cli.commands import db_prune

    db_prune.run(session, dry_run=dry_run)


@command("home", group=db)
@click.argument("address", metavar="[PATH|URL]", required=False, default="")
@click.option("--reason", "-m", default="", metavar="TEXT", help="Why; the audit log has it afterwards.")
def home(session: Session, /, address: str, reason: str) -> None:
    """Show which repository is the home of the journal in git, or name another one.

    A change counts as brought to git only when the home has it. The home is a repository that every clone can reach
    (a URL, or a path), or the workspace in which it was named (`.`). The whole journal is brought there before the
    new home counts; the old one only gets the line that names it.

    \b
      promptops db home
      promptops db home git@github.com:acme/prompts.git -m "CI carries changes too"
    """
    from promptops.cli.commands import db_home

    db_home.run(session, address, reason)


@command("journal", group=db)
@click.option(
    "--sign",
    "mode",
    is_flag=False,
    flag_value="on",
    default=None,
    type=click.Choice(["on", "required", "off"]),
    help="Sign lines from now on, and let unsigned ones count for nothing; or stop signing. [on]",
)
@click.option(
    "--previous-key-file",
    default="",
    metavar="FILE",
    help="The private key in force, if PROMPTOPS_SIGNING_KEY is another one.",
)
@click.option("--without-previous-key", is_flag=True, help="The private key in force is lost; needs a reason.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask before signing ends, or goes on without the key in force.")
@reason_option
def journal(
    session: Session,
    /,
    mode: str | None,
    previous_key_file: str,
    without_previous_key: bool,
    yes: bool,
    reason: str,
) -> None:
    """Show with which key the journal in git is signed, or sign it.

    Lines are signed with the private key in PROMPTOPS_SIGNING_KEY or PROMPTOPS_SIGNING_KEY_FILE, which the registry
    never has. It knows the public half, so that a rebuild can tell your lines from those of others who can push. With
    another private key set, --sign changes to that one, and the key in force signs for it.

    \b
      promptops db journal
      PROMPTOPS_SIGNING_KEY_FILE=~/.ssh/journal promptops db journal --sign required
      promptops db journal --sign --previous-key-file old-key -m "a new key each year"
    """
    from promptops.cli.commands import db_journal

    previous = session.path(previous_key_file) if previous_key_file else None
    choice = db_journal.Choice(
        mode=mode or "", previous=previous, without_previous=without_previous_key, reason=reason, yes=yes
    )
    db_journal.run(session, choice)


def _place(session: Session, url: str) -> RegistryLocation:
    """Returns the place of the new registry, with the workspace's git if it becomes the workspace's own registry."""
    from promptops.operations.fsck import RegistryLocation

    allow = config.setting("PROMPTOPS_ALLOW_NETWORK_FS") == "1"
    root = None if session.names_registry() else session.root()
    if root is None:
        return RegistryLocation(url=url, allow_network_fs=allow)
    from promptops.source.tree import WorkingTree
    from promptops.source.workspace import read_workspace

    return RegistryLocation(url=url, root=root, name=read_workspace(WorkingTree(root)).registry, allow_network_fs=allow)


def manifest_shape(manifest: Manifest) -> JsonObject:
    held = manifest.holdings
    return {
        "registry": held.registry,
        "lineage": held.lineage,
        "epoch": held.epoch,
        "audit": {"seq": held.audit_seq, "hash": held.audit_hash},
        "counts": dict(held.counts),
        "database": manifest.database,
        "schema": manifest.revision,
        "promptops": manifest.promptops,
        "at": timestamp(manifest.at),
        "size": manifest.size,
        "sha256": manifest.sha256,
    }


def _restored_shape(restored: Restored, url: str) -> JsonObject:
    from promptops.cli.commands.fsck import report_shape

    return {
        "restored": url,
        "backup": manifest_shape(restored.manifest),
        "epoch": restored.epoch,
        "taken_from_git": restored.taken,
        "ignored": list(restored.ignored),
        "lacks": restored.lacks,
        "check": report_shape(restored.report),
    }


def _held(manifest: Manifest) -> list[tuple[str, Cell]]:
    held = manifest.holdings
    return [
        ("registry", f"{held.registry}  {held.lineage}"),
        ("holds", f"{_count(manifest, 'release')}, {_count(manifest, 'deployment')}"),
        ("audit", f"up to line {held.audit_seq:,}, {held.audit_hash}"),
    ]


def _count(manifest: Manifest, table: str) -> str:
    return counted(manifest.holdings.counts.get(table, 0), table)


def _backed_up(manifest: Manifest, file: Path, page: Page, *, verified: bool) -> list[Line]:
    head: Line = [
        Span("✓ ", "good"),
        Span("Backed up ", "strong"),
        f"{manifest.size:,} bytes to ",
        Span(str(file), "name"),
    ]
    rows: list[tuple[str, Cell]] = [
        *_held(manifest),
        ("epoch", str(manifest.holdings.epoch)),
        ("sha256", manifest.sha256),
    ]
    rows.append(("verified", "it was restored, and all is well in it" if verified else "no: --no-verify"))
    try_it = ["db", "restore", str(file), "--registry", "sqlite:///drill.db"]
    steps = [("try to restore it", try_it)] if manifest.database == "sqlite" else []
    keep: Line = Span(f"Keep {file.name}.json with it: without its manifest a backup is not restored.", "quiet")
    return [head, "", *facts(page, rows), "", keep, *next_steps(steps)]


def _restored(restored: Restored, url: str, page: Page) -> list[Line]:
    from promptops.cli.commands.fsck import report_lines

    head: Line = [Span("✓ ", "good"), Span("Restored ", "strong"), Span(url, "name")]
    newer = "changes after the backup that git does not have are not in it"
    taken = f"; {counted(restored.taken, 'change')} after the backup came from git" if restored.taken else ""
    epoch = f"{restored.epoch}, which begins now; {newer}{taken}"
    rows: list[tuple[str, Cell]] = [("backup of", moment(page, restored.manifest.at)), *_held(restored.manifest)]
    return [head, "", *facts(page, [*rows, ("epoch", epoch)]), "", *report_lines(restored.report, page)]
