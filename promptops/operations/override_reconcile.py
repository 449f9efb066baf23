"""Records an override afterwards: the release that clients served becomes one entry of the log, or is refused."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from promptops.core import override as overrides
from promptops.core import rollout
from promptops.core.advice import Action, Advice, Sentence, option
from promptops.core.errors import Conflict, OverrideExpired, RegistryMismatch
from promptops.core.model import Deployment, Release
from promptops.core.override import Override
from promptops.core.policy import Candidate
from promptops.core.rollout import Intent
from promptops.operations.deploy import Decision, Deployed, carry_out
from promptops.operations.idempotency import Once

if TYPE_CHECKING:
    from promptops.store import Reader, Registry, Writer


def reconcile(
    registry: Registry,
    override: Override,
    *,
    expect_revision: int | None = None,
    dry_run: bool = False,
    actor: str,
    now: datetime,
) -> Deployed:
    """Record an override as a deployment, unless the channel serves its release already.

    Doing it again changes nothing.

    Raises:
        RegistryMismatch: the override was made for another registry.
        OverrideExpired, OverrideOvertaken: recording it would change what is served now.
        Yanked, Quarantined: the release may not be live there any more.
        NotFound, Conflict: this registry has no such release, or another one of that version.
    """
    _require_lineage(registry, override)
    pair = (override.app, override.channel)
    once = Once(
        key=f"break-glass-{overrides.identity(override).removeprefix('sha256:')}",
        token="",
        operation="break-glass",
        arguments={"override": overrides.identity(override)},
        words="",
    )

    def lock(writer: Writer) -> None:
        writer.channel(override.channel)
        writer.lock_heads([pair])
        writer.lock_log()  # where it is the app's first there, the removal of the channel waits for nothing else

    def decide(reader: Reader) -> Decision:
        return _recorded(reader, override, expect_revision, actor, now)

    return carry_out(registry, once, lock=lock, decide=decide, dry_run=dry_run, at=now)


def _require_lineage(registry: Registry, override: Override) -> None:
    if override.lineage != registry.lineage:
        raise RegistryMismatch(
            f"the override belongs to the registry '{override.registry}' ({override.lineage}), and this is "
            f"'{registry.name}' ({registry.lineage})",
            hint=Sentence("Check ", option("registry", "the URL of the registry"), " and PROMPTOPS_REGISTRY."),
        )


def _recorded(reader: Reader, override: Override, expect_revision: int | None, actor: str, now: datetime) -> Decision:
    reader.channel(override.channel)
    release = _overriding_release(reader, override)
    current = reader.live(override.app, override.channel)
    intent = Intent(
        app=override.app,
        channel=override.channel,
        actor=actor,
        reason=_story(override),
        now=now,
        expect_revision=expect_revision,
    )
    if current is not None and current.digest == override.digest:
        rollout.expect(intent, current)
        return Decision(unchanged=[current])
    _require_time(override, current, now)
    candidate = Candidate(
        release=release, quarantine=reader.quarantine(override.app, override.channel, override.digest)
    )
    earlier = reader.was_stable(override.app, override.channel, override.digest)
    return Decision(
        changed=[rollout.reconcile(intent, candidate, current, overridden=override.created_at, earlier=earlier)]
    )


def _overriding_release(reader: Reader, override: Override) -> Release:
    release = reader.find_release(override.app, version=override.version)
    if release.digest != override.digest:
        raise Conflict(
            f"the override has {override.app}@{override.version} as {override.digest}, and in this registry it is "
            f"{release.digest}; nothing was changed",
            hint=Sentence(
                "One of the two was changed: ",
                Advice(Action.FSCK),
                ", and ",
                Advice(Action.SHOW_OVERRIDE, file="FILE"),
                ".",
            ),
        )
    return release


def _require_time(override: Override, current: Deployment | None, now: datetime) -> None:
    if override.expired(now):
        serves = (current.version if current else "") or "nothing"
        name = f"{override.app}@{override.version}"
        raise OverrideExpired(
            f"the override of {name} on {override.channel} ended at {override.expires_at:%Y-%m-%d %H:%M} UTC, so it "
            f"is not served any more; the registry says {serves}, and nothing was changed",
            hint=Sentence(
                "If it is to be live: ",
                Advice(Action.PROMOTE, release=name, channel=override.channel, reason="…"),
            ),
        )


def _story(override: Override) -> str:
    made = override.created_at.isoformat(timespec="seconds").replace("+00:00", "Z")
    return f"{override.reason} (pinned by {override.actor} at {made})"
