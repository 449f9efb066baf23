"""What can be wrong with a registry and its archive in git: one word for each, the same in reports and in the docs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Condition(StrEnum):
    """How bad a fault is: work that is only not done yet, or something that was written and is not there any more."""

    PENDING = "pending"
    DAMAGE = "damage"


FAULTS: Mapping[str, str] = {
    # --- the database ---
    "database-corrupt": "the database's own check of its files, pages and indexes fails, or rows cannot be read",
    "restore-unfinished": "a restore into this database ended before its new epoch began",
    "reference-broken": "a row refers to a row that is not there",
    "guard-missing": "a trigger that keeps history immutable is gone, changed or disabled",
    "schema-foreign": "a trigger, rule, view, row policy, constraint, column or index of a table is not ours",
    "schema-incomplete": "a table, column, key or index that promptops made is gone or was changed",
    "content-changed": "the stored bytes of a release do not have the digest they are stored under",
    "release-unloadable": "a release is live that no client can load, so each keeps what it served before",
    "revision-gap": "the log of an app on a channel, or of a channel's policy, does not count 1, 2, 3 … to its end",
    "head-moved": "the stored current revision of an app on a channel is not the newest one of its log",
    "history-broken": "a deployment does not follow from the one before it, or restores a revision that does not exist",
    "audit-broken": "a line of the audit log was edited, removed or moved, or its end was cut off",
    "journal-incomplete": "a line of the audit log and the journal of what goes to git do not agree",
    "fact-missing": "a line of the audit log has no row of history",
    "fact-unrecorded": "a row of history has no line in the audit log",
    "fact-changed": "a row of history differs from its line of the audit log",
    "secret-changed": "the secret of a token is gone, or is not the one that its line in the audit log commits to",
    "record-unbound": "a line that an older promptops wrote has no digest of its fact yet",
    # --- the archive in git ---
    "outbox-pending": "a change is in the database and not in git yet",
    "journal-missing": "the branch of the journal is gone; it can be written again from the rows",
    "journal-shortened": "the journal in git ends before a line that was brought there; it can be written again",
    "journal-diverged": "the journal in git has another line than the registry: one of them was rewritten or restored",
    "objects-missing": "files behind a line of the journal are gone or damaged; they can be written again",
    "line-differs": "a commit of the journal is not the one that its line of the audit log makes",
    "signature-missing": "a line of the journal is not signed, and lines were to be by then",
    "signature-wrong": "the signature of a line of the journal is not one of the registry's key over that commit",
    "line-foreign": "a commit of the journal holds no line of the audit log",
    "ref-foreign": "below refs/promptops, where older versions wrote, is something that the registry does not have",
    "registry-behind": "the audit log ends before lines that git has, or this machine verified: it was cut",
    "registry-copy": "it is an older copy: this machine brought later lines to git from another database",
    "audit-rewritten": "git has a line of the audit log with another hash, or this machine verified it",
    "tag-missing": "the tag of a release is gone; it can be written again from the rows",
    "tag-differs": "the tag of a release points to another commit, names another digest, or was made for another name",
    "lock-stale": "a git that was killed left a lock file, which keeps refs from being written",
    "lineage-foreign": "the repository holds the history of another registry",
    "git-unreadable": "git does not answer, or cannot read its own objects",
    "remote-behind": "a remote does not have what is here; it may never have been pushed, or was deleted there",
    "remote-ahead": "a remote has changes that are not here",
    "remote-differs": "a ref or tag of the remote was moved",
    "remote-silent": "a remote does not answer",
}
"""Every code a :class:`Fault` can have, and what it means."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault of a registry: ``what`` is wrong, ``where`` it is, and its ``repair`` or what else to do."""

    code: str
    severity: Condition
    what: str
    where: str
    repair: str

    def __post_init__(self) -> None:
        if self.code not in FAULTS:
            raise KeyError(f"{self.code} is not declared in promptops.core.faults.FAULTS")
