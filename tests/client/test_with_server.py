"""The client and the server together, each in its own process, on both databases."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from promptops import AsyncClient, PromptRetired, ReleaseNotFound, State
from promptops.cli.output.advice import as_commands
from promptops.core.errors import NothingToRollBackTo
from promptops.core.token import Scope
from promptops.operations import heartbeats
from promptops.server.app import create_app
from promptops.server.settings import Settings
from promptops.store import Registry
from promptops.store.checks.checks import check_store
from tests.client.clients import RARELY, Maker
from tests.client.proxy import Fault, FaultProxy
from tests.client.waiting import until
from tests.server.conftest import mint, revoke
from tests.server.running import Running, inside, running
from tests.support import factory
from tests.support.checkout import ROOT


@pytest.fixture
def live(registry: Registry) -> Registry:
    factory.make_channels(registry)
    for release in factory.make_releases(registry):
        factory.go_live(registry, f"bot@{release.version}")
    return registry


@pytest.fixture
def reader(live: Registry) -> str:
    return mint(live, "reader", Scope.READ)


@pytest.fixture
def real(live: Registry, reader: str, registry_url: str, tmp_path: Path) -> Iterator[Running]:
    with running(registry_url, tmp_path) as started:
        yield started


@pytest.fixture
def served(live: Registry, reader: str, registry_url: str) -> Iterator[str]:
    """The address of a server in this process, which starts sooner, for what is asked and answered in peace."""
    with inside(create_app(Settings(registry=registry_url))) as talking:
        yield f"http://127.0.0.1:{talking.port}"


def promptops(url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PROMPTOPS_REGISTRY": url, "PROMPTOPS_ACTOR": factory.ACTOR, "PROMPTOPS_SYNC": "off"}
    command = [sys.executable, "-m", "promptops", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=90, check=True)


def test_a_rollback_is_followed_without_a_question_and_acknowledged(
    client_of: Maker, real: Running, reader: str, live: Registry, registry_url: str
) -> None:
    client = client_of(real.url, token=reader, name="checkout-7", poll=RARELY)
    assert client.get_prompt("bot/answer").version == "0.1.2"
    until(lambda: client.status().streaming)
    until(lambda: _known(live))
    promptops(registry_url, "rollback", "bot", "--channel", "prod", "--reason", "it lies", "--wait", "30")
    assert client.get_prompt("bot/answer").version == "0.1.1"
    assert client.get_prompt("bot/answer").render(name="Ada")[0]["content"] == "Hello Ada, take 1"
    assert client.status().polls == 1
    assert _known(live)["checkout-7"] == {"bot": 4}


def _known(registry: Registry) -> dict[str, dict[str, int]]:
    """What the registry knows of its clients."""
    from datetime import UTC, datetime

    found = heartbeats.clients(registry, "prod", now=datetime.now(UTC)).live
    return {each.beat.name: dict(each.beat.revisions) for each in found}


def test_an_asyncio_client_that_is_closed_and_started_again_is_listed_again(
    served: str, reader: str, live: Registry
) -> None:
    client = AsyncClient(served, channel="prod", token=reader, name="worker", cache_dir=False, start_timeout=20.0)

    async def use() -> None:
        async with client:
            while "worker" not in _known(live):
                await asyncio.sleep(0.02)

    for _ in range(2):
        asyncio.run(asyncio.wait_for(use(), 60))
        until(lambda: "worker" not in _known(live))


def test_a_server_that_is_killed_and_comes_back_is_found_again(
    client_of: Maker, real: Running, reader: str, live: Registry, registry_url: str, tmp_path: Path
) -> None:
    client = client_of(real.url, token=reader, poll=0.5)
    port = real.url.rpartition(":")[2]
    real.process.kill()
    real.process.wait()
    until(lambda: client.state is not State.READY)
    assert client.get_prompt("bot/answer").version == "0.1.2"
    factory.go_back(live, "bot")
    with running(registry_url, tmp_path, "--port", port):
        until(lambda: client.state is State.READY)
        until(lambda: client.get_prompt("bot/answer").version == "0.1.1")


def test_whatever_lies_between_client_and_server_is_survived(
    threaded: Maker, real: Running, reader: str, live: Registry
) -> None:
    with FaultProxy(int(real.url.rpartition(":")[2])) as proxy:
        client = threaded(proxy.url, token=reader, poll=0.3, timeout=1.0)
        for number, fault in enumerate(fault for fault in Fault if fault is not Fault.NONE):
            before = client.get_prompt("bot/answer").revision
            until(lambda: client.status().streaming)
            proxy.set(fault)
            factory.go_live(live, f"bot@0.1.{number % 2}")
            client.refresh(15.0)
            assert client.get_prompt("bot/answer").revision in (before, before + 1), fault
            until(lambda: client.status().failures > 0)
            proxy.set(Fault.NONE)
            until(lambda: client.state is State.READY)
            until(lambda: client.get_prompt("bot/answer").version == f"0.1.{number % 2}")  # noqa: B023 called at once
            assert client.get_prompt("bot/answer").revision == before + 1


def test_a_token_that_ends_takes_no_prompt_away(client_of: Maker, real: Running, reader: str, live: Registry) -> None:
    client = client_of(real.url, token=reader, poll=0.2)
    revoke(live, "reader")
    until(lambda: "401" in client.status().problem)
    assert client.state is not State.READY
    assert client.get_prompt("bot/answer").version == "0.1.2"


def test_without_a_token_there_is_nothing(client_of: Maker, served: str) -> None:
    for token in ("", "pops_rt_nonsense"):
        client = client_of(served, token=token)
        assert client.state is State.COLD
        assert "401" in client.status().problem


def test_a_version_is_fetched_from_the_server(client_of: Maker, served: str, reader: str) -> None:
    client = client_of(served, token=reader, versions=["bot@0.1.0"])
    assert client.get_prompt("bot/answer", version="0.1.0").version == "0.1.0"
    with pytest.raises(ReleaseNotFound):
        client.fetch("bot@7.0.0")


def test_an_app_that_is_new_on_the_channel_is_followed(
    client_of: Maker, served: str, reader: str, live: Registry
) -> None:
    client = client_of(served, token=reader, apps=["bot", "other"])
    until(lambda: client.status().streaming)
    factory.make_releases(live, "other", 1)
    factory.go_live(live, "other@0.1.0")
    until(lambda: client.get_prompt("other/answer", fallback="x").version == "0.1.0")
    assert client.status().versions == {"bot": "0.1.2", "other": "0.1.0"}


def test_an_export_is_followed_as_a_folder(client_of: Maker, live: Registry, registry_url: str, tmp_path: Path) -> None:
    folder = tmp_path / "export"
    promptops(registry_url, "export-snapshot", "--channel", "prod", str(folder))
    client = client_of(f"file:{folder}")
    assert client.get_prompt("bot/answer").version == "0.1.2"
    promptops(registry_url, "rollback", "bot", "--channel", "prod", "--reason", "it lies")
    promptops(registry_url, "export-snapshot", "--channel", "prod", str(folder))
    until(lambda: client.get_prompt("bot/answer").version == "0.1.1")


def test_an_export_is_a_bundle(client_of: Maker, live: Registry, registry_url: str, tmp_path: Path) -> None:
    folder = tmp_path / "export"
    promptops(registry_url, "export-snapshot", "--channel", "prod", str(folder))
    client = client_of("http://127.0.0.1:1", bundle=folder)
    assert client.get_prompt("bot/answer").source == "bundle"


def test_a_bad_first_release_is_taken_off_and_the_application_answers_with_its_fallback(
    client_of: Maker, served: str, live: Registry, registry_url: str
) -> None:
    """Done by the command that the refusal of a rollback names."""
    factory.make_release(live, factory.content("faq"))
    factory.go_live(live, "faq@0.1.0")
    both = mint(live, "both", Scope.READ)
    client = client_of(served, token=both, poll=RARELY)
    until(lambda: client.status().streaming)
    assert client.get_prompt("faq/answer").version == "0.1.0"
    with pytest.raises(NothingToRollBackTo) as refused:
        factory.go_back(live, "faq")
    words = as_commands(refused.value.hint).partition("promptops ")[2].partition(";")[0].split()
    promptops(registry_url, *("it lies" if word == "…" else word for word in words))
    until(lambda: client.status().revisions["faq"] == 2)
    with pytest.raises(PromptRetired):
        client.get_prompt("faq/answer")
    assert client.get_prompt("faq/answer", fallback="Sorry.").render() == [{"role": "user", "content": "Sorry."}]
    assert client.get_prompt("bot/answer").version == "0.1.2"
    assert check_store(live) == ()
