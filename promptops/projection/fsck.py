"""The registry against git, ref by ref: is everything there that the rows say, and nothing else?

Every object is worked out again from the rows and compared, id by id and byte by byte, a page at a time. What git lacks
can be written again from the rows; what git has and the registry has not is the trace of something that was lost or
rewritten in the database, and only an operator can decide about that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from promptops.core.advice import Action, Advice, Sentence
from promptops.core.errors import GitUnavailable, RegistryMismatch
from promptops.core.faults import Condition, Fault
from promptops.core.model import Release
from promptops.projection import draining, tags
from promptops.projection import remote as remotes
from promptops.projection.archive import PAGE, Archive, lineages, require_lineage
from promptops.projection.objects import CONTENT, RECORD, ROOT, Projected, project
from promptops.source.git import lock as git_lock
from promptops.source.git.refs import Refs
from promptops.store.facts.kind import JournalEntry

if TYPE_CHECKING:
    from promptops.source.git.repository import Repository
    from promptops.store import Registry

MOST = 20
"""Faults of one code that are named one by one."""

_PACKED_SECONDS = 60.0
"""Seconds after which the lock of the packed refs counts as left over: another program's git may pack for that long."""
_REPAIR = Advice(Action.REPAIR, words="a repair of the registry")
_AGAIN = Sentence(_REPAIR, " writes it again from the rows.")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Page:
    """A page of the journal: its entries, and by number what git should have of each."""

    entries: tuple[JournalEntry, ...]
    projected: Mapping[int, Projected]
    releases: Mapping[int, Release]


def check(registry: Registry, repository: Repository) -> tuple[Fault, ...]:
    """Everything in which a repository is not what the registry says."""
    try:
        archive = Archive(repository)
        require_lineage(archive.lineages, registry.lineage, str(repository.root))
        faults = [*_outbox(registry), *_locks(repository), *_compare(registry, repository, archive)]
    except RegistryMismatch as error:
        return (_damage("lineage-foreign", error.message, str(repository.root), error.hint),)
    except GitUnavailable as error:
        return (_damage("git-unreadable", error.message, str(repository.root), error.hint or "git fsck"),)
    return shortened(faults)


def restore(registry: Registry, repository: Repository) -> None:
    """Write again what git lacks of what was already brought there. Nothing that is there is moved."""
    git, present = repository.refs, repository.refs.list(ROOT)
    require_lineage(lineages(present), registry.lineage, str(repository.root))
    with repository.lock.shared():
        for page in _pages(registry, git):
            known = draining.commits(git, page.releases.values())
            releases = [release for release in page.releases.values() if release.provenance.commit in known]
            broken = _unread(git, [p for p in page.projected.values() if present.get(p.ref, p.sha) == p.sha])
            missing = [p for p in page.projected.values() if p.ref not in present or p.ref in broken]
            draining.write(git, missing, draining.untagged(git, releases))


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


def _outbox(registry: Registry) -> Iterator[Fault]:
    with registry.read() as reader:
        count = reader.pending_count()
        oldest = reader.journal(reader.pending(1))
    if count:
        what = "1 change is not in git yet" if count == 1 else f"{count:,} changes are not in git yet"
        where = ROOT + oldest[0].ref if oldest else "outbox"
        repair = Sentence(Advice(Action.SYNC, words="a sync"), " says why, where it cannot bring them there.")
        yield _pending("outbox-pending", what, where, repair)


def _locks(repository: Repository) -> Iterator[Fault]:
    for lock in git_lock.lock_files(repository.folder, lock_folders(repository)):
        ours = not lock.path.startswith("packed-refs")
        if lock.age >= (git_lock.SETTLED if ours else _PACKED_SECONDS):
            repair = (
                Sentence(_REPAIR, " removes it once no git of promptops is alive.")
                if ours
                else f"Remove it once no git is running there: rm {repository.folder / lock.path}"
            )
            yield _pending("lock-stale", f"a lock file of git is {lock.age:.0f} seconds old", lock.path, repair)


def lock_folders(repository: Repository) -> tuple[str, ...]:
    """The folders whose refs only promptops writes."""
    apps = {name.removeprefix(tags.TAGS).partition("/")[0] for name in remotes.release_tags(repository.refs.list(ROOT))}
    return (ROOT.rstrip("/"), *(f"{tags.TAGS}{app}" for app in sorted(apps)))


def _compare(registry: Registry, repository: Repository, archive: Archive) -> Iterator[Fault]:
    git, left = repository.refs, dict(archive.refs)
    with registry.read() as reader:
        waiting = frozenset(reader.pending())
    for page in _pages(registry, git):
        known = draining.commits(git, page.releases.values())
        whole = [p for p in page.projected.values() if left.get(p.ref) == p.sha]
        broken = _unread(git, whole)
        for entry in page.entries:
            name = ROOT + entry.ref
            sha = left.pop(name, "")
            yield from _ref(archive, entry, page.projected.get(entry.seq), sha, waiting=entry.seq in waiting)
            if name in broken:
                yield _pending("ref-missing", "the objects behind it are gone or damaged", name, _AGAIN)
        settled = {seq: r for seq, r in page.releases.items() if seq not in waiting and r.provenance.commit in known}
        yield from _tags(git, settled.values())
    yield from _foreign(registry, archive, left)


def _ref(
    archive: Archive, entry: JournalEntry, projected: Projected | None, sha: str, *, waiting: bool
) -> Iterator[Fault]:
    """What is wrong with the ref of one line of the journal; ``sha`` is what it is in git."""
    name = ROOT + entry.ref
    if not sha:
        if projected is not None and not waiting:
            yield _pending("ref-missing", "it was brought to git and is not there", name, _AGAIN)
    elif projected is None or sha != projected.sha:
        stored = next(archive.stored({name: sha}))
        if stored.record is not None and stored.record.audit != entry.audit:
            what = f"line {entry.seq} of the audit log is not the one that git has: the log was rewritten"
            yield _damage("audit-rewritten", what, name, _lost(archive))
        elif projected is None:
            what = f"its row is gone or was changed; git has it as {sha[:12]}"
            yield _damage("fact-missing", what, name, _lost(archive))
        else:
            what = stored.problem or "git has something else than the row says"
            yield _damage("ref-differs", what, name, f"Find out who wrote it: git show {name}")


def _tags(git: Refs, releases: Iterable[Release]) -> Iterator[Fault]:
    each = list(releases)
    names = [tags.TAGS + tags.tag_name(release) for release in each]
    for release, name, found in zip(each, names, git.read(names, most=0), strict=True):
        if found is None:
            yield _pending("tag-missing", "it was made and is not there", name, _AGAIN)
        elif problem := tags.flaw(release, found):
            repair = Sentence(f"Find out who wrote it (git show {name}); once it is removed, ", _AGAIN)
            yield _damage("tag-differs", problem, name, repair)


def _foreign(registry: Registry, archive: Archive, left: Mapping[str, str]) -> Iterator[Fault]:
    """What git has and the journal has not: lines of the audit log that were lost or rewritten, or foreign refs."""
    known = {name: (seq, hash_) for name, seq, hash_, _ in archive.audit(left)}
    with registry.read() as reader:
        head, _ = reader.audit_head()
        wanted = sorted({seq for seq, _ in known.values() if 0 < seq <= head})
        hashes = {entry.seq: entry.audit.hash for entry in reader.journal(wanted)}
    for name in sorted(left, key=lambda ref: (known.get(ref, (0, ""))[0], ref)):
        seq, hash_ = known.get(name, (0, ""))
        if name not in known:
            stored = next(archive.stored({name: left[name]}))
            yield _damage(
                "ref-foreign", stored.problem or "the registry does not know it", name, f"Look at it: git show {name}"
            )
        elif seq > head:
            what = f"git has line {seq} of the audit log, and the registry ends at {head}"
            yield _damage("registry-behind", what, name, _lost(archive))
        elif seq not in hashes:
            what = f"git has line {seq} of the audit log, and the registry does not have it"
            yield _damage("registry-behind", what, name, _lost(archive))
        elif hashes[seq] != hash_:
            what = f"git has another line {seq} of the audit log: the log was rewritten"
            yield _damage("audit-rewritten", what, name, _lost(archive))
        else:
            yield _damage("ref-foreign", "the journal does not name it", name, f"Look at it: git show {name}")


# --- remotes -------------------------------------------------------------------------------------


def check_remote(registry: Registry, repository: Repository, remote: str) -> tuple[Fault, ...]:
    """Everything in which a remote is not what this repository is."""
    git = repository.refs
    git.require_remote(remote)
    try:
        theirs = git.list_remote(remote, ROOT, tags.TAGS)
        require_lineage(lineages(theirs), registry.lineage, f"the remote {remote}")
    except RegistryMismatch as error:
        return (_damage("lineage-foreign", error.message, remote, error.hint),)
    except GitUnavailable as error:
        return (_pending("remote-silent", error.message, remote, "Try again, or look at the network."),)
    here = remotes.ours(repository)
    release_tags = remotes.release_tags({**theirs, **here})
    there = {name: sha for name, sha in theirs.items() if name.startswith(ROOT) or name in release_tags}
    sync = Advice(Action.SYNC, words="a sync with the remote", remote=remote)
    pushes, fetches = Sentence(sync, " pushes it."), Sentence(sync, " fetches it.")
    faults = [
        _pending("remote-behind", f"it is not on {remote}: never pushed, or deleted there", name, pushes)
        for name in sorted(here.keys() - there.keys())
    ]
    faults += [
        _pending("remote-ahead", f"it is on {remote} and not here", name, fetches)
        for name in sorted(there.keys() - here.keys())
    ]
    faults += [
        _damage(
            "remote-differs",
            f"it is {there[name][:12]} on {remote} and {here[name][:12]} here",
            name,
            f"Find out who moved it. The right one goes there with: git push --force {remote} {name}",
        )
        for name in sorted(here.keys() & there.keys())
        if here[name] != there[name]
    ]
    return shortened(faults)


# --- a page at a time ----------------------------------------------------------------------------


def _pages(registry: Registry, git: Refs) -> Iterator[_Page]:
    last = 0
    while True:
        with registry.read() as reader:
            entries = reader.journal(after=last, limit=PAGE)
            records = reader.facts(entries)
            releases = {r.audit.seq: found for r in records if (found := draining.taggable(reader, r))}
        if not entries:
            return
        projected = {record.audit.seq: project(record, git.algorithm) for record in records}
        yield _Page(entries=entries, projected=projected, releases=releases)
        last = entries[-1].seq


def _unread(git: Refs, projected: Sequence[Projected]) -> frozenset[str]:
    """The refs whose files cannot be read, or are not byte by byte what they should be."""
    wanted = [(p, name, item) for p in projected for name, item in zip((RECORD, CONTENT), p.objects[:-2], strict=False)]
    most = max((len(item.data) for _, _, item in wanted), default=0) + 1
    objects = git.read([f"{p.sha}:{name}" for p, name, _ in wanted], most=most)
    pairs = zip(wanted, objects, strict=True)
    return frozenset(p.ref for (p, _, item), blob in pairs if blob is None or blob.data != item.data)


def _lost(archive: Archive) -> str:
    return Sentence(
        "Keep both. ",
        Advice(Action.REBUILD, words="A rebuild from git", place=str(archive.place)),
        " makes a registry of what git has, to compare.",
    )


def _pending(code: str, what: str, where: str, repair: str) -> Fault:
    return Fault(code=code, severity=Condition.PENDING, what=what, where=where, repair=repair)


def _damage(code: str, what: str, where: str, repair: str) -> Fault:
    return Fault(code=code, severity=Condition.DAMAGE, what=what, where=where, repair=repair)
