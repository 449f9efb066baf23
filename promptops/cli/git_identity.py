"""The name and address that git has for a folder, for the log of changes."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_SECONDS: Final = 2.0
"""Git reads small files here; where it takes longer, its disk hangs, and a rollback must not."""


def git_identity(directory: Path) -> str:
    """``Name <address>`` as git has it for this folder; asking git directly costs no import.

    A git that hangs is ended with all that it started: nobody waits for it at 2 am.
    """
    import subprocess

    command = ["git", "config", "--null", "--get-regexp", r"^user\.(name|email)$"]
    pipe, quiet = subprocess.PIPE, subprocess.DEVNULL
    try:
        asked = subprocess.Popen(command, cwd=directory, stdin=quiet, stdout=pipe, stderr=quiet, start_new_session=True)
    except OSError:
        return ""
    try:
        said, _ = asked.communicate(timeout=_SECONDS)
    except subprocess.TimeoutExpired:
        from promptops.source.git.process import end

        end(asked)
        return ""
    found: dict[str, str] = {}
    for entry in said.decode("utf-8", "replace").split("\0"):
        key, _, value = entry.partition("\n")
        if value.strip():
            found[key] = value.strip()  # git lists system, global, local: the last one counts
    name, email = found.get("user.name", ""), found.get("user.email", "")
    return f"{name} <{email}>" if name and email else name or email
