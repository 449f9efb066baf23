"""What happens to a change after it is done and answered: it goes to git, without anybody waiting for that.

A rollback must not wait for git: another process brings the change there, detached from this one. Whatever becomes of
it, the outbox keeps the change until git has it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from promptops import config
from promptops.core.errors import PromptopsError

if TYPE_CHECKING:
    from promptops.cli.session import Session

NOW, OFF, BACKGROUND = "now", "off", "background"


def bring_to_git(session: Session) -> None:
    """Bring what waits to the workspace's repository, as ``PROMPTOPS_SYNC`` says; nothing where there is none.

    What a server changed is brought to git where its database is.
    """
    mode = config.setting(config.SYNC).lower()
    if mode == OFF or config.is_server(session.registry_url()):
        return
    root = session.root()
    if root is None or not any((folder / ".git").exists() for folder in (root, *root.parents)):
        return
    if mode not in (NOW, BACKGROUND, ""):
        session.note(f"{config.SYNC} is '{mode}' and neither {BACKGROUND}, {NOW} nor {OFF}: taken for {BACKGROUND}")
    if mode == NOW:
        _now(session, root)
    else:
        _in_background(root, session.registry_url())


def _now(session: Session, root: Path) -> None:
    from promptops.operations import git_sync
    from promptops.source.tree import WorkingTree
    from promptops.source.workspace import read_workspace

    try:
        with session.registry("bringing changes to git") as registry:
            name = read_workspace(WorkingTree(root)).registry
            git_sync.sync(registry, root, name=name, seconds=git_sync.RELEASE_SECONDS)
    except PromptopsError as error:
        session.note(f"not in git yet: {error.message}")


def _in_background(root: Path, url: str) -> None:
    import subprocess
    import sys

    # -P: a workspace's own files are no modules of ours.
    command = [sys.executable, "-P", "-m", "promptops", "-C", str(root), "sync", "--quiet"]
    quiet = subprocess.DEVNULL
    try:
        process = subprocess.Popen(
            command,
            cwd=root,
            env=config.environment_with(url),
            stdin=quiet,
            stdout=quiet,
            stderr=quiet,
            start_new_session=True,
        )
    except OSError:
        return  # no process to be had: `promptops status` says what waits
    process.returncode = 0  # nobody waits for it, and its end is nobody's business
