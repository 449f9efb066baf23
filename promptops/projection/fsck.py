"""The registry against git, line by line: is everything there that the rows say, and nothing else?

Every object is worked out again from the rows and compared, id by id and byte by byte, a page at a time. What git lacks
can be written again from the rows; what git has and the registry has not is the trace of something that was lost or
rewritten in the database, and only an operator can decide about that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from promptops.core.advice import Action, Advice, Sentence
from promptops.core.errors import GitUnavailable
from promptops.core.faults import Condition, Fault
from promptops.core.json_codec import to_json
from promptops.core.model import Release
from promptops.projection import tagging, tags
from promptops.projection.archive import lineages
from promptops.projection.chain import START, Facts, Page, Position, pages, read_line
from promptops.projection.homes import Here
from promptops.projection.keyring import Locked, Unlock, no_key
from promptops.projection.objects import ROOT, Projected
from promptops.projection.older import matching
from promptops.source.git import lock as git_lock
from promptops.source.git.refs import Refs
from promptops.store.facts.kind import JournalEntry

if TYPE_CHECKING:
    from promptops.projection.homes import HomeRef
    from promptops.source.git.repository import Repository
    from promptops.store import Registry

MOST = 20
"""Faults of one code that are named one by one."""

_PACKED_SECONDS = 60.0
"""Seconds after which the lock of the packed refs counts as left over: another program's git may pack for that long."""
_REPAIR = Advice(Action.REPAIR, words="a repair of the registry")
_AGAIN = Sentence(_REPAIR, " writes it again from the rows.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """A chain at its home: the ids of its commits, the first line's first. Those of the lines before ``begin``, which
    were verified before, are empty and are not looked at.
    """

    tip: str
    shas: Sequence[str]
    begin: Position = START


def read_chain(git: Refs, home: HomeRef, since: Position = START) -> Chain:
    """Returns the chain at its home, behind a position if that is a part of it.

    Raises:
        GitUnavailable: a commit cannot be read, or the home does not answer.
    """
    tip = home.tip()
    if since.sha and tip and git.has(since.sha):
        history = git.history(tip, since.sha)
        if tip == since.sha or (history and history[0][1][:1] == (since.sha,)):
            shas = [*[""] * (since.seq - 1), since.sha, *(sha for sha, _ in history)]
            return Chain(tip=tip, shas=shas, begin=since)
    return Chain(tip=tip, shas=[sha for sha, _ in git.history(tip)] if tip else [])


def check(
    registry: Registry, repository: Repository, home: HomeRef, chain: Chain | None = None, facts: Facts | None = None
) -> tuple[Fault, ...]:
    """Everything in which the home of the journal, and the tags of a repository, are not what the registry says."""
    try:
        there = chain or read_chain(repository.refs, home)
        faults = [*outbox(registry), *_locks(repository, home), *_compare(registry, repository, home, there, facts)]
    except GitUnavailable as error:
        return unreadable(error, home)
    return shortened(faults)


def unreadable(error: GitUnavailable, home: HomeRef) -> tuple[Fault, ...]:
    """The fault of a git that cannot read its objects."""
    return (damage("git-unreadable", error.message, home.where, error.hint or "git fsck"),)


def shortened(faults: Iterable[Fault]) -> tuple[Fault, ...]:
    """The faults, with one in place of the many of a code that has more than :data:`MOST`."""
    kinds: dict[str, list[Fault]] = {}
    for fault in faults:
        kinds.setdefault(fault.code, []).append(fault)
    few: list[Fault] = []
    for code, of_code in kinds.items():
        few += of_code[: MOST if len(of_code) > MOST else None]
        if len(of_code) > MOST:
            more, last = len(of_code) - MOST, of_code[-1]
            few.append(
                Fault(
                    code=code,
                    severity=last.severity,
                    what=f"and {more:,} more of the same",
                    where=f"… {last.where}",
                    repair=last.repair,
                )
            )
    return tuple(few)


# --- what is wrong -------------------------------------------------------------------------------


def outbox(registry: Registry) -> Iterator[Fault]:
    """What waits for git, but for the epoch of a rebuild: it waits for a person to say that this registry goes on."""
    count, oldest = _waiting(registry)
    if count and not _is_epoch_of_rebuild(count, oldest):
        what = "1 change is not in git yet" if count == 1 else f"{count:,} changes are not in git yet"
        where = oldest.ref if oldest else "outbox"
        repair = Sentence(Advice(Action.SYNC, words="a sync"), " says why, where it cannot bring them there.")
        yield pending("outbox-pending", what, where, repair)


def rebuilt(registry: Registry) -> tuple[str, ...]:
    """Says of a registry that was rebuilt, and that nothing was changed in since, what git does not have of it."""
    if not _is_epoch_of_rebuild(*_waiting(registry)):
        return ()
    return (
        "This registry was rebuilt, and its new epoch is not in git: a sync brings it there, "
        "if it takes the place of the one that was lost.",
    )


def _waiting(registry: Registry) -> tuple[int, JournalEntry | None]:
    """Returns how many changes wait for git, and the oldest of them."""
    with registry.read() as reader:
        return reader.pending_count(), next(iter(reader.journal(reader.pending(1))), None)


def _is_epoch_of_rebuild(count: int, oldest: JournalEntry | None) -> bool:
    return count == 1 and oldest is not None and oldest.audit.action == "rebuild"


def _locks(repository: Repository, home: HomeRef) -> Iterator[Fault]:
    refs = (home.ref,) if isinstance(home, Here) else ()  # `journal:` in promptops.yml may name any
    for lock in git_lock.lock_files(repository.folder, lock_folders(repository), refs):
        ours = not lock.path.startswith("packed-refs")
        if lock.age >= (git_lock.SETTLED if ours else _PACKED_SECONDS):
            repair = (
                Sentence(_REPAIR, " removes it once no git of promptops is alive.")
                if ours
                else f"Remove it once no git is running there: rm {repository.folder / lock.path}"
            )
            yield pending("lock-stale", f"a lock file of git is {lock.age:.0f} seconds old", lock.path, repair)


def lock_folders(repository: Repository) -> tuple[str, ...]:
    """The folders whose refs only promptops writes."""
    apps = {name.removeprefix(tags.TAGS).partition("/")[0] for name in repository.refs.list(tags.TAGS) if "/v" in name}
    return ("refs/heads/promptops", *(f"{tags.TAGS}{app}" for app in sorted(apps)))


def _compare(
    registry: Registry, repository: Repository, home: HomeRef, chain: Chain, facts: Facts | None
) -> Iterator[Fault]:
    git, shas = repository.refs, chain.shas
    with registry.read() as reader:
        (brought, _), left = reader.drained(git.algorithm), reader.left_behind()
    if chain.tip in left:  # a restore left the lines behind this one on purpose, and the next sync goes on from it
        shas = shas[:brought]
    comparison = _Comparison(registry, git, shas, where=home.where, last=chain.begin.seq)
    if brought > len(shas):
        code = "journal-shortened" if shas else "journal-missing"
        end = f"ends at line {len(shas)}" if shas else "is gone"
        yield pending(code, f"the journal was written up to line {brought} and {end}", home.where, _AGAIN)
    older = git.list(ROOT)
    others = [lineage for lineage in lineages(older) if lineage != registry.lineage]
    if others:
        what = f"it holds the history of another registry, of lineage {others[0]}"
        yield damage("lineage-foreign", what, str(repository.root), "One of the two belongs to another repository.")
        older = {}
    for page in pages(registry, git, chain.begin, there=shas[chain.begin.seq :], facts=facts):
        yield from comparison.lines(page)
        yield from _tags(registry, git, page)
    yield from comparison.unknown()
    for name in sorted(older.keys() - matching(registry, git, older).keys()):
        yield damage("ref-foreign", "the registry has no such fact, or another one", name, f"git show {name}")


@dataclass(slots=True)
class _Comparison:
    """The lines of a registry against the commits of a chain, which has them from the first on."""

    registry: Registry
    git: Refs
    shas: Sequence[str]
    where: str
    last: int = 0

    def lines(self, page: Page) -> Iterator[Fault]:
        """What is wrong with the commits of a page of lines."""
        there = [entry for entry in page.entries if entry.seq <= len(self.shas)]
        for entry in there:
            yield from self._unknown(range(self.last + 1, entry.seq))
            self.last = entry.seq
            linked, sha = page.links.get(entry.seq), self.shas[entry.seq - 1]
            if linked is None or linked.sha != sha:
                yield self._differs(entry, linked, sha)
            elif entry.seq in page.flaws:
                yield damage(*page.flaws[entry.seq], entry.ref, _unsigned(sha))
        whole = [linked for seq, linked in page.links.items() if self.shas[seq - 1 : seq] == [linked.sha]]
        for name in _unread(self.git, whole):
            yield pending("objects-missing", "the files of its commit are gone or damaged", name, _AGAIN)

    def unknown(self) -> Iterator[Fault]:
        """The commits behind the last line of the registry."""
        yield from self._unknown(range(self.last + 1, len(self.shas) + 1))

    def _unknown(self, seqs: Sequence[int]) -> Iterator[Fault]:
        for seq in seqs:
            sha = self.shas[seq - 1]
            name, _ = read_line(self.git, sha)
            if name:
                what = f"git has line {seq} of the audit log, commit {sha[:12]}, and the registry does not have it"
                yield damage("registry-behind", what, name, _lost(self.where))
            else:
                what = f"commit {sha[:12]} holds no line of the audit log"
                yield damage("line-foreign", what, self.where, f"Look at it: git show {sha[:12]}")

    def _differs(self, entry: JournalEntry, linked: Projected | None, sha: str) -> Fault:
        name, audit = read_line(self.git, sha)
        if name and audit != to_json(entry.audit):
            what = f"line {entry.seq} of the audit log is not the one that git has in commit {sha[:12]}"
            return damage("audit-rewritten", what, entry.ref, _lost(self.where))
        if linked is None:
            what = f"its row is gone or was changed; git has it in commit {sha[:12]}"
            return damage("fact-missing", what, entry.ref, _lost(self.where))
        what = f"commit {sha[:12]} is not the one that line {entry.seq} of the audit log makes"
        return damage("line-differs", what, entry.ref, f"Find out who wrote it: git show {sha[:12]}")


def _tags(registry: Registry, git: Refs, page: Page) -> Iterator[Fault]:
    with registry.read() as reader:
        waiting = next(iter(reader.pending(1)), 0)
        found = {seq: tagging.taggable(reader, record) for seq, record in page.records.items()}
    releases = [release for seq, release in found.items() if release and (not waiting or seq < waiting)]
    known = tagging.commits(git, releases)
    releases = [release for release in releases if release.provenance.commit in known]
    names = [tags.TAGS + tags.tag_name(release) for release in releases]
    for release, name, tag in zip(releases, names, git.read(names, most=0), strict=True):
        if tag is None:
            yield pending("tag-missing", "it was made and is not there", name, _AGAIN)
        elif problem := tags.flaw(release, tag):
            repair = Sentence(f"Find out who wrote it (git show {name}); once it is removed, ", _AGAIN)
            yield damage("tag-differs", problem, name, repair)


def _unread(git: Refs, links: Sequence[Projected]) -> frozenset[str]:
    """The names of the lines whose objects cannot be read, or are not byte by byte what they should be."""
    if git.same(item for linked in links for item in linked.objects):
        return frozenset()
    wanted = [(linked.name, item) for linked in links for item in linked.objects]
    most = max((len(item.data) for _, item in wanted), default=0) + 1
    objects = git.read([item.sha for _, item in wanted], most=most)
    pairs = zip(wanted, objects, strict=True)
    return frozenset(name for (name, item), there in pairs if there is None or there.data != item.data)


def _lost(where: str) -> str:
    return Sentence(
        "Keep both. ",
        Advice(Action.REBUILD, words="A rebuild from git", place="PATH"),
        f" makes a registry of what {where} has, to compare.",
    )


def _unsigned(sha: str) -> str:
    return Sentence(
        f"Find out who wrote it (git show --show-signature {sha[:12]}), and move the branch back to the commit before;"
        " then ",
        Advice(Action.REPAIR, words="a repair of the registry"),
        " with the key writes it again.",
    )


def pending(code: str, what: str, where: str, repair: str) -> Fault:
    """A fault that is only work not done yet."""
    return Fault(code=code, severity=Condition.PENDING, what=what, where=where, repair=repair)


def damage(code: str, what: str, where: str, repair: str) -> Fault:
    """A fault that an operator has to look at."""
    return Fault(code=code, severity=Condition.DAMAGE, what=what, where=where, repair=repair)


# --- repair --------------------------------------------------------------------------------------


def restore(registry: Registry, repository: Repository, home: HomeRef, unlock: Unlock = no_key) -> str:
    """Write again what git lacks of what was already brought there. Nothing that is there is moved or replaced.

    Lines that are lost are signed with the key of ``unlock``; returns why not, if it is not here.
    """
    try:
        _restore(registry, repository, home, unlock)
    except Locked as locked:
        return str(locked)
    return ""


def _restore(registry: Registry, repository: Repository, home: HomeRef, unlock: Unlock) -> None:
    git = repository.refs
    with repository.lock.shared():
        tip = home.tip()
        shas = _readable_history(git, tip)
        with registry.read() as reader:
            brought, newest = reader.drained(git.algorithm)
        there = shas
        if brought > len(shas) and git.has(newest):  # the ref was moved back, and what it was at is still here
            kept = _readable_history(git, newest)
            there = kept if len(kept) == brought and kept[: len(shas)] == shas else shas
        newest, written = "", {"", *shas}
        for page in pages(registry, git, START, until=max(brought, len(shas)), there=there, unlock=unlock):
            right = [linked for seq, linked in page.links.items() if there[seq - 1 : seq] in ([], [linked.sha])]
            if len(right) < len(page.entries) or page.flaws:
                return  # what is there is something else: an operator has to decide
            lost = _unread(git, right)
            git.write([item for linked in right if linked.name in lost for item in linked.objects])
            tagging.write_tags(git, _untagged(registry, git, page))
            newest = page.links[page.entries[-1].seq].sha
            written |= {linked.sha for linked in right}
        if newest not in (tip, "") and tip in written:
            home.advance(newest, tip, {})


def _readable_history(git: Refs, tip: str) -> list[str]:
    """The commits up to this one; empty if one of them is lost, so that all are written again."""
    try:
        return [sha for sha, _ in git.history(tip)] if tip else []
    except GitUnavailable:
        return []


def _untagged(registry: Registry, git: Refs, page: Page) -> list[Release]:
    with registry.read() as reader:
        releases = [release for record in page.records.values() if (release := tagging.taggable(reader, record))]
    known = tagging.commits(git, releases)
    return tagging.untagged(git, [release for release in releases if release.provenance.commit in known])
