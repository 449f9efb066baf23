"""A git repository: its commits, changes of its working tree, and its refs (:mod:`promptops.source.git.refs`).

Only this module imports GitPython, which finds the repository and runs git. Commands are fixed argument lists: input
from outside is checked first and stands behind ``--end-of-options`` or goes in through standard input. Hooks, file
system monitors and filters that a repository's configuration names never run, because a foreign repository must not
run commands here. Blobs are read as they were committed.
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
from unicodedata import normalize

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
# By default git does not flush refs to disk; and its maintenance in the background would hold locks at random times.
_DURABLE = ("-c", "core.fsync=all", "-c", "core.fsyncMethod=batch", "-c", "gc.auto=0", "-c", "maintenance.auto=false")
_ENVIRONMENT = {
    "GIT_TERMINAL_PROMPT": "0",  # fail instead of waiting for a password
    "GIT_OPTIONAL_LOCKS": "0",  # `git status` must not write the index under a user's own git
    "GIT_LITERAL_PATHSPECS": "1",  # a file called `*.md` or `:(top)x` is that file
    "GIT_NO_REPLACE_OBJECTS": "1",  # `refs/replace/` would show another content under an id
    "GIT_ALLOW_PROTOCOL": "file:git:http:https:ssh",  # `ext::` would run any command
}
_KEYS = r"^(remote\.origin\.url|extensions\.objectformat|filter\..*)$"
_COMMIT = re.compile(r"[A-Za-z0-9@_.][^\s\0-\x1f\\:?*\[]{0,249}")
_PERSON = re.compile(r"^(?P<who>author|committer) (?P<name>[^\n]*>) (?P<at>\d{1,12}) [+-]\d{4}$", re.MULTILINE)
_CREDENTIALS = re.compile(r"^(?P<scheme>[a-z][a-z0-9+.-]*://)(?P<user>[^/@]*)@", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitInfo:
    """A commit: its id, author (``Name <mail>``) and commit time, and the URL of its repository without credentials."""

    sha: str
    author: str
    at: datetime
    repository: str


class Repository:
    """A git repository. ``root`` is its working tree; of a bare repository, its folder."""

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
        """Opens the repository that contains a folder.

        Raises:
            GitUnavailable: the folder is in no repository or in a bare one, or git is not installed.
        """
        repository = cls._find(start, above=True)
        if repository.root == repository.folder:
            raise GitUnavailable(f"{start} is a bare repository", hint="Use a clone with a working tree.")
        return repository

    @classmethod
    def archive(cls, place: Path) -> Repository:
        """Opens the repository at exactly this path, bare or not, to read refs from.

        Raises:
            GitUnavailable: the path is no repository, or git is not installed.
        """
        return cls._find(place, above=False)

    @classmethod
    def make_bare(cls, place: Path, algorithm: Algorithm = Algorithm.SHA1) -> Repository:
        """Creates a bare repository in a new folder."""
        process.require_git()
        import git

        place.mkdir()
        runner = git.Git(place)
        runner.update_environment(**_ENVIRONMENT)
        repository = cls(place, runner, place)
        result = repository.begin("init", "--bare", "--quiet", "--template=", f"--object-format={algorithm}").answer()
        if result.code:
            raise GitUnavailable(f"git init failed: {result.err}")
        return repository

    @classmethod
    def _find(cls, start: Path, *, above: bool) -> Repository:
        process.require_git()
        try:
            import git
        except ImportError as error:
            raise GitUnavailable(f"git cannot be run: {error}".splitlines()[0], hint="Install git.") from error
        try:
            repo = git.Repo(str(start), search_parent_directories=above)
            folder = Path(repo.common_dir)
            root = Path(repo.working_tree_dir) if repo.working_tree_dir is not None else folder
            repo.close()
        except (git.InvalidGitRepositoryError, git.NoSuchPathError, OSError) as error:
            raise _no_repository(start, above=above) from error
        except Exception:  # noqa: BLE001 GitPython parses configurations itself, and fails at some that git reads
            root, folder = _ask_where(start, above=above)
        runner = git.Git(root)
        runner.update_environment(**_ENVIRONMENT)
        return cls(root, runner, folder)

    @property
    def refs(self) -> Refs:
        """The refs of this repository, with access to their objects."""
        return Refs(self.begin, self._objects, Algorithm(self._settings().get("extensions.objectformat", "sha1")))

    def close(self) -> None:
        """Ends the git process that reads objects. The next read starts a new one."""
        asked, self._asked = self._asked, None
        if asked is not None:
            asked.end()
        self._objects.close()
        self._trees.clear()

    def __del__(self) -> None:
        self.close()

    def resolve(self, commit: str = "HEAD") -> CommitInfo:
        """Finds a commit by branch, tag, id, or any other name that git resolves to a commit.

        Raises:
            Invalid: the name is not that of a commit in this repository.
        """
        if self._config is None:
            self._ask_settings()
        sha, author, at = self._commit(commit)
        return CommitInfo(sha=sha, author=author, at=at, repository=self._repository())

    def tree(self, sha: str, under: str = "") -> Tree:
        """Returns the files of a commit below a folder, with paths relative to it."""
        return self._tree(sha, under.strip("/"))

    def spelling(self, sha: str, folder: str) -> str:
        """Returns the name of a folder as a commit writes it; unchanged where the commit does not have it.

        A file system may write an accent as a letter and a mark (NFD) where git has one character (NFC).
        """
        if folder.isascii():
            return folder
        forms = (folder, *(normalize(form, folder) for form in ("NFC", "NFD")))
        return next((form for form in forms if self._objects.get(f"{sha}:{form}") is not None), folder)

    def dirty(self, under: Sequence[str]) -> tuple[str, ...]:
        """Returns the files below these paths that differ from HEAD: changed, staged, deleted, new and not ignored."""
        paths = [path.strip("/") or "." for path in under]
        if self._are_committed(["" if path == "." else path for path in paths]):
            return ()
        result = self.begin(
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
        if result.code:
            raise GitUnavailable(f"git status failed: {result.err or f'exit code {result.code}'}")
        entries = [entry[3:].decode("utf-8", "replace") for entry in result.out.split(b"\0") if len(entry) > 3]
        return tuple(sorted(path for path in entries if SKIPPED.isdisjoint(path.split("/"))))

    def _commit(self, commit: str) -> tuple[str, str, datetime]:
        """Returns a commit's id, author and time."""
        cached = self._objects.get(f"{commit}^{{commit}}") if _COMMIT.fullmatch(commit) else None
        if cached is None:
            hint = "Commit something first." if commit == "HEAD" else "`git log` lists the commits."
            raise Invalid(f"there is no commit '{commit[:80]}' in {self.root}", hint=hint)
        head = cached.data.partition(b"\n\n")[0].decode("utf-8", "replace")
        people = {match["who"]: match for match in _PERSON.finditer(head)}
        if people.keys() != {"author", "committer"}:
            raise GitUnavailable(f"the commit {cached.sha} is damaged", hint="git fsck")
        at = datetime.fromtimestamp(int(people["committer"]["at"]), UTC)
        return cached.sha, people["author"]["name"], at

    def _repository(self) -> str:
        address = self._settings().get("remote.origin.url", "")
        match = _CREDENTIALS.match(address)
        if not match:
            return address or self.root.name
        # The user of an ssh URL is part of the address. That of an https URL may be a token, and no password is kept.
        user = match["user"].partition(":")[0] if "ssh" in match["scheme"].lower() else ""
        return f"{match['scheme']}{user}{'@' if user else ''}{address[match.end() :]}"

    def _tree(self, sha: str, under: str) -> GitTree:
        """Returns the same tree for the same commit each time: its folders do not change, so one read is enough."""
        return self._trees.setdefault((sha, under), GitTree(self._objects, sha, under))

    def _are_committed(self, paths: Sequence[str]) -> bool:
        """True if the files at these paths equal those of HEAD byte by byte; False if only ``git status`` can tell.

        This saves starting a process in the usual case. Files with line ends that git converts, ignored files and the
        like give False.
        """
        head = self._objects.get("HEAD^{commit}")
        if head is None:
            return False
        committed, now = self._tree(head.sha, ""), WorkingTree(self.root)
        return all(_is_committed(committed, now, path) for path in paths)

    def _without_filters(self) -> list[str]:
        """Returns options that switch off every filter of the configuration: comparing files must not run commands."""
        drivers = {key.rpartition(".")[0] for key in self._settings() if key.startswith("filter.")}
        options = []
        for driver in sorted(drivers):
            for key, value in (("clean", ""), ("smudge", ""), ("process", ""), ("required", "false")):
                options += ["-c", f"{driver}.{key}={value}"]
        return options

    def _ask_settings(self) -> Running:
        """Starts the process that reads the settings, so that it works while the caller does something else."""
        self._asked = self._asked or self.begin("config", "-z", "--get-regexp", _KEYS)
        return self._asked

    def _settings(self) -> dict[str, str]:
        if self._config is None:
            asked, self._asked = self._ask_settings(), None
            result = asked.answer()
            if result.code > 1:  # 1 means that no setting matches
                raise GitUnavailable(f"git config failed: {result.err or f'exit code {result.code}'}")
            pairs = (entry.partition("\n") for entry in result.out.decode("utf-8", "replace").split("\0") if entry)
            self._config = {key: value for key, _, value in pairs}
        return self._config

    def begin(
        self,
        *arguments: str,
        writes: bool = False,
        remote: bool = False,
    ) -> Running:
        """Starts git: see :class:`promptops.source.git.process.Begin`."""
        most = process.REMOTE_SECONDS if remote else process.LOCAL_SECONDS
        self.patience.seconds(most)  # raises if the common deadline has passed
        started = self._start(*arguments, writes=writes, alone=not remote)
        return Running(started, arguments[0], self.patience, most)

    def _start(
        self,
        *arguments: str,
        writes: bool = False,
        alone: bool = True,
    ) -> Git.AutoInterrupt:
        """Starts git and leaves it running, with pipes for input and output.

        ``alone`` starts it in a session of its own, without the terminal. Commands to a remote keep the terminal,
        because ssh may have to ask for a passphrase.
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
    """Returns the root and the git folder of a repository, as git itself finds them."""
    import git

    def ask(what: str) -> Path | None:
        try:
            path = git.Git(start).execute(["git", *_SAFE, "rev-parse", "--path-format=absolute", what])
        except (git.GitCommandError, OSError):
            return None
        return Path(str(path))

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
    """True if a file has the id of its committed blob: https://git-scm.com/book/en/v2/Git-Internals-Git-Objects"""
    sha = committed.blob(path)
    try:
        data = now.read(path)
    except FileNotFoundError:
        return False
    algorithm = hashlib.sha1 if len(sha) == 40 else hashlib.sha256
    return algorithm(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest() == sha
