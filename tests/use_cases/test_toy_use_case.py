"""A new use case is an operation and a row: both gateways, the route, its rights and its documentation follow."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import count
from typing import Any

import pytest

from promptops.core.errors import AppNotFound, ChannelNotFound, NotAllowed, PromptopsError
from promptops.core.model import Policy
from promptops.core.names import AppName, ChannelName
from promptops.core.reference import Reference
from promptops.core.token import Scope
from promptops.gateway.local import Direct
from promptops.gateway.remote import Remote
from promptops.operations.deploy import Deployed
from promptops.operations.promote import PromoteRequest, promote
from promptops.server.api.use_cases import route_of
from promptops.server.app import create_app, routes
from promptops.server.settings import Settings
from promptops.store import Registry
from promptops.use_cases.fields import KEY, body, path, query
from promptops.use_cases.use_case import UseCase
from tests.gateway.serving import mint
from tests.server.running import inside
from tests.support import factory

# --- a list: the operation and its row -------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class TallyRequest:
    """Which deployments to count: of one app or of all."""

    app: AppName = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How many deployments an app has had on a channel."""

    app: AppName
    channel: ChannelName
    deployments: int


def tally(registry: Registry, app: str) -> tuple[Tally, ...]:
    """How often each app went live on each channel."""
    with registry.read() as reader:
        pairs = [(name, channel.name) for name in reader.apps() for channel in reader.channels()]
        counts = [(name, channel, len(reader.history(name, channel))) for name, channel in pairs]
    return tuple(
        Tally(app=name, channel=channel, deployments=count)
        for name, channel, count in counts
        if count and app in ("", name)
    )


TALLY = UseCase(
    name="tally",
    method="GET",
    path="/v1/tally",
    scope=Scope.READ,
    tag="Looking",
    doc="How often each app went live on each channel.",
    run=lambda registry, request, caller: tally(registry, request.app),
    request=TallyRequest,
    answer=tuple[Tally, ...],
    under="tallies",
    fields=(query("app", max_length=63),),
)

# --- a change: the operation and its row -----------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class NewestRequest:
    """Make the newest release of an app live on a channel."""

    app: AppName
    channel: ChannelName
    key: str
    reason: str = ""
    token: str = ""


def promote_newest(registry: Registry, request: NewestRequest, *, actor: str, now: datetime) -> Deployed:
    """Promote the newest release of an app."""
    with registry.read() as reader:
        newest = reader.releases(request.app)[0].version
    wanted = PromoteRequest(
        reference=Reference(app=request.app, version=newest),
        channel=request.channel,
        key=request.key,
        reason=request.reason,
        token=request.token,
    )
    return promote(registry, wanted, actor=actor, now=now)


NEWEST = UseCase(
    name="promote_newest",
    method="POST",
    path="/v1/channels/{channel}/newest",
    scope=Scope.PROMOTE,
    doc="""Promote the newest release of an app.

    The channel's policy decides.
    """,
    run=lambda registry, request, caller: promote_newest(registry, request, actor=caller.actor, now=caller.now),
    request=NewestRequest,
    answer=Deployed,
    body=("Newest", "The app whose newest release is to be live."),
    fields=(
        path("channel"),
        KEY,
        body("app", max_length=63, example="support-bot"),
        body("reason", max_length=100, example="faster answers"),
    ),
)


# --- everything else follows -----------------------------------------------------------------------


_NUMBERS = count()


@dataclass(frozen=True, slots=True)
class Place:
    """A registry with a server in front of it."""

    registry: Registry
    url: str
    document: str

    def secret(self, *scopes: Scope, apps: tuple[str, ...] = ("*",), channels: tuple[str, ...] = ("*",)) -> str:
        """The secret of a new token."""
        return mint(self.registry, f"t{next(_NUMBERS)}", *scopes, apps=apps, channels=channels).secret


@pytest.fixture
def place(registry: Registry, registry_url: str) -> Iterator[Place]:
    """`bot` and `other` are live on `prod`; `bot` has a newer release, and `dev` takes anything."""
    factory.make_channels(registry, dev=Policy(), prod=Policy())
    for app in ("bot", "other"):
        first, *_ = factory.make_releases(registry, app, 2)
        factory.go_live(registry, f"{app}@{first.version}")
    mint(registry, "first", Scope.READ)  # a server that nobody could use does not start
    app_ = create_app(Settings(registry=registry_url), [*routes(), route_of(TALLY), route_of(NEWEST)])
    with inside(app_) as talking:
        yield Place(registry, f"http://127.0.0.1:{talking.port}", app_.state.documentation.decode())


def newest(app: str = "bot") -> NewestRequest:
    return NewestRequest(app=app, channel="dev", key=f"key-{app}", reason="newer")


def test_a_list_is_the_same_with_a_database_and_with_a_server(place: Place) -> None:
    direct = Direct(place.registry, now=factory.START)
    with Remote.open(place.url, token=place.secret(Scope.READ)) as remote:
        for request in (TallyRequest(), TallyRequest(app="bot")):
            answers = [gateway.run(TALLY, request) for gateway in (direct, remote)]
            assert answers[0] == answers[1]
            assert Tally(app="bot", channel="prod", deployments=1) in answers[0]


def test_a_change_is_the_same_with_a_database_and_with_a_server(place: Place) -> None:
    direct = Direct(place.registry, now=datetime.now(UTC)).run(NEWEST, newest("other"), actor="Ada")
    with Remote.open(place.url, token=place.secret(Scope.PROMOTE)) as remote:
        first = remote.run(NEWEST, newest("bot"), actor="Ada")
        again = remote.run(NEWEST, newest("bot"), actor="Ada")
    [by_hand], [over_http] = direct.deployments, first.deployments
    assert (by_hand.version, by_hand.reason, by_hand.actor) == ("0.1.1", "newer", "Ada")
    assert over_http.actor.startswith("Ada via token ")
    same = replace(over_http, app=by_hand.app, actor=by_hand.actor, at=by_hand.at, stable=by_hand.stable)
    assert same == by_hand
    assert (first.replayed, again.replayed) == (False, True)


def test_a_token_without_the_scope_or_for_other_apps_is_refused(place: Place) -> None:
    with (
        Remote.open(place.url, token=place.secret(Scope.READ)) as remote,
        pytest.raises(NotAllowed, match="it lacks the scope 'promote'"),
    ):
        remote.run(NEWEST, newest())
    limits: list[tuple[dict[str, Any], type[PromptopsError]]] = [
        ({"apps": ("other",)}, AppNotFound),
        ({"channels": ("prod",)}, ChannelNotFound),
    ]
    for limit, error in limits:
        with (
            Remote.open(place.url, token=place.secret(Scope.PROMOTE, **limit)) as remote,
            pytest.raises(error),
        ):
            remote.run(NEWEST, newest())
    assert factory.live_version(place.registry, "bot", "dev") is None


def test_a_list_leaves_out_what_the_token_may_not_see(place: Place) -> None:
    factory.go_live(place.registry, "bot@0.1.0", "dev")
    with Remote.open(place.url, token=place.secret(Scope.READ, apps=("bot",), channels=("dev",))) as remote:
        assert remote.run(TALLY, TallyRequest()) == (Tally(app="bot", channel="dev", deployments=1),)
        with pytest.raises(AppNotFound):
            remote.run(TALLY, TallyRequest(app="other"))


def test_the_documentation_has_it(place: Place) -> None:
    document = json.loads(place.document)
    listed = document["paths"]["/v1/tally"]["get"]
    assert (listed["operationId"], listed["x-promptops-scope"]) == ("tally", "read")
    assert listed["parameters"][0]["schema"]["maxLength"] == 63
    answer = listed["responses"]["200"]["content"]["application/json"]
    assert answer["example"] == {"tallies": [{"app": "support-bot", "channel": "prod", "deployments": 7}]}
    change = document["paths"]["/v1/channels/{channel}/newest"]["post"]
    assert (change["summary"], change["description"]) == (
        "Promote the newest release of an app",
        "The channel's policy decides.",
    )
    taken = change["requestBody"]["content"]["application/json"]
    assert taken["example"] == {"app": "support-bot", "reason": "faster answers"}
    schema = document["components"]["schemas"]["Newest"]
    assert (schema["required"], schema["additionalProperties"]) == (["app"], False)
    assert {each["name"] for each in change["parameters"]} == {"channel", "Idempotency-Key", "Promptops-Actor"}
