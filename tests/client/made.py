"""Small real releases and snapshots, as a registry would serve them. Nothing here is a mock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from promptops.client.state.release_set import Held, build
from promptops.core import override
from promptops.core.digest import digest
from promptops.core.model import Content, Input, Message, Prompt, ReleaseRef, Role
from promptops.core.override import Override
from promptops.core.release_bytes import encode
from promptops.core.snapshot import Pointer, Snapshot

MODEL = "openai/gpt-4o-2024-08-06"
CONTENTS: dict[str, bytes] = {}
"""The bytes of every release that was made, by digest: the registry's shelf."""


def prompt(name: str, text: str, *, inputs: Iterable[Input] = (), model: str | None = MODEL) -> Prompt:
    return Prompt(name=name, messages=(Message(role=Role.USER, content=text),), model=model, inputs=tuple(inputs))


def shelve(version: str, content: Content) -> ReleaseRef:
    """Put a release on the shelf."""
    data = encode(content)
    CONTENTS[digest(data)] = data
    return ReleaseRef(version=version, digest=digest(data))


def release(app: str, version: str, prompts: Mapping[str, str] | None = None) -> ReleaseRef:
    """A release with a prompt for each text; if nothing is said, with one that names app and version."""
    texts = prompts if prompts is not None else {"answer": f"{app} {version}: {{{{question}}}}"}
    return shelve(version, Content(app=app, prompts=tuple(prompt(name, text) for name, text in texts.items())))


def pointer(
    revision: int,
    stable: ReleaseRef | None,
    *,
    canary: ReleaseRef | None = None,
    weight: int = 0,
    last_good: ReleaseRef | None = None,
) -> Pointer:
    salt = f"salt#{revision}" if canary else ""
    return Pointer(revision=revision, stable=stable, canary=canary, weight=weight, salt=salt, last_good=last_good)


def snapshot(apps: Mapping[str, Pointer], *, epoch: int = 1, cursor: int = 1, lineage: str = "one") -> Snapshot:
    return Snapshot(registry="test", lineage=lineage, epoch=epoch, channel="prod", cursor=cursor, apps=apps)


def event(apps: Mapping[str, Pointer], *, epoch: int = 1, cursor: int = 1) -> Snapshot:
    return replace(snapshot(apps, epoch=epoch, cursor=cursor), partial=True)


def served(revision: int, version: str, *, app: str = "bot", cursor: int | None = None) -> Snapshot:
    """One app that serves one version, without anything else."""
    return snapshot({app: pointer(revision, release(app, version))}, cursor=revision if cursor is None else cursor)


def held(what: Snapshot, older: Held | None = None) -> Held:
    return build(what, CONTENTS, older=older)


def lay_override(folder: Path, version: str, *, lineage: str = "one", hours: float = 24.0) -> Path:
    """An override of `bot` in a folder, which is made where there is none."""
    ref = release("bot", version)
    now = datetime.now(UTC)
    made_at = now if hours > 0 else now - timedelta(days=2)
    written = Override(
        registry="test",
        lineage=lineage,
        app="bot",
        channel="prod",
        version=version,
        digest=ref.digest,
        content=CONTENTS[ref.digest],
        reason="the database is gone",
        actor="Ada",
        created_at=made_at,
        expires_at=now + timedelta(hours=hours),
    )
    folder.mkdir(exist_ok=True)
    path = folder / "bot.override.json"
    path.write_bytes(override.encode(written))
    path.chmod(0o600)
    return path
