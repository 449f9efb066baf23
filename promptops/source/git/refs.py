"""Reads, creates and pushes refs and their objects, many at a time. A ref is created once and never moved.

Names and ids come from promptops or are checked here. They go to git through standard input where git reads them
there, so that no name is taken for an option. Objects are written before the refs that name them, and git flushes
both to disk.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from promptops.core.errors import GitUnavailable, Invalid
from promptops.core.model import is_segment
from promptops.source.git import environment, loose
from promptops.source.git.cat_file import GitObject, Objects
from promptops.source.git.pack import Algorithm, RawObject, pack
from promptops.source.git.process import Begin, GitResult, Running

_SHA = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_REMOTE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,99}")
_URL = re.compile(r"(?:(?:https?|ssh|git|file)://|[A-Za-z0-9._-]+@[A-Za-z0-9.-]+:)[^\s\0-\x1f-][^\s\0-\x1f]{0,1000}")
_LIST = ("for-each-ref", "--format=%(objectname) %(refname)")
_LIST_REMOTE = ("ls-remote", "--quiet", "--refs", *environment.REACH)
_UNPACK = ("unpack-objects", "-q")
_INDEX = ("index-pack", "--stdin")
_UPDATE = ("update-ref", "--stdin")
# Git itself unpacks a push of fewer than 100 objects into single files (receive.unpackLimit).
_LOOSE = 100
# Ref names are arguments of `git push`: 500 of them stay far below the limit of a command line (128 KiB on Linux).
_PUSHED_AT_ONCE = 500
_REMOVED_AT_ONCE = 200  # each is named twice
_TAKEN = re.compile(r"'(?P<there>refs/[^']+)' exists; cannot create '")
_NOT_ALLOWED = re.compile(r"transport '(?P<helper>[\w+.-]+)' not allowed")
_SAID = 1000
"""Characters that are shown of what a remote said about a push: a hook may print a page."""
# A transaction fails when another process creates one of its refs first; after three times each ref is tried alone.
_TRIES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    """The refs that a remote accepted, and those that it refused with the reason, by name."""

    taken: tuple[str, ...] = ()
    refused: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a ref could not be created: git's message, and the id that the ref already has, if it exists."""

    why: str
    exists_as: str = ""


class Refs:
    """The refs of one repository."""

    def __init__(self, begin: Begin, objects: Objects, algorithm: Algorithm, folder: Path | None = None) -> None:
        """``folder`` is the one that objects are in; None where only git knows how they are written there."""
        self._begin = begin
        self._objects = objects
        self._folder = folder
        self._started: dict[tuple[str, ...], Running] = {}
        self.algorithm = algorithm

    @contextmanager
    def ahead(self) -> Iterator[None]:
        """Starts the process for the first change of refs in advance.

        It starts up in parallel while the caller works. One that was not used is killed at the end and has written
        nothing.

        Raises:
            GitUnavailable: git cannot be started.
        """
        try:
            self._started[_UPDATE] = self._begin(*_UPDATE, writes=True)
            yield
        finally:
            for running in self._started.values():
                running.end()
            self._started.clear()

    def _call(self, *arguments: str, data: bytes = b"", writes: bool = False, remote: bool = False) -> GitResult:
        running = self._started.pop(arguments, None) or self._begin(*arguments, writes=writes, remote=remote)
        return running.answer(data)

    def list(self, *folders: str) -> dict[str, str]:
        """Returns the refs below these folders (``refs/tags/``) with the ids of their objects."""
        result = self._call(*_LIST, *map(_prefix, folders))
        if result.code:
            raise GitUnavailable(f"git for-each-ref failed: {result.err}")
        return _pairs(result.out, b" ")

    def tip(self, name: str) -> str:
        """Returns the id that a ref has; empty if there is no such ref.

        The process that reads objects knows it; only where that finds nothing, another one looks for a ref without its
        object.
        """
        return self._ids([_ref(name)]).get(name, "") or self.list(name.rpartition("/")[0] + "/").get(name, "")

    def read(self, names: Sequence[str], *, most: int) -> Iterator[GitObject | None]:
        """Reads the objects of these names, in this order; None for a missing one. Blobs are cut at ``most`` bytes."""
        return self._objects.each(names, most=most)

    def same(self, objects: Iterable[RawObject]) -> bool:
        """Returns True if the repository has each of these objects, byte by byte."""
        return self._objects.same(objects)

    def write(self, objects: Sequence[RawObject]) -> None:
        """Writes objects, each once. Objects that exist already stay as they are.

        Raises:
            GitUnavailable: git could not write them.
        """
        # As git does with what it receives: a few objects become single files, many stay together in one pack.
        few = len(objects) <= _LOOSE
        if few and self._folder is not None:
            with suppress(OSError):  # git can word what is wrong
                loose.write(self._folder, objects)
                return
        result = self._call(*(_UNPACK if few else _INDEX), data=pack(objects, self.algorithm), writes=True)
        if result.code:
            raise GitUnavailable(f"git could not write objects: {result.err or f'exit code {result.code}'}")

    def history(self, tip: str, after: str = "") -> Sequence[tuple[str, tuple[str, ...]]]:
        """Returns the commits from behind ``after`` up to ``tip``, along first parents, oldest first, each with its
        parents.

        Raises:
            GitUnavailable: one of them is not in the repository.
        """
        options = ("--first-parent", "--reverse", "--parents", "--end-of-options")
        result = self._call("rev-list", *options, _id(tip), *([f"^{_id(after)}"] if after else []))
        if result.code:
            raise GitUnavailable(f"git rev-list failed: {result.err}")
        lines = (line.split() for line in result.out.decode("ascii", "replace").splitlines())
        return [(sha, tuple(parents)) for sha, *parents in lines]

    def has(self, sha: str) -> bool:
        """True if a commit is in the repository."""
        return next(self._objects.each([f"{_id(sha)}^{{commit}}"], most=0)) is not None

    def advance(self, name: str, new: str, old: str, create: Mapping[str, str] | None = None) -> bool:
        """Moves a ref from one id to another, or creates it if ``old`` is empty; also creates these refs, or does
        nothing of all that. Returns False if a ref is not where it has to be.

        Raises:
            GitUnavailable: git refuses for another reason.
        """
        lines = [f"update {_ref(name)} {_id(new)} {_id(old) if old else '0' * len(new)}\n"]
        lines += [f"create {_ref(name)} {_id(sha)}\n" for name, sha in (create or {}).items()]
        result = self._call(*_UPDATE, data="".join(lines).encode(), writes=True)
        if result.code and not create and self._ids([name]).get(name, "") == old:
            raise GitUnavailable(f"git update-ref failed: {result.err or f'exit code {result.code}'}")
        return not result.code

    def remove(self, refs: Mapping[str, str]) -> None:
        """Removes refs, each only if it still has this id.

        Raises:
            GitUnavailable: git refuses; none of them was removed.
        """
        data = "".join(f"delete {_ref(name)} {_id(sha)}\n" for name, sha in refs.items()).encode()
        result = self._call(*_UPDATE, data=data, writes=True)
        if result.code:
            raise GitUnavailable(f"git update-ref failed: {result.err or f'exit code {result.code}'}")

    def create(self, wanted: Mapping[str, str]) -> dict[str, Refusal]:
        """Creates refs, in one transaction where none of them exists yet. An existing ref is never moved.

        Returns the refusal of each ref that does not have the wanted id afterwards; an empty dict is success.
        """
        left = {_ref(name): sha for name, sha in wanted.items()}
        refused: dict[str, Refusal] = {}
        for _ in range(_TRIES):
            if not left or self._update(left).code == 0:
                return refused
            existing = self._ids(list(left))
            for name, sha in existing.items():
                if left.pop(name) != sha:
                    refused[name] = Refusal(why=f"it exists as {sha}", exists_as=sha)
        return refused | self._one_by_one(left)

    def _one_by_one(self, wanted: Mapping[str, str]) -> dict[str, Refusal]:
        """Creates each ref in a transaction of its own, because one that git refuses would stop the others."""
        refused = {}
        for name, sha in wanted.items():
            result = self._update({name: sha})
            existing = self._ids([name]).get(name, "") if result.code else sha
            if existing != sha:
                failure = _in_the_way(result.err) or result.err or f"git update-ref failed with {result.code}"
                why = f"it exists as {existing}" if existing else failure
                refused[name] = Refusal(why=why, exists_as=existing)
        return refused

    def _update(self, wanted: Mapping[str, str]) -> GitResult:
        lines = "".join(f"create {name} {sha}\n" for name, sha in wanted.items())
        return self._call(*_UPDATE, data=lines.encode(), writes=True)

    def _ids(self, names: Sequence[str]) -> dict[str, str]:
        """Returns the ids of those refs that exist."""
        objects = self._objects.each(names, most=0)
        return {name: item.sha for name, item in zip(names, objects, strict=True) if item is not None}

    # --- remotes ---

    def require_remote(self, name: str) -> str:
        """Returns the name if this repository has a remote of that name.

        Raises:
            Invalid: there is no such remote; the hint lists the remotes.
        """
        remotes = self._call("remote").out.decode("utf-8", "replace").split()
        if not _REMOTE.fullmatch(name) or name not in remotes:
            hint = f"Its remotes: {', '.join(remotes)}." if remotes else "Add one: git remote add origin …"
            raise Invalid(f"'{name[:80]}' is not a remote of this repository", hint=hint)
        return name

    def list_remote(self, remote: str, *prefixes: str) -> dict[str, str]:
        """Returns the refs of a remote that begin with one of the prefixes, with their ids.

        Raises:
            GitUnavailable: the remote does not answer.
        """
        patterns = [f"{_prefix(prefix)}*" for prefix in prefixes]
        result = self._call(*_LIST_REMOTE, "--end-of-options", remote, *patterns, remote=True)
        if result.code:
            raise GitUnavailable(
                f"the remote {remote} does not answer: {result.err or f'exit code {result.code}'}",
                hint=_protocol_hint(result.err),
            )
        return _pairs(result.out, b"\t")

    def fetch(self, source: str, specs: Sequence[str]) -> str:
        """Fetches these refspecs from a source, a remote or a URL. Refs here only move where a refspec has a ``+``.

        Returns git's error message, for example about a ref that exists here with another id; empty on success.
        """
        for start in range(0, len(specs), _PUSHED_AT_ONCE):
            batch = [_spec(spec) for spec in specs[start : start + _PUSHED_AT_ONCE]]
            result = self._call(
                "fetch", *environment.FETCH, "--end-of-options", source, *batch, writes=True, remote=True
            )
            if result.code:
                return result.err or f"git fetch failed with exit code {result.code}"
        return ""

    def push_commit(self, remote: str, sha: str, name: str) -> str:
        """Moves a ref of a remote forward to a commit; returns the reason if the remote or git refuses that."""
        return self._push(remote, {_ref(name): f"{_id(sha)}:{name}"})[name]

    def push_removals(self, remote: str, refs: Mapping[str, str]) -> str:
        """Removes refs from a remote, each only if it still has this id; returns the first reason if it refuses."""
        names = list(refs)
        for start in range(0, len(names), _REMOVED_AT_ONCE):
            batch = names[start : start + _REMOVED_AT_ONCE]
            leases = (f"--force-with-lease={_ref(name)}:{_id(refs[name])}" for name in batch)
            refused = [why for why in self._push(remote, {name: f":{name}" for name in batch}, *leases).values() if why]
            if refused:
                return refused[0]
        return ""

    def push(self, remote: str, names: Sequence[str]) -> Pushed:
        """Creates these refs on a remote. The remote refuses to move a ref that exists there with another id."""
        reasons: dict[str, str] = {}
        for start in range(0, len(names), _PUSHED_AT_ONCE):
            reasons |= self._push(remote, {_ref(n): f"{n}:{n}" for n in names[start : start + _PUSHED_AT_ONCE]})
        refused = {name: why for name, why in reasons.items() if why}
        return Pushed(taken=tuple(name for name in reasons if name not in refused), refused=refused)

    def _push(self, remote: str, specs: Mapping[str, str], *options: str) -> dict[str, str]:
        """Pushes a refspec for each of these refs; returns for each why it was refused, and nothing if it was not."""
        arguments = (*environment.PUSH, *options, "--end-of-options", remote, *specs.values())
        result = self._call("push", *arguments, remote=True)
        results = _results(result.out.decode("utf-8", "replace"))
        unknown = result.err or f"git push failed with exit code {result.code}"
        said = f": {' '.join(result.remote)}"[:_SAID] if result.remote else ""
        return {name: results[name] + said if results.get(name) else results.get(name, unknown) for name in specs}


def require_address(url: str) -> str:
    """Returns the URL if git may connect to it: it is neither an option nor an ``ext::`` command.

    One for a helper of git, ``codecommit::…``, is taken where the user's ``GIT_ALLOW_PROTOCOL`` names the helper.

    Raises:
        Invalid: for anything else.
    """
    helper, separator, rest = url.partition("::")
    if separator and helper in environment.protocols() and rest.isprintable():
        return url
    if not _URL.fullmatch(url) or "::" in url.partition("/")[0]:
        hint = "https://…, ssh://…, git://…, file://…, user@host:path, or the path of a repository."
        raise Invalid(f"'{url[:80]}' is not an address of a repository", hint=hint)
    return url


def _in_the_way(complaint: str) -> str:
    """Words that a ref has the name of a folder that another one needs; empty for any other complaint of git."""
    match = _TAKEN.search(complaint)
    if match is None:
        return ""
    name = match["there"]
    if not name.startswith("refs/tags/"):
        return f"'{name}' is in its way"
    tag = name.removeprefix("refs/tags/")
    return (
        f"the tag '{tag}' is in the way of every tag '{tag}/…'; rename it: git tag {tag}-old {tag} && git tag -d {tag}"
    )


def _protocol_hint(complaint: str) -> str:
    """The hint after git's ``transport 'codecommit' not allowed``; empty for any other complaint of git."""
    match = _NOT_ALLOWED.search(complaint)
    if match is None or match["helper"] == "ext":
        return ""
    helper = match["helper"]
    return (
        f"If you trust git-remote-{helper}, name the protocols that git may use: GIT_ALLOW_PROTOCOL=https:ssh:{helper}"
    )


def _results(text: str) -> dict[str, str]:
    """Parses ``git push --porcelain``: by ref, why the remote refused it; empty for an accepted one."""
    reasons = {}
    for line in text.splitlines():
        flag, _, rest = line.partition("\t")
        names, _, summary = rest.partition("\t")
        if len(flag) == 1 and ":" in names:
            reasons[names.rpartition(":")[2]] = summary if flag == "!" else ""
    return reasons


def _pairs(data: bytes, separator: bytes) -> dict[str, str]:
    lines = (line.partition(separator) for line in data.splitlines())
    return {name.decode("utf-8", "replace"): sha.decode("ascii", "replace") for sha, _, name in lines if name}


def _ref(name: str) -> str:
    steps = name.split("/")
    if len(steps) < 3 or steps[0] != "refs" or not all(map(is_segment, steps)):
        raise Invalid(f"'{name[:80]}' is not the name of a ref")
    return name


def is_id(text: str) -> bool:
    """Returns True for the form of a whole id of an object."""
    return _SHA.fullmatch(text) is not None


def _id(sha: str) -> str:
    if not is_id(sha):
        raise Invalid(f"'{sha[:80]}' is not the id of a commit")
    return sha


def _spec(spec: str) -> str:
    """Returns a refspec whose two sides are names of refs, or folders of refs that end with ``/*``."""
    for side in spec.removeprefix("+").split(":", 1):
        _ref(side[:-1] + "x" if side.endswith("/*") else side)
    return spec


def _prefix(prefix: str) -> str:
    """Returns the prefix if it is a folder of refs (with its slash) or the beginning of names in one."""
    folder, _, rest = prefix.rpartition("/")
    if not folder.startswith("refs/") or not all(map(is_segment, [*folder.split("/"), *([rest] if rest else [])])):
        raise Invalid(f"'{prefix[:80]}' is not a folder of refs")
    return prefix
