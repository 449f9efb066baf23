"""What a repository holds of a registry: its refs, and the records that were read back and judged.

Nothing in a repository is trusted: a record counts only where its ref has its name, its parts belong together, and its
objects are, id by id, those that promptops itself would make of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from promptops.core.advice import Action, Advice, Sentence
from promptops.core.errors import GitUnavailable, Invalid, RegistryMismatch, ReleaseNotFound
from promptops.core.model import is_name, is_segment
from promptops.projection.objects import CONTENT, RECORD, ROOT, project
from promptops.source.git.repository import Repository
from promptops.store.facts.record import MAX_RECORD, Record, decode

PAGE = 100
"""Records that are in memory together; a release may be a mebibyte."""

REGISTRY = ROOT + "registry/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A ref below ``refs/promptops/``: its id, and the record behind it, or what is wrong with that."""

    ref: str
    sha: str
    record: Record | None = None
    problem: str = ""


class Archive:
    """The refs of one repository below ``refs/promptops/``, as they were when they were first read."""

    def __init__(self, repository: Repository) -> None:
        self.place = repository.root
        self._git = repository.refs

    @cached_property
    def refs(self) -> Mapping[str, str]:
        """Each ref by its full name, with the id it has."""
        return self._git.list(ROOT)

    @property
    def lineages(self) -> tuple[str, ...]:
        """The registries whose facts are here: usually one."""
        return lineages(self.refs)

    def stored(self, refs: Mapping[str, str]) -> Iterator[Stored]:
        """The records behind these refs, in this order, a page at a time."""
        names = list(refs)
        for start in range(0, len(names), PAGE):
            page = names[start : start + PAGE]
            records = self._blobs([f"{refs[name]}:{RECORD}" for name in page])
            contents = self._blobs([f"{refs[name]}:{CONTENT}" for name in page])
            for name, data, content in zip(page, records, contents, strict=True):
                yield self._judge(name, refs[name], data, content)

    def audit(self, refs: Mapping[str, str] | None = None) -> Iterator[tuple[str, int, str, str]]:
        """Of each record (of these refs) its ref, and the number, hash and previous hash of its audit line, not judged
        in any way. Records that cannot be read are left out.
        """
        names = list(self.refs if refs is None else refs)
        for start in range(0, len(names), PAGE):
            page = names[start : start + PAGE]
            blobs = self._blobs([f"{self.refs[name]}:{RECORD}" for name in page])
            for name, data in zip(page, blobs, strict=True):
                try:
                    audit = json.loads(data or b"{}")["audit"]
                    yield name, int(audit["seq"]), str(audit["hash"]), str(audit["previous"])
                except (ValueError, KeyError, TypeError):
                    continue

    def _blobs(self, names: list[str]) -> list[bytes | None]:
        blobs = self._git.read(names, most=MAX_RECORD + 1)
        return [item.data if item is not None and item.kind == "blob" else None for item in blobs]

    def _judge(self, ref: str, sha: str, data: bytes | None, content: bytes | None) -> Stored:
        if data is None:
            return Stored(ref=ref, sha=sha, problem="there is no record behind it")
        try:
            record = decode(data, content or b"")
        except Invalid as error:
            return Stored(ref=ref, sha=sha, problem=error.message)
        if ROOT + record.ref != ref:
            return Stored(ref=ref, sha=sha, problem=f"the record behind it is {record.ref}")
        if project(record, self._git.algorithm).sha != sha:
            return Stored(ref=ref, sha=sha, problem="the commit is not the one that its record makes")
        return Stored(ref=ref, sha=sha, record=record)


def lineages(refs: Mapping[str, str]) -> tuple[str, ...]:
    """The lineages that some refs name."""
    return tuple(sorted(name.removeprefix(REGISTRY) for name in refs if name.startswith(REGISTRY)))


def require_lineage(present: tuple[str, ...], lineage: str, where: str) -> None:
    """Make sure that no other registry's facts are there.

    Raises:
        RegistryMismatch: there are, and the two would overwrite each other if they could.
    """
    others = [other for other in present if other != lineage]
    if others:
        raise RegistryMismatch(
            f"{where} holds the history of another registry, of lineage {others[0]}, and this is {lineage}",
            hint=Sentence(
                "If that one is lost, bring it back: ",
                Advice(Action.REBUILD, words="rebuild it from git", place="PATH"),
                ". If not needed, remove it:"
                " git for-each-ref --format='delete %(refname)' refs/promptops | git update-ref --stdin",
            ),
        )


def anchors(repository: Repository) -> Iterator[tuple[int, str]]:
    """The number and hash of every line of the audit log that git knows of, to hold the log against."""
    return ((seq, hash_) for _, seq, hash_, _ in Archive(repository).audit())


def read_release(repository: Repository, app: str, version: str) -> Record:
    """A release from git alone, verified down to its bytes.

    Raises:
        ReleaseNotFound: git does not have it; lists the versions it has.
        GitUnavailable: what it has is damaged.
    """
    archive = Archive(repository)
    prefix = f"{ROOT}releases/{app}/"
    if not is_name(app) or not is_segment(version) or prefix + version not in archive.refs:
        known = sorted(name.removeprefix(prefix) for name in archive.refs if name.startswith(prefix))
        raise ReleaseNotFound(f"{repository.root} has no release {app}@{version}", known=known)
    ref = prefix + version
    stored = next(archive.stored({ref: archive.refs[ref]}))
    if stored.record is None:
        raise GitUnavailable(f"{ref} is damaged: {stored.problem}", hint=Sentence(Advice(Action.FSCK)))
    return stored.record
