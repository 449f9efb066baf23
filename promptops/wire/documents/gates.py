"""What a gate says of a release."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from promptops.wire.documents.approvals import ApprovalDocument


@dataclass(frozen=True, slots=True, kw_only=True)
class GateCheckDocument:
    """What one check of a gate says, of one prompt or suite where it is about one.

    ``outcome`` is ``pass``, ``inconclusive``, ``error`` or ``fail``. ``smallest_seen`` is the smallest difference that
    so many cases could have shown, ``cases_missing`` how many more a release needs that is as good as live, and
    ``cases_least`` how many in any case. ``evidence`` are ids. ``lacks_run``: only another run could decide it, of the
    suite with ``suite_digest``, compared with the release with the digest ``against`` if there is one. ``advice`` are
    the actions that the hint names.
    """

    name: str
    prompt: str
    suite: str
    outcome: str
    got: str
    asked: str
    reason: str
    hint: str
    evidence: tuple[str, ...]
    smallest_seen: float | None
    cases_missing: int | None
    cases_least: int | None
    waived_until: datetime | None
    lacks_run: bool
    suite_digest: str
    against: str
    advice: tuple[Mapping[str, object], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedApprovalDocument:
    """An approval that holds: whether it counts, and if so whether its person is proven; if not, why."""

    approval: ApprovalDocument
    counts: bool
    proven: bool
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GateDocument:
    """What the gate of a channel says of a release. ``outcome`` is null where the channel has no gate.

    ``warns``: the policy lets every release through and only says what the gate would say. ``live`` are the versions
    that it was compared with.
    """

    app: str
    channel: str
    version: str
    digest: str
    policy_version: int
    position: int
    opens: bool
    outcome: str | None
    warns: bool
    checks: tuple[GateCheckDocument, ...]
    live: tuple[str, ...]
    approvals: tuple[JudgedApprovalDocument, ...]
