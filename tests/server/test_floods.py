"""What one token or address does in excess costs its own share, and another's rollback is answered meanwhile."""

from __future__ import annotations

import secrets
import uuid
from functools import partial

import pytest

from promptops.core.token import Scope, TokenKind
from promptops.core.token import mint as make_secret
from promptops.store import Registry
from tests import factory
from tests.server.conftest import Serve, mint
from tests.server.running import Reply, Talking

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
