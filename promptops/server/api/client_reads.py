"""What running applications ask: snapshots, releases, and that they are heard of. From memory wherever that can be."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Annotated, Any, Final

from pydantic import Field
from starlette.responses import Response

from promptops.core.errors import (
    ChannelNotFound,
    Invalid,
    RegistryDamaged,
    ReleaseNotFound,
    RequestInvalid,
    Yanked,
)
from promptops.core.features import MAX_FEATURES
from promptops.core.heartbeat import MAX_APPS, MAX_WORDS, State
from promptops.core.model import is_name
from promptops.core.token import Scope
from promptops.operations import snapshots
from promptops.server.http.call import Call, CallOf
from promptops.server.http.replies import ASK_AGAIN, JSON, UNCHANGED_FOR_EVER, Reply, tagged
from promptops.server.http.routing import Body, Routes
from promptops.server.live.feed import EVERYTHING, Selection
from promptops.wire.heartbeat import HEARTBEAT, beat_from_json
from promptops.wire.snapshot import RELEASES, is_digest

routes = Routes("Reading")

APP_QUERY: Final = {"app": "Only this app; may be given up to 100 times. Those that are not there are left out."}

_STRICT: Final = re.compile(rb"promptops/0\.[12]\.")
"""Clients that refuse a snapshot with extensions, and would not follow a rollback: its snapshot always has some."""
_PLAIN: Final = Selection(plain=True)


@routes.get(
    "/v1/channels/{channel}/snapshot",
    scope=Scope.READ,
    direct=True,
    reads=True,
    query=APP_QUERY,
    errors=(ChannelNotFound,),
    answer="snapshot",
)
async def snapshot(call: Call) -> Reply:
    """What a channel serves: a pointer for each app.

    The strong `ETag` is the digest that is in the document; with `If-None-Match` an unchanged one is a 304. Apps that
    the token may not see are left out, like those that do not exist.
    """
    served = await call.state.channel(call.path["channel"])
    body, digest = served.view(selection(call))
    return tagged(digest, body, ASK_AGAIN, call.headers.get(b"if-none-match"))


def selection(call: Call) -> Selection:
    """Returns the apps that a call requests and its token may see.

    Raises:
        RequestInvalid: one of them cannot be the name of an app.
    """
    apps = call.query.get("app")
    token = call.access.token
    plain = _STRICT.match(call.headers.get(b"user-agent", b"")) is not None
    if apps is None and (token is None or "*" in token.apps):
        return _PLAIN if plain else EVERYTHING
    if wrong := [app for app in apps or () if not is_name(app)]:
        raise RequestInvalid(f"{wrong[0][:80]!r} is not the name of an app")
    patterns = ("*",) if token is None else token.apps
    return Selection(patterns, frozenset(apps) if apps is not None else None, plain)


@routes.get(
    "/v1/releases/{digest}",
    scope=Scope.READ,
    direct=True,
    reads=True,
    errors=(ReleaseNotFound, RegistryDamaged),
    answer="release",
)
async def release(call: Call) -> Reply:
    """A release's canonical bytes, by digest: 64 hex digits, or `sha256:` and them.

    They never change, so a client may keep them for ever. The server checked them against the digest.
    """
    digest = call.path["digest"]
    stored = (await call.state.contents.of([digest])).get(digest)
    if stored is None or not call.sees(app=stored.app):
        raise ReleaseNotFound(f"there is no release {digest}")
    return tagged(digest, stored.content, UNCHANGED_FOR_EVER, call.headers.get(b"if-none-match"))


@routes.get(
    "/v1/releases",
    scope=Scope.READ,
    direct=True,
    reads=True,
    bulky=True,
    query={"digest": "The digest of a release; given 1 to 100 times."},
    answer="releases",
)
async def releases(call: Call) -> Reply:
    """Several releases at once, as text: for a cold start.

    Up to 4 MiB of text in one answer, and at least one release; request the missing ones again. Releases that do not
    exist, or that the token may not see, are left out.
    """
    digests = [
        digest if digest.startswith("sha256:") else f"sha256:{digest}" for digest in call.query.get("digest", ())
    ]
    if not digests or not all(map(is_digest, digests)):
        raise RequestInvalid("digest= is missing, or is not that of a release", hint="?digest=sha256:<64 hex digits>")
    stored = await call.state.contents.of(digests)
    texts = {digest: release.content.decode() for digest, release in stored.items() if call.sees(app=release.app)}
    body = json.dumps({"schema": RELEASES, "releases": texts}, ensure_ascii=False, separators=(",", ":"))
    return Reply(body.encode(), JSON, (b"cache-control", b"no-store"))


@routes.get(
    "/v1/apps/{app}/releases/{version}/content",
    scope=Scope.READ,
    direct=True,
    reads=True,
    errors=(ReleaseNotFound, Yanked, RegistryDamaged),
    answer="release",
)
async def content(call: Call) -> Reply:
    """A release's canonical bytes, by version; the header `Promptops-Digest` has the digest."""
    fixed = await call.state.ask(snapshots.content_of_version, call.path["app"], call.path["version"])
    if_none_match = call.headers.get(b"if-none-match")
    return tagged(fixed.digest, fixed.content, ASK_AGAIN, if_none_match, (b"promptops-digest", fixed.digest.encode()))


class Heartbeat(Body):
    """What a client says of itself."""

    schema_: Annotated[str, Field(alias="schema", pattern=f"^{re.escape(HEARTBEAT)}$", examples=[HEARTBEAT])]
    id: Annotated[str, Field(pattern="^[0-9a-f]{32}$", examples=["4bf92f3577b34da6a3ce929d0e0e4736"])]
    name: Annotated[str, Field(max_length=MAX_WORDS, examples=["web-3:4711"])]
    sdk: Annotated[str, Field(max_length=MAX_WORDS, examples=["promptops/0.1.0 python/3.11.7"])]
    state: Annotated[State, Field(strict=False, examples=["READY"])]
    lineage: Annotated[str, Field(max_length=MAX_WORDS, examples=["0b0e6c7e8a0c4d0f9f0a3c2b1d0e9f8a"])]
    epoch: Annotated[int, Field(ge=0, lt=2**53, examples=[1])]
    revisions: Annotated[dict[str, int], Field(max_length=MAX_APPS, examples=[{"support-bot": 7}])]
    cannot_load: Annotated[
        dict[str, str],
        Field(
            max_length=MAX_APPS,
            default_factory=dict,
            description="The apps whose newest release it cannot load, and why.",
            examples=[{"search": "the template of 'ask' cannot be read"}],
        ),
    ]
    understands: Annotated[
        list[str],
        Field(
            max_length=MAX_FEATURES,
            default_factory=list,
            description="The features of releases and snapshots that it has, in order.",
            examples=[["off"]],
        ),
    ]
    leaving: Annotated[bool, Field(description="It closes: this is its last word.")] = False
    extensions: Annotated[
        dict[str, Any],
        Field(
            default_factory=dict,
            description="What a newer client adds; the server ignores what it does not know. `asks` has the prompts"
            " that the client used since it started, by full name, each with the names of the variables that it"
            " passes `always` and `sometimes`.",
            examples=[{"asks": {"support-bot/answer": {"always": ["question"], "sometimes": ["customer_name"]}}}],
        ),
    ]


@routes.post(
    "/v1/channels/{channel}/clients",
    scope=Scope.READ,
    reads=True,
    errors=(ChannelNotFound,),
    status_code=204,
    response_class=Response,
)
async def heartbeat(call: CallOf, channel: str, body: Heartbeat) -> None:
    """Report that a client runs, which revision of each app it serves and which apps it cannot load; or say goodbye.

    Token and id identify a client: no other token replaces its report. The server ignores apps in it that the channel
    does not have, or that the token may not see.
    """
    apps = (await call.state.channel(channel)).snapshot.apps
    try:
        beat = beat_from_json(call.document, channel)
    except Invalid as error:
        raise RequestInvalid(error.message) from error
    asked = beat.asks or {}
    named = {*beat.revisions, *beat.cannot_load, *(name.partition("/")[0] for name in asked)}
    seen = {app for app in named if app in apps and call.sees(app=app)}
    beat = replace(
        beat,
        revisions={app: number for app, number in beat.revisions.items() if app in seen},
        cannot_load={app: reason for app, reason in beat.cannot_load.items() if app in seen},
        asks=beat.asks and {name: passed for name, passed in asked.items() if name.partition("/")[0] in seen},
        token=call.access.owner,
    )
    call.state.presence.say(beat)
