"""The outbox -> git: write the objects, create the refs, and only then say that it is done.

Killed anywhere, the rows are still in the outbox and everything already written is what the next one would write. Any
number of processes may do it at once. A ref that is there with another id is an alarm: it is never overwritten, and its
row stays.
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
    """How many changes were brought to git, how many wait still, and what stands in the way."""

    done: int = 0
    pending: int = 0
    waiting: tuple[Waiting, ...] = ()
    alarms: tuple[Fault, ...] = ()


@dataclass(slots=True)
class Brought:
    """What came of the outbox, or of a page of it. ``tagged`` are the names of the tags that are right now."""

    done: list[int] = field(default_factory=list)
    waiting: list[Waiting] = field(default_factory=list)
    alarms: list[Fault] = field(default_factory=list)
    tagged: set[str] = field(default_factory=set)
    refused: bool = False
    """Git took none of the page's refs, as opposed to taking them while a tag waits for its commit."""


def drain(registry: Registry, repository: Repository, *, limit: int | None = None) -> Drained:
    """Bring what waits in the outbox to git, oldest first, up to ``limit`` changes.

    Raises:
        RegistryMismatch: the repository holds another registry's history.
        GitUnavailable: git did not answer; what was done until then is done.
    """
    brought = bring(registry, repository, limit=limit)
    with registry.read() as reader:
        pending = reader.pending_count()
    waiting, alarms = tuple(brought.waiting), tuple(brought.alarms)
    return Drained(done=len(brought.done), pending=pending, waiting=waiting, alarms=alarms)


def bring(registry: Registry, repository: Repository, *, limit: int | None = None) -> Brought:
    """As :func:`drain`, for who does not ask what waits still."""
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
                break  # git refuses everything: once is enough
    return total


@dataclass(frozen=True, slots=True, kw_only=True)
class _Page:
    """A page of the outbox: its lines, and by their numbers what they come to in git."""

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
    brought.refused = bool(page.projected) and all(each.ref in refused for each in page.projected.values())
    for entry in page.entries:
        if entry.seq not in page.projected:
            brought.alarms.append(_no_fact(entry.ref))
            continue
        problems = [(ROOT + entry.ref, "ref-differs")]
        problems += [(names[entry.seq], "tag-differs")] if entry.seq in made else []
        found = [(name, code, refused[name]) for name, code in problems if name in refused]
        brought.alarms += [_differs(name, code, refusal) for name, code, refusal in found if refusal.exists_as]
        brought.waiting += [Waiting(ref=name, why=refusal.why) for name, _, refusal in found if not refusal.exists_as]
        if entry.seq in page.to_tag and entry.seq not in made:
            brought.waiting.append(Waiting(ref=ROOT + entry.ref, why=no_commit(page.to_tag[entry.seq])))
        elif not found:
            brought.done.append(entry.seq)
    if brought.done:
        registry.write(lambda writer: writer.done(brought.done))
    return brought


def taggable(reader: Reader, record: Record) -> Release | None:
    """The release that gets its tag with this record: a clean one with its own, another when it is confirmed."""
    match record.fact:
        case Release(provenance=provenance) if not provenance.dirty:
            return record.fact
        case Confirmation(app=app, release=release, provenance=provenance) if not provenance.dirty:
            known = (found for found in reader.releases(app) if found.digest == release.digest)
            return next((found for found in known if found.provenance == provenance), None)
        case _:
            return None


def commits(git: Refs, releases: Iterable[Release]) -> frozenset[str]:
    """The commits of these releases that are in the repository."""
    wanted = sorted({r.provenance.commit for r in releases if _SHA.fullmatch(r.provenance.commit)})
    found = git.read([f"{sha}^{{commit}}" for sha in wanted], most=0)
    return frozenset(sha for sha, item in zip(wanted, found, strict=True) if item is not None)


def untagged(git: Refs, releases: Sequence[Release]) -> list[Release]:
    """Those of these releases whose tag is not there, or is not theirs."""
    found = git.read([tags.TAGS + tags.tag_name(release) for release in releases], most=0)
    pairs = zip(releases, found, strict=True)
    return [release for release, tag in pairs if tag is None or tags.flaw(release, tag)]


def write(git: Refs, projected: Iterable[Projected], releases: Iterable[Release]) -> Mapping[str, Refusal]:
    """Write records and tags, and create their refs; answers which are not right afterwards, and why."""
    tagged = {tags.TAGS + tags.tag_name(release): release for release in releases}
    made = {name: tags.tag_object(release, git.algorithm) for name, release in tagged.items()}
    records = list(projected)
    objects = [item for record in records for item in record.objects]
    if not objects and not made:
        return {}
    git.write([*objects, *made.values()])
    refused = git.create({record.ref: record.sha for record in records} | {n: tag.sha for n, tag in made.items()})
    existing = [name for name in refused if name in tagged and refused[name].exists_as]
    for name, found in zip(existing, git.read(existing, most=0), strict=True):
        if found is None:
            continue
        why = f"the tag '{name.removeprefix(tags.TAGS)}' exists, and {tags.flaw(tagged[name], found)}"
        refused[name] = Refusal(why=why, exists_as=found.sha)
        if not tags.flaw(tagged[name], found):
            del refused[name]  # an older promptops wrote it, in other words
    return refused


def _differs(name: str, code: str, refusal: Refusal) -> Fault:
    return Fault(
        code=code,
        severity=Condition.DAMAGE,
        what=f"{refusal.why}; the registry says something else",
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
    """Why a release has no tag here."""
    return f"the commit {release.provenance.commit[:12]} that its tag points to is not in this repository: git fetch"
