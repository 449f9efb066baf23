"""A git repository: its commits, changes of its working tree, and its refs (:mod:`promptops.source.git.refs`).

Commands are fixed argument lists: input from outside is checked first and stands behind ``--end-of-options`` or goes in
through standard input. Settings and environment come from :mod:`promptops.source.git.environment`. Blobs are read as
they were committed.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from unicodedata import normalize

from promptops.core.errors import GitUnavailable, Invalid
from promptops.core.origin import without_password
from promptops.source.git import diff, environment, finding, lock, process
from promptops.source.git.cat_file import Objects
from promptops.source.git.environment import Place, Settings
from promptops.source.git.pack import Algorithm
from promptops.source.git.process import Running
from promptops.source.git.refs import Refs
from promptops.source.git.tree import GitTree
from promptops.source.tree import WorkingTree

_COMMIT = re.compile(r"[A-Za-z0-9@_.][^\s\0-\x1f\\:?*\[]{0,249}")
_MOST_COMPARED = 1 << 20  # bytes of a file: a release has no larger one
_PERSON = re.compile(r"^(?P<who>author|committer) (?P<name>[^\n]*>) (?P<at>\d{1,12}) [+-]\d{4}$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitInfo:
    """A commit: its id, author (``Name <mail>``) and commit time, and the URL of its repository without password."""

    sha: str
    author: str
    at: datetime
    repository: str


class Repository:
    """A git repository. ``root`` is its working tree; of a bare repository, its folder."""

    def __init__(self, place: Place, settings: Settings, objects: Settings | None = None) -> None:
        """Use :meth:`open`, :meth:`archive` or :meth:`receiving`."""
        self.root = place.root
        self.folder = place.common
        self.lock = lock.WriteLock(self.folder)
        self.patience = process.Patience()
        self._algorithm = place.algorithm
        self._options = place.options()
        self._settings = settings
        self._pushed = dict(objects or {})
        self._objects = Objects(lambda: self._start("cat-file", "--batch"), self.patience)
        self._trees: dict[tuple[str, str], GitTree] = {}
        self._sought: Running | None = None

    @classmethod
    def open(cls, start: Path) -> Repository:
        """Opens the repository that contains a folder.

        Raises:
            GitUnavailable: the folder is in no repository or in a bare one, git refuses it, or git is not installed.
        """
        return cls(*finding.around(start))

    @classmethod
    def archive(cls, place: Path) -> Repository:
        """Opens the repository at exactly this path, bare or not, to read refs from.

        Raises:
            GitUnavailable: the path is no repository, git refuses it, or git is not installed.
        """
        return cls(*finding.exactly(place))

    @classmethod
    def receiving(cls, place: Path) -> Repository:
        """Opens the repository at this path within its hook `pre-receive`: with the objects that are being pushed.

        Raises:
            GitUnavailable: as :meth:`archive`.
        """
        return cls(*finding.exactly(place), environment.quarantine())

    @classmethod
    def make_bare(cls, folder: Path, algorithm: Algorithm = Algorithm.SHA1) -> Repository:
        """Creates a bare repository in a new folder."""
        folder.mkdir()
        repository = cls(Place(root=folder, git_folder=folder, common=folder, algorithm=algorithm, bare=True), {})
        options = ("--bare", "--quiet", "--template=", "--initial-branch=main", f"--object-format={algorithm}")
        result = repository.begin("init", *options).answer()
        if result.code:
            raise GitUnavailable(f"git init failed: {result.err}")
        return repository

    @cached_property
    def refs(self) -> Refs:
        """The refs of this repository, with access to their objects."""
        is_gits = self._pushed or not environment.WRITES_ITSELF.isdisjoint(self._settings)
        return Refs(self.begin, self._objects, self._algorithm, None if is_gits else self.folder / "objects")

    def checked_out(self) -> frozenset[str]:
        """Returns the branches that are checked out, here or in another working tree of this repository."""
        heads = [self.folder / "HEAD", *self.folder.glob("worktrees/*/HEAD")]
        branches = set()
        for head in heads if self.root != self.folder else heads[1:]:
            with suppress(OSError, ValueError):
                branches.add(head.read_text(encoding="utf-8").removeprefix("ref: ").strip())
        return frozenset(branches)

    def inside(self, folder: Path) -> str:
        """Returns the path of a folder below the root; empty for the root.

        Raises:
            ValueError: the folder is not in the working tree.
        """
        path = folder.resolve().relative_to(self.root.resolve()).as_posix()
        return "" if path == "." else path

    def close(self) -> None:
        """Ends the git process that reads objects. The next read starts a new one."""
        sought, self._sought = self._sought, None
        if sought is not None:
            sought.end()
        self._objects.close()
        self._trees.clear()

    def __del__(self) -> None:
        self.close()

    def ignored(self) -> tuple[str, ...]:
        """Returns notes on what shows other commits here to git than to promptops, or hides some."""
        notes = []
        if self.refs.list("refs/replace/"):
            notes.append("The refs below refs/replace/ are ignored: git shows other objects in place of some.")
        if (self.folder / "info/grafts").exists():
            notes.append("The file info/grafts is ignored: git shows other parents of some commits.")
        if (self.folder / "shallow").exists():
            notes.append("This clone is shallow: it lacks older commits. To have them all: git fetch --unshallow")
        return tuple(notes)

    def resolve(self, commit: str = "HEAD") -> CommitInfo:
        """Finds a commit by branch, tag, id, or any other name that git resolves to a commit.

        Raises:
            Invalid: the name is not that of a commit in this repository.
        """
        sha, author, at = self._commit(commit)
        return CommitInfo(sha=sha, author=author, at=at, repository=self.remote())

    def common(self, one: str, other: str) -> str:
        """Returns the newest commit before both; empty where this clone has no such commit."""
        names = self.resolve(one).sha, self.resolve(other).sha
        return self.begin("merge-base", *names).answer().out.decode().strip()

    def changed_lines(self, base: str, head: str, folder: str = "") -> Mapping[str, frozenset[int]]:
        """Returns the lines of the files below a folder that one commit has and another has not, by path."""
        return diff.changed_lines(self.begin, self.resolve(base).sha, self.resolve(head).sha, folder)

    def seek_first_commit(self, sha: str) -> None:
        """Starts to look for the first commit before this one, while the caller does something else."""
        if self._sought is None and not (self.folder / "shallow").exists():
            self._sought = self.begin("rev-list", "--first-parent", "--max-parents=0", sha)

    def first_commit(self, sha: str) -> str:
        """Returns the id of the first commit before this one; empty in a shallow clone, which does not have it.

        Of two histories that were merged, it is that of the first parents.
        """
        self.seek_first_commit(sha)
        sought, self._sought = self._sought, None
        return (sought.answer().out.decode().split() or [""])[0] if sought is not None else ""

    def tree(self, sha: str, under: str = "") -> GitTree:
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

    def dirty(self, under: Sequence[str], *, reads: Callable[[str], bool] = lambda path: True) -> tuple[str, ...]:
        """Returns the files below these paths that differ from HEAD: changed, staged, deleted, new and not ignored.

        Only files that ``reads`` takes count: the others may differ, or have a filter that is not run here.
        """
        different = self.different(under, reads=reads)
        if not different:
            return ()
        options = ("--porcelain", "-z", "--no-renames", "--untracked-files=all", "--ignore-submodules=all")
        result = self.begin("status", *options, "--", *[path.strip("/") or "." for path in under]).answer()
        if result.code:
            raise GitUnavailable(f"git status failed: {result.err or f'exit code {result.code}'}")
        entries = {entry[3:].decode("utf-8", "replace") for entry in result.out.split(b"\0") if len(entry) > 3}
        changed = [path for path in different if path in entries]
        stored = self._stored(changed)
        return tuple(path for path in changed if path not in stored)

    def _stored(self, paths: Sequence[str]) -> frozenset[str]:
        """Returns those of these files that git would store as HEAD has them; `git status` goes by their size."""
        head = self._objects.get("HEAD^{commit}")
        known = {path: sha for path in paths if head is not None and (sha := self._tree(head.sha, "").blob(path))}
        here = [path for path in known if "\n" not in path and (self.root / path).is_file()]
        if not here:
            return frozenset()
        listed = "".join(f"{path}\n" for path in here).encode("utf-8", "surrogateescape")
        shas = self.begin("hash-object", "--stdin-paths").answer(listed).out.decode().split()
        return frozenset(path for path, sha in zip(here, shas, strict=False) if sha == known[path])

    def unknown(self, paths: Sequence[str]) -> Mapping[str, str]:
        """Returns those of these files that git does not have, not even staged, each with the place of the rule by
        which it ignores it, ``.gitignore:3``; with an empty text for a file that is only new.
        """
        named = [path for path in paths if "\n" not in path]
        stored = self._objects.each([f":0:{path}" for path in named], most=1)
        new = [path for path, found in zip(named, stored, strict=True) if found is None]
        if not new:
            return {}
        listed = "".join(f"./{path}\0" for path in new).encode("utf-8", "surrogateescape")
        # It takes no literal pathspecs, which all others get, and looks for no pattern in what it is given.
        answer = self.begin("--no-literal-pathspecs", "check-ignore", "-z", "--verbose", "--stdin").answer(listed)
        words = iter(answer.out.decode("utf-8", "surrogateescape").split("\0"))
        rules = {
            path: (source, line, rule) for source, line, rule, path in zip(words, words, words, words, strict=False)
        }
        ignored = {path: f"{each[0]}:{each[1]}" for path, each in rules.items() if not each[2].startswith("!")}
        return {path: ignored.get(f"./{path}", "") for path in new}

    def different(self, under: Sequence[str], *, reads: Callable[[str], bool] = lambda path: True) -> tuple[str, ...]:
        """Returns the files below these paths that are not byte by byte those of HEAD, in the same way as
        :meth:`dirty`.

        This needs no process of its own, and usually there are none. Files with line ends that git converts, ignored
        files and the like are among them, and git does not call them changed.
        """
        head = self._objects.get("HEAD^{commit}")
        now = WorkingTree(self.root)
        committed = self._tree(head.sha, "") if head is not None else None
        found: set[str] = set()
        for path in (each.strip("/") for each in under):
            files = {*now.files(path), *(committed.files(path) if committed else ())}
            found.update(file for file in files or {path} if reads(file) and not _same_bytes(committed, now, file))
        return tuple(sorted(found))

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

    def remote(self) -> str:
        """Returns the URL of the remote ``origin`` without password; without a remote, the folder's name."""
        return without_password(self._settings.get("remote.origin.url", "")) or self.root.name

    def _tree(self, sha: str, under: str) -> GitTree:
        """Returns the same tree for the same commit each time: its folders do not change, so one read is enough."""
        return self._trees.setdefault((sha, under), GitTree(self._objects, sha, under))

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
    ) -> subprocess.Popen[bytes]:
        """Starts git and leaves it running, with pipes for input and output.

        ``alone`` starts it in a session of its own, without the terminal. Commands to a remote keep the terminal,
        because ssh may have to ask for a passphrase.
        """
        handles = self.lock.handles if writes else ()
        return environment.start(
            [*self._options, *arguments],
            self.root,
            environment.environment(self._settings) | self._pushed,
            alone=alone,
            handles=handles,
        )


def _same_bytes(committed: GitTree | None, now: WorkingTree, path: str) -> bool:
    """True if a file has the id of its committed blob: https://git-scm.com/book/en/v2/Git-Internals-Git-Objects"""
    sha = committed.blob(path) if committed else ""
    try:
        data = now.read(path, _MOST_COMPARED)
    except FileNotFoundError:
        return not sha
    algorithm = hashlib.sha1 if len(sha) == 40 else hashlib.sha256
    return algorithm(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest() == sha
