"""What a repository holds of a registry: the lines of its audit log, and the records that were read back and judged.

Nothing in a repository is trusted: a record counts only where its parts belong together, and its commit is, id by id,
the one that promptops itself would make of it. The lines are a chain of commits (:mod:`promptops.projection.chain`);
versions before 0.4.0 wrote a ref for each instead.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Protocol

from promptops.core.advice import Action, Advice, Sentence
from promptops.core.errors import GitUnavailable, Invalid, ReleaseNotFound
from promptops.core.model import is_name, is_segment
from promptops.projection.chain import HEADS, is_chain
from promptops.projection.objects import RECORD, ROOT, link, project
from promptops.projection.signatures import Sign, as_it_is, read_commits, signature_in
from promptops.source.git.pack import Algorithm
from promptops.source.git.repository import Repository
from promptops.store.facts.epoch import EpochInfo
from promptops.store.facts.kind import FactKind, kinds
from promptops.store.facts.record import MAX_RECORD, Record, decode

PAGE = 100
"""Records that are in memory together; a release may be a mebibyte."""

REGISTRY = "registry/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line of the audit log as a commit has it, not judged: the name of its fact, its number, hash and previous hash.

    Where the record cannot be read, ``name`` is that of the commit or its ref and ``seq`` is 0. ``parents`` is None for
    a record with a ref of its own.
    """

    name: str
    sha: str
    parents: tuple[str, ...] | None
    seq: int = 0
    hash: str = ""
    previous: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A line with the record behind it, or what is wrong with that; ``missing`` if objects of git are not there.

    ``commit`` are the bytes of a commit that has a signature, whose key and worth are not judged here.
    """

    line: Line
    record: Record | None = None
    problem: str = ""
    missing: bool = False
    commit: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """Lines that hang together: the commits of one chain, oldest first, with its newest commit and the refs that have
    it. What an older promptops wrote, a ref for each line, is one too, without a ``tip``.
    """

    lines: tuple[Line, ...]
    tip: str = ""
    refs: tuple[str, ...] = ()

    @property
    def reach(self) -> int:
        """How many lines, from the first on, say that each follows the one before."""
        pairs = zip(self.lines, (None, *self.lines), strict=False)
        follows = (line.seq == (before.seq if before else 0) + 1 for line, before in pairs)
        return next((place for place, right in enumerate(follows) if not right), len(self.lines))


class Archive:
    """The lines that one repository has of a registry, as they were when they were first read.

    ``ref`` names the ref of the chain, if it is not one of the usual branches; ``alone`` takes no other chain.
    """

    def __init__(self, repository: Repository, *, ref: str = "", alone: bool = False) -> None:
        self.place = repository.root
        self._git = repository.refs
        self._ref = ref
        self._alone = alone and bool(ref)

    @property
    def algorithm(self) -> Algorithm:
        """The algorithm of the ids of the repository."""
        return self._git.algorithm

    def commit(self, sha: str) -> bytes:
        """The bytes of a commit; empty if it is not there."""
        return next(read_commits(self._git, [sha]))

    @cached_property
    def candidates(self) -> tuple[Chain, ...]:
        """The chains that may be the journal, none the beginning of another; or, where they say more, the lines that
        have a ref each.
        """
        chains, _ = self._chains
        if self._alone:
            return chains
        older = Chain(lines=self.older)
        further = older.reach > max(chain.reach for chain in chains) if chains else bool(self.older)
        return (older,) if further else chains

    @cached_property
    def lines(self) -> tuple[Line, ...]:
        """The lines of the candidate that says most, in order."""
        return max(self.candidates, key=lambda chain: chain.reach, default=Chain(lines=self.older)).lines

    @property
    def strange(self) -> tuple[str, ...]:
        """The refs that are named as a chain is and do not begin with a registry."""
        return self._chains[1]

    @cached_property
    def older(self) -> tuple[Line, ...]:
        """The lines that have a ref of their own, from versions before 0.4.0."""
        refs = {name.removeprefix(ROOT): sha for name, sha in self._git.list(ROOT).items()}
        lines = (
            Line(name=name, sha=line.sha, parents=None, seq=line.seq, hash=line.hash, previous=line.previous)
            for name, line in zip(refs, self._read([(sha, None) for sha in refs.values()]), strict=True)
        )
        return tuple(sorted(lines, key=lambda line: (line.seq, line.name)))

    @property
    def lineages(self) -> tuple[str, ...]:
        """The registries whose lines are here: usually one."""
        lines = {line.name for chain in self.candidates or (Chain(lines=self.older),) for line in chain.lines}
        return tuple(sorted(name.removeprefix(REGISTRY) for name in lines if name.startswith(REGISTRY)))

    def below(self, prefix: str) -> list[Line]:
        """The lines about facts whose names begin with a prefix: ``yanks/bot/``."""
        return [line for line in self.lines if line.name.startswith(prefix)]

    def up_to(self, sha: str) -> Chain:
        """The chain that ends with this commit."""
        return Chain(lines=tuple(self._read(self._git.history(sha))), tip=sha)

    def stored(self, lines: Sequence[Line]) -> Iterator[Stored]:
        """The records behind these lines, in this order, a page at a time."""
        for start in range(0, len(lines), PAGE):
            page = lines[start : start + PAGE]
            records = self._blobs([f"{line.sha}:{RECORD}" for line in page])
            contents = self._blobs([f"{line.sha}:{_file(line.name)}" for line in page])
            parts = zip(page, records, contents, strict=True)
            yield from self._compared([self._judge(line, data, content) for line, data, content in parts])

    @cached_property
    def _chains(self) -> tuple[tuple[Chain, ...], tuple[str, ...]]:
        """The chains that begin with a registry, and the refs that are named as a chain is and do not."""
        refs = self._git.list(HEADS, "refs/remotes/", *([self._ref] if self._ref else []))
        tips: dict[str, list[str]] = {}
        for ref, tip in refs.items():
            if ref == self._ref or (is_chain(ref) and not self._alone):
                tips.setdefault(tip, []).append(ref)
        histories, damaged = {}, []
        for tip in tips:
            try:
                histories[tip] = self._git.history(tip)
            except GitUnavailable as error:
                damaged.append(error)
        if damaged and not histories:
            raise damaged[0]
        # A branch here may be the beginning of the one of a remote.
        passed = {sha for history in histories.values() for sha, _ in history[:-1]}
        chains, strange = [], [ref for tip in tips.keys() - histories.keys() for ref in tips[tip]]
        for tip, history in histories.items():
            if tip in passed:
                continue
            read = tuple(self._read(history))
            if read[0].name.startswith(REGISTRY) and read[0].seq == 1:
                chains.append(Chain(lines=read, tip=tip, refs=tuple(tips[tip])))
            else:
                strange += tips[tip]
        return tuple(chains), tuple(strange)

    def _read(self, commits: Sequence[tuple[str, tuple[str, ...] | None]]) -> Iterator[Line]:
        for start in range(0, len(commits), PAGE):
            page = commits[start : start + PAGE]
            for (sha, parents), data in zip(page, self._blobs([f"{sha}:{RECORD}" for sha, _ in page]), strict=True):
                try:
                    value = json.loads(data or b"{}")
                    audit = value["audit"]
                    yield Line(
                        name=str(value["ref"]), sha=sha, parents=parents,
                        seq=int(audit["seq"]), hash=str(audit["hash"]), previous=str(audit["previous"]),
                    )  # fmt: skip
                except (ValueError, KeyError, TypeError, RecursionError):
                    yield Line(name=f"commit {sha[:12]}", sha=sha, parents=parents)

    def _blobs(self, names: list[str]) -> list[bytes | None]:
        blobs = self._git.read(names, most=MAX_RECORD + 1)
        return [item.data if item is not None and item.kind == "blob" else None for item in blobs]

    def _is_lost(self, sha: str, name: str = RECORD) -> bool:
        """True if git lacks an object of a commit that should have this file; False if the commit never had it."""
        tree = next(self._git.read([f"{sha}^{{tree}}"], most=0))
        return tree is None or f"100644 {name}\0".encode() in tree.data

    def _judge(self, line: Line, data: bytes | None, content: bytes | None) -> Stored:
        if data is None:
            return Stored(line=line, problem="there is no record behind it", missing=self._is_lost(line.sha))
        try:
            record = decode(data, content or b"")
        except Invalid as error:
            gone = content is None and _has_file(line.name) and self._is_lost(line.sha, _file(line.name))
            return Stored(line=line, problem=error.message, missing=gone)
        if record.ref != line.name:
            return Stored(line=line, problem=f"the record behind it is {record.ref}")
        return Stored(line=line, record=record)

    def _compared(self, page: Sequence[Stored]) -> Iterator[Stored]:
        """The lines of a page, without the record where the commit is not the one that this makes."""
        other = {s.line.sha for s in page if s.record and self._made(s.line, s.record) != s.line.sha}
        commits = dict(zip(sorted(other), read_commits(self._git, sorted(other)), strict=True))
        for stored in page:
            line, record, commit = stored.line, stored.record, commits.get(stored.line.sha, b"")
            signature = signature_in(commit, self._git.algorithm)
            if record is None or line.sha not in other:
                yield stored
            elif signature and self._made(line, record, as_it_is(signature)) == line.sha:
                yield replace(stored, commit=commit)
            else:
                yield Stored(line=line, problem="the commit is not the one that its record makes")

    def _made(self, line: Line, record: Record, sign: Sign | None = None) -> str:
        return _commit(record, line.parents, self._git.algorithm, sign)


def _commit(record: Record, parents: tuple[str, ...] | None, algorithm: Algorithm, sign: Sign | None = None) -> str:
    """Returns the id of the commit of a record after these parents; empty if they cannot be its parents.

    A commit has a second parent only where an epoch leaves newer lines of the home behind.
    """
    if parents is None:
        return project(record, algorithm).sha
    left = record.fact.leaves if isinstance(record.fact, EpochInfo) else ""
    if parents[1:] != ((left,) if left else ()):
        return ""
    return link(record, algorithm, *parents, sign=sign).sha


def _file(name: str) -> str:
    """The file beside the record of a fact of this name."""
    return kinds().get(name.partition("/")[0], FactKind).file


def _has_file(name: str) -> bool:
    return bool(kinds().get(name.partition("/")[0], FactKind).content)


def lineages(names: Iterable[str]) -> tuple[str, ...]:
    """The lineages that the names of some refs of an older promptops have in them."""
    prefix = ROOT + REGISTRY
    return tuple(sorted(name.removeprefix(prefix) for name in names if name.startswith(prefix)))


class Holds(Protocol):
    """Lines of one registry, and the records behind them."""

    @property
    def place(self) -> Path:
        """Where they are."""

    def below(self, prefix: str) -> list[Line]:
        """The lines about facts whose names begin with a prefix: ``yanks/bot/``."""

    def stored(self, lines: Sequence[Line]) -> Iterator[Stored]:
        """The records behind these lines, in this order."""


def read_release(archive: Holds, app: str, version: str) -> Record:
    """A release from git alone, verified down to its bytes.

    Raises:
        ReleaseNotFound: git does not have it; lists the versions it has.
        GitUnavailable: what it has is damaged.
    """
    prefix = f"releases/{app}/"
    named = {line.name.removeprefix(prefix): line for line in archive.below(prefix)}
    if not is_name(app) or not is_segment(version) or version not in named:
        raise ReleaseNotFound(f"{archive.place} has no release {app}@{version}", known=sorted(named))
    stored = next(archive.stored([named[version]]))
    if stored.record is None:
        raise GitUnavailable(f"{stored.line.name} is damaged: {stored.problem}", hint=Sentence(Advice(Action.FSCK)))
    return stored.record
