"""Rows <-> nouns: the one place where columns of a table become a value of :mod:`promptops.core.model`, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any, cast

from sqlalchemy import ColumnElement, FromClause, Row

from promptops.core.deployment_parts import Action, Kind
from promptops.core.digest import canonical, parse_canonical
from promptops.core.errors import Invalid
from promptops.core.model import (
    AuditEntry,
    Bump,
    Canary,
    Channel,
    Deployment,
    Json,
    Past,
    Policy,
    Provenance,
    Quarantine,
    Release,
    ReleaseRef,
    Yank,
)
from promptops.core.origin import Origin

_DEPLOYMENT = [
    "app",
    "channel",
    "revision",
    "kind",
    "version",
    "digest",
    "before_version",
    "before_digest",
    "restores",
    "actor",
    "reason",
    "at",
    "canary_version",
    "canary_digest",
    "canary_weight",
    "canary_rollout",
    "canary_salt",
    "canary_step",
    "canary_action",
]
_OF_CANARY = _DEPLOYMENT[-7:]
_FLAWS = slice(len(_DEPLOYMENT), len(_DEPLOYMENT) + 4)

_AUDIT = [field.name for field in fields(AuditEntry)]

RELEASE_COLUMNS = ["app", "version", "digest", "created_at", "created_by", "bump", "changes", "notes"]
PROVENANCE_COLUMNS = ["repository", "commit", "path", "author", "builder", "dirty", "root", "authors"]

AnyRow = Row[*tuple[Any, ...]]


def deployment_columns(table: FromClause) -> list[ColumnElement[Any]]:
    """What :func:`deployment_of` reads, in its order; further columns may follow."""
    return [table.c[name] for name in _DEPLOYMENT]


def deployment_of(row: AnyRow) -> Deployment:
    app, channel, revision, kind, version, digest, before_version, before_digest, restores, actor, reason, at = row[:12]
    canary = row[12:19]
    return Deployment(
        app=app,
        channel=channel,
        revision=revision,
        kind=Kind(kind),
        stable=_ref(version, digest),
        before=_ref(before_version, before_digest),
        restores=restores,
        actor=actor,
        reason=reason,
        at=at,
        canary=_canary_of(*canary) if any(value is not None for value in canary) else None,
    )


def _ref(version: str | None, digest: str | None) -> ReleaseRef | None:
    """The release of two columns; None where both are empty.

    Raises:
        ValueError: one of them is empty, which promptops never writes.
    """
    if version is None and digest is None:
        return None
    if version is None or digest is None:
        raise ValueError(f"a release has a version and a digest, and this is {version!r} {digest!r}")
    return ReleaseRef(version=version, digest=digest)


def _canary_of(version: str, digest: str, weight: int, rollout: str, salt: str, step: int, action: str) -> Canary:
    release = _ref(version, digest)
    if release is None or None in (weight, rollout, salt, step, action):
        raise ValueError("a canary has a release, a weight, a rollout, a salt, a step and an action")
    return Canary(release=release, weight=weight, rollout=rollout, salt=salt, step=step, action=Action(action))


def past_of(row: AnyRow) -> Past:
    """A deployment, then the actor and reason of its release's yank and of its quarantine, where there are any."""
    yanked_by, yank_reason, held_by, hold_reason = row[_FLAWS]
    flaw = ""
    if yanked_by is not None:
        flaw = f"yanked by {yanked_by}" + (f": {yank_reason}" if yank_reason else "")
    elif held_by is not None:
        flaw = f"quarantined by {held_by}" + (f": {hold_reason}" if hold_reason else "")
    return Past(deployment=deployment_of(row), flaw=flaw, yanked=yanked_by is not None)


def release_of(row: AnyRow, content: bytes = b"") -> Release:
    """:data:`RELEASE_COLUMNS`, then :data:`PROVENANCE_COLUMNS`, then reason, actor and time of the yank."""
    app, version, digest, created_at, created_by, bump, changes, notes, *provenance, reason, actor, at = row[:19]
    return Release(
        app=app,
        version=version,
        digest=digest,
        created_at=created_at,
        created_by=created_by,
        bump=Bump(bump),
        changes=changes,
        notes=notes,
        provenance=Provenance(**dict(zip(PROVENANCE_COLUMNS, provenance, strict=True))),
        yank=None if actor is None else Yank(reason=reason, actor=actor, at=at),
        content=content,
    )


def channel_of(row: AnyRow) -> Channel:
    policy = Policy(
        promote_from=row.promote_from,
        allow_dirty=row.allow_dirty,
        protected=row.protected,
        gate=settings_of(row.gate),
        rollout=settings_of(row.rollout),
    )
    who = {"actor": row.actor, "at": row.at, "reason": row.reason}
    return Channel(name=row.channel, policy=policy, version=row.version, origin=origin_of(row), **who)


def origin_of(row: AnyRow) -> Origin | None:
    """The workspace that declared something; None where it is not known."""
    known = row.repository or row.path or row.root
    return Origin(repository=row.repository, path=row.path, root=row.root) if known else None


def settings_of(text: str) -> Mapping[str, object] | None:
    """Settings from the canonical JSON that a column has; None where it is empty.

    Raises:
        ValueError: it is no such JSON.
    """
    if not text:
        return None
    try:
        value = parse_canonical(text.encode())
    except Invalid as error:
        raise ValueError(error.message) from error
    if not isinstance(value, Mapping) or canonical(value) != text.encode():
        raise ValueError("settings are a canonical JSON object")
    return value


def quarantine_of(row: AnyRow) -> Quarantine:
    release = ReleaseRef(version=row.version, digest=row.digest)
    return Quarantine(app=row.app, channel=row.channel, release=release, reason=row.reason, actor=row.actor, at=row.at)


def audit_of(row: AnyRow) -> AuditEntry:
    """Every column of the audit log, in the order of the table; further columns may follow."""
    return AuditEntry(**dict(zip(_AUDIT, row, strict=False)))


# --- and back ------------------------------------------------------------------------------------

Values = dict[str, object]


def release_values(release: Release) -> Values:
    """The columns of the release itself; its provenance is a row of its own."""
    return {
        "app": release.app,
        "version": release.version,
        "digest": release.digest,
        "bump": release.bump.value,
        "changes": release.changes,
        "notes": release.notes,
        "created_by": release.created_by,
        "created_at": release.created_at,
        "content": release.content,
    }


def channel_values(channel: Channel) -> Values:
    who = {"actor": channel.actor, "at": channel.at, "reason": channel.reason}
    policy = channel.policy
    settings = {name: getattr(policy, name) for name in ("promote_from", "allow_dirty", "protected")}
    settings |= {"gate": settings_text(policy.gate), "rollout": settings_text(policy.rollout)}
    return {"channel": channel.name, "version": channel.version, **who, **origin_values(channel.origin), **settings}


def origin_values(origin: Origin | None) -> Values:
    """What :func:`origin_of` reads."""
    return asdict(origin) if origin else dict.fromkeys(("repository", "path", "root"), "")


def settings_text(settings: Mapping[str, object] | None) -> str:
    """What :func:`settings_of` reads."""
    return "" if settings is None else canonical(cast("Json", settings)).decode()


def deployment_values(deployment: Deployment) -> Values:
    stable, before = deployment.stable, deployment.before
    return {
        "app": deployment.app,
        "channel": deployment.channel,
        "revision": deployment.revision,
        "kind": deployment.kind.value,
        "version": stable.version if stable else None,
        "digest": stable.digest if stable else None,
        "before_version": before.version if before else None,
        "before_digest": before.digest if before else None,
        "restores": deployment.restores,
        "actor": deployment.actor,
        "reason": deployment.reason,
        "at": deployment.at,
        **_canary_values(deployment.canary),
    }


def _canary_values(canary: Canary | None) -> Values:
    if canary is None:
        return dict.fromkeys(_OF_CANARY)
    return {
        "canary_version": canary.release.version,
        "canary_digest": canary.release.digest,
        "canary_weight": canary.weight,
        "canary_rollout": canary.rollout,
        "canary_salt": canary.salt,
        "canary_step": canary.step,
        "canary_action": canary.action.value,
    }


def quarantine_values(quarantine: Quarantine, *, lifted: bool) -> Values:
    return {
        "app": quarantine.app,
        "channel": quarantine.channel,
        "version": quarantine.release.version,
        "digest": quarantine.release.digest,
        "lifted": lifted,
        "reason": quarantine.reason,
        "actor": quarantine.actor,
        "at": quarantine.at,
    }
