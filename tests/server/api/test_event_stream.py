"""Streams: every change arrives, whoever made it and wherever; what was missed is made up for."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from starlette.types import Message

from promptops.core.errors import RegistryDamaged, RegistryUnavailable, Unavailable
from promptops.core.model import ReleaseRef
from promptops.core.snapshot import Pointer, Snapshot
from promptops.core.token import Scope, Token, secret_digest
from promptops.operations import snapshots
from promptops.server.api.event_stream import Stream
from promptops.server.app import create_app
from promptops.server.http.call import Call
from promptops.server.http.protocol import UNREAD
from promptops.server.live.access import Access, Tokens
from promptops.server.live.feed import EVERYTHING, Selection, Served, mark_of
from promptops.server.settings import Limits, Settings
from promptops.store import Registry, create
from promptops.wire.snapshot import decode
from tests.conftest import ACTOR, CREATED
from tests.harness.faults.worlds import PostgreSQL
from tests.server.conftest import Place, Serve, mint, revoke, told
from tests.server.running import PATIENCE, Talking, environment, running, until
from tests.support import factory

EVENTS = "/v1/channels/prod/events"


class Follower:
    """Somebody who reads a stream."""

    def __init__(self, connection: HTTPConnection) -> None:
        self._answer = connection.getresponse()
        self.status = self._answer.status
        self.headers = {name.lower(): value for name, value in self._answer.getheaders()}

    def lines(self) -> list[str]:
        """The next block of lines; none at the end of the stream."""
        found: list[str] = []
        while line := self._answer.readline():
            if line == b"\n":
                return found
            found.append(line.decode().rstrip("\n"))
        return []

    def event(self) -> tuple[str, Snapshot]:
        """The id of the next event, and what it says. Comments are passed over."""
        while True:
            block = self.lines()
            assert block, "the stream ended"
            fields = dict(line.split(": ", 1) for line in block if not line.startswith(":"))
            if "data" in fields:
                assert fields["event"] == "change"
                return fields["id"], decode(fields["data"].encode())

    def ended(self) -> bool:
        """Read on until the end."""
        while self.lines():
            pass
        return True


@contextmanager
def following(server: Talking, token: str, query: str = "", last: str = "") -> Iterator[Follower]:
    """A stream of prod, from its beginning."""
    connection = HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
    headers = {"Authorization": f"Bearer {token}"} | ({"Last-Event-ID": last} if last else {})
    connection.request("GET", f"{EVENTS}{query}", headers=headers)
    with closing(connection):
        yield Follower(connection)


def command(url: str, folder: Path, *arguments: str) -> None:
    """One command line, in a process of its own, as somebody would type it."""
    subprocess.run(
        [sys.executable, "-m", "promptops", *arguments],
        cwd=folder,
        env={**environment(url), "PROMPTOPS_ACTOR": factory.ACTOR, "PROMPTOPS_SYNC": "off"},
        check=True,
        capture_output=True,
        timeout=PATIENCE,
    )


def test_the_first_event_has_everything_and_the_next_ones_what_changed(place: Place, tmp_path: Path) -> None:
    with following(place.server, place.reader) as stream:
        assert (stream.status, stream.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
        assert (stream.headers["x-accel-buffering"], stream.headers["cache-control"]) == ("no", "no-cache")
        first = stream.lines()
        assert first[0] == "retry: 1000"
        everything = decode(first[3].removeprefix("data: ").encode())
        assert everything.partial
        assert everything.apps == snapshots.snapshot(place.registry, "prod").apps
        command(place.url, tmp_path, "rollback", "bot", "--channel", "prod")
        mark, change = stream.event()
        now = snapshots.snapshot(place.registry, "prod")
        assert (mark, change.partial, change.apps) == (mark_of(now), True, {"bot": now.apps["bot"]})
        factory.go_live(place.registry, "bot@0.1.0", now=factory.minutes(20))
        assert list(stream.event()[1].apps) == ["bot"]


def test_who_comes_back_is_told_what_changed_meanwhile(place: Place) -> None:
    with following(place.server, place.reader) as stream:
        mark, _ = stream.event()
    with following(place.server, place.reader, last=mark) as stream:
        again, nothing = stream.event()
        assert (again, nothing.apps) == (mark, {})
    stable = snapshots.snapshot(place.registry, "prod").apps["bot"].version
    factory.go_live(place.registry, "bot@0.1.0" if stable == "0.1.1" else "bot@0.1.1", now=factory.minutes(30))
    now = snapshots.snapshot(place.registry, "prod")
    until(lambda: place.server.get("/v1/channels/prod/snapshot", place.reader).json["cursor"] == now.cursor)
    with following(place.server, place.reader, last=mark) as stream:
        assert stream.event()[1].apps == {"bot": now.apps["bot"]}
    for unknown in ("42", "x" * 500, mark.replace(".1.", ".2."), "-1", "another.1.1"):
        with following(place.server, place.reader, last=unknown) as stream:
            assert stream.event()[1].apps == now.apps


def test_only_what_was_asked_for_and_may_be_seen_is_told(place: Place) -> None:
    limited = mint(place.registry, "limited", Scope.READ, apps=("other",))
    with following(place.server, limited) as stream, following(place.server, place.reader, "?app=other") as asked:
        assert list(stream.event()[1].apps) == list(asked.event()[1].apps) == ["other"]
        stable = snapshots.snapshot(place.registry, "prod").apps["bot"].version
        factory.go_live(place.registry, "bot@0.1.0" if stable == "0.1.1" else "bot@0.1.1", now=factory.minutes(40))
        factory.make_release(place.registry, factory.content("other", f"Hello {{{{name}}}}, {stable} again"))
        with place.registry.read() as reader:
            newest = reader.newest_release("other")
        assert newest is not None
        factory.go_live(place.registry, f"other@{newest.version}", now=factory.minutes(41))
        for each in (stream, asked):
            _, change = each.event()
            assert list(change.apps) == ["other"]
            assert change.apps["other"].version == newest.version


def test_a_stream_ends_with_its_token_and_with_none_there_is_no_stream(place: Place) -> None:
    token = mint(place.registry, "leaver", Scope.READ)
    with following(place.server, token) as stream:
        stream.event()
        revoke(place.registry, "leaver")
        assert stream.ended()
    with following(place.server, token) as stream:
        assert stream.status == 401


def test_who_asks_for_the_head_of_a_stream_is_not_kept(place: Place) -> None:
    found = place.server.ask("HEAD", EVENTS, token=place.reader)
    assert (found.status, found.body) == (200, b"")


def test_two_servers_on_one_postgresql_tell_the_same(
    postgresql_database: Callable[[str], str], postgresql_template: str, tmp_path: Path
) -> None:
    url = postgresql_database(postgresql_template)
    with closing(Registry.open(url)) as registry:
        told(registry)
        token = mint(registry, "reader", Scope.READ)
        with (
            running(url, tmp_path) as one,
            running(url, tmp_path) as two,
            following(one, token) as first,
            following(two, token) as second,
        ):
            assert first.event() == second.event()
            for round_ in range(5):
                factory.go_live(registry, f"bot@0.1.{round_ % 2}", now=factory.minutes(50 + round_))
                assert first.event() == second.event()


@pytest.fixture
def postgresql(postgresql_server: str) -> Iterator[PostgreSQL]:
    """A server of this test's own, to be ended and started."""
    with tempfile.TemporaryDirectory(prefix="promptops-serving-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)
        started = PostgreSQL(Path(name))
        yield started
        started.stop()


def test_readiness_and_the_log_say_how_changes_come(
    world: Registry, reader: str, serve: Serve, request: pytest.FixtureRequest
) -> None:
    server = serve()
    way, said = {
        "sqlite": ("file", "changes are seen in the registry's file"),
        "pgbouncer-transaction": ("poll", "LISTEN is not delivered"),
    }.get(request.node.callspec.params["database"], ("notify", "the database announces changes"))
    assert server.get("/readyz").json["changes"] == way
    assert said in server.said()


def test_a_stream_outlives_a_restart_of_postgresql(postgresql: PostgreSQL, tmp_path: Path) -> None:
    url = postgresql.new(tmp_path)
    create(url, name="test", now=CREATED, actor=ACTOR)
    with closing(Registry.open(url)) as registry:
        told(registry)
        token = mint(registry, "reader", Scope.READ)
        with running(url, tmp_path) as server, following(server, token) as stream:
            stream.event()
            postgresql.restart("fast")
            until(lambda: _live(registry, "bot@0.1.0"))
            assert stream.event()[1].apps["bot"].version == "0.1.0"
            until(lambda: server.get("/readyz").status == 200)


def _live(registry: Registry, reference: str) -> bool:
    with suppress(Unavailable):
        factory.go_live(registry, reference, now=factory.minutes(60))
        return True
    return False


def test_a_registry_that_was_restored_is_told_as_a_whole(sqlite_template: Path, tmp_path: Path) -> None:
    path, backup = tmp_path / "registry.db", tmp_path / "backup"
    shutil.copy(sqlite_template, path)
    url = f"sqlite:///{path}"
    with closing(Registry.open(url)) as registry:
        told(registry)
        token = mint(registry, "reader", Scope.READ)
        before = snapshots.snapshot(registry, "prod")
    command(url, tmp_path, "db", "backup", str(backup))
    with closing(Registry.open(url)) as registry:
        factory.go_live(registry, "bot@0.1.0", now=factory.minutes(70))
    with running(url, tmp_path) as server, following(server, token) as stream:
        mark, _ = stream.event()
        for file in tmp_path.glob("registry.db*"):
            file.rename(tmp_path / f"lost-{file.name}")
        command(url, tmp_path, "db", "restore", str(backup))
        _, change = stream.event()
        assert change.epoch == before.epoch + 1
        assert change.apps == before.apps
        with following(server, token, last=mark) as again:
            assert again.event()[1] == change


# --- without a network ----------------------------------------------------------------------------------


def pointer(revision: int, digest: str = "a") -> Pointer:
    return Pointer(revision=revision, stable=ReleaseRef(version="1.0.0", digest=f"sha256:{digest * 64}"))


def snapshot(cursor: int, epoch: int = 1, **apps: Pointer) -> Snapshot:
    return Snapshot(registry="r", lineage="l", epoch=epoch, channel="prod", cursor=cursor, apps=apps)


def test_what_changed_is_told_from_any_older_snapshot_and_of_another_counting_all() -> None:
    one, two = snapshot(1, a=pointer(1), b=pointer(1)), snapshot(2, a=pointer(2), b=pointer(1))
    served = Served(two)

    def apps(since: Snapshot | None, selection: Selection = EVERYTHING) -> tuple[list[str], bool]:
        data, something = served.event(since, selection)
        return sorted(decode(data).apps), something

    assert apps(None) == (["a", "b"], True)
    assert apps(one) == (["a"], True)
    assert apps(two) == ([], False)
    assert apps(one, Selection(("b",))) == ([], False)
    assert apps(one, Selection(("*",), frozenset({"a", "x"}))) == (["a"], True)
    assert apps(snapshot(9, epoch=2, b=pointer(1))) == (["a", "b"], True)
    assert apps(snapshot(9, epoch=2), Selection(("x",))) == ([], True)


def test_selections_are_kept_as_bytes_up_to_a_number() -> None:
    served = Served(replace(snapshot(1), apps={f"a{n}": pointer(n + 1) for n in range(100)}))
    for number in range(1000):
        body, digest = served.view(Selection(("*",), frozenset({f"a{number % 100}", f"x{number}"})))
        assert list(decode(body).apps) == [f"a{number % 100}"]
        assert json.loads(body)["digest"] == digest
    assert len(served._views) <= 64
    assert served.view() == Served(served.snapshot).view()


def test_a_stream_that_nobody_reads_is_counted_when_it_is_cut(lasting: Registry) -> None:
    async def main() -> None:
        app = create_app(Settings(registry=f"sqlite:///{lasting.url}"))
        await app.state.open()
        try:
            await app.state.channel("prod")
            call = Call(
                state=app.state, access=Access(None), method="GET", path={"channel": "prod"}, query={}, headers={}
            )
            scope: dict[str, Any] = {"type": "http"}
            closed = asyncio.Event()

            async def receive() -> Message:
                await closed.wait()
                return {"type": "http.disconnect"}

            async def send(message: Message) -> None:
                if message["type"] == "http.response.body":
                    scope[UNREAD] = True
                    closed.set()

            await asyncio.wait_for(Stream(call, EVERYTHING)(scope, receive, send), PATIENCE)
            assert b"promptops_streams_dropped_total 1.0" in app.state.metrics.page()
            assert app.state.feed.following == 0
        finally:
            await app.state.close()

    asyncio.run(main())


def test_a_stream_is_kept_alive_while_the_registry_is_away_and_tells_nothing(lasting: Registry, admin: str) -> None:
    async def away(_digests: Sequence[str]) -> Mapping[str, Token | RegistryDamaged | None]:
        raise RegistryUnavailable("it is away")

    async def main() -> None:
        app = create_app(Settings(registry=f"sqlite:///{lasting.url}", limits=Limits(ping=0.0)))
        await app.state.open()
        try:
            digest = secret_digest(admin)
            token = await app.state.tokens.of(digest, datetime.now(UTC))
            app.state.tokens = Tokens(away)
            await app.state.channel("prod")
            call = Call(
                state=app.state,
                access=Access(token, digest),
                method="GET",
                path={"channel": "prod"},
                query={},
                headers={},
            )
            told: list[bytes] = []
            left = asyncio.Event()

            async def receive() -> Message:
                await left.wait()
                return {"type": "http.disconnect"}

            async def send(message: Message) -> None:
                told.append(message.get("body", b""))
                if len(told) == 4:
                    left.set()

            await asyncio.wait_for(Stream(call, EVERYTHING)({"type": "http"}, receive, send), PATIENCE)
            assert told[2:4] == [b": ping\n\n"] * 2
        finally:
            await app.state.close()

    asyncio.run(main())
