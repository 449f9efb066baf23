"""What git is started with: the one place that builds its arguments, its settings and its environment.

Git reads settings from files that the user, the machine or a foreign repository wrote, and many of them change what a
command does or name a program that it runs. Here each of those has its usual value, with the priority of an option.
What stays as it is configured is how a remote is reached: see "What reaches git" in docs/operations.md.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from promptops.core.errors import GitUnavailable

if TYPE_CHECKING:
    from promptops.source.git.pack import Algorithm

KEPT: Final = frozenset(
    {
        *("GIT_ASKPASS", "GIT_SSH", "GIT_SSH_COMMAND", "GIT_SSH_VARIANT", "GIT_HTTP_USER_AGENT", "GIT_EXEC_PATH"),
        *("GIT_SSL_CAINFO", "GIT_SSL_CAPATH", "GIT_SSL_CERT", "GIT_SSL_CERT_PASSWORD_PROTECTED", "GIT_SSL_CERT_TYPE"),
        *("GIT_SSL_CIPHER_LIST", "GIT_SSL_KEY", "GIT_SSL_KEY_TYPE", "GIT_SSL_NO_VERIFY", "GIT_SSL_VERSION"),
        *("GIT_PROXY_SSL_CAINFO", "GIT_PROXY_SSL_CERT", "GIT_PROXY_SSL_CERT_PASSWORD_PROTECTED", "GIT_PROXY_SSL_KEY"),
        *("GIT_HTTP_PROXY_AUTHMETHOD", "GIT_HTTP_LOW_SPEED_LIMIT", "GIT_HTTP_LOW_SPEED_TIME"),
        *("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM"),
    }
)
"""Variables of git that are passed on: how a remote is reached, and where the user's own settings are."""

PROTOCOLS: Final = "file:git:http:https:ssh"
"""How git may connect. `ext::` would run any command; another one only if ``GIT_ALLOW_PROTOCOL`` names it."""

_NO_PROGRAM = (
    ("core.hooksPath", os.devnull),
    ("core.fsmonitor", "false"),
    ("core.alternateRefsCommand", "true"),  # an empty value would be a command as well
    ("log.showSignature", "false"),
    ("push.gpgSign", "false"),
)
_NO_CHANGE = (
    ("core.useReplaceRefs", "false"),
    ("fetch.negotiationAlgorithm", "default"),
    ("fetch.writeCommitGraph", "false"),
    ("push.negotiate", "false"),
    ("push.pushOption", ""),  # ends the list
    ("push.useForceIfIncludes", "false"),
    ("submodule.recurse", "false"),
    *((f"color.{what}", "false") for what in ("ui", "advice", "push", "remote", "status", "transport")),
)
# By default git does not flush refs to disk; and its maintenance in the background would hold locks at random times.
_DURABLE = (
    ("core.fsync", "all"),
    ("core.fsyncMethod", "batch"),
    ("gc.auto", "0"),
    ("maintenance.auto", "false"),
)
_SETTINGS = (*_NO_PROGRAM, *_NO_CHANGE, *_DURABLE)
_FIXED = {
    "GIT_TERMINAL_PROMPT": "0",  # fail instead of waiting for a password
    "GIT_OPTIONAL_LOCKS": "0",  # `git status` must not write the index under a user's own git
    "GIT_LITERAL_PATHSPECS": "1",  # a file called `*.md` or `:(top)x` is that file
    "GIT_NO_REPLACE_OBJECTS": "1",  # `refs/replace/` would show another content under an id
    "GIT_GRAFT_FILE": f"{os.devnull}/none",  # `info/grafts` would show other parents of a commit
    "GIT_PROXY_COMMAND": "",  # core.gitProxy names a program
    "GIT_ADVICE": "0",
    "LANGUAGE": "C",
    "LC_ALL": "C",
}

_SECRET: Final = "PROMPTOPS_SIGNING_KEY"  # noqa: S105 the name of a variable
"""Not passed on: git starts programs that the user's settings name, and none of them needs it."""

REACH: Final = ("--upload-pack=git-upload-pack",)
"""Options of a command that reads from a remote: `remote.*.uploadpack` names a program."""

FETCH: Final = (
    *("--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", "--no-filter"),
    *("--no-prune", "--no-prune-tags"),
    "--refmap=",  # `remote.*.fetch` would move other refs too
    *REACH,
)
PUSH: Final = (
    *("--porcelain", "--no-verify", "--no-follow-tags", "--recurse-submodules=no", "--no-signed", "--no-prune"),
    "--receive-pack=git-receive-pack",
)

WRITES_ITSELF: Final = frozenset({"core.sharedrepository", "extensions.compatobjectformat"})
"""Settings with which git gives objects other modes, or writes more beside them."""

READ: Final = rf"^(remote\..*|filter\..*|hook\..*|{'|'.join(sorted(WRITES_ITSELF))})$"
"""The settings that are read: those that decide what else has to be overridden, and the remotes."""

Settings = Mapping[str, str]
"""Settings as git lists them, the key in its canonical form: ``remote.origin.url``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a repository is: the folder to start git in, its git folder, and the one it shares with other worktrees.

    ``bare`` says that it has no working tree.
    """

    root: Path
    git_folder: Path
    common: Path
    algorithm: Algorithm
    bare: bool = False

    def options(self) -> list[str]:
        """Returns the options that name the repository, so that git does not look for one."""
        return [f"--git-dir={self.git_folder}", *([] if self.bare else [f"--work-tree={self.root}"])]


def environment(settings: Settings | None = None, *, bare: str = "explicit") -> dict[str, str]:
    """Returns the whole environment of git: nothing that the caller's names a repository, index or setting with.

    ``settings`` are those of the repository; ``bare`` says whether git may take a folder for a bare repository without
    being named: ``explicit`` or ``all``.
    """
    given = os.environ
    kept = {
        name: value for name, value in given.items() if name in KEPT or not (name.startswith("GIT_") or name == _SECRET)
    }
    overrides = [*_given(given), ("safe.bareRepository", bare), *_SETTINGS, *_overrides(settings or {})]
    numbered = {"GIT_CONFIG_COUNT": str(len(overrides))}
    for number, (key, value) in enumerate(overrides):
        numbered |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    lazy = {"GIT_NO_LAZY_FETCH": "1"} if _names_a_program(settings or {}) else {}
    return {**kept, **_FIXED, **numbered, **lazy, "GIT_ALLOW_PROTOCOL": ":".join(protocols())}


def quarantine() -> dict[str, str]:
    """Returns what names the objects of a push that is not accepted yet; empty where no hook of git was started.

    Git sets it for `pre-receive`: only with it are the pushed objects found, and nothing of them is kept by reading.
    """
    names = ("GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_QUARANTINE_PATH")
    given = os.environ
    return {name: given[name] for name in names if name in given} if "GIT_QUARANTINE_PATH" in given else {}


def _given(given: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yields the settings of the caller's own environment: they count as the user's settings, below ours."""
    count = given.get("GIT_CONFIG_COUNT", "")
    for number in range(int(count) if count.isdecimal() and len(count) < 5 else 0):
        key = given.get(f"GIT_CONFIG_KEY_{number}", "")
        if key:
            yield key, given.get(f"GIT_CONFIG_VALUE_{number}", "")


def _overrides(settings: Settings) -> Iterator[tuple[str, str]]:
    """Yields what the settings of this repository and user make necessary, by the names that they use."""
    names = sorted({key.rpartition(".")[0] for key in settings})
    for name in names:
        if name.startswith("filter."):  # comparing files must not run commands
            yield from ((f"{name}.{key}", value) for key, value in _NO_FILTER)
        elif name.startswith("hook."):
            yield f"{name}.enabled", "false"
        elif name.startswith("remote."):
            yield from ((f"{name}.mirror", "false"), (f"{name}.followRemoteHEAD", "never"))


_NO_FILTER = (("clean", ""), ("smudge", ""), ("process", ""), ("required", "false"))


def _names_a_program(settings: Settings) -> bool:
    """True if fetching a missing object of a partial clone would run a program that the settings name."""
    return any(key.startswith("remote.") and key.endswith((".uploadpack", ".vcs")) for key in settings)


def protocols() -> tuple[str, ...]:
    """Returns the protocols and helpers by which git may connect."""
    named = os.environ.get("GIT_ALLOW_PROTOCOL", PROTOCOLS)
    return tuple(name for name in named.split(":") if name not in ("", "ext"))


def with_own_git(start: Path) -> Iterator[Path]:
    """Yields the folders at and above this one that have a `.git` of their own, the nearest first.

    Git would also take a folder with the layout of a bare repository, and every clone may bring such a folder along.
    """
    here = start.resolve()
    return (folder for folder in (here, *here.parents) if os.path.lexists(folder / ".git"))


def start(
    arguments: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    *,
    alone: bool = True,
    handles: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Starts git in a folder with pipes for input and output, and leaves it running.

    ``alone`` starts it in a session of its own, without the terminal; ``handles`` are open files that it inherits.

    Raises:
        GitUnavailable: git cannot be started.
    """
    pipe = subprocess.PIPE
    try:
        return subprocess.Popen(
            ["git", *arguments],
            cwd=folder,
            env=environment,
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            start_new_session=alone,
            pass_fds=handles,
        )
    except OSError as error:
        what = f"{folder}: {error.strerror}" if error.filename == str(folder) else str(error.strerror)
        raise GitUnavailable(f"git cannot be run: {what}", hint="Install git.") from error
