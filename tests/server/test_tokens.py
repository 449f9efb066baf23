"""A token that is none is refused before anybody is asked; one that is taken back is worth nothing a second later."""

from __future__ import annotations

import asyncio
import secrets
import string
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event

from promptops.core.errors import NotAuthenticated, RegistryDamaged, RegistryUnavailable
from promptops.core.token import Scope, Token, TokenKind
from promptops.core.token import mint as make_secret
from promptops.server.app import create_app
from promptops.server.live.access import Tokens
from promptops.server.settings import Limits, Rate, Settings
from promptops.store import Registry
from tests.server.conftest import Serve, mint, revoke
from tests.server.running import Talking, inside
from tests.support import factory

PATH = "/v1/channels/prod/snapshot"
FREE = Rate(a_second=0, burst=1)


@dataclass
class Counted:
    """A server, and what its registry was asked since the last look."""

    talking: Talking
    asked: list[str] = field(default_factory=list)

    def since(self) -> list[str]:
        """What came from requests; the server looks for changes by itself too."""
        found, self.asked = self.asked, []
        return found


@pytest.fixture(scope="module")
def counted(lasting: Registry) -> Iterator[Counted]:
    app = create_app(Settings(registry=f"sqlite:///{lasting.url}", limits=Limits(reads=FREE, failures=FREE)))
    with inside(app) as talking:
        found = Counted(talking)

        def note(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
            if threading.current_thread().name != "promptops feed":
                found.asked.append(statement)

        event.listen(app.state.registry._reading, "before_cursor_execute", note)
        yield found


WRITTEN_WELL = make_secret(TokenKind.ADMIN, lambda count: 7).encode()
"""What could be a token, and is none."""


def good() -> str:
    return make_secret(TokenKind.ADMIN, secrets.randbelow)


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"Bearer",
        b"Bearer ",
        b"Bearer ' OR 1=1 --",
        b"Bearer pops_ad_' UNION SELECT digest FROM token_secret --",
        b'Bearer pops_ad_"; DROP TABLE token; --xxxxxxxxxxxxxxxxxxxxxxx',
        b"Bearer " + b"%00" * 15,
        b"Bearer pops_ad_" + b"0" * 38,
        b"Bearer pops_xx_" + b"0" * 38,
        b"Bearer pops_ad_" + "ö".encode() * 19,
        b"Bearer pops_ad_" + "ö".encode("latin-1") * 38,
        b"Bearer  " + WRITTEN_WELL,
        b"Bearer " + WRITTEN_WELL + b" x",
        b"Bearer " + WRITTEN_WELL[:-1],
        b"Bearer " + WRITTEN_WELL + b"0",
        b"Bearer " + WRITTEN_WELL.swapcase(),
        b"Token " + WRITTEN_WELL,
        WRITTEN_WELL,
        b"Bearer " + b"x" * 12_000,
    ],
    ids=lambda value: value[:40].decode("latin-1"),
)
def test_what_is_no_token_is_refused_without_a_query(value: bytes, counted: Counted) -> None:
    counted.since()
    found = counted.talking.say(b"GET %s HTTP/1.1\r\nHost: x\r\nAuthorization: %s\r\n\r\n" % (PATH.encode(), value))
    assert (found.status, found.code) == (401, "not-authenticated")
    assert b"pops_" not in found.body.replace("pops_…".encode(), b"")
    assert counted.since() == []


@pytest.mark.parametrize(
    "headers",
    [
        b"Authorization: Bearer a\r\nAuthorization: Bearer b\r\n",
        b"Authorization: Bearer \x00\r\n",
        b"Authorization: Bearer a\r\n\x00: b\r\n",
        b"Authorization: Bearer " + b"x" * (1 << 20) + b"\r\n",
        b"X: " + b"x" * (17 << 10) + b"\r\n",
        b"".join(b"X-%d: y\r\n" % number for number in range(2000)),
        b"Idempotency-Key: a\r\nIdempotency-Key: b\r\n",
        b"Content-Length: -1\r\n",
        b"Content-Length: 1\r\nContent-Length: 2\r\n",
        b"Transfer-Encoding: gzip\r\n",
        b" leading: space\r\n",
    ],
    ids=lambda value: value[:40].decode("latin-1"),
)
def test_headers_that_nobody_would_send_are_refused_without_a_query(headers: bytes, counted: Counted) -> None:
    counted.since()
    found = counted.talking.say(b"GET %s HTTP/1.1\r\nHost: x\r\n%s\r\n" % (PATH.encode(), headers))
    assert found.status in (400, 401, 413, 422, 501)
    assert found.headers["content-type"] == "application/problem+json"
    assert counted.since() == []
    assert counted.talking.get("/healthz").status == 200


def test_a_token_that_nobody_made_costs_one_query_and_a_known_one_next_to_none(
    counted: Counted, lasting: Registry
) -> None:
    token = mint(lasting, "counted", Scope.READ)
    assert counted.talking.get(PATH, token).status == 200
    counted.since()
    begun = time.monotonic()
    for _ in range(50):
        assert counted.talking.get(PATH, token).status == 200
    seconds = time.monotonic() - begun
    lookups = [statement for statement in counted.since() if "token_secret" in statement]
    assert len(lookups) <= seconds + 2
    stranger = good()
    assert counted.talking.get(PATH, stranger).status == 401
    assert len([statement for statement in counted.since() if "token_secret" in statement]) == 1


def nearly(secret: str) -> str:
    """A well-written secret that differs from this one in its last random character."""
    alphabet = string.digits + string.ascii_uppercase + string.ascii_lowercase
    drawn = [alphabet.index(letter) for letter in secret.removeprefix("pops_rt_")[:-6]]
    drawn[-1] = (drawn[-1] + 1) % 62
    left = iter(drawn)
    return make_secret(TokenKind.RUNTIME, lambda count: next(left))


def test_nobody_can_tell_from_a_refusal_whether_there_is_such_a_token(counted: Counted, lasting: Registry) -> None:
    """How long it takes is measured by `make bench`; here: the same is done, and the same is said."""
    known = mint(lasting, "guessed", Scope.READ)
    revoked = mint(lasting, "revoked", Scope.READ)
    revoke(lasting, "revoked")
    expired = mint(
        lasting,
        "expired",
        Scope.READ,
        made=datetime.now(UTC) - timedelta(hours=2),
        lifetime=timedelta(hours=1),
    )
    assert counted.talking.get(PATH, known).status == 200
    close = nearly(known)
    assert (close[:-7], close != known) == (known[:-7], True)
    seen = set()
    for secret in (good(), good(), close, revoked, expired):
        counted.since()
        found = counted.talking.get(PATH, secret)
        asked = tuple(statement for statement in counted.since() if "token" in statement)
        headers = {name: value for name, value in found.headers.items() if name not in ("date", "promptops-request-id")}
        seen.add((found.status, found.body, tuple(sorted(headers.items())), asked))
    assert len(seen) == 1


def test_a_second_after_a_token_was_taken_back_no_server_takes_it(world: Registry, serve: Serve) -> None:
    token = mint(world, "leaver", Scope.READ)
    servers = [serve(), serve()]
    assert [server.get(PATH, token).status for server in servers] == [200, 200]
    revoke(world, "leaver")
    time.sleep(1.0)
    assert [server.get(PATH, token).status for server in servers] == [401, 401]


def test_who_brute_forces_is_slowed_down_and_the_applications_of_others_are_not(
    world: Registry, reader: str, serve: Serve
) -> None:
    server = serve()
    assert server.get(PATH, reader).status == 200
    answers = [server.get(PATH, good()) for _ in range(40)]
    assert [found.status for found in answers[:5]] == [401] * 5
    refused = [found for found in answers if found.status == 429]
    assert refused
    assert all(int(found.headers["retry-after"]) >= 1 and found.code == "too-many-requests" for found in refused)
    assert server.get(PATH).status in (401, 429)
    assert server.get(PATH, reader).status == 200
    assert server.get("/healthz").status == 200


def test_a_flood_of_other_requests_leaves_the_reads_of_the_same_token_alone(
    world: Registry, reader: str, serve: Serve
) -> None:
    server = serve("--changes-per-second", "0.01")
    flood = [server.get("/v1/status", reader).status for _ in range(10)]
    assert 429 in flood
    assert [server.get(PATH, reader).status for _ in range(10)] == [200] * 10


# --- what is remembered of a token -------------------------------------------------------------------


class Asked:
    """A registry's answer about tokens, when it is let go."""

    def __init__(self, answer: Token | None) -> None:
        self.answer = answer
        self.times = 0
        self.go = asyncio.Event()

    async def __call__(self, digests: Sequence[str]) -> Mapping[str, Token | RegistryDamaged | None]:
        self.times += 1
        answer = self.answer
        await self.go.wait()
        return dict.fromkeys(digests, answer)


def token() -> Token:
    return Token(
        id="t00000000000",
        name="x",
        scopes=(Scope.READ,),
        prefix="pops_rt_0000",
        created_at=factory.START,
        created_by=factory.ACTOR,
        expires_at=factory.minutes(1),
    )


def test_all_who_come_at_once_with_a_token_wait_for_one_answer() -> None:
    async def main() -> None:
        asked = Asked(token())
        asked.go.set()
        tokens = Tokens(asked)
        found = await asyncio.gather(*(tokens.of("digest", factory.START) for _ in range(20)))
        assert (set(found), asked.times) == ({token()}, 1)
        await tokens.of("digest", factory.START)
        assert asked.times == 1
        with pytest.raises(NotAuthenticated):  # the answer is kept, and judged anew each time
            await tokens.of("digest", factory.minutes(2))

    asyncio.run(main())


def test_an_answer_from_before_a_change_is_not_kept() -> None:
    async def main() -> None:
        asked = Asked(token())
        tokens = Tokens(asked)
        waiting = asyncio.create_task(tokens.of("digest", factory.START))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        tokens.forget()  # it was taken back while the registry was asked
        asked.answer = None
        asked.go.set()
        assert await waiting == token()
        with pytest.raises(NotAuthenticated):
            await tokens.of("digest", factory.START)
        assert asked.times == 2

    asyncio.run(main())


def test_nobody_comes_in_when_the_registry_cannot_be_asked() -> None:
    async def find(_digests: Sequence[str]) -> Mapping[str, Token | RegistryDamaged | None]:
        raise RegistryUnavailable("it is away")

    async def main() -> None:
        tokens = Tokens(find)
        with pytest.raises(RegistryUnavailable):
            await tokens.of("digest", factory.START)

    asyncio.run(main())


def test_tokens_that_somebody_makes_up_take_nothing_from_those_that_there_are() -> None:
    questions: list[Sequence[str]] = []
    go = asyncio.Event()

    async def find(digests: Sequence[str]) -> Mapping[str, Token | RegistryDamaged | None]:
        questions.append(digests)
        await go.wait()
        return {digest: token() if digest.startswith("true") else None for digest in digests}

    async def main() -> None:
        go.set()
        tokens = Tokens(find)
        await tokens.of("true", factory.START)
        made_up = [f"made up {number}" for number in range(20_000)]
        refused = await asyncio.gather(*(tokens.of(each, factory.START) for each in made_up), return_exceptions=True)
        assert {type(error) for error in refused} == {NotAuthenticated}
        assert tokens.seen("true")
        assert len(tokens._unknown) <= 10_000
        tokens.forget()
        questions.clear()
        go.clear()
        flood = asyncio.gather(*(tokens.of(each, factory.START) for each in made_up[:500]), return_exceptions=True)
        await asyncio.sleep(0.01)
        again, new = (asyncio.create_task(tokens.of(each, factory.START)) for each in ("true", "true and new"))
        await asyncio.sleep(0.01)
        go.set()
        assert (await again, await new) == (token(), token())
        await flood
        assert "true" in questions[1]  # the second question, although 400 came before it
        assert max(map(len, questions)) <= 100

    asyncio.run(main())


def test_a_damaged_token_troubles_no_other() -> None:
    async def find(digests: Sequence[str]) -> Mapping[str, Token | RegistryDamaged | None]:
        return {digest: RegistryDamaged("a row") if digest == "damaged" else token() for digest in digests}

    async def main() -> None:
        tokens = Tokens(find)
        damaged = asyncio.create_task(tokens.of("damaged", factory.START))
        assert await tokens.of("whole", factory.START) == token()
        with pytest.raises(RegistryDamaged):
            await damaged

    asyncio.run(main())


def test_a_name_that_is_taken_by_a_token_out_of_sight_tells_nothing_of_it(
    counted: Counted, lasting: Registry, admin: str
) -> None:
    team = mint(lasting, "team", Scope.ADMIN, apps=("bot",))
    mint(lasting, "hidden", Scope.READ)
    wanted = {"name": "hidden", "apps": ["bot"]}
    told = {who: counted.talking.ask("POST", "/v1/tokens", token=who, body=wanted) for who in (team, admin)}
    assert {who: answer.code for who, answer in told.items()} == dict.fromkeys(told, "token-name-taken")
    assert b"made by" in told[admin].body
    assert b"made by" not in told[team].body


def test_a_rollback_of_all_that_is_refused_names_no_app_out_of_sight(
    counted: Counted, lasting: Registry, admin: str
) -> None:
    team = mint(lasting, "on-call", Scope.ROLLBACK, apps=("bot",))
    asked = {"all": True, "dry_run": True}
    path, key = "/v1/channels/prod/rollback", {"Idempotency-Key": "out-of-sight"}
    found = counted.talking.ask("POST", path, token=team, headers=key, body=asked)
    assert (found.status, found.code) == (403, "not-allowed")
    assert b"other" not in found.body
    seen = counted.talking.ask("POST", path, token=admin, headers=key, body=asked)
    assert seen.code == "nothing-to-roll-back-to"
    assert b"other:prod" in seen.body
