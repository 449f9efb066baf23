"""The files of a commit, as a tree of source files.

Only regular files (modes 100644 and 100755) count as files. A symbolic link, whose blob is the path of its target, is
never followed. Format of a tree object: https://git-scm.com/book/en/v2/Git-Internals-Git-Objects#_tree_objects
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from promptops.core.errors import GitUnavailable
from promptops.source.git.cat_file import GitObject, Objects
from promptops.source.tree import MAX_FILE, SKIPPED, outermost

_FILES = (b"100644", b"100755")
_FOLDER = b"40000"


@dataclass(slots=True)
class _Folder:
    """A folder's content: names of folders, names of files with their ids, names of everything else."""

    folders: list[str] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    others: list[str] = field(default_factory=list)


class GitTree:
    """The files of a commit below a folder. A folder is read when a caller first needs it."""

    def __init__(self, objects: Objects, sha: str, under: str) -> None:
        self._objects = objects
        self._sha = sha
        self._prefix = f"{under}/" if under else ""
        self._folders: dict[str, _Folder] = {}
        self._ready: dict[str, GitObject | None] = {}
        self._coming: Iterator[tuple[str, GitObject | None]] = iter(())

    def files(self, *under: str) -> Sequence[str]:
        return sorted(_join(path, name) for path, folder in self._walk(under) for name in folder.files)

    def others(self, *under: str) -> Sequence[str]:
        return sorted(_join(path, name) for path, folder in self._walk(under) for name in folder.others)

    def prepare(self, paths: Sequence[str]) -> None:
        self._ready.update(self._coming)
        wanted = {path: sha for path in paths if path not in self._ready and (sha := self.blob(path))}
        self._coming = zip(wanted, self._objects.each(list(wanted.values())), strict=True)

    def read(self, path: str, most: int = MAX_FILE) -> bytes:
        if most == MAX_FILE:
            return self._object(path).data
        sha = self.blob(path)
        found = next(self._objects.each([sha], most=most + 1)) if sha else None
        if found is None:
            raise FileNotFoundError(f"there is no such file in commit {self._sha[:12]}")
        return found.data

    def size(self, path: str) -> int:
        return self._object(path).size

    def _object(self, path: str) -> GitObject:
        if path not in self._ready:
            for other, git_object in self._coming:
                self._ready[other] = git_object
                if other == path:
                    break
        ready = self._ready.pop(path, None)
        if ready is not None:
            return ready
        sha = self.blob(path)
        if not sha:
            raise FileNotFoundError(f"there is no such file in commit {self._sha[:12]}")
        git_object = self._objects.get(sha)
        if git_object is None:
            raise FileNotFoundError("git does not have its content: a partial clone?")
        return git_object

    def blob(self, path: str) -> str:
        """Returns the blob id of a file; empty if there is no such file."""
        parent, _, name = path.rpartition("/")
        if parent not in self._folders:
            self._open([parent])
        return self._folders[parent].files.get(name, "")

    def _walk(self, under: Iterable[str]) -> Iterator[tuple[str, _Folder]]:
        """Yields every folder at or below these paths, each once."""
        level = outermost(under)
        while level:
            self._open([path for path in level if path not in self._folders])
            yield from [(path, self._folders[path]) for path in level]
            level = [_join(path, name) for path in level for name in self._folders[path].folders]

    def _open(self, paths: Sequence[str]) -> None:
        """Reads folders. A path that is no folder of the commit becomes an empty one."""
        names = [f"{self._sha}:{self._prefix}{path}".rstrip("/") for path in paths]
        for path, tree in zip(paths, self._objects.each(names), strict=True):
            self._folders[path] = _parse(tree) if tree is not None and tree.kind == "tree" else _Folder()


def _parse(tree: GitObject) -> _Folder:
    """Parses the ``<mode> <name>\\0<id>`` entries of a tree; their ids are as long as the tree's own."""
    folder = _Folder()
    data, width, position = tree.data, len(tree.sha) // 2, 0
    while position < len(data):
        end = data.find(b"\0", position)
        mode, _, raw = data[position:end].partition(b" ")
        if end < 0 or not raw:
            raise GitUnavailable(f"the tree {tree.sha} is damaged", hint="git fsck")
        position = end + 1 + width
        name = raw.decode("utf-8", "replace")
        if mode == _FOLDER and name not in SKIPPED and "\ufffd" not in name and "\n" not in name:
            folder.folders.append(name)
        elif mode in _FILES and "\ufffd" not in name:
            folder.files[name] = data[end + 1 : position].hex()
        elif mode != _FOLDER or name not in SKIPPED:
            folder.others.append(name)
    return folder


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name
