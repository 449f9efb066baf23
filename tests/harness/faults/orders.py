"""Changes that can be asked for again: an order is all of a request, its key and its time included.

Carried out, it answers with the facts it acknowledged, and each fact can be looked for afterwards.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from promptops.core.errors import NotFound
from promptops.core.model import Content, Input, Message, Policy, Profile, Prompt, Provenance, Role
from promptops.core.reference import Reference
from promptops.operations.build import Built, BuiltWorkspace
from promptops.operations.channels import Terms, apply_channels
from promptops.operations.deploy import Deployed
from promptops.operations.promote import PromoteRequest, promote
from promptops.operations.quarantine import WithholdRequest, quarantine, unquarantine, yank
from promptops.operations.release import ReleaseRequest, release
from promptops.operations.rollback import RollbackRequest, rollback
from promptops.operations.transfer import TransferRequest, transfer
from promptops.store import Reader, Registry
from tests.harness.faults import evidence_orders
from tests.support.factory import ACTOR, NAME, minutes

Fact = tuple[str | int, ...]


class What(StrEnum):
    """The changes there are."""

    RELEASE = "release"
    PROMOTE = "promote"
    ROLLBACK = "rollback"
    ROLLBACK_ALL = "rollback --all"
    QUARANTINE = "quarantine"
    UNQUARANTINE = "unquarantine"
    YANK = "yank"
    CHANNELS = "channels apply"
    TRANSFER = "app transfer"
    OPEN = "open a run"
    ROWS = "rows of a run"
    CLOSE = "close a run"
    RUN = "a run"
    EVIDENCE = "evidence add"
    IMPORT = "evidence import"
    APPROVE = "approve"
    WITHDRAW = "approve --withdraw"
    WAIVE = "promote --waive"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One change that is asked for. ``commit`` of ``repository`` is where a release comes from; ``minute`` is when.
    ``text`` is the wording of a release, the kind of policies of channels, and the name of a run.
    """

    what: What
    key: str
    app: str = "bot"
    channel: str = "prod"
    version: str = ""
    text: str = ""
    commit: str = "c" * 40
    repository: str = "example"
    minute: float = 0.0

    @property
    def reference(self) -> Reference:
        return Reference(app=self.app, version=self.version)

    @property
    def now(self) -> datetime:
        return minutes(self.minute)


def carry_out(registry: Registry, order: Order) -> tuple[Fact, ...]:
    """Make the change; the facts that are acknowledged by its return."""
    done = _DO[order.what](registry, order)
    return (*done, *([] if order.what in _WITHOUT_KEY else [("key", order.key)]))


def holds(reader: Reader, fact: Fact) -> bool:
    """True where the registry says what was acknowledged."""
    kind, *parts = fact
    name, *more = map(str, parts)
    try:
        if kind == "key":
            return reader.answer(name) is not None
        if kind == "release":
            return reader.find_release(name, version=more[0]).digest == more[1]
        if kind == "yank":
            return reader.find_release(name, version=more[0]).yank is not None
        if kind == "owner":
            owner = reader.owner(name)
            return owner is not None and owner.origin.repository == more[0]
        if kind == "policy":
            return reader.channel(name).version >= int(more[0])
        if kind in evidence_orders.KINDS:
            return evidence_orders.holds(reader, fact)
        assert kind == "deployment"
        return reader.deployment(name, more[0], int(more[1])).version == more[2]
    except NotFound:
        return False


def built(app: str, text: str, commit: str, repository: str = "example") -> Built:
    """An app of one prompt with this text, as if built from a commit."""
    from promptops.core.digest import digest
    from promptops.core.release_bytes import encode

    message = Message(role=Role.USER, content=text)
    prompt = Prompt(name="answer", model="openai/gpt-4o-2024-08-06", messages=(message,), inputs=(Input(name="name"),))
    content = Content(app=app, prompts=(prompt,))
    data = encode(content)
    return Built(
        content=content,
        data=data,
        digest=digest(data),
        profile=Profile(owner="support"),
        provenance=Provenance(
            repository=repository, commit=commit, path=app, author=ACTOR, builder="tests", dirty=False
        ),
    )


def _release(registry: Registry, order: Order) -> list[Fact]:
    workspace = BuiltWorkspace(registry=NAME, built=(built(order.app, order.text, order.commit, order.repository),))
    done = release(registry, workspace, ReleaseRequest(key=order.key), actor=ACTOR, now=order.now)
    return [("release", made.release.app, made.release.version, made.release.digest) for made in done]


def _promote(registry: Registry, order: Order) -> list[Fact]:
    request = PromoteRequest(reference=order.reference, channel=order.channel, key=order.key)
    return _deployed(promote(registry, request, actor=ACTOR, now=order.now))


def _rollback(registry: Registry, order: Order) -> list[Fact]:
    every = order.what is What.ROLLBACK_ALL
    request = RollbackRequest(
        apps=() if every else (order.app,), every=every, channel=order.channel, key=order.key, reason="wrong answers"
    )
    return _deployed(rollback(registry, request, actor=ACTOR, now=order.now))


def _deployed(deployed: Deployed) -> list[Fact]:
    return [("deployment", d.app, d.channel, d.revision, d.version) for d in deployed.deployments]


def _withholding(order: Order) -> WithholdRequest:
    channel = "" if order.what is What.YANK else order.channel
    return WithholdRequest(reference=order.reference, channel=channel, reason="leaks data", key=order.key)


def _quarantine(registry: Registry, order: Order) -> list[Fact]:
    quarantine(registry, _withholding(order), actor=ACTOR, now=order.now)
    return []


def _unquarantine(registry: Registry, order: Order) -> list[Fact]:
    unquarantine(registry, _withholding(order), actor=ACTOR, now=order.now)
    return []


def _yank(registry: Registry, order: Order) -> list[Fact]:
    yanked = yank(registry, _withholding(order), actor=ACTOR, now=order.now)
    return [("yank", yanked.app, yanked.version)]


def _channels(registry: Registry, order: Order) -> list[Fact]:
    # `text` decides the policies, so that one order is one declaration.
    gate = evidence_orders.GATE if order.text == "gated" else None
    own = Policy(protected=order.text == "protected", gate=gate)
    declared = {order.channel: own, "canary": Policy(allow_dirty=True)}
    done = apply_channels(registry, NAME, declared, actor=ACTOR, now=order.now, terms=Terms(loosen=True))
    return [("policy", change.name, change.version) for change in done]


def _transfer(registry: Registry, order: Order) -> list[Fact]:
    place = {"repository": "git@example.org:shop/bots.git", "path": order.app}
    request = TransferRequest(app=order.app, reason="another team", key=order.key, **place)
    moved = transfer(registry, request, actor=ACTOR, now=order.now)
    return [("owner", moved.app, moved.origin.repository)]


_DO: dict[What, Callable[[Registry, Order], list[Fact]]] = {
    What.RELEASE: _release,
    What.PROMOTE: _promote,
    What.ROLLBACK: _rollback,
    What.ROLLBACK_ALL: _rollback,
    What.QUARANTINE: _quarantine,
    What.UNQUARANTINE: _unquarantine,
    What.YANK: _yank,
    What.CHANNELS: _channels,
    What.TRANSFER: _transfer,
    What.OPEN: evidence_orders.open_,
    What.ROWS: evidence_orders.rows,
    What.CLOSE: evidence_orders.close_,
    What.RUN: evidence_orders.whole_run,
    What.EVIDENCE: evidence_orders.add_verdict,
    What.IMPORT: evidence_orders.import_results,
    What.APPROVE: evidence_orders.approve_,
    What.WITHDRAW: evidence_orders.withdraw,
    What.WAIVE: evidence_orders.waive,
}

_WITHOUT_KEY = frozenset({What.CHANNELS, What.ROWS})
"""Changes that are the same however often they are asked for, without the memory of a key."""
