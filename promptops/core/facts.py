"""One change of a registry as it leaves the database: a fact, its line of the audit log, and its name in the journal.

Rows come in through :mod:`promptops.store`, canonical JSON goes out to git and comes back from there. ``encode`` is a
pure function of the record, so the same rows give the same bytes for ever; ``decode`` takes only what ``encode`` wrote
and whose name, fact and audit line agree.

A name is relative to ``refs/promptops/`` and says what the fact is::

    registry/<lineage>                  releases/<app>/<version>          channels/<channel>/<app>/<revision>
    policies/<channel>/<version>        confirmations/<app>/<version>/<seq>   quarantines/<channel>/<app>/<seq>
    epochs/<epoch>                      profiles/<app>/<seq>              yanks/<app>/<version>
    tokens/<id>                         revocations/<token>               bindings/<line>
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeAlias

from promptops.core.digest import canonical, parse_canonical
from promptops.core.digest import digest as digest_of
from promptops.core.errors import Invalid
from promptops.core.json_codec import from_json, to_json
from promptops.core.model import (
    AuditEntry,
    Channel,
    Deployment,
    Json,
    Profile,
    Provenance,
    Quarantine,
    Release,
    ReleaseRef,
    Yank,
    is_segment,
)
from promptops.core.token import Revocation, Token

SCHEMA = "promptops.record/1"
"""Records whose audit line has no digest of their fact."""
BOUND_SCHEMA = "promptops.record/2"
MAX_RECORD = 16 << 20
"""A record holds a release's notes and changes and its audit line, but never its content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryInfo:
    """A registry itself: its name, and the lineage that tells it from every other one of that name."""

    name: str
    lineage: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """A clean commit that holds the content of a release which was cut from uncommitted files."""

    app: str
    release: ReleaseRef
    provenance: Provenance


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileVersion:
    """What an app's profile became."""

    app: str
    profile: Profile


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawal:
    """The yank of a release."""

    app: str
    release: ReleaseRef
    yank: Yank


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantineEvent:
    """A release put in quarantine on a channel, or let out (``lifted``)."""

    quarantine: Quarantine
    lifted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochInfo:
    """A registry came back from a backup or from git: what was numbered before may have been numbered differently."""

    epoch: int
    at: datetime
    actor: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RevokedToken:
    """A token, by id and name, that was taken back."""

    id: str
    name: str
    revocation: Revocation


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """The digests of the facts of older lines, which have none themselves, as a newer promptops first saw them.

    ``records`` is one digest over all of them up to line ``until``; ``secrets`` has, by the number of the line that
    made a token, what :func:`promptops.core.token.commit` says of its secret.
    """

    until: int
    records: str
    secrets: Mapping[str, str]


Fact: TypeAlias = (
    RegistryInfo
    | Release
    | Confirmation
    | ProfileVersion
    | Withdrawal
    | Channel
    | Deployment
    | QuarantineEvent
    | EpochInfo
    | Token
    | RevokedToken
    | Binding
)

_FACTS: Mapping[str, type[Fact]] = {
    "registry": RegistryInfo,
    "releases": Release,
    "confirmations": Confirmation,
    "profiles": ProfileVersion,
    "yanks": Withdrawal,
    "policies": Channel,
    "channels": Deployment,
    "quarantines": QuarantineEvent,
    "epochs": EpochInfo,
    "tokens": Token,
    "revocations": RevokedToken,
    "bindings": Binding,
}
_APART: Mapping[type, tuple[str, ...]] = {Release: ("yank", "content"), Token: ("revoked", "has_secret")}
"""What is not in a record: a yank and a revocation are records of their own, content is bytes of its own, and a secret
stays in the database.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalEntry:
    """A line of the audit log and the name of the fact it is about."""

    seq: int
    ref: str
    audit: AuditEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A fact with its name and its audit line. A release is as it was made, with its first provenance and no yank; and
    so is a token, without its revocation.
    """

    ref: str
    audit: AuditEntry
    fact: Fact

    @property
    def content(self) -> bytes:
        """The canonical bytes of a release; empty for every other fact."""
        return self.fact.content if isinstance(self.fact, Release) else b""


def ref_of(fact: Fact, seq: int) -> str:
    """The name of a fact whose line of the audit log has this number."""
    match fact:
        case RegistryInfo():
            return f"registry/{fact.lineage}"
        case Release():
            return f"releases/{fact.app}/{fact.version}"
        case Confirmation():
            return f"confirmations/{fact.app}/{fact.release.version}/{seq}"
        case ProfileVersion():
            return f"profiles/{fact.app}/{seq}"
        case Withdrawal():
            return f"yanks/{fact.app}/{fact.release.version}"
        case Channel():
            return f"policies/{fact.name}/{fact.version}"
        case Deployment():
            return f"channels/{fact.channel}/{fact.app}/{fact.revision}"
        case QuarantineEvent(quarantine=about):
            return f"quarantines/{about.channel}/{about.app}/{seq}"
        case EpochInfo():
            return f"epochs/{fact.epoch}"
        case Token():
            return f"tokens/{fact.id}"
        case RevokedToken():
            return f"revocations/{fact.id}"
        case Binding():
            return f"bindings/{fact.until}"


def bind(ref: str, fact: Fact) -> str:
    """The digest of a whole fact under its name: what its audit line seals, beside what the line says itself."""
    value: Json = {"fact": to_json(fact, without=_APART.get(type(fact), ())), "ref": ref}
    return hashlib.sha256(canonical(value, limit=MAX_RECORD)).hexdigest()


def flaw(record: Record) -> str:
    """Why the parts of a record do not belong together: its name, its fact, its audit line, a release's content.

    An empty string where they do.
    """
    expected = ref_of(record.fact, record.audit.seq)
    if record.ref != expected:
        return f"it is named {record.ref} and is {expected}"
    for name, value in audited(record.fact).items():
        if getattr(record.audit, name) != value:
            return f"its {name} is {value!s}, and the audit log says {getattr(record.audit, name)!s}"
    if isinstance(record.fact, Release) and digest_of(record.fact.content) != record.fact.digest:
        return "its content is not the bytes of its digest"
    if record.audit.record and bind(record.ref, record.fact) != record.audit.record:
        return f"it does not match the seal in line {record.audit.seq} of the audit log"
    return ""


def encode(record: Record) -> bytes:
    """The canonical bytes of ``record.json``; the content of a release is not in it.

    Raises:
        Invalid: over :data:`MAX_RECORD`.
    """
    value: Json = {
        "schema": BOUND_SCHEMA if record.audit.record else SCHEMA,
        "ref": record.ref,
        "audit": to_json(record.audit),
        "fact": to_json(record.fact, without=_APART.get(type(record.fact), ())),
    }
    return canonical(value, limit=MAX_RECORD)


def decode(data: bytes, content: bytes = b"") -> Record:
    """Read what :func:`encode` wrote; ``content`` are the bytes of a release.

    Raises:
        Invalid: for anything else, and for a record whose parts do not belong together (:func:`flaw`).
    """
    value = parse_canonical(data, limit=MAX_RECORD)
    if not isinstance(value, Mapping) or value.get("schema") not in (SCHEMA, BOUND_SCHEMA):
        raise Invalid(f"not a record of the schema {BOUND_SCHEMA}", hint="A newer promptops may have written it.")
    ref = value.get("ref")
    if not isinstance(ref, str) or not all(map(is_segment, ref.split("/"))):
        raise Invalid(f"{ref!r} is not the name of a record")
    kind = _FACTS.get(ref.partition("/")[0])
    if kind is None:
        raise Invalid(f"{ref}: promptops keeps no such records", hint="A newer promptops may have written it.")
    try:
        audit = from_json(AuditEntry, value.get("audit"), "audit")
        fact = from_json(kind, value.get("fact"), "fact", without=_APART.get(kind, ()))
    except (ValueError, OverflowError) as error:
        raise Invalid(f"{ref}: {error}") from error
    if isinstance(fact, Release):
        fact = replace(fact, content=content)
    elif content:
        raise Invalid(f"{ref} is no release and has content")
    record = Record(ref=ref, audit=audit, fact=fact)
    if problem := flaw(record):
        raise Invalid(f"{ref}: {problem}")
    if encode(record) != data:
        raise Invalid(f"{ref}: not the canonical bytes of a record")
    return record


def audited(fact: Fact) -> dict[str, Any]:
    """The fields of the audit line that follow from this fact."""
    match fact:
        case RegistryInfo():
            return {"action": "init", "after": f"{fact.name} {fact.lineage}", "at": fact.created_at}
        case Release():
            who = {"actor": fact.created_by, "at": fact.created_at, "reason": fact.notes}
            return {"action": "release", "app": fact.app, "after": label(fact.ref), **who}
        case Confirmation():
            reason = f"commit {fact.provenance.commit}"
            return {"action": "confirm", "app": fact.app, "after": label(fact.release), "reason": reason}
        case ProfileVersion():
            return {"action": "profile", "app": fact.app}
        case Withdrawal(yank=yank):
            who = {"actor": yank.actor, "at": yank.at, "reason": yank.reason}
            return {"action": "yank", "app": fact.app, "after": label(fact.release), **who}
        case Channel():
            who = {"actor": fact.actor, "at": fact.at}
            return {"action": "policy", "channel": fact.name, "after": f"version {fact.version}", **who}
        case Deployment():
            where = {"app": fact.app, "channel": fact.channel, "before": label(fact.before)}
            who = {"actor": fact.actor, "at": fact.at, "reason": fact.reason}
            return {"action": fact.kind.value, **where, "after": label(fact.stable), **who}
        case QuarantineEvent(quarantine=about):
            action = "unquarantine" if fact.lifted else "quarantine"
            who = {"actor": about.actor, "at": about.at, "reason": about.reason}
            return {
                "action": action,
                "app": about.app,
                "channel": about.channel,
                "after": label(about.release),
                **who,
            }
        case EpochInfo():
            who = {"actor": fact.actor, "at": fact.at, "reason": fact.reason}
            return {"after": f"epoch {fact.epoch}", **who}
        case Token():
            return {"action": "create-token", "after": str(fact), "actor": fact.created_by, "at": fact.created_at}
        case RevokedToken(revocation=revoked):
            who = {"actor": revoked.actor, "at": revoked.at, "reason": revoked.reason}
            return {"action": "revoke-token", "after": f"{fact.id} {fact.name}", **who}
        case Binding():
            return {"action": "bind", "after": f"lines 1 to {fact.until} {fact.records}"}


def label(release: ReleaseRef | None) -> str:
    """A release as the audit log names it: version and digest, so that the chain binds the content."""
    return f"{release.version} {release.digest}" if release else ""
