"""Commits of a git repository: what is in them, whether the working tree differs, and the tags that name releases.

The only importer of GitPython, which finds the repository and runs git. Commands are fixed argument lists: what comes
from outside is checked first and stands behind ``--end-of-options`` or goes in through standard input. Hooks, file
system monitors and filters that a repository's configuration names are never run, and blobs are read as they were
committed.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from promptops.core.errors import Conflict, GitUnavailable, Invalid
from promptops.core.model import is_segment
from promptops.source.git_objects import Objects
from promptops.source.git_tree import GitTree
from promptops.source.tree import SKIPPED, Tree, WorkingTree

if TYPE_CHECKING:
    from git.cmd import Git

_SAFE = ("-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "log.showSignature=false")
_ENVIRONMENT = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_LITERAL_PATHSPECS": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_ALLOW_PROTOCOL": "file:git:http:https:ssh",
}
_PUSH_TIMEOUT = 120.0
_COMMIT = re.compile(r"[A-Za-z0-9@_.][^\s\0-\x1f\\:?*\[]{0,249}")
_REMOTE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,99}")
_ACTOR = re.compile(r"(?P<name>[^<>\n\0]*?)[ ]*<(?P<mail>[^<>\n\0 ]*)>")
_PERSON = re.compile(r"^(?P<who>author|committer) (?P<name>[^\n]*>) (?P<at>\d{1,12}) [+-]\d{4}$", re.MULTILINE)
_CREDENTIALS = re.compile(r"^(?P<scheme>[a-z][a-z0-9+.-]*://)(?P<user>[^/@]*)@", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitInfo:
    """A commit: its id, its author as ``Name <mail>``, its time, and the repository it is in, without credentials."""

    sha: str
    author: str
    at: datetime
    repository: str


class Repository:
    """A git repository with a working tree."""

    def __init__(self, root: Path, git: Git) -> None:
        """Use :meth:`open`."""
        self.root = root
        self._git = git
        self._objects = Objects(lambda: self._start("cat-file", "--batch"))
        self._config: dict[str, str] | None = None

    @classmethod
    def open(cls, start: Path) -> Repository:
        """The repository that a folder is in.

        Raises:
            GitUnavailable: where there is none, or no git.
        """
        try:
            import git
        except ImportError as error:
            raise GitUnavailable(f"git cannot be run: {error}".splitlines()[0], hint="Install git.") from error
        try:
            found = git.Repo(str(start), search_parent_directories=True)
            folder = found.working_tree_dir
            found.close()
        except (git.InvalidGitRepositoryError, git.NoSuchPathError, ValueError, OSError) as error:
            hint = "A release is cut from a commit: git init, git add, git commit."
            raise GitUnavailable(f"{start} is not in a git repository", hint=hint) from error
        if folder is None:
            raise GitUnavailable(f"{start} is a bare repository", hint="Use a clone with a working tree.")
        runner = git.Git(folder)
        runner.update_environment(**_ENVIRONMENT)
        return cls(Path(folder), runner)

    def resolve(self, commit: str = "HEAD") -> CommitInfo:
        """Find a commit by branch, tag, id, or anything else git takes for one.

        Raises:
            Invalid: for what is no commit here.
        """
        sha, author, at = self._commit(commit)
        return CommitInfo(sha=sha, author=author, at=at, repository=self._repository())

    def tree(self, sha: str, under: str = "") -> Tree:
        """The files of a commit below a folder, with paths relative to it."""
        return GitTree(self._objects, sha, under.strip("/"))

    def dirty(self, under: Sequence[str]) -> tuple[str, ...]:
        """Files below these paths that are not as committed: changed, staged, deleted, or new and not ignored."""
        paths = [path.strip("/") or "." for path in under]
        if all(self._is_committed(path.removeprefix(".") if path == "." else path) for path in paths):
            return ()
        said = self._run(
            *self._without_filters(),
            "status",
            "--porcelain",
            "-z",
            "--no-renames",
            "--untracked-files=all",
            "--ignore-submodules=all",
            "--",
            *paths,
        )
        entries = [entry[3:].decode("utf-8", "replace") for entry in said.split(b"\0") if len(entry) > 3]
        return tuple(sorted(path for path in entries if SKIPPED.isdisjoint(path.split("/"))))

    def create_tag(self, name: str, sha: str, message: str, *, actor: str, at: datetime | None = None) -> bool:
        """Make an annotated tag of a commit; its time is ``at``, or else now.

        False where the very same tag is there already.

        Raises:
            Invalid: for a name or an actor that git cannot keep.
            Conflict: where the tag exists with another commit or message.
        """
        if not all(is_segment(step) for step in name.split("/")):
            raise Invalid(f"'{name[:80]}' is not a tag's name")
        tagger = _ACTOR.fullmatch(actor)
        if tagger is None or "\0" in message:
            raise Invalid(f"'{actor[:80]}' is not 'Name <mail>', which a git tag needs")
        if not _COMMIT.fullmatch(sha):
            raise Invalid(f"'{sha[:80]}' is not a commit's name")
        who = {"GIT_COMMITTER_NAME": tagger["name"] or "promptops", "GIT_COMMITTER_EMAIL": tagger["mail"]}
        if at is not None:
            who["GIT_COMMITTER_DATE"] = f"@{int(at.timestamp())} +0000"
        options = ("--annotate", "--no-sign", "--cleanup=verbatim", "--file=-", "--end-of-options")
        problem = self._feed(message.strip() + "\n", who, "tag", *options, name, f"{sha}^{{commit}}")
        if not problem:
            return True
        commit = self._commit(sha)[0]
        existing = self._tag(name)
        if existing is None:
            raise GitUnavailable(f"git could not write the tag '{name}': {problem}")
        return self._same(name, existing, commit, message)

    def push_tag(self, name: str, remote: str = "origin") -> None:
        """Push a tag to a remote of this repository.

        Raises:
            Invalid: for a name that is no remote's.
            GitUnavailable: where git could not push.
        """
        remotes = self._run("remote").decode("utf-8", "replace").split()
        if not _REMOTE.fullmatch(remote) or remote not in remotes:
            listed = f"There are: {', '.join(remotes)}." if remotes else "git remote add origin …"
            raise Invalid(f"'{remote[:80]}' is not a remote of this repository", hint=listed)
        if not all(is_segment(step) for step in name.split("/")):
            raise Invalid(f"'{name[:80]}' is not a tag's name")
        reference = f"refs/tags/{name}"
        self._run("push", "--quiet", "--end-of-options", remote, f"{reference}:{reference}", timeout=_PUSH_TIMEOUT)

    def _commit(self, commit: str) -> tuple[str, str, datetime]:
        """A commit's id, author and time."""
        found = self._objects.get(f"{commit}^{{commit}}") if _COMMIT.fullmatch(commit) else None
        if found is None:
            hint = "Commit something first." if commit == "HEAD" else "`git log` lists what there is."
            raise Invalid(f"there is no commit '{commit[:80]}' in {self.root}", hint=hint)
        head = found.data.partition(b"\n\n")[0].decode("utf-8", "replace")
        people = {match["who"]: match for match in _PERSON.finditer(head)}
        if people.keys() != {"author", "committer"}:
            raise GitUnavailable(f"the commit {found.sha} is damaged", hint="git fsck")
        at = datetime.fromtimestamp(int(people["committer"]["at"]), UTC)
        return found.sha, people["author"]["name"], at

    def _tag(self, name: str) -> tuple[str, str] | None:
        """What a tag points at and its message; None where there is no such tag."""
        found = self._objects.get(f"refs/tags/{name}")
        if found is None:
            return None
        head, _, message = found.data.decode("utf-8", "replace").partition("\n\n")
        if found.kind != "tag":
            return found.sha, ""
        return head.partition("\n")[0].removeprefix("object "), message.strip()

    @staticmethod
    def _same(name: str, existing: tuple[str, str], sha: str, message: str) -> bool:
        if existing == (sha, message.strip()):
            return False
        what = "another commit" if existing[0] != sha else "another message"
        raise Conflict(f"the tag '{name}' exists with {what}", hint=f"Look at it first: git show {name}")

    def _repository(self) -> str:
        address = self._settings().get("remote.origin.url", "")
        found = _CREDENTIALS.match(address)
        if not found:
            return address or self.root.name
        # For ssh the user is part of the address; a password never is.
        user = found["user"].partition(":")[0] if "ssh" in found["scheme"].lower() else ""
        return f"{found['scheme']}{user}{'@' if user else ''}{address[found.end() :]}"

    def _is_committed(self, path: str) -> bool:
        """True where the files at a path are, byte by byte, those of HEAD. False where only git can tell.

        The usual case, and the cheap one: nothing is started for it. Line ends that git converts, ignored files and the
        like make it False.
        """
        committed, now = GitTree(self._objects, "HEAD", ""), WorkingTree(self.root)
        if committed.blob(path):
            return _same_bytes(committed, now, path)
        files = committed.files(path)
        if not files or list(files) != list(now.files(path)) or committed.others(path) or now.others(path):
            return False
        return all(_same_bytes(committed, now, file) for file in files)

    def _without_filters(self) -> list[str]:
        """Options that switch off every filter the configuration names: comparing files must not run commands."""
        drivers = {key.rpartition(".")[0] for key in self._settings() if key.startswith("filter.")}
        options = []
        for driver in sorted(drivers):
            for key, value in (("clean", ""), ("smudge", ""), ("process", ""), ("required", "false")):
                options += ["-c", f"{driver}.{key}={value}"]
        return options

    def _settings(self) -> dict[str, str]:
        if self._config is None:
            said = self._ask("config", "-z", "--get-regexp", r"^(remote\.origin\.url|filter\..*)$") or b""
            pairs = (entry.partition("\n") for entry in said.decode("utf-8", "replace").split("\0") if entry)
            self._config = {key: value for key, _, value in pairs}
        return self._config

    def _start(self, *arguments: str, environment: Mapping[str, str] | None = None) -> Git.AutoInterrupt:
        """Start git and leave it running, with pipes to talk to."""
        command = ["git", *_SAFE, *arguments]
        return self._git.execute(command, istream=subprocess.PIPE, as_process=True, env=environment)

    def _run(self, *arguments: str, timeout: float | None = None) -> bytes:
        import git

        try:
            return self._git.execute(
                ["git", *_SAFE, *arguments],
                stdout_as_string=False,
                strip_newline_in_stdout=False,
                kill_after_timeout=timeout,
            )
        except (git.GitCommandError, git.GitCommandNotFound) as error:
            command = next((item for item in arguments if not item.startswith("-") and "=" not in item), "")
            raise GitUnavailable(f"git {command} failed: {_first_lines(str(error.stderr))}") from error

    def _ask(self, *arguments: str) -> bytes | None:
        """As :meth:`_run`, where failing is an answer."""
        try:
            return self._run(*arguments)
        except GitUnavailable:
            return None

    def _feed(self, text: str, environment: Mapping[str, str], *arguments: str) -> str:
        """Run git with a text to read. What it complains about where it fails, or nothing."""
        running = self._start(*arguments, environment=environment)  # ends git when it is collected
        process = running.proc
        if process is None:
            raise GitUnavailable(f"git {arguments[0]} could not be started")
        _, problem = process.communicate(text.encode("utf-8"))
        return _first_lines(problem.decode("utf-8", "replace")) if process.returncode else ""


def _same_bytes(committed: GitTree, now: WorkingTree, path: str) -> bool:
    """True where a file has the id of its committed blob: https://git-scm.com/book/en/v2/Git-Internals-Git-Objects"""
    sha = committed.blob(path)
    try:
        data = now.read(path)
    except FileNotFoundError:
        return False
    algorithm = hashlib.sha1 if len(sha) == 40 else hashlib.sha256
    return algorithm(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest() == sha


def _first_lines(text: str) -> str:
    text = text.strip().removeprefix("stderr: ").strip("'\n ")
    return " ".join(text.split("\n")[:4])[:400] or "git said nothing"
