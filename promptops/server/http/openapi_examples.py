"""Nouns that stand in the OpenAPI document and in the HTTP reference as examples; all of one small story."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from promptops.core.audit import GENESIS
from promptops.core.digest import digest
from promptops.core.model import (
    AuditEntry,
    Bump,
    Change,
    Channel,
    Content,
    Deployment,
    Input,
    Json,
    Kind,
    Message,
    Policy,
    Profile,
    Prompt,
    Provenance,
    Quarantine,
    Release,
    ReleaseRef,
    Role,
    Yank,
)
from promptops.core.override import Override
from promptops.core.release import encode
from promptops.core.token import Revocation, Scope, Token
from promptops.operations.channels import Applied, ChannelChange
from promptops.operations.deploy import Deployed
from promptops.operations.queries import History, Listed, Status
from promptops.operations.release import Released
from promptops.operations.status import Standing, Target
from promptops.wire.shapes import Described, bare, written

ACTOR: Final = "Ada Brandt <ada@parcelwise.example> via token on-call"
KEY: Final = "9b2f4f0e-6f0c-4f0e-9d7a-2f1f6f6f7c11"
AT: Final = datetime(2026, 3, 1, 18, 30, 5, 120000, tzinfo=UTC)
LINEAGE: Final = "0b0e5f5c-7a43-4f0e-8a51-6c1d2b9f4e77"
EPOCH: Final = 1
_EARLIER: Final = AT - timedelta(days=1)


def _content(text: str) -> bytes:
    prompt = Prompt(
        name="answer",
        model="openai/gpt-4o-2024-08-06",
        parameters={"temperature": 0.2},
        messages=(Message(role=Role.SYSTEM, content=text), Message(role=Role.USER, content="{{question}}")),
        inputs=(Input(name="question"),),
    )
    return encode(Content(app="support-bot", prompts=(prompt,)))


_OLD, _NEW = _content("You help with parcels."), _content("You help with parcels. Cite the rule you use.")
OLD: Final = ReleaseRef(version="0.2.0", digest=digest(_OLD))
NEW: Final = ReleaseRef(version="0.2.1", digest=digest(_NEW))
CONTENT: Final = _NEW.decode()

PROVENANCE: Final = Provenance(
    repository="https://git.parcelwise.example/prompts.git",
    commit="5f1f8a3c8f0b4e0c9a7d6b5c4d3e2f1a0b9c8d7e",
    path="apps/support-bot",
    author="Ada Brandt <ada@parcelwise.example>",
    builder="promptops 0.1.0",
)
PROFILE: Final = Profile(title="Support bot", owner="support", on_call="#support-on-call")
RELEASE: Final = Release(
    app="support-bot",
    version=NEW.version,
    digest=NEW.digest,
    created_at=_EARLIER,
    created_by="Ada Brandt <ada@parcelwise.example> via token ci",
    bump=Bump.PATCH,
    changes=("answer: the system message changed",),
    notes="answers name their rule",
    provenance=PROVENANCE,
    content=_NEW,
)
BARE: Final = bare(RELEASE)
YANKED: Final = Release(
    app=BARE.app,
    version=BARE.version,
    digest=BARE.digest,
    created_at=BARE.created_at,
    created_by=BARE.created_by,
    bump=BARE.bump,
    changes=BARE.changes,
    notes=BARE.notes,
    provenance=BARE.provenance,
    yank=Yank(reason="a customer's name is in it", actor=ACTOR, at=AT),
)
LISTED: Final = Listed(release=BARE, channels=("staging",), quarantined={"prod": "wrong refunds"})
DESCRIBED: Final = Described(
    release=BARE, content=CONTENT, profile=PROFILE, channels=LISTED.channels, quarantined=LISTED.quarantined
)
RELEASED: Final = Released(
    release=BARE,
    created=True,
    changes=(
        Change(
            bump=Bump.PATCH,
            prompt="answer",
            field="messages[0].content",
            summary="the system message changed",
            before="You help with parcels.",
            after="You help with parcels. Cite the rule you use.",
        ),
    ),
)

PROMOTED: Final = Deployment(
    app="support-bot",
    channel="prod",
    revision=7,
    kind=Kind.PROMOTE,
    stable=NEW,
    before=OLD,
    restores=None,
    actor=ACTOR,
    reason="shorter answers",
    at=_EARLIER,
)
ROLLED_BACK: Final = Deployment(
    app="support-bot",
    channel="prod",
    revision=8,
    kind=Kind.ROLLBACK,
    stable=OLD,
    before=NEW,
    restores=6,
    actor=ACTOR,
    reason="wrong refunds",
    at=AT,
)
RECORDED: Final = Deployment(
    app="support-bot",
    channel="prod",
    revision=8,
    kind=Kind.BREAK_GLASS,
    stable=OLD,
    before=NEW,
    restores=6,
    actor=ACTOR,
    reason="database gone (pinned by Ada Brandt at 2026-03-01T18:05:00Z)",
    at=AT,
)
PROMOTION: Final = Deployed(deployments=(PROMOTED,), served=(PROMOTED,), key=KEY)
ROLLBACK: Final = Deployed(deployments=(ROLLED_BACK,), served=(ROLLED_BACK,), key=KEY)
RECONCILED: Final = Deployed(deployments=(RECORDED,), served=(RECORDED,), key="break-glass-1c9d…")
STATUS: Final = Status(
    registry="parcelwise",
    standings=(Standing(deployment=PROMOTED, target=Target(release=OLD, revision=ROLLED_BACK.revision, at=AT)),),
    idle=("draft-bot",),
    channels=("prod", "staging"),
)
HISTORY: Final = History(
    app="support-bot",
    channel="prod",
    deployments=(ROLLED_BACK, PROMOTED),
    live=ROLLED_BACK,
    flaws={NEW.digest: "quarantined by Ada Brandt: wrong refunds"},
)
QUARANTINE: Final = Quarantine(
    app="support-bot", channel="prod", release=NEW, reason="wrong refunds", actor=ACTOR, at=AT
)

POLICY: Final = Policy(promote_from=("staging",), protected=True)
CHANNEL: Final = Channel(name="prod", policy=POLICY, version=2, actor=ACTOR, at=AT)
CHANGE: Final = ChannelChange(name="prod", policy=POLICY, version=2, applied=Applied.CHANGED)
OVERRIDE: Final = Override(
    registry="parcelwise",
    lineage=LINEAGE,
    app="support-bot",
    channel="prod",
    version=OLD.version,
    digest=OLD.digest,
    content=_OLD,
    reason="database gone",
    actor=ACTOR,
    created_at=AT,
    expires_at=AT + timedelta(hours=24),
)
ENTRY: Final = AuditEntry(
    seq=1,
    at=AT,
    actor=ACTOR,
    action="rollback",
    app="support-bot",
    channel="prod",
    before=f"{NEW.version} {NEW.digest}",
    after=f"{OLD.version} {OLD.digest}",
    reason="wrong refunds",
    key=KEY,
    previous=GENESIS,
    hash="1c9d0f4e5b6a79880a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f6071",
)
TOKEN: Final = Token(
    id="t4fK0qZ8sLm2",
    name="support-bot-prod",
    scopes=(Scope.READ,),
    channels=("prod",),
    apps=("support-bot",),
    prefix="pops_rt_7Hq2",
    created_at=AT,
    created_by=ACTOR,
    expires_at=AT + timedelta(days=90),
)
REVOKED: Final = Token(
    id=TOKEN.id,
    name=TOKEN.name,
    scopes=TOKEN.scopes,
    channels=TOKEN.channels,
    apps=TOKEN.apps,
    prefix=TOKEN.prefix,
    created_at=TOKEN.created_at,
    created_by=TOKEN.created_by,
    expires_at=TOKEN.expires_at,
    revoked=Revocation(actor=ACTOR, at=AT + timedelta(days=2), reason="leaked"),
)
SECRET: Final = "pops_rt_…"  # noqa: S105 an example, not a secret

PUBLICATION: Final[Mapping[str, Json]] = {
    "registry": "parcelwise",
    "apps": [
        {
            "content": CONTENT,
            "digest": NEW.digest,
            "profile": written(PROFILE),
            "provenance": written(PROVENANCE),
        }
    ],
    "notes": "answers name their rule",
}
DECLARATION: Final[Mapping[str, Json]] = {
    "registry": "parcelwise",
    "channels": {"staging": {}, "prod": {"promote_from": ["staging"], "protected": True}},
}
OVERRIDE_REQUEST: Final[Mapping[str, Json]] = {
    "release": "support-bot@0.2.0",
    "reason": "database gone",
    "seconds": 86_400,
}
