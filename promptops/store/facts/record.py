"""One change of a registry as it leaves the database: a fact, its line of the audit log, and its name in the journal.

Rows come in through :mod:`promptops.store`, canonical JSON goes out to git and comes back from there. ``encode`` is a
pure function of the record, so the same rows give the same bytes for ever; ``decode`` takes only what ``encode`` wrote
and whose name, fact and audit line agree.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from promptops.core.digest import canonical, parse_canonical
from promptops.core.errors import Invalid
from promptops.core.json_codec import from_json, to_json
from promptops.core.model import AuditEntry, is_segment
from promptops.store.facts.kind import Fact, kind_of, kinds

SCHEMA = "promptops.record/1"
"""Records whose audit line has no digest of their fact."""
BOUND_SCHEMA = "promptops.record/2"
MAX_RECORD = 16 << 20
"""A record holds a release's notes and changes and its audit line, but never its content, nor a case table."""


@dataclass(frozen=True, kw_only=True)
class Record:
    """A fact with its name and its audit line. A release is as it was made, with its first provenance and no yank; and
    so is a token, without its revocation.
    """

    ref: str
    audit: AuditEntry
    fact: Fact

    @property
    def content(self) -> bytes:
        """The bytes beside the record: a release's, a case table's; empty for a fact without any."""
        name = kind_of(self.fact).content
        return getattr(self.fact, name) if name else b""

    @cached_property
    def written(self) -> bytes:
        """The canonical bytes of the fact: its seal and its file have them both."""
        return _written(self.fact)


def bind(ref: str, fact: Fact) -> str:
    """The digest of a whole fact under its name: what its audit line seals, beside what the line says itself."""
    return _seal(ref, _written(fact))


def _written(fact: Fact) -> bytes:
    return canonical(to_json(fact, without=kind_of(fact).apart), limit=MAX_RECORD)


def _seal(ref: str, fact: bytes) -> str:
    return hashlib.sha256(_members(fact=fact, ref=canonical(ref))).hexdigest()


def _members(**members: bytes) -> bytes:
    """An object of canonical members, which are named in the order of their names.

    Raises:
        Invalid: over :data:`MAX_RECORD`.
    """
    data = b"{%s}" % b",".join(b'"%s":%s' % (name.encode(), value) for name, value in members.items())
    if len(data) > MAX_RECORD:
        raise Invalid(f"the record is {len(data):,} bytes, over the limit of {MAX_RECORD:,}")
    return data


def flaw(record: Record) -> str:
    """Why the parts of a record do not belong together: its name, its fact, its audit line, the bytes beside it.

    An empty string where they do.
    """
    kind = kind_of(record.fact)
    expected = kind.ref(record.fact, record.audit.seq)
    if record.ref != expected:
        return f"it is named {record.ref} and is {expected}"
    for name, value in kind.line(record.fact).items():
        if getattr(record.audit, name) != value:
            return f"its {name} is {value!s}, and the audit log says {getattr(record.audit, name)!s}"
    if problem := kind.flaw(record.fact):
        return problem
    if record.audit.record and _seal(record.ref, record.written) != record.audit.record:
        return f"it does not match the seal in line {record.audit.seq} of the audit log"
    return ""


def encode(record: Record) -> bytes:
    """The canonical bytes of ``record.json``; the bytes beside it are not in it.

    Raises:
        Invalid: over :data:`MAX_RECORD`.
    """
    return _members(
        audit=canonical(to_json(record.audit), limit=MAX_RECORD),
        fact=record.written,
        ref=canonical(record.ref),
        schema=canonical(BOUND_SCHEMA if record.audit.record else SCHEMA),
    )


def decode(data: bytes, content: bytes = b"") -> Record:
    """Read what :func:`encode` wrote; ``content`` are the bytes beside it.

    Raises:
        Invalid: for anything else, and for a record whose parts do not belong together (:func:`flaw`).
    """
    value = parse_canonical(data, limit=MAX_RECORD)
    if not isinstance(value, Mapping) or value.get("schema") not in (SCHEMA, BOUND_SCHEMA):
        raise Invalid(f"not a record of the schema {BOUND_SCHEMA}", hint="A newer promptops may have written it.")
    ref = value.get("ref")
    if not isinstance(ref, str) or not all(map(is_segment, ref.split("/"))):
        raise Invalid(f"{ref!r} is not the name of a record")
    kind = kinds().get(ref.partition("/")[0])
    if kind is None:
        raise Invalid(f"{ref}: promptops keeps no such records", hint="A newer promptops may have written it.")
    try:
        audit = from_json(AuditEntry, value.get("audit"), "audit")
        fact = from_json(kind.noun, value.get("fact"), "fact", without=kind.apart)
    except (ValueError, OverflowError) as error:
        raise Invalid(f"{ref}: {error}") from error
    if kind.content:
        fact = replace(fact, **{kind.content: content})
    elif content:
        raise Invalid(f"{ref} is of a kind without content and has some")
    record = Record(ref=ref, audit=audit, fact=fact)
    if problem := flaw(record):
        raise Invalid(f"{ref}: {problem}")
    if encode(record) != data:
        raise Invalid(f"{ref}: not the canonical bytes of a record")
    return record
