"""The audit log -> git: writes the objects, moves the chain at its home forward, and only then empties the outbox.

If the process is killed, the rows are still in the outbox, and the next one writes the same objects again. Any number
of processes may drain at once. A chain that is not the beginning of the registry's is an alarm: it is never moved, and
everything waits.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from promptops.core.advice import Action, Advice, Sentence
from promptops.core.faults import Condition, Fault
from promptops.core.model import Release
from promptops.projection import tags
from promptops.projection.chain import START, Astray, Page, Position, locate, pages
from promptops.source.git.refs import Refs, Refusal
from promptops.store.facts.confirmation import Confirmation
from promptops.store.facts.record import Record

if TYPE_CHECKING:
    from promptops.projection.homes import HomeRef
    from promptops.source.git.repository import Repository
    from promptops.store import Reader, Registry, Writer

_SHA = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_STRIDE = 20
"""Pages whose lines go to the home together: a push takes longer than writing them."""

_TRIES = 20
"""How often lines are written again because another process moved the chain, and so brought changes, meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """What could not be brought to git yet, and why."""

    what: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Drained:
    """How many changes were brought to git, how many are pending, and what stops them."""

    done: int = 0
    pending: int = 0
    waiting: tuple[Waiting, ...] = ()
    alarms: tuple[Fault, ...] = ()

    def with_tags(self, refused: Mapping[str, Refusal]) -> Drained:
        """Returns the same with the tags that could not be written, and why."""
        waiting = [Waiting(what=name, why=refusal.why) for name, refusal in refused.items() if not refusal.exists_as]
        alarms = [_tag_differs(name, refusal) for name, refusal in refused.items() if refusal.exists_as]
        return replace(self, waiting=(*self.waiting, *waiting), alarms=(*self.alarms, *alarms))


@dataclass(slots=True)
class Brought:
    """The result of draining the outbox. ``tagged`` are the names of the tags that are right now, ``at`` is the end of
    the chain."""

    done: int = 0
    waiting: list[Waiting] = field(default_factory=list)
    alarms: list[Fault] = field(default_factory=list)
    tagged: set[str] = field(default_factory=set)
    at: Position = START


def drain(registry: Registry, repository: Repository, home: HomeRef, *, limit: int | None = None) -> Drained:
    """Bring the changes of the outbox to the home of the journal, oldest first, up to ``limit`` lines of the log.

    ``repository`` is where the objects are written, and where releases get their tags.

    Raises:
        GitUnavailable: git or the home did not answer; the changes before that are in git.
    """
    brought = bring(registry, repository, home, limit=limit)
    with registry.read() as reader:
        pending = reader.pending_count()
    return Drained(done=brought.done, pending=pending, waiting=tuple(brought.waiting), alarms=tuple(brought.alarms))


def bring(
    registry: Registry, repository: Repository, home: HomeRef, *, limit: int | None = None, new: bool = False
) -> Brought:
    """Drains as :func:`drain` does, without counting what is pending. A ``new`` home may have any part of the chain."""
    git, total = repository.refs, Brought()
    with repository.lock.shared(), git.ahead():
        for _ in range(_TRIES):
            try:
                at = locate(registry, git, home.tip(), home.where, known=not new)
            except Astray as astray:
                total.alarms.append(astray.fault)
                break
            end = _bring(registry, git, home, at, None if limit is None else at.seq + limit, total)
            if end is not None:
                total.at = end
                break
    return total


def _bring(
    registry: Registry, git: Refs, home: HomeRef, at: Position, until: int | None, total: Brought
) -> Position | None:
    """Writes the lines behind a position; returns the last one, or None if the chain is elsewhere by now."""
    step = _Step(git, home, at)
    for number, page in enumerate(pages(registry, git, at, until=until), 1):
        gap = step.write(registry, page)
        if (gap or not number % _STRIDE) and not step.go(registry, total):
            return None
        if gap:
            total.alarms.append(_no_fact(gap))
            return step.at
    return step.at if step.go(registry, total) else None


class _Step:
    """Lines whose objects are written, and that go to the home together."""

    def __init__(self, git: Refs, home: HomeRef, at: Position) -> None:
        self.at = self._next = at
        self._git, self._home = git, home
        self._releases: dict[str, Release] = {}
        self._tags: dict[str, str] = {}

    def write(self, registry: Registry, page: Page) -> str:
        """Write the objects of a page up to the first line without a fact; returns that line's name, or nothing."""
        gap = next((entry for entry in page.entries if entry.seq not in page.links), None)
        lines = [entry.seq for entry in page.entries if gap is None or entry.seq < gap.seq]
        if lines:
            releases = {tags.TAGS + tags.tag_name(release): release for release in _to_tag(registry, self._git, page)}
            made = {name: tags.tag_object(release, self._git.algorithm) for name, release in releases.items()}
            self._git.write([*(item for seq in lines for item in page.links[seq].objects), *made.values()])
            self._next = Position(seq=lines[-1], sha=page.links[lines[-1]].sha)
            self._releases |= releases
            self._tags |= {name: tag.sha for name, tag in made.items()}
        return gap.ref if gap else ""

    def go(self, registry: Registry, total: Brought) -> bool:
        """Move the chain to the last line that was written; False if it is elsewhere by now."""
        moved = self._next != self.at
        if moved:
            refused: Mapping[str, Refusal] = {}
            if not self._home.advance(self._next.sha, self.at.ref_at, self._tags):
                # Perhaps a tag exists: then it must not keep the chain where it is.
                if not self._tags or not self._home.advance(self._next.sha, self.at.ref_at, {}):
                    return False
                refused = _create_tags(self._git, self._tags, self._releases)
            total.waiting += [Waiting(what=name, why=r.why) for name, r in refused.items() if not r.exists_as]
            total.alarms += [_tag_differs(name, r) for name, r in refused.items() if r.exists_as]
            total.tagged |= self._tags.keys() - refused.keys()
        self.at = self._next
        self._releases, self._tags = {}, {}
        if moved or _is_news(registry, self._git, self.at):
            total.done += _remember(registry, self._git, self._home, self.at)
        return True


def _is_news(registry: Registry, git: Refs, at: Position) -> bool:
    """True if the registry does not know yet that the home has these lines: another process brought them there, and was
    killed before it said so.
    """
    with registry.read() as reader:
        known, waiting = reader.drained(git.algorithm), reader.pending(1)
    return known != (at.seq, at.sha) or bool(waiting and waiting[0] <= at.seq)


def _remember(registry: Registry, git: Refs, home: HomeRef, at: Position) -> int:
    """Take what is at the home out of the outbox.

    Nothing is taken out if the registry names another home by now, or does not name this one yet.
    """

    def take(writer: Writer) -> int:
        writer.lock_drained(git.algorithm)
        named = writer.home()
        return writer.drain(git.algorithm, at.seq, at.sha) if named is None or home.is_named(named) else 0

    return registry.write(take)


# --- tags ----------------------------------------------------------------------------------------


def _to_tag(registry: Registry, git: Refs, page: Page) -> list[Release]:
    """The releases that get their tags with these lines: those whose commits are here."""
    about = [record for record in page.records.values() if isinstance(record.fact, Release | Confirmation)]
    if not about:
        return []
    with registry.read() as reader:
        releases = [release for record in about if (release := taggable(reader, record))]
    known = commits(git, releases)
    return [release for release in releases if release.provenance.commit in known]


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


def write_tags(git: Refs, releases: Iterable[Release]) -> Mapping[str, Refusal]:
    """Write the tags of releases; returns those that are wrong afterwards, with the reason."""
    tagged = {tags.TAGS + tags.tag_name(release): release for release in releases}
    made = {name: tags.tag_object(release, git.algorithm) for name, release in tagged.items()}
    if not made:
        return {}
    git.write(list(made.values()))
    return _create_tags(git, {name: tag.sha for name, tag in made.items()}, tagged)


def _create_tags(git: Refs, names: Mapping[str, str], tagged: Mapping[str, Release]) -> dict[str, Refusal]:
    refused = git.create(names)
    existing = [name for name in refused if refused[name].exists_as]
    for name, tag in zip(existing, git.read(existing, most=0), strict=True):
        if tag is None:
            continue
        why = f"the tag '{name.removeprefix(tags.TAGS)}' exists, and {tags.flaw(tagged[name], tag)}"
        refused[name] = Refusal(why=why, exists_as=tag.sha)
        if not tags.flaw(tagged[name], tag):
            del refused[name]  # an older promptops wrote the same tag with another text
    return refused


def _tag_differs(name: str, refusal: Refusal) -> Fault:
    return Fault(
        code="tag-differs",
        severity=Condition.DAMAGE,
        what=f"{refusal.why}; the registry has another object",
        where=name,
        repair=Sentence(
            f"Find out who wrote it (git show {name}); once it is removed, ",
            Advice(Action.SYNC, words="a sync"),
            " writes the right one.",
        ),
    )


def _no_fact(name: str) -> Fault:
    return Fault(
        code="fact-missing",
        severity=Condition.DAMAGE,
        what="its row is gone or was changed, so neither it nor what follows is brought to git",
        where=name,
        repair=Sentence(Advice(Action.FSCK)),
    )


def no_commit(release: Release) -> str:
    """Words why a release has no tag here."""
    return f"the commit {release.provenance.commit[:12]} that its tag points to is not in this repository: git fetch"
