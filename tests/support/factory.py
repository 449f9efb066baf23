"""Small real things for tests: contents, built apps, git workspaces. Nothing here is a mock."""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from textwrap import dedent
from typing import Any

from promptops.core import rollout
from promptops.core.declarations import Declarations, DeclarationsVersion
from promptops.core.deployment_parts import Action, Kind
from promptops.core.digest import digest
from promptops.core.model import (
    Bump,
    Canary,
    Content,
    Deployment,
    Engine,
    Input,
    Json,
    Message,
    Policy,
    Profile,
    Prompt,
    Provenance,
    Release,
    Role,
)
from promptops.core.policy import Candidate
from promptops.core.reference import parse_reference
from promptops.core.release_bytes import encode
from promptops.core.rights import Rights
from promptops.core.rollout import Intent
from promptops.core.token import Scope, Token, ordered
from promptops.operations import release as releasing
from promptops.operations.build import Built, BuiltWorkspace
from promptops.operations.channels import Terms, apply_channels
from promptops.operations.deploy import Decision, Deployed, carry_out
from promptops.operations.idempotency import Once
from promptops.operations.promote import PromoteRequest, promote
from promptops.operations.release import ReleaseRequest, release
from promptops.operations.rollback import RollbackRequest, rollback
from promptops.operations.tokens import Minted, TokenRequest, create_token
from promptops.store import Reader, Registry, Writer

ACTOR = "Ada Lovelace <ada@example.org>"
START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
NAME = "test"  # what the `registry` fixture calls its registry


MODEL = "openai/gpt-4o-2024-08-06"
LASTING = "acme/large-2026-01-01"
"""A pinned model without an announced end: what asks for the ends of models by today's date has none to report."""


def minutes(count: float) -> datetime:
    """A moment, counted in minutes from the start of every test's world."""
    return START + timedelta(minutes=count)


def key() -> str:
    return uuid.uuid4().hex


def jinja(text: str, *, app: str = "bot", inputs: Mapping[str, Mapping[str, Json]] | None = None) -> Content:
    """One prompt of one Jinja message."""
    prompt = Prompt(
        name="answer",
        engine=Engine.JINJA2,
        messages=(Message(role=Role.USER, content=text),),
        inputs=tuple(Input(name=name, schema=schema) for name, schema in (inputs or {}).items()),
    )
    return Content(app=app, prompts=(prompt,))


def content(app: str = "bot", text: str = "Hello {{name}}", *, model: str = MODEL) -> Content:
    return Content(
        app=app,
        prompts=(
            Prompt(
                name="answer",
                model=model,
                messages=(Message(role=Role.USER, content=text),),
                inputs=(Input(name="name"),),
            ),
        ),
    )


def built(what: Content, *, dirty: bool = False, commit: str = "c" * 40) -> Built:
    data = encode(what)
    return Built(
        content=what,
        data=data,
        digest=digest(data),
        profile=Profile(owner="support"),
        provenance=Provenance(
            repository="example", commit=commit, path=what.app, author=ACTOR, builder="tests", dirty=dirty
        ),
    )


def make_release(
    registry: Registry,
    what: Content | None = None,
    *,
    version: str | None = None,
    bump: Bump | None = None,
    dirty: bool = False,
    now: datetime = START,
) -> Release:
    """Release one content and return it."""
    workspace = BuiltWorkspace(registry=NAME, built=(built(what or content(), dirty=dirty),))
    request = ReleaseRequest(key=key(), version=version, bump=bump)
    return release(registry, workspace, request, actor=ACTOR, now=now)[0].release


def make_old_release(registry: Registry, what: Content) -> Release:
    """Release one content as 0.1.0 did, which did not ask whether clients can load it."""
    request = ReleaseRequest(key=key())

    def work(writer: Writer) -> Release:
        writer.lock_app(what.app)
        return releasing._release(writer, built(what), request, actor=ACTOR, now=START).release

    return registry.write(work)


def go_live_as_before(registry: Registry, release: Release, channel: str = "prod", *, now: datetime = START) -> None:
    """Promote as 0.1.0 did, which did not ask whether clients can load it."""

    def decide(reader: Reader) -> Decision:
        intent = Intent(app=release.app, channel=channel, actor=ACTOR, reason="", now=now, expect_revision=None)
        current = reader.live(release.app, channel)
        return Decision(
            changed=[rollout.promote(intent, Candidate(release=release, quarantine=None), Policy(), current)]
        )

    once = Once(key=key(), token="", operation="promote", arguments={}, words="")
    carry_out(
        registry,
        once,
        lock=lambda writer: writer.lock_heads([(release.app, channel)]),
        decide=decide,
        dry_run=False,
        at=now,
    )


def make_releases(registry: Registry, app: str = "bot", count: int = 3, model: str = MODEL) -> list[Release]:
    """Releases 0.1.0, 0.1.1, 0.1.2 … of an app, differing in wording."""
    return [make_release(registry, content(app, f"Hello {{{{name}}}}, take {n}", model=model)) for n in range(count)]


def make_channels(registry: Registry, **policies: Policy) -> None:
    """Apply the channels given, or a plain `prod`."""
    declared = policies or {"prod": Policy()}
    apply_channels(registry, NAME, declared, actor=ACTOR, now=START, terms=Terms(loosen=True))


def rights(*, channels: tuple[str, ...] = ("*",), apps: tuple[str, ...] = ("*",)) -> Rights:
    """The rights of a token that reads and sets policies, of these channels and apps alone."""
    return Rights(
        Token(
            id="t" + "0" * 11, name="narrow", scopes=ordered((Scope.READ, Scope.POLICY)), prefix="pops_op_0000",
            created_at=START, created_by=ACTOR, expires_at=None, channels=channels, apps=apps,
        )
    )  # fmt: skip


def go_live(
    registry: Registry, reference: str, channel: str = "prod", *, now: datetime = START, **more: object
) -> Deployed:
    """Promote."""
    more = {"key": key(), **more}
    request = PromoteRequest(reference=parse_reference(reference), channel=channel, **more)  # type: ignore[arg-type]
    return promote(registry, request, actor=ACTOR, now=now)


def go_back(registry: Registry, *apps: str, channel: str = "prod", now: datetime = START, **more: object) -> Deployed:
    """Roll back."""
    request = RollbackRequest(apps=apps, channel=channel, **{"key": key(), **more})  # type: ignore[arg-type]
    return rollback(registry, request, actor=ACTOR, now=now)


def by_hand(
    registry: Registry,
    app: str = "bot",
    channel: str = "prod",
    *,
    kind: Kind,
    canary: Canary | None = None,
    restores: int | None = None,
    now: datetime = START,
    reason: str = "by hand",
) -> Deployment:
    """Write what no command writes yet: take an app off, or put a step of a canary beside what is live."""

    def work(writer: Writer) -> Deployment:
        writer.lock_heads([(app, channel)])
        live = writer.live(app, channel)
        made = Deployment(
            app=app,
            channel=channel,
            revision=live.revision + 1 if live else 1,
            kind=kind,
            stable=live.stable if live and kind is not Kind.OFF else None,
            before=live.stable if live else None,
            restores=live.position if live and canary else restores,
            actor=ACTOR,
            reason=reason,
            at=now,
            canary=canary,
        )
        writer.append(made)
        return made

    return registry.write(work)


def canary_of(release: Release, *, weight: int = 1_000, step: int = 1, action: Action = Action.START) -> Canary:
    """A step of a canary; 1,000 basis points are 10 %."""
    salt = f"{release.app}#prod#1"
    return Canary(release=release.ref, weight=weight, rollout="r1", salt=salt, step=step, action=action)


def make_token(registry: Registry, name: str = "ci", *, now: datetime = START, **more: object) -> Minted:
    """A token, which may read everything unless more is said, and its secret."""
    return create_token(registry, TokenRequest(name=name, **more), actor=ACTOR, now=now)  # type: ignore[arg-type]


def live_version(registry: Registry, app: str = "bot", channel: str = "prod") -> str | None:
    with registry.read() as reader:
        live = reader.live(app, channel)
    return live.version if live else None


# --- git workspaces ------------------------------------------------------------------------------

WORKSPACE = """\
registry: test
apps: [bot]
channels:
  dev: {allow_dirty: true}
  staging: {promote_from: dev}
  prod: {promote_from: staging, protected: true}
"""

PROMPT = """\
name: Greeting
model: openai/gpt-4o-2024-08-06
modelParameters:
  temperature: 0.2
messages:
  - role: system
    content: You greet people.
  - role: user
    content: |
      Say hello to {{name}}.
"""


def git(root: Path, *arguments: str, stdin: str = "") -> str:
    """Run git in a repository, with an identity of its own and nobody's configuration."""
    identity = ["-c", "user.name=Ada Lovelace", "-c", "user.email=ada@example.org", "-c", "commit.gpgsign=false"]
    command = ["git", *identity, *arguments]
    done = subprocess.run(command, cwd=root, input=stdin, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text), encoding="utf-8")


def commit(root: Path, files: dict[str, str], message: str = "Change prompts") -> str:
    """Write files, commit everything, return the commit's id."""
    write(root, files)
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--allow-empty", "-m", message)
    return git(root, "rev-parse", "HEAD")


def make_workspace(root: Path, files: dict[str, str] | None = None) -> Path:
    """A git repository with a workspace of one app, `bot`, with one prompt, `greet`, committed."""
    root.mkdir(parents=True, exist_ok=True)
    git(root, "init", "--quiet", "--initial-branch=main")
    commit(root, files or {"promptops.yml": WORKSPACE, "bot/prompts/greet.prompt.yml": PROMPT}, "Begin")
    return root


def declare(registry: Registry, app: str = "bot", *, at: datetime = START, **declared: Any) -> None:
    """Have an app declare this of its calls from now on."""

    def work(writer: Writer) -> None:
        before = writer.declarations(app)
        number = before.number + 1 if before else 1
        fact = DeclarationsVersion(app=app, number=number, declared=Declarations(**declared), actor=ACTOR, at=at)
        writer.record(fact)

    registry.write(work)
