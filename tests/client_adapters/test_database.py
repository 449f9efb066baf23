"""A client that reads a registry's database itself, on SQLite and PostgreSQL, while somebody else changes it."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from promptops import Client, Invalid, ReleaseNotFound, State
from promptops.client.sources.source import SourceAnswer, TellOutcomes
from promptops.client_adapters.database import Database
from promptops.core.model import Policy
from promptops.core.reference import parse_reference
from promptops.operations.quarantine import WithholdRequest, yank
from promptops.store import Registry
from promptops.wire.outcomes import encode
from tests.client.clients import InLoop, Maker, makers
from tests.client.waiting import until
from tests.support import factory
from tests.support.checkout import ROOT
from tests.support.reports import CALL, MINUTE, report, series


@pytest.fixture(params=[Client, InLoop], ids=["threads", "tasks"])
def client_of(request: pytest.FixtureRequest) -> Iterator[Maker]:
    with makers(request.param) as maker:
        yield maker


@pytest.fixture
def live(registry: Registry) -> Registry:
    """A registry with 0.1.0, 0.1.1 and 0.1.2 of `bot`, the last one live."""
    factory.make_channels(registry)
    for release in factory.make_releases(registry):
        factory.go_live(registry, f"bot@{release.version}")
    return registry


def promptops(url: str, *arguments: str) -> None:
    """The command line, in a process of its own."""
    environment = {**os.environ, "PROMPTOPS_REGISTRY": url, "PROMPTOPS_ACTOR": factory.ACTOR, "PROMPTOPS_SYNC": "off"}
    command = [sys.executable, "-m", "promptops", *arguments]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_a_rollback_in_another_process_is_followed(live: Registry, registry_url: str, client_of: Maker) -> None:
    client = client_of(registry_url)
    assert client.get_prompt("bot/answer").version == "0.1.2"
    promptops(registry_url, "rollback", "bot", "--channel", "prod", "--reason", "it lies")
    until(lambda: client.get_prompt("bot/answer").version == "0.1.1")
    assert client.get_prompt("bot/answer").render(name="Ada")[0]["content"] == "Hello Ada, take 1"
    assert client.get_prompt("bot/answer").revision == 4
    assert client.state is State.READY


def test_a_version_is_fetched_from_the_database(live: Registry, registry_url: str, client_of: Maker) -> None:
    client = client_of(registry_url, versions=["bot@0.1.0"])
    assert client.get_prompt("bot/answer", version="0.1.0").version == "0.1.0"
    with pytest.raises(ReleaseNotFound):
        client.fetch("bot@7.0.0")
    gone = WithholdRequest(reference=parse_reference("bot@0.1.0"), reason="it lies", key=factory.key())
    yank(live, gone, actor=factory.ACTOR, now=factory.minutes(1))
    until(lambda: client.refresh())
    assert client.get_prompt("bot/answer", version="0.1.0").version == "0.1.0"  # held is held


def test_a_channel_that_is_not_there_yet_is_followed_once_it_is(
    registry: Registry, registry_url: str, client_of: Maker
) -> None:
    client = client_of(registry_url, channel="staging", poll=0.3)
    assert client.state is State.COLD
    assert "staging" in client.status().problem
    factory.make_channels(registry, staging=Policy())
    factory.make_release(registry)
    factory.go_live(registry, "bot@0.1.0", "staging")
    until(lambda: client.state is State.READY and client.status().versions == {"bot": "0.1.0"})


def test_only_the_apps_that_are_wanted_are_held(live: Registry, registry_url: str, client_of: Maker) -> None:
    factory.make_release(live, factory.content("other"))
    factory.go_live(live, "other@0.1.0")
    client = client_of(registry_url, apps=["other"])
    assert client.status().versions == {"other": "0.1.0"}


def test_a_database_that_comes_later_is_found(client_of: Maker, tmp_path: Path, sqlite_template: Path) -> None:
    path = tmp_path / "later.db"
    client = client_of(f"sqlite:///{path}", poll=0.2)
    assert client.state is State.COLD
    assert str(path) in client.status().problem
    path.write_bytes(sqlite_template.read_bytes())
    registry = Registry.open(str(path))
    factory.make_channels(registry)
    factory.make_releases(registry)
    factory.go_live(registry, "bot@0.1.0")
    registry.close()
    until(lambda: client.state is State.READY)


def test_the_last_good_is_served_while_the_database_is_away(
    client_of: Maker, tmp_path: Path, sqlite_template: Path
) -> None:
    path = tmp_path / "registry.db"
    path.write_bytes(sqlite_template.read_bytes())
    live = Registry.open(str(path))
    factory.make_channels(live)
    factory.make_releases(live)
    factory.go_live(live, "bot@0.1.2")
    client = client_of(f"sqlite:///{path}", poll=0.2, cache_dir=tmp_path / "cache")
    until(lambda: list(tmp_path.glob("cache/*.lkg")))
    live.close()
    path.rename(tmp_path / "away.db")
    until(lambda: client.state is not State.READY)
    assert client.get_prompt("bot/answer").version == "0.1.2"
    with Client(f"sqlite:///{path}", channel="prod", cache_dir=tmp_path / "cache") as another:
        assert another.get_prompt("bot/answer").source == "disk"
    (tmp_path / "away.db").rename(path)
    until(lambda: client.state is State.READY)


def test_a_forked_child_follows_and_the_parent_goes_on(live: Registry, registry_url: str) -> None:
    program = """
import os, sys, time
from promptops import Client
client = Client(sys.argv[1], channel="prod", cache_dir=False, start_timeout=30.0)
assert client.get_prompt("bot/answer").version == "0.1.2"
child = os.fork()
os.write(1, b"ready\\n")  # both processes write to this pipe, and print may write a line in two pieces
end = time.monotonic() + 40
while client.get_prompt("bot/answer").version != "0.1.1" and time.monotonic() < end:
    time.sleep(0.005)
if child == 0:
    os._exit(0 if client.get_prompt("bot/answer").version == "0.1.1" else 1)
assert os.waitpid(child, 0)[1] == 0
assert client.get_prompt("bot/answer").version == "0.1.1"
client.close()
"""
    command = [sys.executable, "-c", program, registry_url]
    child = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert child.stdout is not None
    ready = [child.stdout.readline() for _ in ("parent", "child")]
    assert ready == ["ready\n", "ready\n"], child.communicate()[1]
    factory.go_back(live, "bot")
    _, errors = child.communicate(timeout=90)
    assert (child.returncode, errors) == (0, "")


def test_an_asyncio_client_leaves_its_loop_alone(live: Registry, registry_url: str) -> None:
    from promptops import AsyncClient

    async def work() -> tuple[str, float]:
        async with AsyncClient(registry_url, channel="prod", cache_dir=False, start_timeout=20.0) as client:
            version = client.get_prompt("bot/answer").version
            loop = asyncio.get_running_loop()
            before, ticks = loop.time(), 0
            while loop.time() - before < 0.3:
                await asyncio.sleep(0.005)
                ticks += 1
            return version, ticks

    version, ticks = asyncio.run(work())
    assert version == "0.1.2"
    assert ticks > 5


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "mysql://db/x"])
def test_what_is_no_registry_is_said_at_once(url: str) -> None:
    with pytest.raises(Invalid):
        Client(url, channel="prod")


def test_a_report_is_answered_with_the_tiers_of_its_models(live: Registry, registry_url: str) -> None:
    sums = {(series(model=model), MINUTE): CALL for model in ("openai/gpt-5.5", "acme/large", "")}
    place = Database(registry_url)
    try:
        answer = place.answer(TellOutcomes(channel="prod", body=encode(report(live.lineage, sums=sums))), 60.0)
    finally:
        place.close()
    assert isinstance(answer, SourceAnswer), answer
    rates = json.loads(answer.body)["rates"]
    assert [tier[0] for tier in rates.pop("openai/gpt-5.5")] == [0, 272_000]
    assert rates == {}
