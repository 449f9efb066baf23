"""What people say of a release: approvals and waivers."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Self

from promptops.core.evidence.approval import Approval, Waiver
from promptops.core.names import AppName, ChannelName


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalDocument:
    """An approval of a release for a channel, or its withdrawal: ``withdraws`` is the number of the approval.

    ``subject`` is ``release``, ``suite:DIGEST``, ``rename:OLD>NEW``, ``anchor`` or ``tries``. ``proven`` says that the
    token is bound to the person.
    """

    number: int
    app: str
    channel: str
    version: str
    digest: str
    policy_version: int
    position: int
    subject: str
    person: str
    proven: bool
    actor: str
    at: datetime
    token: str
    reason: str
    withdraws: int | None

    @classmethod
    def of(cls, approval: Approval) -> Self:
        return cls(**_same(cls, approval))

    def approval(self) -> Approval:
        return Approval(**_same(Approval, self))


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovedDocument:
    """Approvals of a person that hold, or were taken back (``withdrawn``). ``changed`` is false for earlier ones."""

    approvals: tuple[ApprovalDocument, ...]
    withdrawn: bool
    changed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class WaiverDocument:
    """A check of the gate that one release need not pass on a channel until ``expires_at``."""

    number: int
    app: AppName
    channel: ChannelName
    version: str
    digest: str
    check: str
    expires_at: datetime
    person: str
    actor: str
    at: datetime
    token: str
    reason: str

    @classmethod
    def of(cls, waiver: Waiver) -> Self:
        return cls(**_same(cls, waiver))

    def waiver(self) -> Waiver:
        return Waiver(**_same(Waiver, self))


def _same(kind: type, value: object) -> dict[str, Any]:
    """The fields of a class from another one that has them under the same names."""
    return {field.name: getattr(value, field.name) for field in fields(kind)}
