"""The JSON of --json. Scripts rely on these keys: later versions may add keys, and remove none.

Times are ISO 8601 in UTC with every digit. The shapes are those of the CLI reference in the documentation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from promptops.clock import format_iso
from promptops.core.model import AuditEntry, Channel, Deployment, Json, Policy, Quarantine, Release, ReleaseRef

if TYPE_CHECKING:
    from datetime import datetime

    from promptops.core.faults import Fault
    from promptops.core.finding import Finding
    from promptops.core.heartbeat import LoadFailure
    from promptops.core.token import Token

JsonObject = dict[str, Json]


def ref_shape(release: ReleaseRef | None) -> Json:
    return {"version": release.version, "digest": release.digest} if release else None


def deployment_shape(deployment: Deployment) -> JsonObject:
    return {
        "app": deployment.app,
        "channel": deployment.channel,
        "revision": deployment.revision,
        "kind": deployment.kind.value,
        "stable": ref_shape(deployment.stable),
        "canary": None,
        "from": ref_shape(deployment.before),
        "restores": deployment.restores,
        "actor": deployment.actor,
        "reason": deployment.reason,
        "at": format_iso(deployment.at),
    }


def release_shape(release: Release) -> JsonObject:
    return {
        "app": release.app,
        "version": release.version,
        "digest": release.digest,
        "commit": release.provenance.commit,
        "dirty": release.provenance.dirty,
        "bump": release.bump.value,
        "changes": list(release.changes),
        "notes": release.notes,
        "created_at": format_iso(release.created_at),
        "created_by": release.created_by,
        "yanked": release.yank is not None,
        "yank_reason": release.yank.reason if release.yank else None,
    }


def provenance_shape(release: Release) -> JsonObject:
    provenance = release.provenance
    return {
        "repository": provenance.repository,
        "commit": provenance.commit,
        "path": provenance.path,
        "author": provenance.author,
        "builder": provenance.builder,
        "dirty": provenance.dirty,
    }


def finding_shape(finding: Finding) -> JsonObject:
    return {
        "code": finding.code,
        "severity": finding.severity.value,
        "path": finding.path,
        "line": finding.line,
        "column": finding.column,
        "message": finding.message,
        "hint": finding.hint,
    }


def policy_shape(policy: Policy) -> JsonObject:
    return {
        "promote_from": list(policy.promote_from),
        "allow_dirty": policy.allow_dirty,
        "protected": policy.protected,
    }


def channel_shape(channel: Channel) -> JsonObject:
    return {
        "name": channel.name,
        "policy": policy_shape(channel.policy),
        "version": channel.version,
        "actor": channel.actor,
        "at": format_iso(channel.at),
    }


def quarantine_shape(quarantine: Quarantine, *, active: bool) -> JsonObject:
    return {
        "app": quarantine.app,
        "channel": quarantine.channel,
        "version": quarantine.release.version,
        "digest": quarantine.release.digest,
        "quarantined": active,
        "reason": quarantine.reason,
        "actor": quarantine.actor,
        "at": format_iso(quarantine.at),
    }


def fault_shape(fault: Fault) -> JsonObject:
    return {
        "code": fault.code,
        "severity": fault.severity.value,
        "what": fault.what,
        "where": fault.where,
        "repair": fault.repair,
    }


def audit_shape(entry: AuditEntry) -> JsonObject:
    return {
        "seq": entry.seq,
        "at": format_iso(entry.at),
        "actor": entry.actor,
        "action": entry.action,
        "app": entry.app,
        "channel": entry.channel,
        "before": entry.before,
        "after": entry.after,
        "reason": entry.reason,
        "key": entry.key,
        "previous": entry.previous,
        "hash": entry.hash,
        "record": entry.record,
    }


def failure_shape(failure: LoadFailure) -> JsonObject:
    return {
        "app": failure.app,
        "channel": failure.channel,
        "client": failure.client,
        "reason": failure.reason,
        "seen_at": format_iso(failure.seen_at),
    }


def token_shape(token: Token, now: datetime) -> JsonObject:
    """A token without its secret, which is stored nowhere; ``flaw`` is why the token is not live."""
    gone, flaw = token.revoked, token.flaw(now)
    revoked: Json = {"actor": gone.actor, "reason": gone.reason, "at": format_iso(gone.at)} if gone else None
    return {
        "id": token.id,
        "name": token.name,
        "kind": token.kind.value,
        "scopes": [scope.value for scope in token.scopes],
        "channels": list(token.channels),
        "apps": list(token.apps),
        "prefix": token.prefix,
        "created_at": format_iso(token.created_at),
        "created_by": token.created_by,
        "expires_at": format_iso(token.expires_at) if token.expires_at else None,
        "revoked": revoked,
        "live": not flaw,
        "flaw": flaw,
    }
