"""What one token or address does in excess costs its own share, and another's rollback is answered meanwhile."""

from __future__ import annotations

import asyncio
import secrets
import shutil
import uuid
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from promptops.core.model import Policy
from promptops.core.token import Scope, TokenKind
from promptops.core.token import mint as make_secret
from promptops.server.app import create_app
from promptops.server.settings import Limits, Settings
from promptops.store import Registry
from tests.harness.bench import flooder
from tests.server.conftest import Serve, mint
from tests.server.running import Reply, Talking, inside
from tests.support import factory

PATH = "/v1/channels/prod/snapshot"


def roll_back(server: Talking, token: str) -> Reply:
    return server.ask(
        "POST",
        "/v1/channels/prod/rollback",
        token=token,
        headers={"Idempotency-Key": uuid.uuid4().hex},
        body={"apps": ["bot"]},
    )


def made_up() -> str:
    """A token that nobody has, as well written as a true one."""
    return make_secret(TokenKind.OPERATOR, secrets.randbelow)


@pytest.mark.parametrize(
    "path", ["/v1/apps", "/v1/status", "/metrics", "/v1/nothing", PATH, "/v1/channels/prod/promote"]
)
def test_a_token_that_floods_takes_nothing_from_another_behind_the_same_address(
    path: str, world: Registry, reader: str, serve: Serve
) -> None:
    server = serve("--changes-per-second", "0.01", "--reads-per-second", "0.01")
    on_call = mint(world, "on-call", Scope.ROLLBACK)
    method = "POST" if path.endswith("promote") else "GET"
    assert 429 in [server.ask(method, path, token=reader).status for _ in range(10)]
    assert roll_back(server, on_call).status == 200
    assert factory.live_version(world) == "0.1.1"


def test_a_token_that_floods_reads_and_lookups_still_rolls_back(world: Registry, serve: Serve) -> None:
    on_call = mint(world, "on-call", Scope.ROLLBACK)
    server = serve("--changes-per-second", "0.01", "--reads-per-second", "0.01")
    for path in (PATH, "/v1/apps"):
        assert 429 in [server.get(path, on_call).status for _ in range(10)]
    assert roll_back(server, on_call).status == 200


@pytest.mark.parametrize("bad", ["", "nonsense", "pops_op_" + "0" * 38, "unknown"])
def test_a_token_that_this_process_has_not_seen_gets_through_a_flood_of_bad_ones(
    bad: str, world: Registry, reader: str, serve: Serve
) -> None:
    server = serve()
    on_call = mint(world, "on-call", Scope.ROLLBACK)
    ask = partial(server.get, PATH)
    answers = [ask(made_up() if bad == "unknown" else bad).status for _ in range(40)]
    assert answers[:5] == [401] * 5
    assert 429 in answers
    assert ask(made_up()).status == (429 if bad == "unknown" else 401)  # each kind is counted for itself
    assert roll_back(server, on_call).status == 200


# --- ten kinds of floods ---------------------------------------------------------------------------------

CROWD = {"streams": 30, "idle connections": 70, "slow bodies": 65, "slow readers": 65}
"""More than the server of these tests takes; of the other kinds a few are enough."""


@pytest.fixture(scope="module")
def flooded(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Registry, Talking]]:
    """A server that takes 60 connections and 20 streams, and a registry with many releases to go back to."""
    path = Path(shutil.copy(sqlite_template, tmp_path_factory.mktemp("flooded") / "registry.db"))
    with closing(Registry.open(str(path))) as registry:
        factory.make_channels(registry, prod=Policy())
        for app, count in (("bot", 12), ("other", 1)):
            for place, release in enumerate(factory.make_releases(registry, app, count)):
                factory.go_live(registry, f"{app}@{release.version}", now=factory.minutes(place))
        limits = Limits(connections=60, streams=20)
        with inside(create_app(Settings(registry=f"sqlite:///{path}", limits=limits))) as talking:
            yield registry, talking


@pytest.mark.parametrize("kind", flooder.KINDS)
def test_a_rollback_is_answered_while_another_token_floods(kind: str, flooded: tuple[Registry, Talking]) -> None:
    registry, server = flooded
    place = list(flooder.KINDS).index(kind)
    flooding = mint(registry, f"flood-{place}", Scope.RELEASE, Scope.PROMOTE, apps=("other",))
    on_call = mint(registry, f"on-call-{place}", Scope.ROLLBACK)  # which this server has not seen
    with flooder.flooding(kind, server.port, flooding, CROWD.get(kind, 8)):
        assert roll_back(server, on_call).status == 200
        assert server.get(PATH, on_call).status == 200


@pytest.mark.parametrize("kind", ["reads", "heartbeats", "idempotency keys", "large bodies"])
def test_connections_that_are_always_busy_keep_no_other_token_out(kind: str, flooded: tuple[Registry, Talking]) -> None:
    registry, server = flooded
    place = list(flooder.KINDS).index(kind)
    flooding = mint(registry, f"busy-{place}", Scope.RELEASE, Scope.PROMOTE, apps=("other",))
    on_call = mint(registry, f"on-call-busy-{place}", Scope.ROLLBACK)
    with flooder.flooding(kind, server.port, flooding, 120):
        assert {server.get(PATH, on_call).status for _ in range(60)} == {200}


def test_who_is_refused_all_the_time_waits_for_it_and_others_do_not(lasting: Registry, admin: str) -> None:
    app = create_app(Settings(registry=f"sqlite:///{lasting.url}"))
    with inside(app) as server:
        asked = asyncio.run(_refused(server.port, seconds=2.0))
        assert 40 <= asked[401] + asked[429] < 2_000  # it could be asked some thousand times meanwhile
        assert server.get(PATH, admin).status == 200


async def _refused(port: int, *, seconds: float) -> dict[int, int]:
    """How often a few connections are answered which ask without a token, one request after the other."""
    answers = {401: 0, 429: 0}

    async def ask() -> None:
        reader, writer = await flooder.connected(port)
        try:
            while True:
                writer.write(b"GET /v1/apps HTTP/1.1\r\nHost: localhost\r\n\r\n")
                answers[await flooder.answered(reader)] += 1
        finally:
            writer.close()

    tasks = [asyncio.create_task(ask()) for _ in range(8)]
    await asyncio.sleep(seconds)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return answers
