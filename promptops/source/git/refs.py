"""Refs and the objects behind them, many at a time: written together, created and never moved, sent to remotes.

Names and ids come from promptops itself or are checked here; they go in through standard input wherever git takes
them there. Objects are written before the refs that name them, and both are flushed to disk by git.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from promptops.core.errors import GitUnavailable, Invalid
from promptops.core.model import is_segment
from promptops.source.git.cat_file import GitObject, Objects
from promptops.source.git.pack import Algorithm, RawObject, pack
from promptops.source.git.process import Begin, Running, Said

_SHA = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_REMOTE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,99}")
_URL = re.compile(r"(?:(?:https?|ssh|git|file)://|[A-Za-z0-9._-]+@[A-Za-z0-9.-]+:)[^\s\0-\x1f-][^\s\0-\x1f]{0,1000}")
_LIST = ("for-each-ref", "--format=%(objectname) %(refname)")
_UNPACK = ("unpack-objects", "-q")
_INDEX = ("index-pack", "--stdin")
_UPDATE = ("update-ref", "--stdin")
_LOOSE = 100
_PUSHED_AT_ONCE = 500
_TRIES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    """What a remote took, by name of the ref, and what it refused, with its reason."""

    taken: tuple[str, ...] = ()
    refused: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a ref is not as wanted: git's words, or the id that it has already."""

    why: str
    exists_as: str = ""


class Refs:
    """The refs of one repository."""

    def __init__(self, begin: Begin, objects: Objects, algorithm: Algorithm) -> None:
        self._begin = begin
        self._objects = objects
        self._started: dict[tuple[str, ...], Running] = {}
        self.algorithm = algorithm

    @contextmanager
    def ahead(self, folder: str) -> Iterator[None]:
        """Start at once what the first :meth:`list` of this folder, :meth:`write` and :meth:`create` will need: a
        process each, which is there by the time it is asked. The refs are listed as they are now; what was not asked
        at the end is ended, and has written nothing.

        Raises:
            GitUnavailable: git cannot be started.
        """
        try:
            self._started[(*_LIST, folder)] = self._begin(*_LIST, _prefix(folder))
            for command in (_UNPACK, _UPDATE):
                self._started[command] = self._begin(*command, writes=True)
            yield
        finally:
            for running in self._started.values():
                running.end()
            self._started.clear()

    def _call(self, *arguments: str, data: bytes = b"", writes: bool = False, remote: bool = False) -> Said:
        running = self._started.pop(arguments, None) or self._begin(*arguments, writes=writes, remote=remote)
        return running.answer(data)

    def list(self, *folders: str) -> dict[str, str]:
        """The refs below these folders (``refs/tags/``), with the id of the object each names."""
        said = self._call(*_LIST, *map(_prefix, folders))
        if said.code:
            raise GitUnavailable(f"git for-each-ref failed: {said.err}")
        return _pairs(said.out, b" ")

    def read(self, names: Sequence[str], *, most: int) -> Iterator[GitObject | None]:
        """The objects of these names, in this order, None for one that is not there; blobs up to ``most`` bytes."""
        return self._objects.each(names, most=most)

    def write(self, objects: Sequence[RawObject]) -> None:
        """Write objects, each once; those that are there already stay as they are.

        Raises:
            GitUnavailable: git could not write them.
        """
        data = pack(objects, self.algorithm)
        # A few become single files, as from any git command; many stay together in one pack.
        few = len(objects) <= _LOOSE
        said = self._call(*(_UNPACK if few else _INDEX), data=data, writes=True)
        if said.code:
            raise GitUnavailable(f"git could not write objects: {said.err or f'exit code {said.code}'}")

    def create(self, wanted: Mapping[str, str]) -> dict[str, Refusal]:
        """Create refs, all in one transaction where none is there yet. What is there is never moved.

        Answers, for each ref that is not as wanted afterwards, why: an empty dict is success.
        """
        left = {_ref(name): sha for name, sha in wanted.items()}
        refused: dict[str, Refusal] = {}
        for _ in range(_TRIES):
            if not left or self._update(left).code == 0:
                return refused
            there = self._ids(list(left))
            for name, sha in there.items():
                if left.pop(name) != sha:
                    refused[name] = Refusal(why=f"it exists as {sha}", exists_as=sha)
        return refused | self._one_by_one(left)

    def _one_by_one(self, wanted: Mapping[str, str]) -> dict[str, Refusal]:
        """The refs that cannot be created together: those that can by themselves are."""
        refused = {}
        for name, sha in wanted.items():
            said = self._update({name: sha})
            there = self._ids([name]).get(name, "") if said.code else sha
            if there != sha:
                why = f"it exists as {there}" if there else said.err or f"git update-ref failed with {said.code}"
                refused[name] = Refusal(why=why, exists_as=there)
        return refused

    def _update(self, wanted: Mapping[str, str]) -> Said:
        lines = "".join(f"create {name} {sha}\n" for name, sha in wanted.items())
        return self._call(*_UPDATE, data=lines.encode(), writes=True)

    def _ids(self, names: Sequence[str]) -> dict[str, str]:
        """Those of these refs that are there."""
        found = self._objects.each(names, most=0)
        return {name: item.sha for name, item in zip(names, found, strict=True) if item is not None}

    # --- remotes ---

    def require_remote(self, name: str) -> str:
        """The name, where it is one of a remote of this repository.

        Raises:
            Invalid: it is not, listing those there are.
        """
        remotes = self._call("remote").out.decode("utf-8", "replace").split()
        if not _REMOTE.fullmatch(name) or name not in remotes:
            listed = f"There are: {', '.join(remotes)}." if remotes else "git remote add origin …"
            raise Invalid(f"'{name[:80]}' is not a remote of this repository", hint=listed)
        return name

    def list_remote(self, remote: str, *prefixes: str) -> dict[str, str]:
        """The refs below these that a remote has.

        Raises:
            GitUnavailable: it does not answer.
        """
        patterns = [f"{_prefix(prefix)}*" for prefix in prefixes]
        said = self._call("ls-remote", "--quiet", "--refs", "--end-of-options", remote, *patterns, remote=True)
        if said.code:
            raise GitUnavailable(f"the remote {remote} does not answer: {said.err or f'exit code {said.code}'}")
        return _pairs(said.out, b"\t")

    def fetch(self, source: str, *prefixes: str) -> str:
        """Create the refs below these as the source (a remote, a URL) has them. Those that are here are never moved.

        Answers what git complained about, such as a ref that is here with another id.
        """
        specs = [f"{_prefix(prefix)}*:{prefix}*" for prefix in prefixes]
        options = ("--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules")
        said = self._call("fetch", *options, "--end-of-options", source, *specs, writes=True, remote=True)
        return (said.err or f"git fetch failed with exit code {said.code}") if said.code else ""

    def push(self, remote: str, names: Sequence[str]) -> Pushed:
        """Create these refs on a remote. Those that are there are never moved: it refuses, and says why."""
        taken: list[str] = []
        refused: dict[str, str] = {}
        for start in range(0, len(names), _PUSHED_AT_ONCE):
            some = [_ref(name) for name in names[start : start + _PUSHED_AT_ONCE]]
            specs = [f"{name}:{name}" for name in some]
            options = ("--porcelain", "--no-follow-tags", "--recurse-submodules=no")
            said = self._call("push", *options, "--end-of-options", remote, *specs, remote=True)
            results = _results(said.out.decode("utf-8", "replace"))
            taken += [name for name in some if results.get(name) == ""]
            unknown = said.err or f"git push failed with exit code {said.code}"
            refused |= {name: results.get(name, unknown) for name in some if results.get(name, unknown)}
        return Pushed(taken=tuple(taken), refused=refused)


def require_address(url: str) -> str:
    """The URL, where it is one git may be sent to: no option, no ``ext::`` command.

    Raises:
        Invalid: for anything else.
    """
    if not _URL.fullmatch(url) or "::" in url.partition("/")[0]:
        hint = "https://…, ssh://…, git://…, file://…, user@host:path, or the path of a repository."
        raise Invalid(f"'{url[:80]}' is not an address of a repository", hint=hint)
    return url


def _results(text: str) -> dict[str, str]:
    """What ``git push --porcelain`` says about each ref: nothing where it is as asked, else why not."""
    found = {}
    for line in text.splitlines():
        flag, _, rest = line.partition("\t")
        names, _, summary = rest.partition("\t")
        if len(flag) == 1 and ":" in names:
            found[names.rpartition(":")[2]] = summary if flag == "!" else ""
    return found


def _pairs(data: bytes, separator: bytes) -> dict[str, str]:
    lines = (line.partition(separator) for line in data.splitlines())
    return {name.decode("utf-8", "replace"): sha.decode("ascii", "replace") for sha, _, name in lines if name}


def _ref(name: str) -> str:
    steps = name.split("/")
    if len(steps) < 3 or steps[0] != "refs" or not all(map(is_segment, steps)):
        raise Invalid(f"'{name[:80]}' is not the name of a ref")
    return name


def _prefix(prefix: str) -> str:
    """A folder of refs with its slash, or the beginning of names in it."""
    folder, _, rest = prefix.rpartition("/")
    if not folder.startswith("refs/") or not all(map(is_segment, [*folder.split("/"), *([rest] if rest else [])])):
        raise Invalid(f"'{prefix[:80]}' is not a folder of refs")
    return prefix
