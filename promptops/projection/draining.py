"""The audit log -> git: writes the objects, moves the chain at its home forward, and only then empties the outbox.

If the process is killed, the rows are still in the outbox, and the next one writes the same objects again. Any number
of processes may drain at once. A chain that is not the beginning of the registry's is an alarm: it is never moved, and
everything waits.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from promptops.core.advice import Action, Advice, Sentence
from promptops.core.faults import Condition, Fault
from promptops.core.model import Release
from promptops.projection import tagging, tags
from promptops.projection.chain import START, Astray, Page, Position, locate, pages
from promptops.projection.keyring import Keyring, Locked, Unlock, no_key, signer
from promptops.source.git.pack import RawObject
from promptops.source.git.refs import Refs, Refusal

if TYPE_CHECKING:
    from promptops.projection.homes import HomeRef
    from promptops.source.git.repository import Repository
    from promptops.store import Registry, Writer

_SHA = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_STRIDE = 20
"""Pages whose lines go to the home together: a push takes longer than writing them."""

_PACK = 4 << 20
"""Bytes of objects from which on a git is started to write them."""

_TRIES = 20
"""How often lines are written again because another process moved the chain, and so brought changes, meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """What could not be brought to git yet, and why."""

    what: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Drained:
    """How many changes were brought to git, how many are pending, and what stops them.

    ``locked`` says why this process cannot sign the journal, and ``at`` is the end of the chain, if that is known.
    """

    done: int = 0
    pending: int = 0
    waiting: tuple[Waiting, ...] = ()
    alarms: tuple[Fault, ...] = ()
    locked: str = ""
    at: Position = field(default=START, compare=False)

    def with_tags(self, refused: Mapping[str, Refusal]) -> Drained:
        """Returns the same with the tags that could not be written, and why."""
        waiting = [Waiting(what=name, why=refusal.why) for name, refusal in refused.items() if not refusal.exists_as]
        alarms = [tagging.tag_differs(name, refusal) for name, refusal in refused.items() if refusal.exists_as]
        return replace(self, waiting=(*self.waiting, *waiting), alarms=(*self.alarms, *alarms))


@dataclass(slots=True)
class Brought:
    """The result of draining the outbox. ``tagged`` are the names of the tags that are right now, ``at`` is the end of
    the chain, and ``locked`` says why this process cannot sign it."""

    done: int = 0
    waiting: list[Waiting] = field(default_factory=list)
    alarms: list[Fault] = field(default_factory=list)
    tagged: set[str] = field(default_factory=set)
    at: Position = START
    locked: str = ""


def drain(
    registry: Registry, repository: Repository, home: HomeRef, *, limit: int | None = None, unlock: Unlock = no_key
) -> Drained:
    """Bring the changes of the outbox to the home of the journal, oldest first, up to ``limit`` lines of the log.

    ``repository`` is where the objects are written, and where releases get their tags.

    Raises:
        GitUnavailable: git or the home did not answer; the changes before that are in git.
    """
    brought = bring(registry, repository, home, limit=limit, unlock=unlock)
    with registry.read() as reader:
        pending = reader.pending_count()
    locked = [Waiting(what="the journal", why=brought.locked)] if brought.locked and pending else []
    return Drained(
        done=brought.done,
        pending=pending,
        waiting=(*locked, *brought.waiting),
        alarms=tuple(brought.alarms),
        locked=brought.locked if pending else "",
        at=brought.at,
    )


def bring(
    registry: Registry,
    repository: Repository,
    home: HomeRef,
    *,
    limit: int | None = None,
    new: bool = False,
    unlock: Unlock = no_key,
) -> Brought:
    """Drains as :func:`drain` does, without counting what is pending. A ``new`` home may have any part of the chain.

    A process that cannot sign writes no line; it only learns what another one brought there.
    """
    git, total = repository.refs, Brought()
    with repository.lock.shared(), git.ahead():
        for _ in range(_TRIES):
            try:
                at = locate(registry, git, home.tip(), home.where, known=not new)
                there = _kept(registry, git, at, home.where, unlock) if new else ()
                until = None if limit is None else at.seq + limit
                lines = pages(registry, git, at, until=until, there=there, unlock=unlock)
                end = _bring(registry, git, home, at, lines, total)
            except Astray as astray:
                total.alarms.append(astray.fault)
                break
            except Locked as locked:
                total.locked = str(locked)
                break
            if end is not None:
                total.at = end
                break
    return total


def _kept(registry: Registry, git: Refs, at: Position, where: str, unlock: Unlock) -> Sequence[str]:
    """Returns the commits behind a position that the home before had, if they are here: a new one gets the same.

    Without a key they follow from the rows; but a line keeps the signature that it was written with.

    Raises:
        Astray: they are not the journal of the registry. Locked: this process cannot sign the lines behind them.
    """
    with registry.read() as reader:
        seq, sha = reader.drained(git.algorithm)
        keyring = Keyring(reader.registry_keys())
    signer(keyring.key_in_force, unlock)
    if not keyring or seq <= at.seq or not git.has(sha):
        return ()
    locate(registry, git, sha, where, known=False)
    shas = [each for each, _ in git.history(sha)]
    return shas[at.seq :] if len(shas) == seq and (not at.seq or shas[at.seq - 1] == at.sha) else ()


def _bring(
    registry: Registry, git: Refs, home: HomeRef, at: Position, lines: Iterator[Page], total: Brought
) -> Position | None:
    """Writes lines; returns the last one, or None if the chain is elsewhere by now."""
    step = _Step(git, home, at)
    try:
        for number, page in enumerate(lines, 1):
            gap = step.write(registry, page)
            if (gap or not number % _STRIDE) and not step.go(registry, total):
                return None
            if gap:
                total.alarms.append(_no_fact(gap))
                return step.at
    except Locked as locked:
        total.locked = str(locked)
    return step.at if step.go(registry, total) else None


class _Step:
    """Lines whose objects are written, and that go to the home together."""

    def __init__(self, git: Refs, home: HomeRef, at: Position) -> None:
        self.at = self._next = at
        self._git, self._home = git, home
        self._releases: dict[str, Release] = {}
        self._tags: dict[str, str] = {}
        self._objects: list[RawObject] = []

    def write(self, registry: Registry, page: Page) -> str:
        """Take the objects of a page up to the first line without a fact; returns that line's name, or nothing."""
        gap = next((entry for entry in page.entries if entry.seq not in page.links), None)
        lines = [entry.seq for entry in page.entries if gap is None or entry.seq < gap.seq]
        if lines:
            releases = {
                tags.TAGS + tags.tag_name(release): release for release in tagging.to_tag(registry, self._git, page)
            }
            made = {name: tags.tag_object(release, self._git.algorithm) for name, release in releases.items()}
            self._objects += [*(item for seq in lines for item in page.links[seq].objects), *made.values()]
            if sum(len(item.data) for item in self._objects) > _PACK:
                self._write_objects()
            self._next = Position(seq=lines[-1], sha=page.links[lines[-1]].sha)
            self._releases |= releases
            self._tags |= {name: tag.sha for name, tag in made.items()}
        return gap.ref if gap else ""

    def _write_objects(self) -> None:
        if self._objects:
            self._git.write(self._objects)
        self._objects = []

    def go(self, registry: Registry, total: Brought) -> bool:
        """Move the chain to the last line whose objects were taken; False if it is elsewhere by now."""
        moved = self._next != self.at
        self._write_objects()
        if moved:
            refused: Mapping[str, Refusal] = {}
            if not self._home.advance(self._next.sha, self.at.ref_at, self._tags):
                # Perhaps a tag exists: then it must not keep the chain where it is.
                if not self._tags or not self._home.advance(self._next.sha, self.at.ref_at, {}):
                    return False
                refused = tagging.create_tags(self._git, self._tags, self._releases)
            total.waiting += [Waiting(what=name, why=r.why) for name, r in refused.items() if not r.exists_as]
            total.alarms += [tagging.tag_differs(name, r) for name, r in refused.items() if r.exists_as]
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

    Nothing is taken out if the registry names another home by now, or does not name this one yet. This does not wait
    for the disk: after a power cut, the next drain finds the lines at the home again.
    """

    def take(writer: Writer) -> int:
        writer.lock_drained(git.algorithm)
        named = writer.home()
        return writer.drain(git.algorithm, at.seq, at.sha) if named is None or home.is_named(named) else 0

    return registry.write(take, flush=False)


def _no_fact(name: str) -> Fault:
    return Fault(
        code="fact-missing",
        severity=Condition.DAMAGE,
        what="its row is gone or was changed, so neither it nor what follows is brought to git",
        where=name,
        repair=Sentence(Advice(Action.FSCK)),
    )
