"""Versions, fixed versions and override files: what goes before the channel."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from promptops import AppNotFound, Client, Invalid, PromptUnavailable, ReleaseNotFound, State
from promptops.client import settings
from tests.client import made
from tests.client.clients import Maker
from tests.client.fake_server import FakeServer
from tests.client.waiting import until


def test_a_version_is_fetched_once_and_held_from_then_on(client_of: Maker, server: FakeServer) -> None:
    server.versions["bot", "0.7.0"] = made.release("bot", "0.7.0").digest
    client = client_of(server.url)
    assert client.fetch("bot@0.7.0").prompt("answer").version == "0.7.0"
    server.serve(made.served(2, "2.0.0"))
    until(lambda: client.get_prompt("bot/answer").version == "2.0.0")
    server.stop()
    assert client.fetch("bot@0.7.0").version == "0.7.0"
    assert client.get_prompt("bot/answer", version="0.7.0").variant == "fixed"
    with pytest.raises(PromptUnavailable):
        client.fetch("bot@0.6.0")


@pytest.mark.parametrize("reference", ["bot", "bot:prod", "bot@sha256:0123456789", "", "a@1.0.0 b@1.0.0"])
def test_only_a_version_is_fetched(client_of: Maker, server: FakeServer, reference: str) -> None:
    client = client_of(server.url)
    with pytest.raises(Invalid):
        client.fetch(reference)


def test_a_version_that_is_not_there_is_an_error(client_of: Maker, server: FakeServer) -> None:
    client = client_of(server.url)
    with pytest.raises(ReleaseNotFound):
        client.fetch("bot@0.6.0")


def test_versions_that_are_wanted_are_held_from_the_start(client_of: Maker, server: FakeServer) -> None:
    server.versions["bot", "0.7.0"] = made.release("bot", "0.7.0").digest
    client = client_of(server.url, versions=["bot@0.7.0", "bot@0.6.0"])
    assert client.get_prompt("bot/answer", version="0.7.0").version == "0.7.0"
    assert client.get_prompt("bot/answer").version == "1.0.0"
    assert "bot@0.6.0" in client.status().problem
    assert client.state is State.READY


def test_a_fixed_version_goes_before_the_channel_and_survives_the_process(
    client_of: Maker, server: FakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.versions["bot", "0.7.0"] = made.release("bot", "0.7.0").digest
    monkeypatch.setenv("PROMPTOPS_VERSION", "bot@0.7.0")
    with Client(server.url, channel="prod", cache_dir=tmp_path, start_timeout=20.0) as first:
        assert first.get_prompt("bot/answer").version == "0.7.0"
        server.serve(made.served(2, "2.0.0"))
        until(lambda: first.status().revisions == {"bot": 2})
        assert first.get_prompt("bot/answer").version == "0.7.0"
        until(lambda: server.beats() and server.beats()[-1]["revisions"] == {})
        until(lambda: first._followers["prod"].last_good.unsaved is False)
    server.stop()
    second = client_of(server.url, cache_dir=tmp_path)
    assert second.get_prompt("bot/answer").version == "0.7.0"
    assert second.get_prompt("bot/answer").source == "disk"


@pytest.mark.parametrize("how", ["fixed", "versions", "fetch"])
def test_what_is_asked_for_by_name_while_the_channel_serves_it_stays_when_the_channel_goes_on(
    client_of: Maker, server: FakeServer, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    if how == "fixed":
        monkeypatch.setenv("PROMPTOPS_VERSION", "bot@1.0.0")
    client = client_of(server.url, versions=["bot@1.0.0"] if how == "versions" else ())
    if how == "fetch":
        client.fetch("bot@1.0.0")
    until(lambda: client.status().streaming)
    for revision, version in ((2, "2.0.0"), (3, "3.0.0")):
        server.serve(made.served(revision, version))
        until(lambda revision=revision: client.status().revisions == {"bot": revision})  # type: ignore[misc]
    found = client.get_prompt("bot/answer", version=None if how == "fixed" else "1.0.0")
    assert (found.version, found.variant) == ("1.0.0", "fixed")


def test_a_version_of_an_app_that_is_not_on_the_channel_is_held_too(client_of: Maker, server: FakeServer) -> None:
    for app in ("early", "late"):
        server.versions[app, "1.0.0"] = made.release(app, "1.0.0").digest
    client = client_of(server.url, versions=["early@1.0.0"])
    assert client.get_prompt("early/answer", version="1.0.0").variant == "fixed"
    assert client.fetch("late@1.0.0").prompt("answer").revision == 0
    with pytest.raises(AppNotFound):
        client.get_prompt("late/answer")


def test_a_version_is_fetched_from_the_next_place_where_the_first_one_hangs(
    client_of: Maker, server: FakeServer
) -> None:
    server.versions["bot", "0.7.0"] = made.release("bot", "0.7.0").digest
    with socket.create_server(("127.0.0.1", 0)) as silent:
        client = client_of([f"http://127.0.0.1:{silent.getsockname()[1]}", server.url], timeout=4.0)
        assert client.fetch("bot@0.7.0").version == "0.7.0"


def test_an_app_is_fixed_at_one_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMPTOPS_VERSION", "bot@1.0.0, bot@1.0.0")
    assert [fixed.version for fixed in settings.fixed_versions()] == ["1.0.0"]
    for wrong in ("bot@1.0.0,bot@2.0.0", "bot/answer@1.0.0", "bot:prod"):
        monkeypatch.setenv("PROMPTOPS_VERSION", wrong)
        with pytest.raises(Invalid, match="PROMPTOPS_VERSION"):
            Client("file:/nowhere", channel="prod")


def test_the_earlier_name_of_the_variable_is_read_where_the_new_one_is_not_set(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("PROMPTOPS_PIN", "bot@1.0.0")
    assert [str(fixed) for fixed in settings.fixed_versions()] == ["bot@1.0.0"]
    assert not caplog.records
    monkeypatch.setenv("PROMPTOPS_VERSION", "bot@2.0.0")
    assert [str(fixed) for fixed in settings.fixed_versions()] == ["bot@2.0.0"]
    assert [record.__dict__["event"] for record in caplog.records] == ["setting-ignored"]


def test_a_fixed_version_that_cannot_be_had_is_not_replaced_by_something_else(
    client_of: Maker, server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMPTOPS_VERSION", "bot@0.6.0")
    client = client_of(server.url)
    with pytest.raises(PromptUnavailable, match="fixed"):
        client.get_prompt("bot/answer")
    assert client.get_prompt("bot/answer", fallback="x").source == "fallback"


def test_an_override_file_goes_before_everything_from_the_moment_it_is_there(
    client_of: Maker, server: FakeServer, tmp_path: Path
) -> None:
    folder = tmp_path / "glass"
    folder.mkdir()
    client = client_of(server.url, override=folder)
    assert client.get_prompt("bot/answer").source == "server"
    path = made.lay_override(folder, "0.5.0")
    until(lambda: client.get_prompt("bot/answer").version == "0.5.0")
    assert client.get_prompt("bot/answer").source == "override"
    assert client.status().overridden == {"bot": "0.5.0"}
    server.serve(made.served(2, "2.0.0"))
    until(lambda: client.status().revisions == {"bot": 2})
    assert client.get_prompt("bot/answer").version == "0.5.0"
    until(lambda: server.beats()[-1]["revisions"] == {})
    path.unlink()
    until(lambda: client.get_prompt("bot/answer").version == "2.0.0")


def test_an_override_file_is_served_where_nothing_else_can_be(
    client_of: Maker, server: FakeServer, tmp_path: Path
) -> None:
    server.stop()
    made.lay_override(tmp_path / "glass", "0.5.0")
    client = client_of(server.url, override=tmp_path / "glass")
    assert client.get_prompt("bot/answer").version == "0.5.0"
    assert client.state is State.COLD


@pytest.mark.parametrize("wrong", ["expired", "another registry", "damaged"])
def test_an_override_file_that_does_not_count_is_said_and_not_served(
    client_of: Maker, server: FakeServer, tmp_path: Path, caplog: pytest.LogCaptureFixture, wrong: str
) -> None:
    path = made.lay_override(
        tmp_path / "glass",
        "0.5.0",
        lineage="two" if wrong == "another registry" else "one",
        hours=-1 if wrong == "expired" else 24,
    )
    if wrong == "damaged":
        path.write_bytes(path.read_bytes().replace(b"0.5.0:", b"6.6.6:"))
    client = client_of(server.url, override=tmp_path / "glass")
    sources = set()

    def served() -> bool:
        found = client.get_prompt("bot/answer", fallback="not yet")
        sources.add(found.source)
        return found.version == "1.0.0"

    until(served)
    until(lambda: any(getattr(record, "event", "") == "override-ignored" for record in caplog.records))
    assert "override" not in sources


def test_an_override_file_is_looked_at_again_when_its_mode_was_put_right(
    client_of: Maker, server: FakeServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = made.lay_override(tmp_path / "glass", "0.5.0")
    path.chmod(0o666)
    client = client_of(server.url, override=tmp_path / "glass")

    def ignored() -> int:
        return sum(getattr(record, "event", "") == "override-ignored" for record in caplog.records)

    until(lambda: ignored() == 1)
    path.chmod(0o600)
    until(lambda: client.get_prompt("bot/answer").source == "override")
    path.chmod(0o646)
    until(lambda: ignored() == 2)
    assert client.get_prompt("bot/answer").source == "server"


def test_an_override_folder_is_the_same_one_wherever_the_process_goes(
    client_of: Maker, server: FakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    client = client_of(server.url, override="glass", cache_dir="cache")
    monkeypatch.chdir("/")
    made.lay_override(tmp_path / "glass", "0.5.0")
    until(lambda: client.get_prompt("bot/answer").version == "0.5.0")
    until(lambda: list((tmp_path / "cache").glob("*.lkg")))
