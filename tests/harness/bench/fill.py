"""Registries filled straight through the store, thousands of facts a transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from promptops.core.digest import digest
from promptops.core.model import (
    Bump,
    Content,
    Deployment,
    Input,
    Kind,
    Message,
    Policy,
    Prompt,
    Provenance,
    Release,
    Role,
)
from promptops.core.release_bytes import encode
from promptops.store import Registry, Writer
from promptops.store.facts.kind import Fact, kind_of

ACTOR = "Ada Lovelace <ada@example.org>"
NOW = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)


def release(app: str, number: int) -> Release:
    """Release 0.1.``number`` of an app with one short prompt."""
    prompt = Prompt(
        name="answer",
        model="openai/gpt-4o-mini-2024-07-18",
        messages=(Message(role=Role.USER, content=f"Take {number}: {{{{question}}}}"),),
        inputs=(Input(name="question", schema={"type": "string"}),),
    )
    content = encode(Content(app=app, prompts=(prompt,)))
    return Release(
        app=app,
        version=f"0.1.{number}",
        digest=digest(content),
        created_at=NOW,
        created_by=ACTOR,
        bump=Bump.PATCH,
        changes=("wording of answer",),
        notes="",
        provenance=Provenance(repository="bench", commit=f"{number:040x}", path=app, author=ACTOR, builder="bench"),
        content=content,
    )


def fill_app(registry: Registry, app: str, count: int) -> list[Release]:
    """Add this many releases of an app."""
    made = [release(app, number) for number in range(count)]

    def work(writer: Writer) -> None:
        writer.lock_app(app)
        for each in made:
            _insert(writer, each)

    registry.write(work)
    return made


def deploy_all(registry: Registry, app: str, releases: Sequence[Release], channels: Sequence[str]) -> None:
    """Make each release in turn the stable one of every channel."""

    def work(writer: Writer) -> None:
        known = {channel.name for channel in writer.channels()}
        for channel in channels:
            if channel not in known:
                writer.set_policy(channel, Policy(), actor=ACTOR, at=NOW)
        writer.lock_heads((app, channel) for channel in channels)
        for channel in channels:
            for revision, each in enumerate(releases, 1):
                before = releases[revision - 2] if revision > 1 else None
                deployment = _promotion(each, channel, revision, before)
                writer._move_head(deployment)
                _insert(writer, deployment)

    registry.write(work)


def _insert(writer: Writer, fact: Fact) -> None:
    """The rows of a fact, without its line of the audit log: nothing that is measured reads old lines."""
    for table, values in kind_of(fact).rows(fact, actor=ACTOR, at=NOW):
        writer._insert(table, values)


def _promotion(now_live: Release, channel: str, revision: int, before: Release | None) -> Deployment:
    return Deployment(
        app=now_live.app,
        channel=channel,
        revision=revision,
        kind=Kind.PROMOTE,
        stable=now_live.ref,
        before=before.ref if before else None,
        restores=None,
        actor=ACTOR,
        reason="",
        at=NOW,
    )
