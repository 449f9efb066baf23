"""A folder -> the git repository that it is in, and the settings of git there.

A repository is found by a `.git` of its own, never by what a variable names, nor because a folder has the layout of a
bare repository. Git itself then says whether it takes that one: it refuses a repository of another user.
"""

from __future__ import annotations

import re
from pathlib import Path

from promptops.core.errors import GitUnavailable
from promptops.source.git import environment, process
from promptops.source.git.environment import Place, Settings
from promptops.source.git.pack import Algorithm
from promptops.source.git.process import GitResult

SECONDS = 10.0
"""Seconds in which git has to name its folder: it takes milliseconds, and a cold disk or a busy machine some more."""

OLDEST = "2.31"
"""The first version of git that takes settings from the environment, with the priority of an option."""

_WHERE = ("rev-parse", "--path-format=absolute", "--absolute-git-dir", "--git-common-dir", "--show-object-format")
_READ = ("config", "--null", "--get-regexp", environment.READ)
_TRUSTED = re.compile(r"git config --global --add safe\.directory \S+")


def around(start: Path, *, seconds: float = SECONDS) -> tuple[Place, Settings]:
    """Finds the repository with a working tree that a folder is in.

    Raises:
        GitUnavailable: it is in none or in a bare one, git refuses it, or git is not installed.
    """
    for root in environment.with_own_git(start):
        found = _ask(root, seconds)
        if found is not None:
            return found
    if all((start / name).exists() for name in ("HEAD", "objects", "refs")):
        raise GitUnavailable(f"{start} is a bare repository", hint="Use a clone with a working tree.")
    hint = "A release is cut from a commit: git init, git add, git commit."
    raise GitUnavailable(f"{start} is not in a git repository", hint=hint)


def exactly(place: Path) -> tuple[Place, Settings]:
    """Finds the repository at this path, bare or not.

    Raises:
        GitUnavailable: the path is no repository, git refuses it, or git is not installed.
    """
    found = None
    if place.is_dir():
        root = place.resolve()
        found = _ask(root, SECONDS, bare=not (place / ".git").exists())
    if found is None:
        raise GitUnavailable(f"{place} is not a git repository")
    return found


def _ask(root: Path, seconds: float, *, bare: bool = False) -> tuple[Place, Settings] | None:
    """Asks git about the repository of exactly this folder; None if it is no repository.

    Both questions are asked at once, without naming the repository: only so does git check whose it is.
    """
    env = environment.environment(bare="all" if bare else "explicit")
    where, read = (environment.start(question, root, env) for question in (_WHERE, _READ))
    try:
        answer = process.answer(where, b"", seconds, "rev-parse")
        settings = process.answer(read, b"", seconds, "config")
    finally:
        for running in (where, read):
            if running.poll() is None:
                process.end(running)
    if answer.code and "not a git repository" in answer.err:
        return None
    if answer.code:
        raise _refusal(root, answer)
    lines = answer.out.decode("utf-8", "surrogateescape").splitlines()
    if lines[:1] == [_WHERE[1]]:  # an older git repeats an option that it does not know
        raise GitUnavailable(f"git is too old for promptops, which needs {OLDEST} or newer", hint="git --version")
    if len(lines) != 3 or lines[2] not in list(Algorithm):
        raise GitUnavailable(f"git's answer about {root} cannot be read", hint="Is there a line break in its name?")
    git_folder, common, algorithm = lines
    own = root if bare else root / ".git"
    if own.is_dir() and own.resolve() != Path(git_folder).resolve():
        return None  # git passed by what is no repository, and found another one above
    if settings.code > 1:  # 1 means that no setting matches
        raise GitUnavailable(f"git config failed: {settings.err or f'exit code {settings.code}'}")
    place = Place(
        root=Path(git_folder) if bare else root,
        git_folder=Path(git_folder),
        common=Path(common),
        algorithm=Algorithm(algorithm),
        bare=bare,
    )
    return place, _parse(settings.out)


def _refusal(root: Path, answer: GitResult) -> GitUnavailable:
    """Returns the error of a git that does not take this repository, with git's own words and the way out."""
    if not answer.err:
        return GitUnavailable(f"git cannot be run: it failed with exit code {answer.code}", hint="git version")
    way_out = _TRUSTED.search(answer.err)
    words = answer.err.removeprefix("fatal: ")
    if way_out is None:
        return GitUnavailable(f"git refuses the repository {root}: {words}")
    return GitUnavailable(
        f"git refuses the repository of another user: {words.partition(' To add an exception')[0]}",
        hint=f"If you trust who can write there: {way_out.group()}",
    )


def _parse(listed: bytes) -> Settings:
    pairs = (entry.partition("\n") for entry in listed.decode("utf-8", "replace").split("\0") if entry)
    return {key: value for key, _, value in pairs}
