"""One notification over HTTP: where the connection goes, what counts as an answer, and when it ends."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from promptops.client.sources.trust import machine_trust
from promptops.core.notifications.address import read_networks, read_target
from promptops.operations.webhook import Answer, Post, Resolve, resolve, send
from tests.support.receivers import Listening, listening

HERE = read_networks(["127.0.0.1"])


def post(url: str, *, private: Sequence[str] = ("127.0.0.1",), resolver: Resolve = resolve) -> Answer:
    networks = read_networks(private)
    target = read_target(url, networks)
    made = Post(target=target, headers={"webhook-id": "msg_1"}, body=b'{"type":"x"}', private=networks)
    return send(made, trust=machine_trust, seconds=60, resolver=resolver)


@contextmanager
def hanging(says: bytes = b"") -> Iterator[str]:
    """Takes a connection, says something, and never answers in full."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        leave = threading.Event()

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(says)
                leave.wait(120)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/"
        leave.set()
        thread.join()


def test_what_arrives_is_a_post_with_its_headers_and_body() -> None:
    with listening(lambda count: 204) as receiver:
        assert post(receiver.url) == Answer(status=204)
    headers, body = receiver.got[0]
    assert body == b'{"type":"x"}'
    assert headers["webhook-id"] == "msg_1"
    assert headers["content-type"] == "application/json"
    assert headers["host"] == receiver.url.split("/")[2]


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(status: int) -> None:
    with listening() as inside, listening(lambda count: status, {"location": inside.url}) as receiver:
        answer = post(receiver.url)
    assert (answer.status, answer.error) == (
        status,
        f"127.0.0.1 answered with status {status}, and redirects are not followed",
    )
    assert inside.got == []


def test_a_receiver_says_how_long_to_wait() -> None:
    with listening(lambda count: 429, {"retry-after": "120"}) as receiver:
        assert post(receiver.url) == Answer(status=429, error="127.0.0.1 answered with status 429", wait=120.0)


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["93.184.216.34", "127.0.0.1"],
        ["::1"],
        ["::ffff:127.0.0.1"],
        ["169.254.169.254"],
        ["10.0.0.7"],
        [],
    ],
)
def test_a_name_that_resolves_inside_is_refused_before_any_connection(addresses: list[str]) -> None:
    """Also where only one of several addresses is: the next look-up may give that one first."""
    with listening() as inside:
        port = inside.url.split(":")[2].partition("/")[0]
        answer = post(f"https://rebind.example.com:{port}/", private=(), resolver=lambda host, port: addresses)
    assert answer.status == 0
    assert answer.error.startswith("rebind.example.com: ")
    assert inside.got == []


def test_a_name_is_resolved_once_and_the_connection_goes_to_the_address_that_was_checked() -> None:
    """DNS rebinding: the second look-up would give another address, and there is none."""
    asked: list[str] = []
    with listening() as receiver:

        def once(host: str, port: int) -> list[str]:
            asked.append(host)
            return ["127.0.0.1"]

        assert post(receiver.url.replace("127.0.0.1", "localhost"), resolver=once).status == 200
    assert asked == ["localhost"]
    assert receiver.got[0][0]["host"].startswith("localhost:")


@pytest.mark.parametrize("says", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nx: y"])
def test_a_receiver_that_hangs_is_left_at_the_deadline(says: bytes) -> None:
    with hanging(says) as url:
        made = Post(target=read_target(url, HERE), headers={}, body=b"{}", private=HERE)
        assert send(made, trust=machine_trust, seconds=0.3) == Answer(error="127.0.0.1 did not answer within 0.3 s")


def test_what_is_no_answer_is_an_error() -> None:
    with hanging(b"nonsense\r\n\r\n") as url:
        assert post(url).error == "127.0.0.1 gave no answer: BadStatusLine"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert post(f"http://127.0.0.1:{port}/").error == "127.0.0.1 gave no answer: Connection refused"

    def nowhere(host: str, port: int) -> list[str]:
        raise socket.gaierror("no such name")

    assert post("https://nowhere.example.com/", resolver=nowhere).error == (
        "the name nowhere.example.com cannot be resolved"
    )


def test_tls_is_required_of_https() -> None:
    receiver: Listening
    with listening() as receiver:
        answer = post(receiver.url.replace("http:", "https:"))
    assert answer.status == 0
    assert answer.error.startswith("127.0.0.1 gave no answer: ")
    assert receiver.got == []
