"""Retire: take an app off a channel, so that nothing of it is served there, in one transaction.

It needs the registry alone, as a rollback does.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from promptops.core import retirement, rollout
from promptops.core.features import OFF
from promptops.core.free_text import require_reason
from promptops.core.names import AppName, ChannelName
from promptops.core.rollout import Intent
from promptops.operations.deploy import Decision, Deployed, carry_out
from promptops.operations.heartbeats import not_following
from promptops.operations.idempotency import Once
from promptops.operations.named_release import live_deployment

if TYPE_CHECKING:
    from promptops.store import Reader, Registry, Writer


@dataclass(frozen=True, slots=True, kw_only=True)
class RetireRequest:
    """Take an app off a channel, and why: a reason is always needed.

    With ``keep``, a release that has no good one before it is not quarantined, and a rollback puts it back. ``token``
    is the id of the token that the key belongs to.
    """

    app: AppName
    channel: ChannelName
    reason: str
    key: str
    keep: bool = False
    expect_revision: int | None = None
    dry_run: bool = False
    token: str = ""

    def __post_init__(self) -> None:
        require_reason(self.reason, "the history shows it to those who read it at night")


def retire(registry: Registry, request: RetireRequest, *, actor: str, now: datetime) -> Deployed:
    """Take an app off a channel; a canary ends. An app that is off already stays so: no new revision.

    Clients answer with their fallbacks, or raise PromptRetired. ``not_following`` are those that are too old to know
    apps that are off. A rollback or a promotion puts the app back.

    Raises:
        NothingDeployed, ConcurrentDeployment, NotFound: nothing was changed.
    """

    def lock(writer: Writer) -> None:
        writer.channel(request.channel)
        writer.lock_heads([(request.app, request.channel)])

    def decide(reader: Reader) -> Decision:
        reader.channel(request.channel)
        current = live_deployment(reader, request.app, request.channel, to="take off")
        intent = Intent(
            app=request.app,
            channel=request.channel,
            actor=actor,
            reason=request.reason,
            now=now,
            expect_revision=request.expect_revision,
        )
        if current.stable is None:
            rollout.expect(intent, current)
            return Decision(unchanged=[current])
        past = reader.past(request.app, request.channel, before=current.position)
        deployment, left = retirement.retire(intent, current, past, keep=request.keep)
        return Decision(changed=[deployment], left=list(left))

    once = Once(
        key=request.key,
        token=request.token,
        operation="retire",
        arguments={
            "app": request.app,
            "channel": request.channel,
            "keep": request.keep,
            "expect": request.expect_revision,
        },
        words=request.reason,
    )
    done = carry_out(registry, once, lock=lock, decide=decide, dry_run=request.dry_run, at=now)
    return replace(done, not_following=not_following(registry, [(made, (OFF,)) for made in done.deployments], now=now))
