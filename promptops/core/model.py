"""The nouns. Frozen dataclasses and string enums; each docstring is the glossary entry of its word.

Values are valid or not constructed, are never changed in place, and know nothing of files, rows or HTTP.
Times are aware UTC datetimes. JSON values are read-only by contract: no function changes a mapping that it receives.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from collections.abc import Sequence as Sequence  # `Json` names it, where the types of fields are read
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from promptops.core.deployment_parts import ALWAYS_SERVE
from promptops.core.deployment_parts import WHOLE as WHOLE
from promptops.core.deployment_parts import Canary as Canary
from promptops.core.deployment_parts import Kind as Kind
from promptops.core.deployment_parts import ReleaseRef as ReleaseRef
from promptops.core.json_value import LISTS as LISTS
from promptops.core.json_value import OBJECTS as OBJECTS
from promptops.core.json_value import Json as Json
from promptops.core.json_value import has_private
from promptops.core.message import Message as Message
from promptops.core.message import Placeholder as Placeholder
from promptops.core.message import Role as Role
from promptops.core.message import ToolCall as ToolCall
from promptops.core.names import AppName, ChannelName
from promptops.core.names import is_name as is_name
from promptops.core.names import is_segment as is_segment
from promptops.core.origin import Origin
from promptops.core.own_facts import OwnFacts as OwnFacts
from promptops.core.parts import MEDIA, PartType

VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
"""A variable's name. Fields are reached with dots: ``user.name``."""


# --- what a release is made of -------------------------------------------------------------------


class Engine(StrEnum):
    """The template language of a prompt: ``simple`` by default, ``jinja2`` by choice."""

    SIMPLE = "simple"
    JINJA2 = "jinja2"


class ResponseFormat(StrEnum):
    """The shape of the answer a prompt asks its model for."""

    TEXT = "text"
    JSON_OBJECT = "json_object"
    JSON_SCHEMA = "json_schema"


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """A variable of a prompt and the JSON Schema of its value. An input with a ``default`` is optional.

    One whose schema has ``private: true``, or has it anywhere within, is never captured.
    """

    name: str
    schema: Mapping[str, Json] = field(default_factory=lambda: {"type": "string"})

    @property
    def required(self) -> bool:
        return "default" not in self.schema

    @property
    def private(self) -> bool:
        return has_private(self.schema)

    @property
    def media(self) -> PartType | None:
        """What it is, if it is an image, a file or audio: types of ours, which its schema has as its ``type``."""
        kind = self.schema.get("type")
        return PartType(kind) if kind in MEDIA else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A tool the model may use. Mostly a function of the application: ``parameters`` is the JSON Schema of its
    arguments, and ``strict`` whether the model is held to it (None: the provider's default).

    Any other ``type`` is a tool of the provider, such as ``web_search``, with the ``settings`` that its API defines.
    With ``cache``, a provider that can is to cache what it read up to the end of the tool; it reads tools first.
    """

    name: str
    description: str = ""
    parameters: Mapping[str, Json] = field(default_factory=lambda: {"type": "object", "properties": {}})
    type: str = "function"
    strict: bool | None = None
    settings: Mapping[str, Json] = field(default_factory=dict)
    cache: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerCheck:
    """What the text of each answer to a prompt has to fulfil: a kind (:mod:`promptops.core.checks.table`), and what is
    wanted: a text, or a path and a value."""

    kind: str
    wanted: Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """One message template inside an app, with everything that decides what is sent.

    ``model`` is ``provider/model`` resolved from the pin, or None where the application chooses. ``parameters`` are the
    pin's, overlaid by the prompt's own, under their GitHub Models names (``maxTokens``). Partials are already in the
    text. ``checks`` are not sent: clients count the answers that fail one. With ``escapes``, ``{{ "{{" }}`` in a simple
    template stands for the two braces. ``own_facts`` are what the workspace says of the model.
    """

    name: str
    messages: tuple[Message | Placeholder, ...]
    model: str | None = None
    parameters: Mapping[str, Json] = field(default_factory=dict)
    engine: Engine = Engine.SIMPLE
    inputs: tuple[Input, ...] = ()
    tools: tuple[Tool, ...] = ()
    response_format: ResponseFormat = ResponseFormat.TEXT
    json_schema: Mapping[str, Json] | None = None
    checks: tuple[AnswerCheck, ...] = ()
    escapes: bool = False
    own_facts: OwnFacts | None = None

    @property
    def written(self) -> tuple[Message, ...]:
        """The messages that are part of the prompt, without the places of the caller's."""
        return tuple(message for message in self.messages if isinstance(message, Message))

    @property
    def placeholders(self) -> tuple[Placeholder, ...]:
        """The places of the caller's messages."""
        return tuple(message for message in self.messages if isinstance(message, Placeholder))

    @property
    def variables(self) -> tuple[Input | Placeholder, ...]:
        """All that a caller gives: inputs, and messages of placeholders."""
        return (*self.inputs, *self.placeholders)


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """All that decides the behaviour of an app: what the digest is taken of.

    ``requires`` are the features that a client needs to load it, in order (:mod:`promptops.core.features`). ``models``
    are what the workspace says of models that prompts name, in order of the models.
    """

    app: AppName
    prompts: tuple[Prompt, ...]
    requires: tuple[str, ...] = ()
    models: tuple[OwnFacts, ...] = ()

    def prompt(self, name: str) -> Prompt | None:
        return next((prompt for prompt in self.prompts if prompt.name == name), None)


# --- what is known beside a release --------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Who and what an app is: for people, not part of the digest."""

    title: str = ""
    description: str = ""
    owner: str = ""
    on_call: str = ""
    runbook: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Where a release's content was read: repository, commit and path, author, and what built it.

    ``dirty`` says that the files were not those of the commit. ``root`` is the repository's first commit, where known.
    ``authors`` are authors, committers and co-authors of every commit that touched the app since its release before.
    """

    repository: str
    commit: str
    path: str
    author: str
    builder: str
    dirty: bool = False
    root: str = ""
    authors: tuple[str, ...] = ()


class Bump(StrEnum):
    """How much a release changes the contract with the calling code."""

    NONE = "none"
    PATCH = "patch"
    MINOR = "minor"
    MAJOR = "major"

    @property
    def rank(self) -> int:
        return list(Bump).index(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One difference between two contents: how much it bumps, where, and what in words.

    ``prompt`` is the prompt's name, ``field`` the part of it (``messages[0].content``, ``inputs.question``);
    ``before`` and ``after`` are texts to compare, None where that side has none.
    """

    bump: Bump
    prompt: str
    field: str
    summary: str
    before: str | None = None
    after: str | None = None

    def __str__(self) -> str:
        return f"{self.prompt}: {self.summary}" if self.prompt else self.summary


@dataclass(frozen=True, slots=True, kw_only=True)
class Yank:
    """Why a release must never be served or promoted again."""

    reason: str
    actor: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """The immutable content of an app: SemVer version per app, digest of the canonical bytes.

    ``content`` are the canonical bytes; lists of many releases leave them empty. ``provenance`` is the newest clean
    one, else the newest.
    """

    app: AppName
    version: str
    digest: str
    created_at: datetime
    created_by: str
    bump: Bump
    changes: tuple[str, ...]
    notes: str
    provenance: Provenance
    yank: Yank | None = None
    content: bytes = b""

    @property
    def ref(self) -> ReleaseRef:
        return ReleaseRef(version=self.version, digest=self.digest)


# --- channels ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What a channel asks of a release before it may be promoted there.

    ``promote_from``: the release was stable on one of these channels and is still good there (empty: no such rule).
    ``allow_dirty``: releases cut from uncommitted files are welcome. ``protected``: floating model aliases are refused.
    ``gate``: the settings of its gate, a JSON object that is never changed; None without one. ``rollout``: those of the
    steps by which a release reaches everyone; None where it does so at once.
    """

    promote_from: tuple[ChannelName, ...] = ()
    allow_dirty: bool = False
    protected: bool = False
    gate: Mapping[str, object] | None = field(default=None, hash=False)
    rollout: Mapping[str, object] | None = field(default=None, hash=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """A named place that clients follow, with its policy and that policy's version, 1, 2, 3 …

    ``origin`` is the workspace that declared this version, to which the policy belongs; None where it is not known.
    """

    name: ChannelName
    policy: Policy
    version: int
    actor: str
    at: datetime
    origin: Origin | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """One immutable entry in the log of an app on a channel. ``revision`` counts 1, 2, 3 … and only goes up.

    ``stable`` is the release that is served from then on; None where the app is off: nothing of it is served.
    ``before`` is the release that was stable until then. ``restores`` is, for a rollback, the revision of the promotion
    whose release it put back: a rollback stands at that promotion's place in the log, so the next one walks further
    back. So do a reconciled override with a release that was live there before, and a step of a canary, which
    stands at the place of its stable release.

    Raises:
        ValueError: a deployment of this kind serves a release, or serves none; or there is a canary beside nothing.
    """

    app: AppName
    channel: ChannelName
    revision: int
    kind: Kind
    stable: ReleaseRef | None
    before: ReleaseRef | None
    restores: int | None
    actor: str
    reason: str
    at: datetime
    canary: Canary | None = None

    def __post_init__(self) -> None:
        if self.stable is None and (self.kind in ALWAYS_SERVE or self.canary is not None):
            raise ValueError(f"revision {self.revision} of {self.app}:{self.channel} is {self.kind}, and has no stable")
        if self.stable is not None and self.kind is Kind.OFF:
            raise ValueError(f"revision {self.revision} of {self.app}:{self.channel} is off, and has a stable release")

    @property
    def position(self) -> int:
        """Where a rollback from here starts to look back: the promotion this deployment serves."""
        return self.restores or self.revision

    def served(self) -> Iterator[ReleaseRef]:
        """The releases it serves: the stable one and the canary; none where the app is off."""
        if self.stable is not None:
            yield self.stable
        if self.canary is not None:
            yield self.canary.release

    @property
    def version(self) -> str:
        """The version of the stable release; empty where the app is off."""
        return self.stable.version if self.stable else ""

    @property
    def digest(self) -> str:
        """The digest of the stable release; empty where the app is off."""
        return self.stable.digest if self.stable else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantine:
    """A release kept out of one channel until it is released by name and reason."""

    app: AppName
    channel: ChannelName
    release: ReleaseRef
    reason: str
    actor: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """An earlier deployment, and whether its release is still good there; ``flaw`` says why it is not."""

    deployment: Deployment
    flaw: str = ""
    yanked: bool = False

    @property
    def good(self) -> bool:
        return not self.flaw


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One line of the audit log: who did what to which app and channel, from what to what, why and when.

    ``seq`` counts without gaps; ``hash`` is ``sha256(seq | previous hash | canonical entry)`` in hex. ``record`` is the
    digest of the whole fact that the line is about; empty in lines that the first promptops wrote.
    """

    seq: int
    at: datetime
    actor: str
    action: str
    app: AppName
    channel: ChannelName
    before: str
    after: str
    reason: str
    key: str
    previous: str
    hash: str
    record: str = ""
