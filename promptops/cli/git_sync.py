"""Brings a change to git, and sends it to others, after the command has answered.

A rollback must not wait for git, so other processes do this, detached from this one. If that process fails, the
outbox keeps the change until git has it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from promptops import config
from promptops.core.errors import PromptopsError

if TYPE_CHECKING:
    from promptops.cli.session import Session
    from promptops.operations.homes import Declared

NOW, OFF, BACKGROUND = "now", "off", "background"


def bring_to_git(session: Session, *, claim: bool = False) -> None:
    """Bring pending changes to the home of the journal, as ``PROMPTOPS_SYNC`` sets it; none outside a repository.

    Where no home was named yet, this repository becomes it if ``claim`` is set.

    The changes of a server are brought to git on the machine with its database.
    """
    if config.is_server(session.registry_url()):
        return
    if config.setting(config.NOTIFY_SECRETS):
        _notify(session.registry_url())
    mode, root = config.setting(config.SYNC).lower(), session.root()
    if mode == OFF or root is None or not any((folder / ".git").exists() for folder in (root, *root.parents)):
        return
    if mode not in (NOW, BACKGROUND, ""):
        session.note(f"{config.SYNC} is '{mode}' and neither {BACKGROUND}, {NOW} nor {OFF}: taken for {BACKGROUND}")
    if mode == NOW:
        _now(session, root, claim)
    else:
        _in_background(root, session.registry_url(), claim)


def declared_in(root: Path) -> Declared:
    """What the promptops.yml of a workspace says of the way to git."""
    from promptops.operations.homes import Declared
    from promptops.source.tree import WorkingTree
    from promptops.source.workspace import read_workspace

    workspace = read_workspace(WorkingTree(root))
    return Declared(registry=workspace.registry, git=workspace.git, ref=workspace.journal_ref)


def named_ref(root: Path | None) -> str:
    """Returns the ref of the journal that the promptops.yml in a folder names; empty without one that can be read."""
    if root is None or not (root / "promptops.yml").is_file():
        return ""
    try:
        return declared_in(root).ref
    except PromptopsError:
        return ""


def _now(session: Session, root: Path, claim: bool) -> None:
    from promptops.cli.signing_key import signing_key
    from promptops.operations import git_sync
    from promptops.operations.homes import Changed

    try:
        with session.registry("bringing changes to git") as registry:
            changed = Changed(actor=session.actor(), at=session.now, unlock=signing_key)
            seconds = git_sync.RELEASE_SECONDS
            synced = git_sync.sync(registry, root, declared_in(root), changed, seconds=seconds, claim=claim)
        if synced.drained.locked:
            session.note(f"not in git yet: the journal waits: {synced.drained.locked}")
    except PromptopsError as error:
        session.note(f"not in git yet: {error.message}")


def _in_background(root: Path, url: str, claim: bool) -> None:
    _start(url, root, "-C", str(root), "sync", "--quiet", *([] if claim else ["--no-claim"]))


def _notify(url: str) -> None:
    """Send what happened to the receivers of notifications, where this process knows their secrets.

    A receiver may be slow, so this is in the background whatever `PROMPTOPS_SYNC` says of git.
    """
    _start(url, None, "notify", "send")


def _start(url: str, folder: Path | None, *arguments: str) -> None:
    """Start a command on the registry that outlives this one."""
    import subprocess
    import sys

    # -P: a file of the workspace that is called json.py must not be imported.
    command = [sys.executable, "-P", "-m", "promptops", *arguments]
    quiet = subprocess.DEVNULL
    try:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=config.environment_with(url),
            stdin=quiet,
            stdout=quiet,
            stderr=quiet,
            start_new_session=True,
        )
    except OSError:
        return  # no process can be started: `promptops status` shows what is pending
    process.returncode = 0  # without a code, Popen's destructor would warn that the process still runs
