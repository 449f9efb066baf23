"""Requests that cost more than they should: each is refused, the server stays small, and answers everybody else."""

from __future__ import annotations

import gzip
import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack

import psutil
import pytest

from promptops.core.errors import TooManyRequests
from promptops.core.token import Scope
from promptops.server.app import create_app
from promptops.server.live.limits import Buckets, Counter, RequestKind, address_of
from promptops.server.settings import Limits, Rate, Settings
from promptops.store import Registry
from tests.server.conftest import mint
from tests.server.running import Running, Talking, inside, read_reply, until

MIB = 1 << 20
PATH = "/v1/channels/prod/snapshot"
BEATS = "/v1/channels/prod/clients"


def head(method: str, path: str, token: str, *more: str) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Authorization: Bearer {token}", *more]
    return "\r\n".join([*lines, "", ""]).encode()


def test_hundreds_of_connections_that_say_nothing_or_little_change_nothing_for_others(
    server: Running, admin: str
) -> None:
    before = server.memory()
    beginnings = (b"", b"G", head("GET", PATH, admin)[:-2], head("POST", BEATS, admin, "Content-Length: 1000", ""))
    with ExitStack() as stack:
        for number in range(400):
            stack.enter_context(server.connect()).sendall(beginnings[number % len(beginnings)])
        assert server.get(PATH, admin).status == 200
        assert server.get("/healthz").status == 200
        assert server.memory() - before < 100 * MIB


def test_a_gigabyte_is_refused_before_it_is_sent(server: Running, admin: str) -> None:
    before = server.memory()
    for path, method in ((BEATS, "POST"), (PATH, "GET"), ("/v1/tokens", "POST")):
        found = server.say(head(method, path, admin, f"Content-Length: {1 << 30}") + b"x" * 65536)
        assert (found.status, found.code) == (413, "request-too-large")
    assert server.memory() - before < 50 * MIB


def test_a_body_without_a_length_is_read_up_to_the_limit(server: Running, admin: str) -> None:
    before = server.memory()
    begin = head("POST", BEATS, admin, "Content-Type: application/json", "Transfer-Encoding: chunked")
    with server.connect() as line:
        line.sendall(begin)
        piece = b"%x\r\n%s\r\n" % (MIB, b" " * MIB)
        try:
            for _ in range(64):
                line.sendall(piece)
        except OSError:
            return  # it closed the connection while more came, which says enough
        assert read_reply(line).code == "request-too-large"
    assert server.memory() - before < 50 * MIB


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (gzip.compress(b" " * (200 * MIB), mtime=0), {"Content-Encoding": "gzip"}),
        (b"{}", {"Content-Type": "text/plain"}),
        (b"{}", {"Content-Type": "application/x-www-form-urlencoded"}),
        (b"[" * 100_000, {}),
        (b"[" * 30_000 + b"]" * 30_000, {}),
        (b'{"a":' * 1000 + b"1" + b"}" * 1000, {}),
        (b"[" + b"1," * MIB + b"1]", {}),
        (b"9" * 5000, {}),
        (b"1e999", {}),
        (b"NaN", {}),
        (b'{"id": 1, "id": 2}', {}),
        (b'{"id": "\\u0000"}', {}),
        (b'{"\\u0000id": 1}', {}),
        (b'{"id": "\\ud800"}', {}),
        (b"\xef\xbb\xbf{}", {}),
        (b"\xff\xfe", {}),
        (b"null", {}),
        (b"", {}),
        (b"{", {}),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_a_body_that_is_no_plain_json_is_refused(
    body: bytes, headers: dict[str, str], server: Running, admin: str
) -> None:
    before = server.memory()
    found = server.ask("POST", BEATS, token=admin, body=body, headers=headers)
    assert found.status in (413, 422)
    assert found.code in ("request-invalid", "request-too-large")
    assert len(found.body) < 2000
    assert server.memory() - before < 120 * MIB


def test_a_body_where_none_is_taken_is_refused(server: Running, admin: str) -> None:
    found = server.ask("DELETE", "/v1/tokens/t00000000000", token=admin, body={"more": 1})
    assert (found.status, found.code) == (422, "request-invalid")


def test_ten_thousand_parameters_are_refused(server: Running, admin: str) -> None:
    for query in ("&".join(f"app={n}" for n in range(10_000)), "&".join(["a"] * 7000), "&" * 15_000, "app=x&" * 101):
        found = server.say(head("GET", f"{PATH}?{query}", admin))
        assert found.status in (400, 413, 422)
        assert found.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "query", ["?app=%00", "?app=%ff", "?%61pp=Bot", "?app", "?=x", "?app=a%20b", "?x=1", "?app=" + "a" * 64]
)
def test_a_parameter_that_is_none_is_refused(query: str, server: Running, admin: str) -> None:
    found = server.get(f"{PATH}{query}", admin)
    assert (found.status, found.code) == (422, "request-invalid")


def test_the_server_still_stands_after_all_of_this(server: Running, admin: str) -> None:
    assert server.get(PATH, admin).status == 200
    assert "Traceback" not in server.said()


# --- limits small enough to be met -------------------------------------------------------------------


@pytest.fixture(scope="module")
def small(lasting: Registry) -> Iterator[Talking]:
    """A server that waits for a second, and takes 20 connections and 3 streams."""
    limits = Limits(deadline=1.0, connections=20, streams=3)
    with inside(create_app(Settings(registry=f"sqlite:///{lasting.url}", limits=limits))) as talking:
        yield talking


def test_who_does_not_send_headers_in_time_is_sent_away(small: Talking) -> None:
    with small.connect() as silent, small.connect() as slow:
        slow.sendall(b"GET /healthz HTTP/1.1\r\nHost:")
        assert silent.recv(100) == b""
        assert slow.recv(100) == b""


def test_who_does_not_send_a_body_in_time_is_told_so(small: Talking, admin: str) -> None:
    begin = head("POST", BEATS, admin, "Content-Type: application/json", "Content-Length: 1000")
    found = small.say(begin + b"{")
    assert (found.status, found.code, found.headers["retry-after"]) == (503, "deadline-exceeded", "2")


def test_who_asks_and_does_not_read_is_sent_away(lasting: Registry, admin: str) -> None:
    limits = Limits(patience=0.1)
    with (
        inside(create_app(Settings(registry=f"sqlite:///{lasting.url}", limits=limits))) as talking,
        ExitStack() as stack,
    ):
        line = stack.enter_context(socket.socket())
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line.connect(("127.0.0.1", talking.port))
        line.sendall(head("GET", "/openapi.json", admin) * 100)  # far more than any system keeps for a connection
        mine = line.getsockname()[1]

        def kept() -> bool:
            return any(each.raddr[1:] == (mine,) for each in psutil.Process().net_connections("tcp"))

        until(kept)
        until(lambda: not kept())
        assert talking.get(PATH, admin).status == 200


def test_a_request_that_has_two_ends_is_the_last_of_its_connection(server: Running, admin: str) -> None:
    body = b"2\r\n{}\r\n0\r\n\r\n"
    lengths = ("Content-Type: application/json", f"Content-Length: {len(body)}", "Transfer-Encoding: chunked")
    with server.connect() as line:
        line.sendall(head("POST", BEATS, admin, *lengths) + body + head("GET", "/healthz", admin))
        assert read_reply(line).headers["connection"] == "close"
        assert line.recv(100) == b""


def test_connections_that_say_nothing_give_way_to_others(small: Talking, lasting: Registry, admin: str) -> None:
    other = mint(lasting, "reader-that-stays", Scope.READ)
    with ExitStack() as stack, small.connect() as kept:
        kept.sendall(head("GET", PATH, other))
        assert read_reply(kept).status == 200
        beginnings = (b"", b"G", head("GET", PATH, "")[:-2], head("POST", BEATS, admin, "Content-Length: 1000", ""))
        for number in range(100):
            stack.enter_context(small.connect()).sendall(beginnings[number % len(beginnings)])
        for _ in range(5):
            assert small.get(PATH, admin).status == 200
        kept.sendall(head("GET", PATH, other))
        assert read_reply(kept).status == 200  # its owner has one, and who floods has many


def test_more_connections_that_work_than_are_taken_are_told_to_come_again(lasting: Registry, admin: str) -> None:
    limits = Limits(connections=3, streams=3)
    with inside(create_app(Settings(registry=f"sqlite:///{lasting.url}", limits=limits))) as talking:
        with ExitStack() as stack:
            for _ in range(3):
                line = stack.enter_context(talking.connect())
                line.sendall(head("GET", "/v1/channels/prod/events", admin))
                assert read_reply(line).status == 200
            with talking.connect() as refused:
                found = read_reply(refused)
            assert (found.status, found.headers["retry-after"]) == (503, "5")
            assert json.loads(found.body)["code"] == "too-many-requests"
        until(lambda: _answers(talking, admin))


def test_more_streams_than_are_taken_are_told_to_come_again(small: Talking, lasting: Registry, admin: str) -> None:
    request = head("GET", "/v1/channels/prod/events", admin)
    other = mint(lasting, "other-reader", Scope.READ)
    with ExitStack() as stack:
        lines = [stack.enter_context(small.connect()) for _ in range(3)]
        for line in lines:
            line.sendall(request)
            assert read_reply(line).status == 200
        found = small.say(request)
        assert (found.status, found.code) == (429, "too-many-requests")
        assert small.get(PATH, admin).status == 200
        with small.connect() as another:  # of another token: whoever has most gives one up
            another.sendall(head("GET", "/v1/channels/prod/events", other))
            assert read_reply(another).status == 200
            while lines[0].recv(65536):
                pass
        until(lambda: _opens(small, request))


def _opens(talking: Talking, request: bytes) -> bool:
    with talking.connect() as line:
        line.sendall(request)
        return read_reply(line).status == 200


def _answers(talking: Talking, token: str) -> bool:
    try:
        return talking.get(PATH, token).status == 200
    except OSError:
        return False


# --- buckets --------------------------------------------------------------------------------------------


def test_a_bucket_gives_its_burst_at_once_and_then_says_when_to_come_again() -> None:
    buckets = Buckets(Rate(a_second=0.001, burst=3))
    assert [buckets.take("a") == 0 for _ in range(4)] == [True, True, True, False]
    assert 900 < buckets.take("a") <= 1000
    assert buckets.take("b") == 0


def test_what_is_as_much_work_as_several_counts_as_several_but_never_as_more_than_all() -> None:
    buckets = Buckets(Rate(a_second=0.001, burst=10))
    assert [buckets.take("a", 4) == 0 for _ in range(3)] == [True, True, False]
    assert buckets.take("b", 1000) == 0
    assert buckets.take("b") > 0


def test_a_rate_of_nothing_is_no_limit() -> None:
    buckets = Buckets(Rate(a_second=0, burst=1))
    assert all(buckets.take("a") == 0 for _ in range(1000))


def test_a_first_request_is_never_refused_by_what_is_lost_in_adding() -> None:
    buckets = Buckets(Rate(a_second=0.001, burst=1))
    assert {buckets.take(str(number)) for number in range(10_000)} == {0.0}


def test_a_flood_of_addresses_is_not_remembered_for_ever() -> None:
    buckets = Buckets(Rate(a_second=0.001, burst=1))
    for number in range(50_000):
        buckets.take(str(number))
    assert len(buckets._full_at) <= 20_000
    assert buckets.take("49999") > 0


def test_each_token_and_each_kind_of_request_has_its_own_bucket_and_strangers_have_two() -> None:
    rate = Rate(a_second=0.001, burst=2)
    counter = Counter(Limits(reads=rate, beats=rate, others=rate, failures=rate))
    for kind in RequestKind:
        counter.take("token", kind)
        counter.take("token", kind)
        with pytest.raises(TooManyRequests, match="too many requests"):
            counter.take("token", kind)
        counter.take("another", kind)
    for take in (counter.take_nothing, counter.take_unknown):
        take("address")
        take("address")
        with pytest.raises(TooManyRequests, match="without a valid token"):
            take("address")
        take("elsewhere")


@pytest.mark.parametrize(
    ("client", "address"),
    [
        (("192.0.2.1", 5), "192.0.2.1"),
        (("::ffff:192.0.2.1", 5), "192.0.2.1"),
        (("2001:db8:1:2:3:4:5:6", 5), "2001:db8:1:2::"),
        (("2001:db8:1:2:9::", 5), "2001:db8:1:2::"),
        (("fe80::1%eth0", 5), "fe80::"),
        (("nonsense:", 5), "nonsense:"),
        (None, ""),
    ],
)
def test_requests_count_for_an_address_or_a_network(client: object, address: str) -> None:
    assert address_of(client) == address
