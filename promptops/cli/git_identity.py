"""Reads the name and address that git has for a folder, for the log of changes."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_SECONDS: Final = 2.0
"""Git reads small files here, in milliseconds. If it takes this long, its disk hangs, and a rollback must go on."""


def git_identity(directory: Path) -> str:
    """Returns ``Name <address>`` as git has it for this folder, or an empty string.

    A git that hangs is killed with all the processes that it started.
    """
    import subprocess

    from promptops.core.errors import GitUnavailable
    from promptops.source.git import environment

    command = ["config", "--null", "--get-regexp", r"^user\.(name|email)$"]
    root = next(environment.with_own_git(directory), directory)
    try:
        process = environment.start(command, root, environment.environment())
    except GitUnavailable:
        return ""
    try:
        output, _ = process.communicate(timeout=_SECONDS)
    except subprocess.TimeoutExpired:
        from promptops.source.git.process import end

        end(process)
        return ""
    settings: dict[str, str] = {}
    for entry in output.decode("utf-8", "replace").split("\0"):
        key, _, value = entry.partition("\n")
        if value.strip():
            settings[key] = value.strip()  # git lists system, global, local: the last one counts
    name, email = settings.get("user.name", ""), settings.get("user.email", "")
    return f"{name} <{email}>" if name and email else name or email
