"""What this machine remembers of a registry, against what its database has now."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from promptops.core.advice import Action, Advice, Sentence
from promptops.core.faults import Condition, Fault
from promptops.source.vouched import file_of, read

if TYPE_CHECKING:
    from promptops.store import Registry


COPY = "registry-copy"


def behind(registry: Registry) -> tuple[Fault, ...]:
    """The fault of a database without the newest line that this machine verified or brought to git: it is an older
    copy beside that one, or was put in its place. A restore or a rebuild, which begin an epoch, may lack it.
    """
    known = read(registry.lineage)
    if not known.seq or not known.epoch:
        return ()
    with registry.read() as reader:
        same = reader.epoch() == known.epoch
        end, _ = reader.audit_head()
    if not same:
        return ()
    if end >= known.seq or known.database in ("", database_of(registry)):
        return lost(registry, known.seq, known.hash)
    what = f"it ends at line {end} of the audit log, and this machine brought line {known.seq} to git from another one"
    repair = Sentence(
        "Use the registry that has it. If this one took its place, the lines between are in git: ",
        Advice(Action.RESTORE, words="a restore"),
        " or ",
        Advice(Action.REBUILD, words="a rebuild from git", place="PATH"),
        " takes them from there.",
    )
    return (Fault(code=COPY, severity=Condition.PENDING, what=what, where="this database", repair=repair),)


def database_of(registry: Registry) -> str:
    """Stands for the database of a registry. Its URL may name a user, so it is not in the file."""
    return hashlib.sha256(registry.url.encode()).hexdigest()


def lost(registry: Registry, seq: int, hash_: str) -> tuple[Fault, ...]:
    """The fault of a database that does not have this line any more."""
    with registry.read() as reader:
        line = reader.journal([seq])
        end, _ = reader.audit_head()
    if [entry.audit.hash for entry in line] == [hash_]:
        return ()
    repair = Sentence(
        "Keep it. ",
        Advice(Action.RESTORE, words="A restore"),
        " brings a backup back. If you put an older copy there yourself: rm ",
        str(file_of(registry.lineage)),
    )
    verified = f"line {seq} of the audit log was verified here"
    if line:
        what = f"{verified} with the hash {hash_[:12]}…, and has the hash {line[0].audit.hash[:12]}…"
        return (_damage("audit-rewritten", what, line[0].ref, repair),)
    return (_damage("registry-behind", f"{verified}, and the registry ends at {end}", "audit log", repair),)


def _damage(code: str, what: str, where: str, repair: str) -> Fault:
    return Fault(code=code, severity=Condition.DAMAGE, what=what, where=where, repair=repair)
