"""A record -> the git objects that hold it: a commit, its folder with the record's JSON, and the bytes beside it.

Pure: the same record after the same commit gives the same bytes, and so the same object ids, on every machine and at
any time. Python computes the ids and git only stores the objects, so writing one twice is harmless, and a different
object in its place is noticed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from promptops.projection.people import git_person
from promptops.projection.signatures import Sign, with_signature
from promptops.source.git.pack import Algorithm, RawObject, make, make_tree
from promptops.store.facts.kind import kind_of
from promptops.store.facts.record import Record, encode

ROOT = "refs/promptops/"
"""Where versions before 0.4.0 had a ref of its own for each fact."""

RECORD = "record.json"

_PERSON = "promptops <promptops@localhost>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Projected:
    """A record in git: its name, the id of its commit, and all objects behind that."""

    name: str
    sha: str
    objects: tuple[RawObject, ...]


def link(record: Record, algorithm: Algorithm, *parents: str, sign: Sign | None = None) -> Projected:
    """Returns the objects of a record whose commit comes after these; the first of a chain has no parent.

    With ``sign``, the commit has the signature that this returns for its bytes: of a private key, or the one that a
    commit in git has already.
    """
    return _project(record, algorithm, parents, author=git_person(record.audit.actor), sign=sign)


def project(record: Record, algorithm: Algorithm) -> Projected:
    """Returns the objects of a record as versions before 0.4.0 wrote it: its commit has no parents."""
    return _project(record, algorithm, (), author=_PERSON)


def seconds(at: datetime) -> str:
    """Returns a time in git's form, which has no times before 1970."""
    return f"{max(0, int(at.timestamp()))} +0000"


def _project(
    record: Record, algorithm: Algorithm, parents: tuple[str, ...], *, author: str, sign: Sign | None = None
) -> Projected:
    files = {RECORD: make("blob", encode(record), algorithm)}
    if record.content:
        files[kind_of(record.fact).file] = make("blob", record.content, algorithm)
    tree = make_tree(files, algorithm)
    at = seconds(record.audit.at)
    head = [f"tree {tree.sha}", *(f"parent {sha}" for sha in parents), f"author {author} {at}"]
    text = "\n".join([*head, f"committer {_PERSON} {at}", "", title(record), "", record.audit.hash, ""])
    data = text.encode()
    signature = sign(data) if sign else ""
    commit = make("commit", with_signature(data, signature, algorithm) if signature else data, algorithm)
    return Projected(name=record.ref, sha=commit.sha, objects=(*files.values(), tree, commit))


def title(record: Record) -> str:
    """Returns the first line of the commit of a record: ``promote bot@1.4.0 on prod``."""
    audit, release = record.audit, kind_of(record.fact).release(record.fact)
    what = audit.app + (f"@{release.version}" if release else "")
    return " ".join([audit.action, *([what] if what else []), *(["on", audit.channel] if audit.channel else [])])
