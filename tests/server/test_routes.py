"""Who may do what: every route with every kind of credential, and every way to write an address.

A route that is not in the table here fails the test: whoever adds one says who may use it.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from promptops.core.token import Scope, TokenKind
from promptops.core.token import mint as make_secret
from promptops.server.app import create_app, routes
from promptops.server.http.routing import OPEN, Route, Routes, Table
from promptops.server.settings import Limits, Rate, Settings
from promptops.store import Registry
from tests.server.conftest import mint, revoke
from tests.server.running import Reply, Talking, inside, read_reply
from tests.support import factory

READ, RELEASE, PROMOTE, ROLLBACK = Scope.READ, Scope.RELEASE, Scope.PROMOTE, Scope.ROLLBACK
POLICY, AUDIT, ADMIN, EVIDENCE = Scope.POLICY, Scope.AUDIT, Scope.ADMIN, Scope.EVIDENCE

WHO_MAY = {
    "GET /healthz": OPEN,
    "GET /readyz": OPEN,
    "GET /metrics": READ,
    "GET /openapi.json": READ,
    "GET /v1/schemas": READ,
    "GET /v1/clients": READ,
    "GET /v1/channels/{channel}/snapshot": READ,
    "GET /v1/releases/{digest}": READ,
    "GET /v1/releases": READ,
    "GET /v1/apps/{app}/releases/{version}/content": READ,
    "POST /v1/channels/{channel}/clients": READ,
    "GET /v1/channels/{channel}/events": READ,
    "GET /v1/channels/{channel}/report-key": Scope.REPORT,
    "POST /v1/channels/{channel}/outcomes": Scope.REPORT,
    "POST /v1/outcomes": Scope.REPORT,
    "POST /v1/traces": Scope.REPORT,
    "POST /v1/channels/{channel}/promote": PROMOTE,
    "POST /v1/channels/{channel}/promotions": PROMOTE,
    "POST /v1/channels/{channel}/rollback": ROLLBACK,
    "POST /v1/channels/{channel}/apps/{app}/retire": ROLLBACK,
    "POST /v1/channels/{channel}/canaries": PROMOTE,
    "POST /v1/channels/{channel}/apps/{app}/canary": PROMOTE,
    "GET /v1/channels/{channel}/apps/{app}/canary": READ,
    "GET /v1/channels/{channel}/apps/{app}/canary-plan": READ,
    "POST /v1/channels/{channel}/canary-looks": PROMOTE,
    "POST /v1/channels/{channel}/quarantine": ROLLBACK,
    "POST /v1/channels/{channel}/unquarantine": PROMOTE,
    "POST /v1/yanks": RELEASE,
    "POST /v1/erasures": ADMIN,
    "POST /v1/channels/{channel}/reconcile": POLICY,
    "POST /v1/releases": RELEASE,
    "POST /v1/apps/{app}/transfer": POLICY,
    "POST /v1/apps/{app}/archive": POLICY,
    "POST /v1/vanished-apps": READ,
    "POST /v1/apps/{app}/unarchive": POLICY,
    "POST /v1/channels/{channel}/remove": POLICY,
    "PUT /v1/channels": POLICY,
    "PUT /v1/journal": POLICY,
    "PUT /v1/notify": POLICY,
    "POST /v1/notify/tests": POLICY,
    "POST /v1/channels/{channel}/pins": READ,
    "GET /v1/registry": READ,
    "GET /v1/journal": READ,
    "GET /v1/notify": AUDIT,
    "GET /v1/status": READ,
    "GET /v1/models/outlook": READ,
    "GET /v1/channels": READ,
    "GET /v1/channels/{channel}/apps/{app}/history": READ,
    "GET /v1/apps": READ,
    "GET /v1/apps/{app}/releases": READ,
    "GET /v1/apps/{app}/release": READ,
    "GET /v1/audit": AUDIT,
    "GET /v1/audit/trail": AUDIT,
    "GET /v1/tokens": ADMIN,
    "POST /v1/tokens": ADMIN,
    "DELETE /v1/tokens/{token}": ADMIN,
    "POST /v1/channels/{channel}/approvals": Scope.APPROVE,
    "GET /v1/channels/{channel}/apps/{app}/gate": READ,
    "GET /v1/apps/{app}/outcomes": READ,
    "GET /v1/apps/{app}/cost": READ,
    "GET /v1/why": READ,
    "POST /v1/channels/{channel}/apps/{app}/gate": READ,
    "GET /v1/channels/{channel}/apps/{app}/captured-calls": Scope.CONTENT,
    "POST /v1/channels/{channel}/apps/{app}/measured": READ,
    "POST /v1/runs": EVIDENCE,
    "POST /v1/runs/{run}/rows": EVIDENCE,
    "POST /v1/runs/{run}/close": EVIDENCE,
    "GET /v1/runs/{run}": READ,
    "GET /v1/apps/{app}/runs": READ,
    "GET /v1/apps/{app}/evidence": READ,
    "GET /v1/evidence/{evidence}": READ,
    "POST /v1/evidence": EVIDENCE,
    "POST /v1/evidence-tables": EVIDENCE,
    "POST /v1/judge-labels": EVIDENCE,
}

INSTEAD = {"POST /v1/channels/{channel}/apps/{app}/canary": ROLLBACK}  # to pause and to abort

RELEASED = factory.built(factory.content("bot", "Hello {{name}}, take 0")).digest

NAMES = {
    "channel": "prod",
    "app": "bot",
    "version": "0.1.0",
    "digest": RELEASED,
    "token": "t00000000000",
    "run": "0" * 32,
    "evidence": "0" * 32,
}

# What a token for other channels and other apps gets from the addresses that do not name one of them.
ELSEWHERE = {
    "GET /metrics": 403,  # the numbers are of all channels and apps
    "GET /openapi.json": 200,
    "GET /v1/schemas": 200,
    "GET /v1/clients": 200,
    "GET /v1/releases/{digest}": 404,
    "GET /v1/releases": 422,  # the request has no digests
    "GET /v1/registry": 200,
    "GET /v1/journal": 200,
    "GET /v1/status": 200,
    "GET /v1/models/outlook": 200,
    "GET /v1/channels": 200,
    "GET /v1/apps": 200,
    "POST /v1/vanished-apps": 422,  # the request has no workspace
    "GET /v1/why": 422,  # the request has no call
    "GET /v1/runs/{run}": 404,
    "GET /v1/evidence/{evidence}": 404,
}

FREE = Rate(a_second=0, burst=1)


@pytest.fixture(scope="module")
def server(lasting: Registry) -> Iterator[Talking]:
    limits = Limits(reads=FREE, others=FREE, failures=FREE)
    with inside(create_app(Settings(registry=f"sqlite:///{lasting.url}", limits=limits))) as talking:
        yield talking


@pytest.fixture(scope="module")
def credentials(lasting: Registry) -> dict[str, str]:
    """The value of an Authorization header of each kind."""
    unknown = make_secret(TokenKind.ADMIN, secrets.randbelow)
    long_ago = datetime.now(UTC) - timedelta(days=2)
    found = {
        "none": "",
        "malformed": "Bearer admin",
        "another scheme": "Basic YWRtaW46YWRtaW4=",
        "wrong check digits": f"Bearer {unknown[:-1]}{'a' if unknown[-1] != 'a' else 'b'}",
        "unknown": f"Bearer {unknown}",
        "expired": f"Bearer {mint(lasting, 'expired', ADMIN, made=long_ago, lifetime=timedelta(days=1))}",
        "revoked": f"Bearer {mint(lasting, 'revoked', ADMIN)}",
        "elsewhere": f"Bearer {mint(lasting, 'elsewhere', READ, channels=('staging-*',), apps=('x-*',))}",
    }
    revoke(lasting, "revoked")
    return found | {scope.value: f"Bearer {mint(lasting, f'only-{scope.value}', scope)}" for scope in Scope}


def ask(server: Talking, method: str, path: str, authorization: str = "", *more: str) -> Reply:
    """The head of an answer; what has no end is not waited for."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", "Connection: close", "Content-Length: 0", *more]
    if authorization:
        lines.append(f"Authorization: {authorization}")
    with server.connect() as line:
        line.sendall("\r\n".join([*lines, "", ""]).encode("latin-1"))
        return read_reply(line, body=method != "HEAD")


def filled(route: Route) -> str:
    return route.path.format(**NAMES)


def named(route: Route) -> str:
    return f"{route.method} {route.path}"


def test_every_route_is_in_the_table_and_asks_for_what_it_says() -> None:
    assert {named(route): route.scope for route in routes()} == WHO_MAY
    assert {named(route): route.instead for route in routes() if route.instead} == INSTEAD


@pytest.mark.parametrize("route", routes(), ids=named)
def test_a_route_answers_those_who_may_use_it_and_nobody_else(
    route: Route, server: Talking, credentials: dict[str, str]
) -> None:
    needed = WHO_MAY[named(route)]
    for kind, authorization in credentials.items():
        for method in [route.method, *(["HEAD"] if route.method == "GET" else [])]:
            found = ask(server, method, filled(route), authorization)
            where = f"{method} {route.path} with {kind}: {found}"
            if needed is OPEN:
                assert found.status == 200, where
            elif kind not in (*Scope, "elsewhere"):
                assert found.status == 401, where
                assert found.headers["www-authenticate"] == "Bearer", where
            elif kind == "elsewhere":
                hidden = "{channel}" in route.path or "{app}" in route.path
                assert found.status == (403 if needed is not READ else 404 if hidden else ELSEWHERE[named(route)]), (
                    where
                )
            elif kind in (needed, route.instead, Scope.ADMIN) or needed is READ:
                assert found.status not in (401, 405), where
                assert method == "HEAD" or found.status != 403 or found.code != "not-allowed", where
            else:
                assert (found.status, found.headers["content-type"]) == (403, "application/problem+json"), where
            assert found.status < 500, where
            assert found.headers["promptops-api"] == "1", where


def test_a_token_sees_nothing_of_other_channels_and_apps(server: Talking, credentials: dict[str, str]) -> None:
    found = ask(server, "GET", f"/v1/releases/{RELEASED}", credentials["read"])
    assert (found.status, b"take 0" in found.body) == (200, True), "the release is there for a token that may see it"
    for address in ELSEWHERE:
        if address not in ("GET /openapi.json", "GET /v1/schemas"):  # the same for everybody
            body = ask(server, "GET", address.removeprefix("GET ").format(**NAMES), credentials["elsewhere"]).body
            assert not re.search(rb"\b(bot|other|prod|dev)\b", body), address


@pytest.mark.parametrize("route", routes(), ids=named)
def test_another_method_is_refused_and_says_which_ones_are_taken(
    route: Route, server: Talking, credentials: dict[str, str]
) -> None:
    taken = {each.method for each in routes() if each.path == route.path}
    taken |= {"HEAD"} if "GET" in taken else set()
    for method in {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"} - taken:
        assert ask(server, method, filled(route)).status == 401
        found = ask(server, method, filled(route), credentials["admin"])
        assert (found.status, set(found.headers["allow"].split(", "))) == (405, taken), method


def twins(path: str) -> Iterator[str]:
    """Other ways to write an address, which some servers take for the same."""
    yield from (
        f"{path}/",
        f"/{path}",
        f"{path}//",
        f"{path}/.",
        f"{path}/..",
        f"/.{path}",
        f"/x/..{path}",
        f"{path};x",
    )
    yield from (f"{path}%2F", f"{path}%00", f"{path}%20", f"{path}%0a", f"{path}.json", f"{path}#x", f"{path}\\")
    yield path.upper()
    yield path.replace("/", "//")
    yield path.replace("/", "/./")
    yield path.replace("/", "%2F").replace("%2F", "/", 1)
    yield path.replace("/v1", "/%76%31").replace("/health", "/%68ealth").replace("/ready", "/%72eady")
    yield f"http://localhost{path}"
    first, _, rest = path[1:].partition("/")
    yield f"/{first}/%2e%2e/{first}/{rest}"
    yield f"/{first};x/{rest}"


@pytest.mark.parametrize("route", routes(), ids=named)
def test_no_other_spelling_leads_to_a_route(route: Route, server: Talking, credentials: dict[str, str]) -> None:
    for path in twins(filled(route)):
        if path == filled(route):
            continue
        without, found = ask(server, route.method, path), ask(server, route.method, path, credentials["admin"])
        assert without.status == 401, path
        assert (found.status, found.code) == (404, "route-not-found"), path


@pytest.mark.parametrize(
    "path",
    ["/", "/docs", "/redoc", "/docs/oauth2-redirect", "/v1", "/static/x", "/favicon.ico", "/.git/config", "*", "/v1/"],
)
def test_there_is_nothing_that_no_route_was_declared_for(
    path: str, server: Talking, credentials: dict[str, str]
) -> None:
    assert ask(server, "GET", path).status == 401
    assert ask(server, "GET", path, credentials["admin"]).status == 404


@pytest.mark.parametrize(
    "name",
    [
        "Prod",
        "prod%20",
        "%20prod",
        "prod%00",
        "pr%C3%B6d",
        "%D1%80rod",
        "prod%2Fdev",
        "..",
        "%2e%2e",
        "prod;x=1",
        "head",
        "prod%252F",
        "prod+",
        "con",
        "prod.lock",
        "a" * 64,
        "-prod",
        "prod%0d%0aX: y",
        "%FF%FE",
        "prod:dev",
        "",
    ],
)
def test_what_cannot_be_a_name_is_no_address(name: str, server: Talking, credentials: dict[str, str]) -> None:
    found = ask(server, "GET", f"/v1/channels/{name}/snapshot", credentials["admin"])
    assert (found.status in (404, 400), found.headers["content-type"]) == (True, "application/problem+json")


def test_a_name_may_be_escaped_once_and_is_the_same_name(server: Talking, credentials: dict[str, str]) -> None:
    plain = ask(server, "GET", "/v1/channels/prod/snapshot", credentials["read"])
    escaped = ask(server, "GET", "/v1/channels/%70%72od/snapshot", credentials["read"])
    assert plain.status == escaped.status == 200
    assert plain.body == escaped.body


def test_an_upgrade_to_another_protocol_is_not_made(server: Talking, credentials: dict[str, str]) -> None:
    upgrade = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: x")
    assert ask(server, "GET", "/v1/channels/prod/events", "", *upgrade).status == 401
    assert ask(server, "GET", "/v1/channels/prod/snapshot", credentials["read"], *upgrade).status == 200


# --- how routes are declared ------------------------------------------------------------------------


def declared(*addresses: str) -> Routes:
    found = Routes("Test")
    for address in addresses:
        method, path = address.split(" ")
        found.route(method, path, scope=Scope.READ)(lambda call: None)
    return found


def test_a_route_cannot_be_declared_without_saying_who_may_use_it() -> None:
    with pytest.raises(TypeError, match="scope"):
        Routes("Test").get("/v1/secret")  # type: ignore[call-arg]


@pytest.mark.parametrize(
    "addresses",
    [
        ("GET /v1/x", "GET /v1/x"),
        ("GET /v1/{channel}", "GET /v1/x"),
        ("GET /v1/x", "GET /v1/{channel}"),
        ("GET /v1/{channel}/a", "GET /v1/{app}/b"),
        ("GET /v1/{anything}",),
        ("GET /v1//x",),
        ("GET /v1/x/",),
    ],
    ids=str,
)
def test_routes_that_could_be_taken_for_each_other_are_an_error_at_the_start(addresses: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=r"fits more than one|declared twice"):
        Table(declared(*addresses))
