"""The outbox -> git: writes the objects, creates the refs, and only then removes the rows from the outbox.

If the process is killed, the rows are still in the outbox, and the next one writes the same objects again. Any number
of processes may drain at once. A ref that exists with another id is an alarm: it is never overwritten, and its row
stays.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from promptops.core.advice import Action, Advice, Sentence
from promptops.core.faults import Condition, Fault
from promptops.core.model import Release
from promptops.projection import tags
from promptops.projection.archive import PAGE, REGISTRY, lineages, require_lineage
from promptops.projection.objects import ROOT, Projected, project
from promptops.source.git.refs import Refs, Refusal
from promptops.store.facts.confirmation import Confirmation
from promptops.store.facts.kind import JournalEntry
from promptops.store.facts.record import Record

if TYPE_CHECKING:
    from promptops.source.git.repository import Repository
    from promptops.store import Reader, Registry

_SHA = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A fact that could not be brought to git yet, and why."""

    ref: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Drained:
    """How many changes were brought to git, how many are pending, and what stops them."""

    done: int = 0
    pending: int = 0
    waiting: tuple[Waiting, ...] = ()
    alarms: tuple[Fault, ...] = ()


@dataclass(slots=True)
class Brought:
    """The result of draining the outbox or a page of it. ``tagged`` are the names of the tags that are right now."""

    done: list[int] = field(default_factory=list)
    waiting: list[Waiting] = field(default_factory=list)
    alarms: list[Fault] = field(default_factory=list)
    tagged: set[str] = field(default_factory=set)
    refused: bool = False
    """Git refused every ref of the page. False if it created them and only a tag waits for its commit."""


def drain(registry: Registry, repository: Repository, *, limit: int | None = None) -> Drained:
    """Bring the changes of the outbox to git, oldest first, up to ``limit`` changes.

    Raises:
        RegistryMismatch: the repository holds another registry's history.
        GitUnavailable: git did not answer; the changes before that are in git.
    """
    brought = bring(registry, repository, limit=limit)
    with registry.read() as reader:
        pending = reader.pending_count()
    waiting, alarms = tuple(brought.waiting), tuple(brought.alarms)
    return Drained(done=len(brought.done), pending=pending, waiting=waiting, alarms=alarms)


def bring(registry: Registry, repository: Repository, *, limit: int | None = None) -> Brought:
    """Drains as :func:`drain` does, without counting what is pending."""
    with registry.read() as reader:
        seqs = reader.pending(limit)
    total = Brought()
    if not seqs:
        return total
    git = repository.refs
    with repository.lock.shared(), git.ahead(REGISTRY):
        page = _read(registry, git, seqs[:PAGE])
        require_lineage(lineages(git.list(REGISTRY)), registry.lineage, str(repository.root))
        for start in range(0, len(seqs), PAGE):
            brought = _bring(registry, git, page if not start else _read(registry, git, seqs[start : start + PAGE]))
            total.done += brought.done
            total.waiting += brought.waiting
            total.alarms += brought.alarms
            total.tagged |= brought.tagged
            if brought.refused and not brought.alarms:
                break  # git refuses everything, so the next page would fail too
    return total


@dataclass(frozen=True, slots=True, kw_only=True)
class _Page:
    """A page of the outbox: its lines, and by their numbers the records and releases to write to git."""

    entries: Sequence[JournalEntry]
    projected: Mapping[int, Projected]
    to_tag: Mapping[int, Release]


def _read(registry: Registry, git: Refs, seqs: Sequence[int]) -> _Page:
    with registry.read() as reader:
        entries = reader.journal(seqs)
        records = reader.facts(entries)
        to_tag = {record.audit.seq: release for record in records if (release := taggable(reader, record))}
    projected = {record.audit.seq: project(record, git.algorithm) for record in records}
    return _Page(entries=entries, projected=projected, to_tag=to_tag)


def _bring(registry: Registry, git: Refs, page: _Page) -> Brought:
    known = commits(git, page.to_tag.values())
    made = {seq: r for seq, r in page.to_tag.items() if r.provenance.commit in known}
    refused = write(git, page.projected.values(), made.values())
    names = {seq: tags.TAGS + tags.tag_name(release) for seq, release in made.items()}
    brought = Brought(tagged=set(names.values()) - refused.keys())
    brought.refused = bool(page.projected) and all(record.ref in refused for record in page.projected.values())
    for entry in page.entries:
        if entry.seq not in page.projected:
            brought.alarms.append(_no_fact(entry.ref))
            continue
        problems = [(ROOT + entry.ref, "ref-differs")]
        problems += [(names[entry.seq], "tag-differs")] if entry.seq in made else []
        refusals = [(name, code, refused[name]) for name, code in problems if name in refused]
        brought.alarms += [_differs(name, code, refusal) for name, code, refusal in refusals if refusal.exists_as]
        brought.waiting += [
            Waiting(ref=name, why=refusal.why) for name, _, refusal in refusals if not refusal.exists_as
        ]
        if entry.seq in page.to_tag and entry.seq not in made:
            brought.waiting.append(Waiting(ref=ROOT + entry.ref, why=no_commit(page.to_tag[entry.seq])))
        elif not refusals:
            brought.done.append(entry.seq)
    if brought.done:
        registry.write(lambda writer: writer.done(brought.done))
    return brought


def taggable(reader: Reader, record: Record) -> Release | None:
    """Returns the release that gets its tag with this record: a clean one at once, a dirty one once confirmed."""
    match record.fact:
        case Release(provenance=provenance) if not provenance.dirty:
            return record.fact
        case Confirmation(app=app, release=release, provenance=provenance) if not provenance.dirty:
            same = (other for other in reader.releases(app) if other.digest == release.digest)
            return next((other for other in same if other.provenance == provenance), None)
        case _:
            return None


def commits(git: Refs, releases: Iterable[Release]) -> frozenset[str]:
    """Returns the commits of these releases that are in the repository."""
    names = sorted({r.provenance.commit for r in releases if _SHA.fullmatch(r.provenance.commit)})
    objects = git.read([f"{sha}^{{commit}}" for sha in names], most=0)
    return frozenset(sha for sha, item in zip(names, objects, strict=True) if item is not None)


def untagged(git: Refs, releases: Sequence[Release]) -> list[Release]:
    """Returns the releases whose tag is missing, or belongs to something else."""
    objects = git.read([tags.TAGS + tags.tag_name(release) for release in releases], most=0)
    pairs = zip(releases, objects, strict=True)
    return [release for release, tag in pairs if tag is None or tags.flaw(release, tag)]


def write(git: Refs, projected: Iterable[Projected], releases: Iterable[Release]) -> Mapping[str, Refusal]:
    """Write records and tags, and create their refs; returns the refs that are wrong afterwards, with the reason."""
    tagged = {tags.TAGS + tags.tag_name(release): release for release in releases}
    made = {name: tags.tag_object(release, git.algorithm) for name, release in tagged.items()}
    records = list(projected)
    objects = [item for record in records for item in record.objects]
    if not objects and not made:
        return {}
    git.write([*objects, *made.values()])
    refused = git.create({record.ref: record.sha for record in records} | {n: tag.sha for n, tag in made.items()})
    existing = [name for name in refused if name in tagged and refused[name].exists_as]
    for name, tag in zip(existing, git.read(existing, most=0), strict=True):
        if tag is None:
            continue
        why = f"the tag '{name.removeprefix(tags.TAGS)}' exists, and {tags.flaw(tagged[name], tag)}"
        refused[name] = Refusal(why=why, exists_as=tag.sha)
        if not tags.flaw(tagged[name], tag):
            del refused[name]  # an older promptops wrote the same tag with another text
    return refused


def _differs(name: str, code: str, refusal: Refusal) -> Fault:
    return Fault(
        code=code,
        severity=Condition.DAMAGE,
        what=f"{refusal.why}; the registry has another object",
        where=name,
        repair=Sentence(
            f"Find out who wrote it (git show {name}); once it is removed, ",
            Advice(Action.SYNC, words="a sync"),
            " writes the right one.",
        ),
    )


def _no_fact(ref: str) -> Fault:
    return Fault(
        code="fact-missing",
        severity=Condition.DAMAGE,
        what="its row is gone or was changed, so it is not brought to git",
        where=ref,
        repair=Sentence(Advice(Action.FSCK)),
    )


def no_commit(release: Release) -> str:
    """Words why a release has no tag here."""
    return f"the commit {release.provenance.commit[:12]} that its tag points to is not in this repository: git fetch"
