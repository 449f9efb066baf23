"""Conversations in an application: with a server, the registry's database and files, in threads and in tasks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from promptops import Client, Prompt
from promptops.client.prompt import Reason
from promptops.client.state import conversations
from promptops.core.hold import read_hold
from promptops.core.outcomes.call_outcome import Count
from promptops.core.outcomes.series import Arm
from promptops.core.outcomes.sums import Sums
from promptops.core.reference import parse_reference
from promptops.core.snapshot import Snapshot
from promptops.core.token import Scope
from promptops.operations import export_snapshot, snapshots
from promptops.operations.canary import StartRequest, start
from promptops.server.app import create_app
from promptops.server.settings import Settings
from promptops.store import Registry
from tests.client import made
from tests.client.calls.said import LINEAGE, answer, serve
from tests.client.clients import RARELY, AnyClient, Maker
from tests.client.fake_server import SECRET, FakeServer
from tests.client.waiting import until
from tests.server.conftest import mint
from tests.server.running import inside
from tests.support import factory


def held(client: AnyClient, hold: str) -> Prompt:
    return client.get_prompt("bot/answer", hold=hold)


# --- each source ----------------------------------------------------------------------------------------


class Registered:
    """A registry with releases 0.1.0 and on of `bot`, the first one live, and how its clients learn of a change."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.told: Callable[[], object] = lambda: None
        factory.make_channels(registry)
        factory.make_releases(registry, "bot", 5)
        factory.go_live(registry, "bot@0.1.0")

    def change(self, work: Callable[[], object]) -> None:
        work()
        self.told()


class Exported:
    """What an export reads of a registry."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def snapshot(self, channel: str) -> Snapshot:
        return snapshots.snapshot(self._registry, channel)

    def contents(self, digests: object) -> dict[str, bytes]:
        found = snapshots.contents(self._registry, digests)  # type: ignore[arg-type]
        return {digest: stored.content for digest, stored in found.items()}


@pytest.fixture(params=["server", "database", "files"])
def source(
    request: pytest.FixtureRequest, registry: Registry, registry_url: str, tmp_path: Path
) -> Iterator[tuple[Registered, str, str]]:
    """A registry, where its clients read it, and their token."""
    live = Registered(registry)
    if request.param == "server":
        with inside(create_app(Settings(registry=registry_url))) as talking:
            yield live, f"http://127.0.0.1:{talking.port}", mint(registry, "app", Scope.READ)
    elif request.param == "database":
        yield live, registry_url, ""
    else:
        live.told = lambda: export_snapshot.export(Exported(registry), "prod", tmp_path / "out")
        live.told()
        yield live, f"file:{tmp_path / 'out'}", ""


def test_a_conversation_stays_through_promotions_and_not_through_a_rollback(
    client_of: Maker, source: tuple[Registered, str, str]
) -> None:
    live, url, token = source
    client = client_of(url, poll=0.2, token=token) if token else client_of(url, poll=0.2)
    first = client.get_prompt("bot/answer")
    hold = first.hold
    assert (first.version, first.reason) == ("0.1.0", Reason.STATIC)
    for version in ("0.1.1", "0.1.2", "0.1.3"):
        live.change(lambda v=version: factory.go_live(live.registry, f"bot@{v}"))  # type: ignore[misc]
        until(lambda v=version: client.get_prompt("bot/answer").version == v)  # type: ignore[misc]
        assert (held(client, hold).version, held(client, hold).reason) == ("0.1.0", Reason.HELD)
    newer = client.get_prompt("bot/answer").hold
    live.change(lambda: factory.go_back(live.registry, "bot"))
    until(lambda: client.get_prompt("bot/answer").version == "0.1.2")
    assert (held(client, newer).version, held(client, newer).reason) == ("0.1.2", Reason.STATIC)
    assert held(client, hold).reason is Reason.HELD


def test_a_process_that_does_not_hold_the_release_fetches_it(
    client_of: Maker, source: tuple[Registered, str, str]
) -> None:
    live, url, token = source
    more = {"token": token} if token else {}
    client = client_of(url, poll=0.2, **more)
    hold = client.get_prompt("bot/answer").hold
    for version in ("0.1.1", "0.1.2"):
        live.change(lambda v=version: factory.go_live(live.registry, f"bot@{v}"))  # type: ignore[misc]
    until(lambda: client.get_prompt("bot/answer").version == "0.1.2")
    other = client_of(url, poll=RARELY, start_timeout=30.0, **more)
    found = held(other, hold)
    assert (found.version, found.reason, found.hold) == ("0.1.2", Reason.HELD_MISSING, hold)
    until(lambda: held(other, hold).reason is Reason.HELD)
    assert held(other, hold).version == "0.1.0"
    assert other.status().problem == ""


def test_a_conversation_on_stable_stays_there_while_a_canary_starts(
    client_of: Maker, registry: Registry, registry_url: str
) -> None:
    live = Registered(registry)
    client = client_of(registry_url, poll=0.2)
    hold = client.get_prompt("bot/answer", key="ada").hold
    request = StartRequest(reference=parse_reference("bot@0.1.1"), channel="prod", weight=9_999, key="one")
    start(live.registry, request, actor=factory.ACTOR, now=factory.START)
    until(lambda: client.get_prompt("bot/answer", key="ada").reason is Reason.SPLIT)
    found = client.get_prompt("bot/answer", key="ada", hold=hold)
    assert (found.version, found.reason, found.revision) == ("0.1.0", Reason.HELD, 1)
    with client.call("bot/answer", key="ada") as keyed, client.call("bot/answer") as drawn:
        assert (keyed.prompt.sticky, drawn.prompt.sticky) == (True, False)
    with client.call("bot/answer", hold=hold) as talk:
        assert talk.prompt.sticky


# --- what a process does ----------------------------------------------------------------------------------


def test_what_was_kept_for_a_conversation_is_there_after_a_restart_without_a_network(
    client_of: Maker, server: FakeServer, tmp_path: Path
) -> None:
    client = client_of(server.url, cache_dir=tmp_path, poll=RARELY)
    hold = client.get_prompt("bot/answer").hold
    for number in (2, 3):
        server.serve(made.served(number, f"1.{number}.0"))
        until(lambda n=number: client.get_prompt("bot/answer").version == f"1.{n}.0")  # type: ignore[misc]
    client.close()
    server.stop()
    again = client_of(server.url, cache_dir=tmp_path, start_timeout=0.1)
    found = held(again, hold)
    assert (found.version, found.reason) == ("1.0.0", Reason.HELD)


def test_a_release_that_the_registry_does_not_have_is_asked_for_once_in_a_while(
    client_of: Maker, server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversations, "AGAIN", 1e9)
    client = client_of(server.url, heartbeat=False, poll=RARELY)
    hold = client.get_prompt("bot/answer").hold.rpartition(":")[0] + ":" + "A" * 43
    assert read_hold(hold) is not None
    assert held(client, hold).reason is Reason.HELD_MISSING
    until(lambda: "releases" in server.kinds()[2:])
    asked = server.kinds().count("releases")
    for _ in range(100):
        found = held(client, hold)
    assert (found.version, found.reason) == ("1.0.0", Reason.HELD_MISSING)
    assert server.kinds().count("releases") - asked <= 1, "one request may still have been on its way"


def test_a_fallback_keeps_the_hold_of_the_conversation(client_of: Maker, server: FakeServer, tmp_path: Path) -> None:
    hold = client_of(server.url).get_prompt("bot/answer").hold
    client = client_of("file:" + str(tmp_path / "nowhere"), start_timeout=0.1)
    assert client.get_prompt("bot/answer", hold=hold, fallback="hi").hold == hold
    assert client.get_prompt("bot/answer", fallback="hi").hold == ""


@pytest.mark.parametrize("hold", ["", "ph1:", "nonsense", 7, [], {}, b"ph1", "\ud800" * 100])
def test_no_hold_breaks_a_call(client_of: Maker, server: FakeServer, hold: Any) -> None:
    client = client_of(server.url)
    assert client.get_prompt("bot/answer", hold=hold).version == "1.0.0"
    assert client.release("bot", hold=hold).version == "1.0.0"
    with client.call("bot/answer", hold=hold) as call:
        call.record(answer())


def test_a_call_of_a_conversation_is_reported_with_the_revision_that_it_began_at(
    threaded: Maker, server: FakeServer
) -> None:
    one, two = made.release("bot", "1.0.0"), made.release("bot", "2.0.0")
    serve(server, made.pointer(17, one))
    client = threaded(server.url)
    assert isinstance(client, Client)
    until(lambda: client._own.desk.secret_of(LINEAGE) == SECRET)
    hold = client.get_prompt("bot/answer").hold
    serve(server, made.pointer(18, two, last_good=one), cursor=2)
    until(lambda: client.get_prompt("bot/answer").version == "2.0.0")
    for key, kept in ((None, hold), ("ada", hold), ("ada", None)):
        with client.call("bot/answer", key=key, hold=kept) as call:
            call.record(answer())
    client.close(60.0)
    sums: dict[tuple[int, Arm], Sums] = {}
    for report in server.reports():
        for (series, _), found in report.sums.items():
            place = (series.assignment.revision, series.assignment.arm)
            sums[place] = sums[place].merged(found) if place in sums else found
    assert {place: (each[Count.CALLS], each[Count.HELD]) for place, each in sums.items()} == {
        (17, Arm.STABLE): (2, 2),
        (18, Arm.STABLE): (1, 0),
    }
    assert sums[17, Arm.STABLE][Count.NO_UNIT] == 1
