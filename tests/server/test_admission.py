"""Who asks is not believed: what a proxy hands on, what a page of another site sends, who a claim says it is."""

from __future__ import annotations

import pytest

from promptops.store import Registry
from tests.server.conftest import Serve
from tests.server.running import Running, until
from tests.support import factory

PATH = "/v1/channels/prod/snapshot"


def test_what_a_proxy_says_is_logged_and_counted_only_as_an_address(reader: str, serve: Serve) -> None:
    server = serve("--trusted-proxy", "127.0.0.1")
    answers = {
        server.get(PATH, X_Forwarded_For=f"\x1b[2Jnobody-{number}\u00ad, fe80::1%{number}").status
        for number in range(25)
    }
    assert answers == {401, 429}  # no text is a bucket of its own
    until(lambda: " 429 " in server.said())
    assert "nobody" not in server.said()
    assert "INFO 127.0.0.1 " in server.said()


FOREIGN = [
    {"Origin": "http://evil.example"},
    {"Origin": "http://evil.example:{port}"},
    {"Origin": "http://127.0.0.1"},
    {"Origin": "http://127.0.0.1:1"},
    {"Origin": "http://localhost:{port}"},  # the same machine, another page
    {"Origin": "http://127.0.0.1:{port}.evil.example"},
    {"Origin": "http://evil.example/127.0.0.1:{port}"},
    {"Origin": "null"},
    {"Origin": ""},
    {"Origin": "127.0.0.1:{port}"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_without_tokens_a_page_of_another_site_is_refused(world: Registry, serve: Serve) -> None:
    server = serve("--no-auth")
    change = {"apps": ["bot"]}
    for given in FOREIGN:
        headers = {name: text.format(port=server.port) for name, text in given.items()} | {"Idempotency-Key": "k"}
        for method, path, body in (
            ("GET", PATH, None),
            ("GET", "/healthz", None),
            ("OPTIONS", "/v1/status", None),
            ("POST", "/v1/channels/prod/rollback", change),
        ):
            found = server.ask(method, path, body=body, headers=headers)
            assert (found.status, found.code) == (403, "origin-refused"), (given, method)
            assert not any(name.startswith("access-control") for name in found.headers)
        simple = {**headers, "Content-Type": "text/plain"}
        found = server.ask("POST", "/v1/channels/prod/rollback", body=b'{"apps":["bot"]}', headers=simple)
        assert found.status == 403
    assert factory.live_version(world) == "0.1.2"
    own = {"Origin": f"http://127.0.0.1:{server.port}", "Sec-Fetch-Site": "same-origin", "Idempotency-Key": "k"}
    assert server.ask("POST", "/v1/channels/prod/rollback", body=change, headers=own).status == 200
    twice = f"GET {PATH} HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil\r\nOrigin: http://localhost\r\n\r\n"
    assert server.say(twice.encode()).status == 422


def test_with_tokens_an_origin_is_no_reason(server: Running, admin: str) -> None:
    assert server.get(PATH, admin, Origin="http://evil.example", Sec_Fetch_Site="cross-site").status == 200


@pytest.mark.parametrize("claim", ["Ada via token admin", "Ada\x1b[2J", "a\u202eb", "x" * 201], ids=ascii)
def test_a_claim_that_could_be_a_servers_own_words_is_refused(claim: str, server: Running, admin: str) -> None:
    headers = {"Idempotency-Key": "k", "Promptops-Actor": claim.encode().decode("latin-1")}
    for path, body in (
        ("/v1/channels/prod/rollback", {"apps": ["bot"]}),
        ("/v1/tokens", {"name": "new"}),
        ("/v1/yanks", {"release": "bot@0.1.0", "reason": "x"}),
    ):
        found = server.ask("POST", path, token=admin, body=body, headers=headers)
        assert (found.status, found.code) == (422, "request-invalid")
        assert "actor" in found.json["detail"]  # type: ignore[operator]
