"""A body is read within the limits of its route, and no request costs the server more than 64 MB."""

from __future__ import annotations

import json
import socket
import threading
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from promptops.core.digest import digest
from promptops.core.errors import Invalid
from promptops.core.json_size import require_few
from promptops.core.release_bytes import encode
from promptops.core.token import Scope
from promptops.server.settings import KIB, MIB
from promptops.store import Registry
from promptops.use_cases.release import LARGEST
from tests.server.conftest import Serve, mint
from tests.server.running import Reply, Running, running, until
from tests.support import factory

MOST = 64 * MIB
SNAPSHOT = "/v1/channels/prod/snapshot"
BEATS = "/v1/channels/prod/clients"
ROLLBACK = "/v1/channels/prod/rollback"


def sent(server: Running, path: str, token: str, body: bytes) -> Reply:
    method = "PUT" if path == "/v1/channels" else "POST"
    return server.ask(method, path, token=token, body=body, headers={"Idempotency-Key": uuid.uuid4().hex})


def built(app: str, text: str) -> dict[str, Any]:
    """An app of a publication."""
    content = encode(factory.content(app, text)).decode()
    return told(content)


def told(content: str) -> dict[str, Any]:
    origin = {"repository": "r", "commit": "0" * 40, "path": "p", "author": "a", "builder": "b"}
    return {"content": content, "digest": digest(content.encode()), "profile": {}, "provenance": origin}


def publication(*apps: dict[str, Any]) -> bytes:
    return json.dumps({"registry": "test", "apps": apps}, ensure_ascii=False).encode()


def peak_over(server: Running, work: Callable[[], object]) -> int:
    """Bytes that the process had more than before while this was done, at their most."""
    status = Path(f"/proc/{server.process.pid}/status")
    before = server.memory()
    Path(f"/proc/{server.process.pid}/clear_refs").write_text("5")  # the peak is counted anew: proc(5)
    work()
    highest = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(highest.split()[1]) * 1024 - before


NASTY: dict[str, Callable[[], tuple[bytes, str]]] = {
    "one character in five million makes each of them four bytes": lambda: (
        b'{"registry":"' + "😀".encode() + b"x" * (LARGEST - 100) + b'"}',
        "/v1/releases",
    ),
    "names that nobody knows": lambda: (
        b"{" + b",".join(b'"k%06d":1' % number for number in range(39_000)) + b"}",
        "/v1/releases",
    ),
    "apps with a character of four bytes each": lambda: (
        publication(*(built(f"large-{number}", "😀" + "x" * 1_000_000) for number in range(5))),
        "/v1/releases",
    ),
    "objects in a content": lambda: (
        publication(told('{"app":"deep","prompts":{"a":[' + ",".join(['{"a":1}'] * 49_000) + "]}}")),
        "/v1/releases",
    ),
    "names in a declaration": lambda: (
        b'{"registry":"test","channels":{' + b",".join(b'"c%05d":[]' % number for number in range(25_000)) + b"}}",
        "/v1/channels",
    ),
}


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the peak is counted by Linux")
@pytest.mark.parametrize("kind", NASTY)
def test_no_body_costs_more_than_it_may(kind: str, lasting: Registry, admin: str, tmp_path: Path) -> None:
    body, path = NASTY[kind]()
    with running(f"sqlite:///{lasting.url}", tmp_path) as server:
        assert server.get("/v1/status", admin).status == 200
        answers: list[Reply] = []
        assert peak_over(server, lambda: answers.append(sent(server, path, admin, body))) < MOST
        assert answers[0].status == (200 if "four bytes each" in kind and "apps" in kind else 422), answers[0].body[
            :300
        ]
        assert len(answers[0].body) < 10_000
        assert "Traceback" not in server.said()


def test_many_bodies_at_once_cost_little_more_than_one(server: Running, admin: str, lasting: Registry) -> None:
    reader = mint(lasting, "reader-of-bodies", Scope.READ)
    beats = b'{"revisions":{' + b",".join(b'"a%d":1' % number for number in range(5000)) + b"}}"
    lists = b"[" + b"[]," * (2 * MIB // 3) + b"[]]"

    def flood() -> None:
        bodies = [(BEATS, reader, lists), (BEATS, reader, beats[: 64 * KIB]), ("/v1/releases", admin, lists)]
        threads = [
            threading.Thread(target=lambda said=said: suppressing(sent, server, said[0], said[1], said[2]))
            for said in bodies * 8
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert peak_over(server, flood) < 2 * MOST
    assert server.get(SNAPSHOT, reader).status == 200


def suppressing(work: Callable[..., object], *arguments: object) -> None:
    """A large body may be refused before it was said to its end."""
    with suppress(OSError):
        work(*arguments)


@pytest.mark.parametrize(
    ("path", "limit"),
    [
        (BEATS, 64 * KIB),
        ("/v1/tokens", 64 * KIB),
        (ROLLBACK, 256 * KIB),
        ("/v1/channels/prod/promote", 256 * KIB),
        ("/v1/channels/prod/quarantine", 256 * KIB),
        ("/v1/yanks", 256 * KIB),
        ("/v1/channels/prod/reconcile", 2 * MIB),
        ("/v1/channels", MIB),
        ("/v1/releases", LARGEST),
    ],
)
def test_each_route_has_its_own_limit_and_says_it(path: str, limit: int, server: Running, admin: str) -> None:
    found = sent(server, path, admin, b'"' + b"x" * (limit - 2) + b'"')
    assert (found.status, found.code) == (422, "request-invalid")
    method = "PUT" if path == "/v1/channels" else "POST"
    begin = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {admin}\r\n"
    found = server.say(f"{begin}Content-Type: application/json\r\nContent-Length: {limit + 1}\r\n\r\n".encode())
    assert (found.status, found.code) == (413, "request-too-large")
    assert f"{limit:,} bytes" in str(found.json["detail"])


def test_who_may_not_is_refused_before_a_body_is_sent(server: Running, lasting: Registry) -> None:
    reader = mint(lasting, "reader-who-sends", Scope.READ)
    for path in ("/v1/releases", ROLLBACK, "/v1/tokens"):
        begin = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {reader}\r\n"
        found = server.say(f"{begin}Content-Type: application/json\r\nContent-Length: 50000\r\n\r\n".encode())
        assert (found.status, found.code) == (403, "not-allowed")


def test_an_app_is_judged_before_its_content_is_read(server: Running, lasting: Registry) -> None:
    team = mint(lasting, "team-of-bodies", Scope.RELEASE, apps=("mine-*",))
    broken = told('{"app":"theirs","prompts":' + "[" * 1000)
    found = sent(server, "/v1/releases", team, publication(built("mine-1", "Hello"), broken))
    assert (found.status, found.code) == (403, "not-allowed")
    found = sent(server, "/v1/releases", team, publication(told('{"prompts":{},"app":"mine-1"}')))
    assert (found.status, found.code) == (422, "request-invalid")


def test_a_large_body_that_comes_slowly_keeps_its_own_token_waiting_and_no_other(world: Registry, serve: Serve) -> None:
    slow, quick = mint(world, "slow", Scope.RELEASE), mint(world, "quick", Scope.RELEASE)
    server = serve()
    begin = f"POST /v1/releases HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {slow}\r\n"
    begin += f"Content-Type: application/json\r\nContent-Length: {MIB}\r\n\r\n"
    lines: list[socket.socket] = []
    try:
        for _ in range(6):
            lines.append(server.connect())
            lines[-1].sendall(begin.encode() + b" " * (512 * KIB))
        found = sent(server, "/v1/releases", quick, publication(built("quick", "Hello " + "x" * 400_000)))
        assert found.status == 200
    finally:
        for line in lines:
            line.close()


# --- counting --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("1", 0),
        ("[1]", 1),
        ("[1,2,3]", 3),
        ('{"a": 1, "b": [null]}', 5),
        (r'"a, [b], \"{c}\", \\"', 1),
        (r'["\\", "\"", ",,,"]', 6),
        (r'["\\\\\"[,", 1]', 3),
        ('"😀,"', 1),
    ],
)
def test_what_a_text_holds_is_counted_without_reading_it(text: str, found: int) -> None:
    json.loads(text)
    assert require_few(text.encode(), 10) == found


@pytest.mark.parametrize(
    "text", ["[1,2,3,4]", '["a","b"]', '[[],[],"\\""]', "[" * 65, '{"a":' * 65, '"a"' * 4, "[1,2,3,4", '\\"[,,,,']
)
def test_too_many_values_and_too_deep_ones_are_refused_whatever_else_is_wrong(text: str) -> None:
    with pytest.raises(Invalid):
        require_few(text.encode(), 3 if len(text) < 60 else 1000)


# --- no memory is left -----------------------------------------------------------------------------------


def starve(process: psutil.Process) -> None:
    """Let the process have hardly more memory than it has."""
    process.rlimit(psutil.RLIMIT_AS, (process.memory_info().vms + 4 * MIB,) * 2)


def test_a_server_that_runs_out_of_memory_ends(world: Registry, serve: Serve) -> None:
    token = mint(world, "ci", Scope.ADMIN)
    server = serve()
    assert server.get(SNAPSHOT, token).status == 200
    starve(psutil.Process(server.process.pid))
    body = b'{"registry":"' + b"x" * (LARGEST - 100) + b'"}'

    def ended() -> bool:
        suppressing(sent, server, "/v1/releases", token, body)
        return server.process.poll() is not None

    until(ended)
    assert server.process.returncode == 70
    assert "ran out of memory" in server.said()


def test_a_worker_that_runs_out_of_memory_is_replaced(world: Registry, serve: Serve) -> None:
    token = mint(world, "ci", Scope.ADMIN)
    server = serve("--workers", "2")
    parent = psutil.Process(server.process.pid)
    first = parent.children()
    for worker in first:
        starve(worker)
    body = b'{"registry":"' + b"x" * (LARGEST - 100) + b'"}'

    def replaced() -> bool:
        with suppress(OSError, AssertionError):
            sent(server, "/v1/releases", token, body)
        return not any(worker.is_running() for worker in first)

    until(replaced)

    def answers() -> bool:
        with suppress(OSError):
            return server.get(SNAPSHOT, token).status == 200
        return False

    until(answers)
    assert server.process.poll() is None
