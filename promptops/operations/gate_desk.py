"""The gate at a promotion: asked before the transaction, and again where something moved meanwhile.

A policy without a gate is not asked, and then none of this loads the gate's rules.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Protocol

from promptops.core.duration import duration_text
from promptops.core.errors import Invalid, PolicyRefused
from promptops.core.model import Policy, Release
from promptops.core.policy import Rollout
from promptops.core.verdict import Outcome, Verdict

if TYPE_CHECKING:
    from promptops.core.evidence.approval import Waiver
    from promptops.core.token import Token
    from promptops.operations.gate import GateReport
    from promptops.store import Reader, Registry
    from promptops.store.queries.gate import GateState

_TRIES: Final = 3
"""How often the gate is asked outside of the transaction; where facts keep coming, it is then asked within it."""

_MOMENT: Final = timedelta(microseconds=1)


class Unasked(Exception):
    """Raised under the lock for a release that the gate was not asked about as things are now."""

    def __init__(self, release: Release) -> None:
        super().__init__(release.digest)
        self.release = release


class Promotion(Protocol):
    """What of the request for a promotion the gate needs."""

    @property
    def channel(self) -> str: ...
    @property
    def reason(self) -> str: ...
    @property
    def waive(self) -> tuple[str, ...]: ...
    @property
    def waive_for(self) -> timedelta | None: ...
    @property
    def dry_run(self) -> bool: ...


class Desk:
    """Asks the gate for one promotion. ``warned`` is what a gate that only warns said of the release."""

    def __init__(self, registry: Registry, request: Promotion, *, actor: str, now: datetime, by: Token | None) -> None:
        self._registry = registry
        self._request = request
        self._actor = actor
        self._now = now
        self._by = by
        self._known: dict[GateState, GateReport] = {}
        self._asked = 0
        self._of_gate = tuple(check for check in request.waive if check != Rollout.name)
        self._freezes = False  # what the gate reads of what was measured, before it is asked
        self.warned: tuple[str, ...] = ()

    def ask(self, release: Release) -> None:
        """Asks the gate, outside of the transaction."""
        self._asked += 1
        if self._freezes:
            from promptops.operations.frozen_sums import freeze

            freeze(self._registry, release.app, self._request.channel, release.digest, actor=self._actor, now=self._now)
        with self._registry.read() as reader:
            self._answer(reader, release)

    def verdict(self, reader: Reader, release: Release, policy: Policy) -> tuple[Verdict | None, Sequence[Waiver]]:
        """Returns the verdict on a release and the waivers to record with its promotion; no verdict without a gate.

        Raises:
            Unasked: the gate has to be asked first.
            Invalid, PolicyRefused: a check cannot be waived.
        """
        self._require_waivable(policy, release)
        waivers = [self._waiver(release, Rollout.name)] if Rollout.name in self._request.waive else []
        if policy.gate is None:
            return None, waivers
        state = reader.gate_state(release.app, self._request.channel, release.digest)
        if state not in self._known:
            if self._asked < _TRIES:
                from promptops.operations.frozen_sums import reads_measured

                self._freezes = not self._request.dry_run and reads_measured(policy, release.app)
                raise Unasked(release)
            self._answer(reader, release)
        from promptops.operations.gate import policy_verdict

        found = self._known[state]
        return policy_verdict(found), [*waivers, *self._recorded(release, found)]

    def _answer(self, reader: Reader, release: Release) -> None:
        from promptops.operations.gate import report

        state = reader.gate_state(release.app, self._request.channel, release.digest)
        self._known[state] = report(
            reader,
            release,
            self._request.channel,
            now=self._now,
            promoter=self._actor,
            asked=tuple(self._waiver(release, check) for check in self._of_gate),
        )

    def _recorded(self, release: Release, found: GateReport) -> Sequence[Waiver]:
        """The waivers that the verdict used; and, of a gate that only warns, what it said."""
        from promptops.core.evidence.approval import WARNED
        from promptops.operations.gate import name_of

        assert found.verdict is not None
        used = {check.name for check in found.verdict.checks if check.waived_until is not None}
        waivers = [self._waiver(release, check) for check in self._of_gate if check in used]
        if found.verdict.outcome is Outcome.PASS or not found.verdict.warns:
            return waivers
        bad = [check for check in found.verdict.checks if not check.passed]
        self.warned = tuple(f"{name_of(check)}: {check.outcome.value}: {check.reason or check.got}" for check in bad)
        return [*waivers, self._waiver(release, WARNED, reason="; ".join(self.warned)[:5_000], ends=_MOMENT)]

    def callers_are_ready(self, release: Release) -> Waiver:
        """Returns the record of a person's word that callers are ready for a release, without a number."""
        from promptops.core.evidence.approval import CALLERS

        return self._waiver(release, CALLERS, ends=_MOMENT)

    def _waiver(self, release: Release, check: str, **more: Any) -> Waiver:
        from promptops.operations.waivers import waiver_of

        return waiver_of(
            release.app,
            self._request.channel,
            release.ref,
            check,
            reason=more.get("reason") or self._request.reason,
            ends=more.get("ends") or self._request.waive_for or _MOMENT,
            actor=self._actor,
            by=self._by,
            now=self._now,
        )

    def _require_waivable(self, policy: Policy, release: Release) -> None:
        """Raises Invalid, PolicyRefused: the policy has no such check, or does not let it be waived, or for so long."""
        if not self._request.waive:
            return
        from promptops.operations.waivers import require_waivable

        channel = self._request.channel
        if self._of_gate and policy.gate is None:
            raise Invalid(f"{channel} has no gate, so there is nothing to waive", hint="Leave the waiver out.")
        if Rollout.name in self._request.waive and policy.rollout is None:
            raise Invalid(
                f"{channel} gives a release to all keys at once, so there is nothing to waive",
                hint="Leave the waiver out.",
            )
        rule = require_waivable(policy, release.app, channel, self._request.waive, apart=Rollout.name)
        if self._request.waive_for is not None and self._request.waive_for > rule.at_most:
            raise PolicyRefused(
                f"the gate of {channel} does not let a check be waived for so long",
                rule="gate",
                hint=f"At most {duration_text(rule.at_most)}.",
            )
