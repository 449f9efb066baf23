"""ID tokens of a local issuer -> tokens: only what the claims allow, each once, and no caller makes the server work."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import RSAKey

from promptops.core.oidc import Grant, Issuer
from promptops.core.token import Scope
from promptops.operations.tokens import list_tokens
from promptops.server.app import create_app
from promptops.server.live import id_tokens
from promptops.server.settings import Limits, Rate, Settings
from promptops.store import Registry
from tests.server.conftest import mint
from tests.server.issuing import AUDIENCE, URL, Issuing, KeyServer
from tests.server.running import Reply, Talking, inside, until

PATH = "/v1/token-exchange"
FREE = Limits(failures=Rate(a_second=0, burst=1))
GRANTS = (
    Grant(
        name="main",
        claims={"repository": ("acme/prompts",), "ref": ("refs/heads/main",)},
        scopes=(Scope.RELEASE, Scope.PROMOTE),
        channels=("dev",),
        apps=("bot",),
        lifetime=timedelta(minutes=10),
    ),
    Grant(name="any", claims={"repository": ("acme/*",)}, scopes=(Scope.READ,)),
)

Start = Callable[..., Talking]


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that is busy is no issuer that does not answer, and is not asked again because a test took a minute."""
    monkeypatch.setattr(id_tokens, "SECONDS", 60.0)
    monkeypatch.setattr(id_tokens, "PAUSE", 1e9)


@pytest.fixture(scope="module")
def issuing() -> Issuing:
    found = Issuing()
    found.add("two")
    found.published.append("two")
    return found


@pytest.fixture
def start(world: Registry, reader: str, registry_url: str) -> Iterator[Start]:
    """Starts servers that believe the issuer, whose keys are at a place."""
    with ExitStack() as stack:

        def start(keys: str, limits: Limits = FREE) -> Talking:
            issuer = Issuer(url=URL, audience=AUDIENCE, keys=keys, grants=GRANTS)
            return stack.enter_context(
                inside(create_app(Settings(registry=registry_url, issuers=(issuer,), limits=limits)))
            )

        yield start


@pytest.fixture
def exchanging(start: Start, issuing: Issuing, tmp_path: Path) -> Talking:
    """A server with the issuer's keys in a file."""
    (tmp_path / "keys.json").write_bytes(issuing.key_set())
    return start(str(tmp_path / "keys.json"))


def swap(server: Talking, text: str) -> Reply:
    return server.ask("POST", PATH, token=text)


def encoded(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def test_a_job_gets_a_token_for_what_its_claims_allow_and_no_longer(
    exchanging: Talking, issuing: Issuing, world: Registry
) -> None:
    answer = swap(exchanging, issuing.token())
    assert answer.status == 201 and answer.headers["cache-control"] == "no-store"
    secret = str(answer.json["secret"])
    token = list_tokens(world)[-1]
    assert token.name.startswith("main-")
    assert (token.scopes, token.channels, token.apps) == ((Scope.RELEASE, Scope.PROMOTE), ("dev",), ("bot",))
    assert token.created_by == "repo:acme/prompts:ref:refs/heads/main at https://ci.example"
    assert token.expires_at is not None and token.expires_at - token.created_at == timedelta(minutes=10)
    assert abs(datetime.now(UTC) - token.created_at) < timedelta(minutes=5)
    assert exchanging.get("/v1/channels/dev/snapshot", secret).status == 200
    assert exchanging.get("/v1/channels/prod/snapshot", secret).status == 404
    assert exchanging.get("/v1/tokens", secret).status == 403
    assert swap(exchanging, secret).status == 401  # a token is no ID token
    elsewhere = swap(exchanging, issuing.token("two", ref="refs/heads/feature"))
    assert elsewhere.json["scopes"] == ["read"]


WRONG: tuple[dict[str, Any], ...] = (
    {"aud": "https://other.example"},
    {"iss": "https://evil.example"},
    {"exp": 1_700_000_000},
    {"nbf": 9_000_000_000},
    {"repository": "evil/prompts"},
    {"repository": None},
    {"exp": None},
)


def test_claims_that_do_not_fit_get_nothing(exchanging: Talking, issuing: Issuing, world: Registry) -> None:
    before = list_tokens(world)
    for claims in WRONG:
        answer = swap(exchanging, issuing.token(**claims))
        assert (answer.status, answer.code) == (401, "not-authenticated"), claims
    assert list_tokens(world) == before


def test_signatures_that_anybody_can_make_are_worth_nothing(
    exchanging: Talking, issuing: Issuing, world: Registry
) -> None:
    before, right = list_tokens(world), issuing.token()
    header, claims, signature = right.split(".")
    public = issuing.keys["one"].as_pem(private=False)
    shared = encoded({"alg": "HS256", "kid": "one"}) + f".{claims}"
    confused = base64.urlsafe_b64encode(hmac.new(public, shared.encode(), hashlib.sha256).digest()).decode().rstrip("=")
    other = Issuing()  # a key of its own under the same name
    own = {"jwk": other.keys["one"].as_dict(private=False), "jku": "https://evil.example/keys"}
    hostile = {
        "none": f"{encoded({'alg': 'none', 'kid': 'one'})}.{claims}.",
        "None, signed": f"{encoded({'alg': 'None', 'kid': 'one'})}.{claims}.{signature}",
        "a shared secret": f"{shared}.{confused}",
        "the public key as a secret": f"{encoded({'alg': 'HS256', 'kid': 'one'})}.{claims}.{signature}",
        "another key": other.token(),
        "a key in the header": other.token(header=own),
        "a key of another kind": f"{encoded({'alg': 'ES256', 'kid': 'one'})}.{claims}.{signature}",
        "other claims": f"{header}.{encoded({'iss': URL, 'aud': AUDIENCE})}.{signature}",
        "another header": f"{encoded({'alg': 'RS512', 'kid': 'one'})}.{claims}.{signature}",
        "no key": f"{encoded({'alg': 'RS256'})}.{claims}.{signature}",
        "a key that is a list": f"{encoded({'alg': 'RS256', 'kid': ['one']})}.{claims}.{signature}",
        "a header to understand": f"{encoded({'alg': 'RS256', 'kid': 'one', 'crit': ['x']})}.{claims}.{signature}",
        "no signature": f"{header}.{claims}.",
        "two parts": f"{header}.{claims}",
        "no claims": f"{header}.{encoded([1])}.{signature}",
        "deep": f"{header}.{base64.urlsafe_b64encode(b'[' * 7_000).decode()}.{signature}",
        "nothing": "",
    }
    for kind, text in hostile.items():
        answer = swap(exchanging, text)
        assert (answer.status, answer.code) == (401, "not-authenticated"), kind
        assert signature not in answer.body.decode()
    assert list_tokens(world) == before
    assert swap(exchanging, right).status == 201


def test_an_id_token_is_exchanged_once_also_where_two_servers_see_it_at_once(
    start: Start, issuing: Issuing, world: Registry, tmp_path: Path
) -> None:
    (tmp_path / "keys.json").write_bytes(issuing.key_set())
    servers = [start(str(tmp_path / "keys.json")) for _ in range(2)]
    for text in (issuing.token(), issuing.token(jti=None)):
        before = len(list_tokens(world))
        with ThreadPoolExecutor(6) as crew:
            answers = list(crew.map(lambda server, text=text: swap(server, text), servers * 3))
        assert sorted(answer.status for answer in answers) == [201] + [401] * 5
        assert "exchanged already" in next(answer.body.decode() for answer in answers if answer.status == 401)
        assert len(list_tokens(world)) == before + 1


def test_keys_are_asked_for_once_whatever_is_named_and_a_new_one_is_found_later(
    start: Start, issuing: Issuing, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = Issuing()
    own.add("later")
    with KeyServer(own).serving() as keys:
        server = start(keys.url)
        assert keys.asked == 0
        assert swap(server, issuing.token(iss="https://evil.example")).status == 401
        assert keys.asked == 0  # an issuer that is not believed costs nothing
        assert swap(server, own.token()).status == 201
        assert swap(server, own.token(header={"kid": None})).status == 201  # the key set has one key alone
        for kid in range(20):
            text = own.token(header={"kid": f"unknown-{kid}"})
            assert swap(server, text).status == 401
        assert swap(server, own.token("later")).status == 401
        assert keys.asked == 1
        own.published = ["later"]
        monkeypatch.setattr(id_tokens, "PAUSE", 0.0)
        assert swap(server, own.token("later")).status == 201
        assert swap(server, own.token("one")).status == 401  # it is published no more


def test_an_issuer_that_is_slow_or_away_holds_up_nobody_else(start: Start, reader: str) -> None:
    own = Issuing()
    with KeyServer(own).serving() as keys, ThreadPoolExecutor(12) as crew:
        keys.open.clear()
        server = start(keys.url)
        waiting = [crew.submit(swap, server, own.token()) for _ in range(12)]
        until(lambda: keys.asked == 1)
        for path in ("/v1/status", "/v1/channels/prod/snapshot", "/v1/tokens"):
            assert server.get(path, reader).status in (200, 403)
        assert keys.asked == 1
        keys.open.set()
        assert {each.result().status for each in waiting} == {201}
    with KeyServer(own).serving() as keys:
        keys.status = 500
        server = start(keys.url)
        answers = [swap(server, own.token()) for _ in range(5)]
        assert {(answer.status, answer.code) for answer in answers} == {(503, "registry-unavailable")}
        assert keys.asked == 1


def test_those_who_guess_are_counted_by_address(start: Start, issuing: Issuing, tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_bytes(issuing.key_set())
    server = start(str(tmp_path / "keys.json"), Limits(failures=Rate(a_second=0.001, burst=3)))
    assert [swap(server, "a.b.c").status for _ in range(5)] == [401, 401, 401, 429, 429]


def test_without_issuers_there_is_no_such_address(world: Registry, reader: str, registry_url: str) -> None:
    with inside(create_app(Settings(registry=registry_url))) as server:
        assert swap(server, "a.b.c").status == 401
        assert server.ask("POST", PATH, token=mint(world, "admin", Scope.ADMIN)).status == 404


def test_of_a_key_set_only_public_keys_that_sign_are_taken() -> None:
    own = Issuing()
    own.add("enc", use="enc")
    right = own.keys["one"].as_dict(private=False)
    others: list[Any] = [
        own.keys["enc"].as_dict(private=False),
        {"kty": "oct", "k": "c2VjcmV0", "kid": "oct"},
        own.keys["one"].as_dict(private=True) | {"kid": "private"},
        {"kty": "RSA", "kid": "broken", "n": "x", "e": "y"},
        {name: value for name, value in right.items() if name != "kid"},
        {"kty": "QUANTUM", "kid": "new"},
        "text",
    ]
    assert set(id_tokens.key_set(json.dumps({"keys": [*others, right]}).encode())) == {"one"}
    unusable: list[Any] = [{"keys": others}, {"keys": {}}, [], {"keys": [right] * 101}]
    for wrong in unusable:
        with pytest.raises(ValueError, match="it "):
            id_tokens.key_set(json.dumps(wrong).encode())


def test_a_short_key_is_not_believed() -> None:
    with pytest.warns(Warning):
        short = RSAKey.generate_key(1024, {"kid": "short"})
    data = json.dumps({"keys": [short.as_dict(private=False)]}).encode()
    with pytest.raises(ValueError, match="no key"):
        id_tokens.key_set(data)
