"""A server starts only where it can do its work, says where it is, and ends in time without losing anything."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import psutil
import pytest
from starlette.types import Message

from promptops.core.errors import RegistryNotInitialised
from promptops.core.loopback import is_loopback
from promptops.core.token import Scope
from promptops.server.app import create_app
from promptops.server.settings import Settings
from promptops.store import Registry, Writer
from tests.server.api.test_event_stream import following
from tests.server.conftest import Serve, mint, told
from tests.server.running import PATIENCE, Running, environment, read_reply, running, until
from tests.store.facts import do
from tests.store.schema.test_comparison import SWALLOWING
from tests.store.schema.test_comparison import run as put
from tests.support import factory, forked

PATH = "/v1/channels/prod/snapshot"


COMMAND = "serve", "--port", "0", "--json"


def refused(url: str, folder: Path, *arguments: str) -> tuple[int, dict[str, str]]:
    """How `promptops serve` ended that could not start: exit code, and the error."""
    return said_at_the_end(forked.run(*COMMAND, *arguments, folder=folder, environment=environment(url)))


def said_at_the_end(done: subprocess.CompletedProcess[str]) -> tuple[int, dict[str, str]]:
    assert done.stdout == ""
    error = json.loads(done.stderr.splitlines()[-1])["error"]
    assert isinstance(error, dict)
    return done.returncode, error


def test_it_does_not_start_where_nobody_could_come_in(registry: Registry, registry_url: str, tmp_path: Path) -> None:
    code, error = refused(registry_url, tmp_path)
    assert (code, error["code"]) == (3, "token-not-found")
    assert "promptops token create" in error["hint"]


def test_it_does_not_start_without_tokens_where_others_can_connect(tmp_path: Path) -> None:
    for host in ("0.0.0.0", "::", "192.0.2.1", "example.org"):
        code, error = refused("sqlite:///nowhere.db", tmp_path, "--no-auth", "--host", host)
        assert (code, error["kind"]) == (2, "Invalid")
        assert host in error["message"]


def test_it_does_not_start_where_a_guard_is_missing(
    world: Registry, reader: str, database: str, registry_url: str, tmp_path: Path
) -> None:
    table = "" if database == "sqlite" else " ON audit"

    def drop(writer: Writer) -> None:
        names = writer._connection.exec_driver_sql(
            "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'audit'"
            if database == "sqlite"
            else "SELECT tgname FROM pg_trigger WHERE tgrelid = 'audit'::regclass AND NOT tgisinternal"
        ).fetchall()
        writer._connection.exec_driver_sql(f"DROP TRIGGER {names[0][0]}{table}")

    world.write(drop)
    code, error = refused(registry_url, tmp_path)
    assert (code, error["code"]) == (6, "guards-missing")


def test_it_does_not_start_where_something_else_listens(
    world: Registry, reader: str, registry_url: str, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        code, error = refused(registry_url, tmp_path, "--port", str(other.getsockname()[1]))
    assert (code, error["kind"]) == (2, "Invalid")
    assert "in use" in error["message"]


def test_it_says_what_to_install_where_its_packages_are_missing(
    world: Registry, reader: str, registry_url: str, tmp_path: Path
) -> None:
    """An environment in which importing uvicorn fails as if it were not installed."""
    (tmp_path / "uvicorn.py").write_text("raise ModuleNotFoundError(\"No module named 'uvicorn'\", name='uvicorn')")
    settings = environment(registry_url)
    settings["PYTHONPATH"] = f"{tmp_path}{os.pathsep}{settings['PYTHONPATH']}"
    command = [sys.executable, "-m", "promptops", *COMMAND]
    code, error = said_at_the_end(
        subprocess.run(
            command, cwd=tmp_path, env=settings, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
    )
    assert (code, error["code"]) == (6, "extra-missing")
    assert "promptops-registry[server]" in error["hint"]


def test_without_tokens_it_says_so_loudly_and_everybody_may_do_everything(world: Registry, serve: Serve) -> None:
    server = serve("--no-auth")
    assert "--no-auth" in server.said()
    assert server.get(PATH).status == 200
    assert server.get(PATH, "nonsense").status == 200
    assert server.get("/v1/audit").status == 200


def test_a_worker_that_cannot_start_says_why_in_one_line(tmp_path: Path) -> None:
    app = create_app(Settings(registry=f"sqlite:///{tmp_path}/nowhere.db"))
    said: list[Message] = []

    async def receive() -> Message:
        return {"type": "lifespan.startup"}

    async def send(message: Message) -> None:
        said.append(message)

    with pytest.raises(RegistryNotInitialised):
        asyncio.run(app({"type": "lifespan"}, receive, send))
    why = f"there is no registry at {tmp_path}/nowhere.db"
    assert said == [{"type": "lifespan.startup.failed", "message": why}]


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--reads-per-second", "nan"),
        ("--reads-per-second", "inf"),
        ("--changes-per-second", "1e-320"),
        ("--changes-per-second", "-1"),
        ("--allow-host", "https://registry.internal"),
        ("--allow-host", "registry.internal:443"),
        ("--allow-host", "*"),
        ("--trusted-proxy", "proxy.internal"),
        ("--trusted-proxy", "10.0.0.1/24"),  # it has bits of a host
        ("--trusted-proxy", "*"),
    ],
)
def test_what_could_never_do_what_was_meant_is_refused(option: str, value: str, tmp_path: Path) -> None:
    code, error = refused("sqlite:///nowhere.db", tmp_path, option, value)
    assert code == 2
    assert option in error["message"]


@pytest.mark.parametrize("host", ["127.0.0.1", "::"])
def test_a_trusted_proxy_says_who_asks_and_others_do_not(host: str, reader: str, serve: Serve) -> None:
    servers = serve("--host", host, "--trusted-proxy", "127.0.0.1"), serve("--trusted-proxy", "10.0.0.0/8")
    for server, shown in zip(servers, ("INFO 192.0.2.7 ", "INFO 127.0.0.1 "), strict=True):
        assert server.get(PATH, X_Forwarded_For="192.0.2.7").status == 401
        until(partial(_says, server, shown))


def _says(server: Running, text: str) -> bool:
    return text in server.said()


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", "", "[::2]", "10.0.0.1"]
)
def test_a_page_that_rebinds_its_name_to_this_machine_is_sent_away(host: str, rebinding: Running) -> None:
    found = rebinding.say(f"GET /healthz HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    assert (found.status, found.code) == (421, "host-not-served")


@pytest.mark.parametrize(
    "host", ["localhost", "LocalHost:1", "127.0.0.1:8700", "[::1]:8700", "registry.internal", "[2001:db8::7]"]
)
def test_its_own_names_are_answered_to(host: str, rebinding: Running) -> None:
    assert rebinding.say(f"GET /healthz HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()).status == 200


@pytest.fixture(scope="module")
def rebinding(lasting: Registry, admin: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("rebinding")
    names = ("--allow-host", "Registry.internal", "--allow-host", "2001:DB8::0:7")
    with running(f"sqlite:///{lasting.url}", folder, *names) as started:
        yield started


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.0.1", False),
        ("localhost.example.org", False),
        ("", False),
    ],
)
def test_what_is_this_machine(host: str, local: bool) -> None:
    assert is_loopback(host) is local


def test_readiness_tells_of_guards_that_went_missing_and_health_does_not(
    database: str, world: Registry, reader: str, registry_url: str, serve: Serve
) -> None:
    server = serve()
    way = "file" if database == "sqlite" else "notify"
    assert server.get("/readyz").json == {"status": "ready", "reasons": [], "changes": way}

    def drop(writer: Writer) -> None:
        if database == "sqlite":
            name = writer._connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'trigger'").scalar()
            writer._connection.exec_driver_sql(f"DROP TRIGGER {name}")
        else:
            writer._connection.exec_driver_sql("ALTER TABLE release DISABLE TRIGGER ALL")

    world.write(drop)
    until(lambda: server.get("/readyz").status == 503)
    assert server.get("/readyz").json == {"status": "not ready", "reasons": ["guards-missing"], "changes": way}
    assert server.get("/healthz").json == {"status": "ok"}


def test_a_trigger_of_somebody_is_a_note_and_keeps_nobody_away(
    database: str, world: Registry, registry_url: str, serve: Serve
) -> None:
    token = mint(world, "admin", Scope.ADMIN)
    id = factory.make_token(world, "ci").token.id
    put(registry_url, SWALLOWING[database])
    server = serve()
    way = "file" if database == "sqlite" else "notify"
    ready = {"status": "ready", "reasons": [], "changes": way, "notes": ["schema-foreign"]}
    assert server.get("/readyz").json == ready
    assert "the trigger ghost on token_revocation is not of promptops" in server.log.read_text()

    answer = server.ask("DELETE", f"/v1/tokens/{id}", token=token)
    assert (answer.status, answer.code) == (503, "change-not-kept")
    assert server.get("/v1/channels", token).status == 200


# --- the end ---------------------------------------------------------------------------------------------


def test_it_ends_at_once_although_somebody_follows_and_others_are_connected(
    world: Registry, reader: str, serve: Serve
) -> None:
    server = serve()
    with following(server, reader) as stream, server.connect() as idle, server.connect() as kept:
        stream.event()
        kept.sendall(f"GET {PATH} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {reader}\r\n\r\n".encode())
        assert read_reply(kept).status == 200
        assert server.end() == 0
        assert stream.ended()
        assert idle.recv(1) == b""
        assert kept.recv(1) == b""
    assert "Traceback" not in server.said()


def locked(world: Registry) -> Callable[[], None]:
    """Somebody holds prod, until what is returned is called."""
    held, let_go = threading.Event(), threading.Event()

    def hold(writer: Writer) -> None:
        writer.lock_channel("prod")
        held.set()
        let_go.wait(PATIENCE)

    def go() -> None:
        let_go.set()
        holder.join(PATIENCE)

    holder = threading.Thread(target=do, args=(world, hold))
    holder.start()
    assert held.wait(PATIENCE)
    return go


def test_a_request_that_runs_is_answered_before_the_end(
    world: Registry, registry_url: str, serve: Serve, database: str
) -> None:
    token = mint(world, "operator", Scope.ROLLBACK)
    server = serve()
    server.get("/v1/status", token)
    go = locked(world)
    answers: list[int] = []
    request = threading.Thread(
        target=lambda: answers.append(
            server.ask(
                "POST",
                "/v1/channels/prod/rollback",
                token=token,
                headers={"Idempotency-Key": "k1"},
                body={"apps": ["bot"]},
            ).status
        )
    )
    request.start()
    time.sleep(0.5)  # it waits for the lock now, or will find the door closed, and then this test says so
    server.process.terminate()
    time.sleep(0.5)
    go()
    request.join(PATIENCE)
    assert server.process.wait(PATIENCE) == 0
    assert answers == [200]
    assert factory.live_version(world) == "0.1.1"


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_request_that_never_ends_does_not_keep_it_and_changes_nothing(world: Registry, serve: Serve) -> None:
    token = mint(world, "operator", Scope.ROLLBACK)
    server = serve()
    server.get("/v1/status", token)
    go = locked(world)
    with server.connect() as line:
        body = b'{"apps": ["bot"]}'
        head = (
            "POST /v1/channels/prod/rollback HTTP/1.1\r\nHost: localhost\r\nIdempotency-Key: k1\r\n"
            f"Authorization: Bearer {token}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        line.sendall(head.encode() + body)
        time.sleep(0.5)
        begun = time.monotonic()
        server.end()
        seconds = time.monotonic() - begun
    go()
    assert seconds < PATIENCE / 2
    assert factory.live_version(world) == "0.1.2"


def test_several_workers_share_a_port_and_one_that_dies_is_replaced(
    postgresql_database: Callable[[str], str], postgresql_template: str, tmp_path: Path
) -> None:
    url = postgresql_database(postgresql_template)
    with closing(Registry.open(url)) as registry:
        told(registry)
        token = mint(registry, "reader", Scope.READ)
    with running(url, tmp_path, "--workers", "2") as server:
        parent = psutil.Process(server.process.pid)
        first = {child.pid for child in parent.children()}
        assert len(first) == 2
        assert server.get(PATH, token).status == 200
        os.kill(min(first), signal.SIGKILL)
        until(lambda: len({child.pid for child in parent.children()} - {min(first)}) == 2)
        until(lambda: server.get(PATH, token).status == 200)
        children = parent.children()
        assert server.end() == 0
        assert not any(child.is_running() for child in children)


def test_what_is_done_while_the_file_is_away_is_refused_and_not_lost(sqlite_template: Path, tmp_path: Path) -> None:
    path = Path(shutil.copy(sqlite_template, tmp_path / "registry.db"))
    with closing(Registry.open(str(path))) as registry:
        told(registry)
        token = mint(registry, "on-call", Scope.ROLLBACK)
    with running(f"sqlite:///{path}", tmp_path) as server:
        path.rename(tmp_path / "aside.db")
        until(lambda: server.get("/readyz").status == 503)
        change = {"Idempotency-Key": "away"}
        rollback = partial(server.ask, "POST", "/v1/channels/prod/rollback", token=token, headers=change)
        assert rollback(body={"apps": ["bot"]}).status == 503
        (tmp_path / "aside.db").rename(path)
        until(lambda: server.get("/readyz").status == 200)
        assert rollback(body={"apps": ["bot"]}).status == 200


def test_workers_end_when_told_to_at_any_moment_and_when_nobody_watches_them(
    sqlite_template: Path, tmp_path: Path
) -> None:
    path = shutil.copy(sqlite_template, tmp_path / "registry.db")
    with closing(Registry.open(str(path))) as registry:
        told(registry)
        mint(registry, "reader", Scope.READ)
    with running(f"sqlite:///{path}", tmp_path, "--workers", "2") as server:
        os.kill(psutil.Process(server.process.pid).children()[0].pid, signal.SIGKILL)
        until(lambda: "a worker died" in server.said())  # and before another one is there
        assert server.end() == 0
    with running(f"sqlite:///{path}", tmp_path, "--workers", "2") as server:
        workers = psutil.Process(server.process.pid).children()
        server.end(signal.SIGKILL)
        until(lambda: not any(worker.is_running() for worker in workers))


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_an_idle_connection_ends_after_the_time_that_the_operator_says(world: Registry, serve: Serve) -> None:
    with serve("--no-auth", "--keep-alive", "1s").connect() as line:
        line.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert read_reply(line).status == 200
        line.settimeout(PATIENCE)  # shorter than what an operator gets who says nothing
        assert line.recv(1) == b""
