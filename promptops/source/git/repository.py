"""A git repository: what is in its commits, whether the working tree differs, and its refs (:mod:`git_refs`).

The only importer of GitPython, which finds the repository and runs git. Commands are fixed argument lists: what comes
from outside is checked first and stands behind ``--end-of-options`` or goes in through standard input. Hooks, file
system monitors and filters that a repository's configuration names are never run, and blobs are read as they were
committed.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from promptops.core.errors import GitUnavailable, Invalid
from promptops.source.git import lock, process
from promptops.source.git.cat_file import Objects
from promptops.source.git.pack import Algorithm
from promptops.source.git.process import Running
from promptops.source.git.refs import Refs
from promptops.source.git.tree import GitTree
from promptops.source.tree import SKIPPED, Tree, WorkingTree

if TYPE_CHECKING:
    from git.cmd import Git

_SAFE = ("-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "log.showSignature=false")
# By default git flushes nothing to disk, and a tidying up in the background could hold locks when nobody expects it.
_DURABLE = ("-c", "core.fsync=all", "-c", "core.fsyncMethod=batch", "-c", "gc.auto=0", "-c", "maintenance.auto=false")
_ENVIRONMENT = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_LITERAL_PATHSPECS": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_ALLOW_PROTOCOL": "file:git:http:https:ssh",
}
_KEYS = r"^(remote\.origin\.url|extensions\.objectformat|filter\..*)$"
_COMMIT = re.compile(r"[A-Za-z0-9@_.][^\s\0-\x1f\\:?*\[]{0,249}")
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
    """A git repository. ``root`` is its working tree, or the repository itself where it is bare."""

    def __init__(self, root: Path, git: Git, folder: Path) -> None:
        """Use :meth:`open` or :meth:`archive`."""
        self.root = root
        self.folder = folder
        self.lock = lock.WriteLock(folder)
        self.patience = process.Patience()
        self._git = git
        self._objects = Objects(lambda: self._start("cat-file", "--batch"), self.patience)
        self._trees: dict[tuple[str, str], GitTree] = {}
        self._asked: Running | None = None
        self._config: dict[str, str] | None = None

    @classmethod
    def open(cls, start: Path) -> Repository:
        """The repository that a folder is in, with its working tree.

        Raises:
            GitUnavailable: where there is none, or no git.
        """
        repository = cls._find(start, above=True)
        if repository.root == repository.folder:
            raise GitUnavailable(f"{start} is a bare repository", hint="Use a clone with a working tree.")
        return repository

    @classmethod
    def archive(cls, place: Path) -> Repository:
        """The repository at exactly this place, bare or not, to read refs from.

        Raises:
            GitUnavailable: where there is none, or no git.
        """
        return cls._find(place, above=False)

    @classmethod
    def make_bare(cls, place: Path, algorithm: Algorithm = Algorithm.SHA1) -> Repository:
        """A new bare repository in a new folder."""
        process.require_git()
        import git

        place.mkdir()
        runner = git.Git(place)
        runner.update_environment(**_ENVIRONMENT)
        made = cls(place, runner, place)
        said = made.begin("init", "--bare", "--quiet", "--template=", f"--object-format={algorithm}").answer()
        if said.code:
            raise GitUnavailable(f"git init failed: {said.err}")
        return made

    @classmethod
    def _find(cls, start: Path, *, above: bool) -> Repository:
        process.require_git()
        try:
            import git
        except ImportError as error:
            raise GitUnavailable(f"git cannot be run: {error}".splitlines()[0], hint="Install git.") from error
        try:
            found = git.Repo(str(start), search_parent_directories=above)
            folder = Path(found.common_dir)
            root = Path(found.working_tree_dir) if found.working_tree_dir is not None else folder
            found.close()
        except (git.InvalidGitRepositoryError, git.NoSuchPathError, OSError) as error:
            raise _no_repository(start, above=above) from error
        except Exception:  # noqa: BLE001 GitPython reads configurations by its own rules, and gives up on some that git takes
            root, folder = _ask_where(start, above=above)
        runner = git.Git(root)
        runner.update_environment(**_ENVIRONMENT)
        return cls(root, runner, folder)

    @property
    def refs(self) -> Refs:
        """The refs of this repository, and the objects behind them."""
        return Refs(self.begin, self._objects, Algorithm(self._settings().get("extensions.objectformat", "sha1")))

    def close(self) -> None:
        """End the git that was left running to read objects. Using it again starts a new one."""
        asked, self._asked = self._asked, None
        if asked is not None:
            asked.end()
        self._objects.close()
        self._trees.clear()

    def __del__(self) -> None:
        self.close()

    def resolve(self, commit: str = "HEAD") -> CommitInfo:
        """Find a commit by branch, tag, id, or anything else git takes for one.

        Raises:
            Invalid: for what is no commit here.
        """
        if self._config is None:
            self._ask_settings()
        sha, author, at = self._commit(commit)
        return CommitInfo(sha=sha, author=author, at=at, repository=self._repository())

    def tree(self, sha: str, under: str = "") -> Tree:
        """The files of a commit below a folder, with paths relative to it."""
        return self._tree(sha, under.strip("/"))

    def dirty(self, under: Sequence[str]) -> tuple[str, ...]:
        """Files below these paths that are not as committed: changed, staged, deleted, or new and not ignored."""
        paths = [path.strip("/") or "." for path in under]
        if self._are_committed(["" if path == "." else path for path in paths]):
            return ()
        said = self.begin(
            *self._without_filters(),
            "status",
            "--porcelain",
            "-z",
            "--no-renames",
            "--untracked-files=all",
            "--ignore-submodules=all",
            "--",
            *paths,
        ).answer()
        if said.code:
            raise GitUnavailable(f"git status failed: {said.err or 'git said nothing'}")
        entries = [entry[3:].decode("utf-8", "replace") for entry in said.out.split(b"\0") if len(entry) > 3]
        return tuple(sorted(path for path in entries if SKIPPED.isdisjoint(path.split("/"))))

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

    def _repository(self) -> str:
        address = self._settings().get("remote.origin.url", "")
        found = _CREDENTIALS.match(address)
        if not found:
            return address or self.root.name
        # For ssh the user is part of the address; a password never is.
        user = found["user"].partition(":")[0] if "ssh" in found["scheme"].lower() else ""
        return f"{found['scheme']}{user}{'@' if user else ''}{address[found.end() :]}"

    def _tree(self, sha: str, under: str) -> GitTree:
        """One for all who ask for it: a commit's folders do not change, and are read once."""
        return self._trees.setdefault((sha, under), GitTree(self._objects, sha, under))

    def _are_committed(self, paths: Sequence[str]) -> bool:
        """True where the files at these paths are, byte by byte, those of HEAD. False where only git can tell.

        The usual case, and the cheap one: nothing is started for it. Line ends that git converts, ignored files and the
        like make it False.
        """
        head = self._objects.get("HEAD^{commit}")
        if head is None:
            return False
        committed, now = self._tree(head.sha, ""), WorkingTree(self.root)
        return all(_is_committed(committed, now, path) for path in paths)

    def _without_filters(self) -> list[str]:
        """Options that switch off every filter the configuration names: comparing files must not run commands."""
        drivers = {key.rpartition(".")[0] for key in self._settings() if key.startswith("filter.")}
        options = []
        for driver in sorted(drivers):
            for key, value in (("clean", ""), ("smudge", ""), ("process", ""), ("required", "false")):
                options += ["-c", f"{driver}.{key}={value}"]
        return options

    def _ask_settings(self) -> Running:
        """Start to look for the settings, which takes a process, while something else is done."""
        self._asked = self._asked or self.begin("config", "-z", "--get-regexp", _KEYS)
        return self._asked

    def _settings(self) -> dict[str, str]:
        if self._config is None:
            asked, self._asked = self._ask_settings(), None
            said = asked.answer()
            if said.code > 1:  # 1 is: there are none
                raise GitUnavailable(f"git config failed: {said.err or f'exit code {said.code}'}")
            pairs = (entry.partition("\n") for entry in said.out.decode("utf-8", "replace").split("\0") if entry)
            self._config = {key: value for key, _, value in pairs}
        return self._config

    def begin(
        self,
        *arguments: str,
        writes: bool = False,
        remote: bool = False,
    ) -> Running:
        """Start git: see :class:`promptops.source.git.process.Begin`."""
        most = process.REMOTE_SECONDS if remote else process.LOCAL_SECONDS
        self.patience.seconds(most)  # raises where it is over
        started = self._start(*arguments, writes=writes, alone=not remote)
        return Running(started, arguments[0], self.patience, most)

    def _start(
        self,
        *arguments: str,
        writes: bool = False,
        alone: bool = True,
    ) -> Git.AutoInterrupt:
        """Start git and leave it running, with pipes to talk to; ``alone`` in a session of its own, without the
        terminal that ssh would ask for a passphrase on.
        """
        import git

        options = {"start_new_session": alone, "pass_fds": self.lock.handles if writes else ()}
        command = ["git", *_SAFE, *(_DURABLE if writes else ()), *arguments]
        try:
            return self._git.execute(command, istream=subprocess.PIPE, as_process=True, **options)
        except (git.GitCommandNotFound, OSError) as error:
            raise GitUnavailable(f"git cannot be run: {error}".splitlines()[0], hint="Install git.") from error


def _no_repository(start: Path, *, above: bool) -> GitUnavailable:
    hint = "A release is cut from a commit: git init, git add, git commit." if above else ""
    return GitUnavailable(f"{start} is not {'in ' if above else ''}a git repository", hint=hint)


def _ask_where(start: Path, *, above: bool) -> tuple[Path, Path]:
    """The root and the git folder of a repository, as git itself finds them."""
    import git

    def ask(what: str) -> Path | None:
        try:
            said = git.Git(start).execute(["git", *_SAFE, "rev-parse", "--path-format=absolute", what])
        except (git.GitCommandError, OSError):
            return None
        return Path(str(said))

    folder = ask("--git-common-dir")
    root = ask("--show-toplevel") or folder
    if folder is None or root is None or not (above or start.resolve() in (folder.resolve(), root.resolve())):
        raise _no_repository(start, above=above)
    return root, folder


def _is_committed(committed: GitTree, now: WorkingTree, path: str) -> bool:
    if committed.blob(path):
        return _same_bytes(committed, now, path)
    files = committed.files(path)
    if not files or list(files) != list(now.files(path)) or committed.others(path) or now.others(path):
        return False
    return all(_same_bytes(committed, now, file) for file in files)


def _same_bytes(committed: GitTree, now: WorkingTree, path: str) -> bool:
    """True where a file has the id of its committed blob: https://git-scm.com/book/en/v2/Git-Internals-Git-Objects"""
    sha = committed.blob(path)
    try:
        data = now.read(path)
    except FileNotFoundError:
        return False
    algorithm = hashlib.sha1 if len(sha) == 40 else hashlib.sha256
    return algorithm(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest() == sha
