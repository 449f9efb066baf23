"""Waivers: a person's word that one release need not pass one check for a while, with a reason and an end.

Those of a gate's checks come with a promotion. One is about a canary: as long as the pause lasts that it came with, and
for a day at most, the policy does not abort it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from promptops.core.canary.record import is_paused
from promptops.core.errors import Invalid, PolicyRefused
from promptops.core.evidence.approval import NO_ABORT, Waiver
from promptops.core.person import claimed_address

if TYPE_CHECKING:
    from promptops.core.gate.settings import Waivers
    from promptops.core.model import Deployment, Policy, ReleaseRef
    from promptops.core.token import Token
    from promptops.store import Reader

LONGEST_PAUSE: Final = timedelta(hours=24)
"""Of a waiver of aborts: long enough to find out what happens, and short enough that a bad canary is not forgotten."""


def waiver_of(
    app: str,
    channel: str,
    release: ReleaseRef,
    check: str,
    *,
    reason: str,
    ends: timedelta,
    actor: str,
    by: Token | None,
    now: datetime,
) -> Waiver:
    """Returns a waiver that begins now and has no number yet.

    Raises:
        Invalid: it has no reason, or no end.
    """
    return Waiver(
        number=0,
        app=app,
        digest=release.digest,
        version=release.version,
        channel=channel,
        check=check,
        reason=reason,
        expires_at=now + ends,
        person=by.person if by is not None and by.person else claimed_address(actor),
        token=by.id if by is not None else "",
        actor=actor,
        at=now,
    )


def require_waivable(policy: Policy, app: str, channel: str, checks: Iterable[str], *, apart: str) -> Waivers:
    """Returns the policy's rule for waivers, which lets these checks be waived; ``apart`` is one that no gate has.

    Raises:
        PolicyRefused: it does not let one of them be waived.
    """
    from promptops.core.gate.reading import may_be_waived, read_gate
    from promptops.core.gate.settings import Waivers

    rule = Waivers() if policy.gate is None else read_gate(policy.gate, app).waivers
    free = (apart,) if may_be_waived(policy.gate, apart) else ()
    for check in checks:
        if check not in (*rule.may, *free):
            may = f"It lets be waived: {', '.join(rule.may)}." if rule.may else "It lets no check be waived."
            raise PolicyRefused(f"the gate of {channel} does not let '{check}' be waived", rule="gate", hint=may)
    return rule


def without_abort(
    reader: Reader, current: Deployment, *, reason: str, actor: str, by: Token | None, now: datetime
) -> Waiver:
    """Returns the waiver of a pause in which the policy does not abort the canary.

    Raises:
        Invalid: no policy takes the steps of this canary.
        PolicyRefused: the channel's gate does not let it be waived.
    """
    canary, app, channel = current.canary, current.app, current.channel
    if canary is None or reader.rollout(app, channel, canary.rollout) is None:
        raise Invalid(
            f"no policy takes the steps of the canary of {app} on {channel}, so nothing aborts it but a person; "
            "nothing was changed",
            hint="Pause it without that.",
        )
    rule = require_waivable(reader.channel(channel).policy, app, channel, [NO_ABORT], apart=NO_ABORT)
    ends = min(LONGEST_PAUSE, rule.at_most)
    return waiver_of(app, channel, canary.release, NO_ABORT, reason=reason, ends=ends, actor=actor, by=by, now=now)


def holds_back(waiver: Waiver, live: Deployment, now: datetime) -> bool:
    """Returns whether a waiver keeps the policy from aborting the canary of what is live: that of the pause it is in.

    The two were recorded together, so they have one time. A later pause of the same release has another one.
    """
    return (
        waiver.check == NO_ABORT
        and live.canary is not None
        and is_paused(live)
        and waiver.at == live.at
        and waiver.holds(digest=live.canary.release.digest, now=now)
    )


def abort_waiver(reader: Reader, live: Deployment, now: datetime) -> Waiver | None:
    """Returns the waiver that keeps the policy from aborting the canary of what is live; None without one."""
    if not is_paused(live):
        return None
    return next((each for each in reader.waivers(now, live.app, live.channel) if holds_back(each, live, now)), None)
