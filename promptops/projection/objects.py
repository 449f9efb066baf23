"""A record -> the git objects that hold it, and the name of the ref that leads to them.

Pure: the same record gives the same bytes, and so the same object ids, on every machine and at any time. Python
computes the ids and git only stores the objects, so writing one twice is harmless, and a different object in its place
is noticed. A commit has no parents, because each fact stands by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from promptops.core.model import Release
from promptops.source.git.pack import Algorithm, RawObject, make, make_tree
from promptops.store.facts.kind import kind_of
from promptops.store.facts.record import Record, encode

ROOT = "refs/promptops/"
"""The prefix of one ref for each fact of a registry."""

RECORD = "record.json"
CONTENT = "content.json"

_PERSON = "promptops <promptops@localhost>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Projected:
    """A record in git: the full name of its ref, the id that the ref points to, and all objects behind it."""

    ref: str
    sha: str
    objects: tuple[RawObject, ...]


def project(record: Record, algorithm: Algorithm) -> Projected:
    """Returns the objects of a record: its JSON, a release's content, the folder of both, and the commit."""
    files = {RECORD: make("blob", encode(record), algorithm)}
    if isinstance(record.fact, Release):
        files[CONTENT] = make("blob", record.content, algorithm)
    tree = make_tree(files, algorithm)
    commit = make("commit", _commit(record, tree.sha), algorithm)
    return Projected(ref=ROOT + record.ref, sha=commit.sha, objects=(*files.values(), tree, commit))


def seconds(at: datetime) -> str:
    """Returns a time in git's form, which has no times before 1970."""
    return f"{max(0, int(at.timestamp()))} +0000"


def _commit(record: Record, tree: str) -> bytes:
    who = f"{_PERSON} {seconds(record.audit.at)}"
    lines = [f"tree {tree}", f"author {who}", f"committer {who}", "", _title(record), "", record.audit.hash, ""]
    return "\n".join(lines).encode()


def _title(record: Record) -> str:
    """``promote bot@1.4.0 on prod``."""
    audit, release = record.audit, kind_of(record.fact).release(record.fact)
    what = audit.app + (f"@{release.version}" if release else "")
    return " ".join([audit.action, *([what] if what else []), *(["on", audit.channel] if audit.channel else [])])
