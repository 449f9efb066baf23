"""What an application does with a client, threads and tasks alike."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import promptops
from promptops import (
    AppNotFound,
    AsyncClient,
    Change,
    ChannelNotFound,
    Client,
    Invalid,
    PromptNotFound,
    PromptUnavailable,
    ReleaseNotFound,
    State,
)
from promptops.client.follow.open_places import GRACE
from promptops.client.state import release_set
from tests.client import made
from tests.client.clients import RARELY, InLoop, Maker
from tests.client.fake_server import Asked, FakeServer, Reply
from tests.client.waiting import until


def test_a_prompt_comes_out_of_memory(client_of: Maker, server: FakeServer) -> None:
    client = client_of(server.url, heartbeat=False, poll=RARELY)
    until(lambda: client.status().streaming)
    asked = len(server.asked)
    prompts = [client.get_prompt("bot/answer", key=str(number)) for number in range(100)]
    assert len({id(prompt) for prompt in prompts}) == 1
    assert prompts[0].to_openai(question="Why?")["messages"] == [{"role": "user", "content": "bot 1.0.0: Why?"}]
    assert len(server.asked) == asked


def test_a_change_is_followed_and_told(client_of: Maker, server: FakeServer) -> None:
    changes: list[Change] = []
    client = client_of(server.url, on_change=changes.append)
    server.serve(made.served(2, "1.1.0"))
    until(lambda: changes)
    assert changes == [Change(channel="prod", app="bot", revision=2, version="1.1.0", before="1.0.0")]
    assert client.get_prompt("bot/answer").version == "1.1.0"


def test_a_change_that_was_followed_after_its_time_was_over_is_told_too(
    client_of: Maker, server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go, changes = threading.Event(), threading.Event(), list[Change]()
    compile_release = release_set.compile_release

    def slowly(app: str, digest: str, data: bytes) -> release_set.CompiledRelease:
        if digest == made.release("bot", "2.0.0").digest:
            begun.set()
            go.wait(60)
        return compile_release(app, digest, data)

    server.streams = False
    client = client_of(server.url, on_change=changes.append, poll=0.2, timeout=0.2)
    monkeypatch.setattr(release_set, "compile_release", slowly)
    server.serve(made.served(2, "2.0.0"))
    assert begun.wait(60)
    time.sleep(0.2 + 2 * GRACE)  # the refresh is given up meanwhile
    assert (client.get_prompt("bot/answer").version, changes) == ("1.0.0", [])
    go.set()
    until(lambda: changes)
    assert [change.version for change in changes] == ["2.0.0"]
    assert client.get_prompt("bot/answer").version == "2.0.0"


def test_what_is_asked_for_while_a_refresh_is_on_its_way_is_not_answered_by_that_one(
    client_of: Maker, server: FakeServer
) -> None:
    """A place says that something changed, while an answer from before the change is still on its way."""
    server.streams = False
    client = client_of(server.url, poll=RARELY)
    begun, go = threading.Event(), threading.Event()

    def hold(asked: Asked) -> Reply | None:
        if asked.kind != "snapshot" or go.is_set():
            return None
        answer = server.answer(asked)
        begun.set()
        go.wait(60)
        return answer

    server.script = hold
    _demand(client)
    assert begun.wait(60)
    server.serve(made.served(2, "2.0.0"))
    _demand(client)
    go.set()
    until(lambda: client.get_prompt("bot/answer").version == "2.0.0")


def _demand(client: Client | InLoop) -> None:
    """As a place does that heard of a change."""
    following = client if isinstance(client, Client) else client.client
    following._channel_threads["prod"]._turns.demand()


def test_a_rollback_to_what_is_held_asks_for_nothing(client_of: Maker, server: FakeServer) -> None:
    old, new = made.release("bot", "1.0.0"), made.release("bot", "1.1.0")
    client = client_of(server.url, heartbeat=False, poll=RARELY)
    server.serve(made.snapshot({"bot": made.pointer(2, new, last_good=old)}, cursor=2))
    until(lambda: client.get_prompt("bot/answer").version == "1.1.0")
    asked = len(server.asked)
    server.serve(made.snapshot({"bot": made.pointer(3, old)}, cursor=3))
    until(lambda: client.get_prompt("bot/answer").revision == 3)
    assert client.get_prompt("bot/answer").version == "1.0.0"
    assert len(server.asked) == asked


def test_what_a_rollback_would_go_to_is_fetched_beforehand(client_of: Maker, server: FakeServer) -> None:
    good = made.release("bot", "0.9.0")
    server.serve(made.snapshot({"bot": made.pointer(1, made.release("bot", "1.0.0"), last_good=good)}))
    client = client_of(server.url)
    until(lambda: client.get_prompt("bot/answer", version="0.9.0", fallback="not yet").version == "0.9.0")


def test_a_release_that_a_rollback_would_go_to_and_is_gone_holds_nothing_up(
    client_of: Maker, server: FakeServer
) -> None:
    gone = made.release("bot", "0.8.0")
    del made.CONTENTS[gone.digest]
    server.serve(made.snapshot({"bot": made.pointer(1, made.release("bot", "1.0.0"), last_good=gone)}))
    client = client_of(server.url)
    assert client.state is State.READY
    assert client.get_prompt("bot/answer").version == "1.0.0"


def test_a_canary_goes_to_some_keys_and_always_to_the_same(client_of: Maker, server: FakeServer) -> None:
    stable, canary = made.release("bot", "1.0.0"), made.release("bot", "1.1.0")
    server.serve(made.snapshot({"bot": made.pointer(2, stable, canary=canary, weight=2_000)}, cursor=2))
    client = client_of(server.url)
    chosen = {str(key): client.get_prompt("bot/answer", key=str(key)) for key in range(500)}
    assert 50 < sum(prompt.variant == "canary" for prompt in chosen.values()) < 150
    for key, prompt in chosen.items():
        assert client.get_prompt("bot/answer", targeting_key=key) is prompt
        with client.release("bot", key=key) as release:
            assert release.prompt("answer").version == release.version == prompt.version
    assert {prompt.reason for prompt in chosen.values()} == {"SPLIT"}


def test_a_name_that_is_wrong_lists_what_there_is(client_of: Maker, server: FakeServer) -> None:
    client = client_of(server.url)
    with pytest.raises(PromptNotFound) as raised:
        client.get_prompt("bot/anser")
    assert raised.value.known == ("bot/answer",)
    with pytest.raises(AppNotFound) as missing:
        client.get_prompt("bott/answer")
    assert missing.value.known == ("bot",)
    with pytest.raises(ReleaseNotFound):
        client.get_prompt("bot/answer", version="9.9.9")
    with pytest.raises(ChannelNotFound) as elsewhere:
        client.get_prompt("bot/answer", channel="staging")
    assert elsewhere.value.known == ("prod",)
    assert client.get_prompt("bot/anser", fallback="x").source == "fallback"
    assert client.get_prompt("bot/answer", channel="prod").version == "1.0.0"


@pytest.mark.parametrize("fallback", [1, [], {"message": "x"}, [{"role": "nobody", "content": "x"}]])
def test_a_fallback_that_is_none_is_an_error(client_of: Maker, server: FakeServer, fallback: object) -> None:
    client = client_of(server.url)
    with pytest.raises(Invalid):
        client.get_prompt("bot/nothing", fallback=fallback)  # type: ignore[arg-type]


def test_two_channels_are_followed_beside_each_other(client_of: Maker, tmp_path: Path) -> None:
    from dataclasses import replace

    from tests.client.test_starting import bundle

    place = bundle(tmp_path / "export", made.served(1, "1.0.0"))
    other = bundle(tmp_path / "other", replace(made.served(2, "2.0.0"), channel="staging"))
    (other / "v1" / "channels" / "staging").rename(place / "v1" / "channels" / "staging")
    for each in (other / "v1" / "releases").iterdir():
        each.rename(place / "v1" / "releases" / each.name)
    client = client_of(f"file:{place}", channel=("staging", "prod"))
    assert client.get_prompt("bot/answer").version == "2.0.0"
    assert client.get_prompt("bot/answer", channel="prod").version == "1.0.0"
    assert client.status("prod").revisions == {"bot": 1}
    assert client.refresh()


def test_what_is_too_old_is_told_and_with_strict_not_served(client_of: Maker, server: FakeServer) -> None:
    loose = client_of(server.url, max_stale=0.2, poll=0.1, timeout=1.0)
    strict = client_of(server.url, max_stale=0.2, strict=True, poll=0.1, timeout=1.0)
    until(lambda: strict.get_prompt("bot/answer", fallback="x").version == "1.0.0")
    server.stop()
    until(lambda: loose.status().too_old and strict.status().too_old)
    assert loose.get_prompt("bot/answer").version == "1.0.0"
    with pytest.raises(PromptUnavailable, match="max_stale"):
        strict.get_prompt("bot/answer")
    with pytest.raises(PromptUnavailable, match="max_stale"):
        strict.release("bot")
    server.start()
    until(lambda: strict.get_prompt("bot/answer", fallback="x").version == "1.0.0")


def test_states_follow_each_other_and_are_told(client_of: Maker, server: FakeServer) -> None:
    told: list[tuple[State, State]] = []
    client = client_of(server.url, poll=0.4, timeout=1.0, on_state=lambda old, new: told.append((old, new)))
    until(lambda: client.state is State.READY)
    server.stop()
    until(lambda: client.state is State.STALE)
    until(lambda: client.get_prompt("bot/answer").reason == "STALE")
    server.start()
    until(lambda: told and told[-1][1] is State.READY)
    befores, afters = zip(*list(told), strict=True)
    assert (befores[0], afters[0]) == (State.COLD, State.READY)
    assert befores[1:] == afters[:-1]
    until(lambda: client.get_prompt("bot/answer").reason == "STATIC")


def test_a_hook_that_fails_breaks_nothing(
    client_of: Maker, server: FakeServer, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*facts: object) -> None:
        raise RuntimeError("the application's own mistake")

    client = client_of(server.url, on_change=fail, on_state=fail)
    server.serve(made.served(2, "2.0.0"))
    until(lambda: client.get_prompt("bot/answer").version == "2.0.0")
    until(lambda: [record for record in caplog.records if getattr(record, "event", "") == "hook-failed"])
    server.serve(made.served(3, "3.0.0"))
    until(lambda: client.get_prompt("bot/answer").version == "3.0.0")


def test_a_hook_may_do_with_the_client_what_it_likes(server: FakeServer) -> None:
    done: list[bool] = []
    clients: list[Client] = []

    def refresh_and_close(before: State, now: State) -> None:
        if now is State.DISCONNECTED:
            done.append(clients[0].refresh())
            clients[0].close()

    told: dict[str, Any] = {"channel": "prod", "cache_dir": False, "poll": RARELY, "start_timeout": 20.0}
    clients.append(Client(server.url, on_state=refresh_and_close, **told))
    server.stop()
    clients[0].refresh()
    until(lambda: done == [False])
    until(lambda: not clients[0].status().running)


def test_heartbeats_say_what_is_served(client_of: Maker, server: FakeServer) -> None:
    client_of(server.url, name="checkout-7")
    until(server.beats)
    (first,) = server.beats()[:1]
    assert first["name"] == "checkout-7"
    assert (first["schema"], first["state"], first["revisions"]) == ("promptops.heartbeat/1", "READY", {"bot": 1})
    assert (first["lineage"], first["epoch"]) == ("one", 1)
    server.serve(made.served(2, "2.0.0"))
    until(lambda: server.beats()[-1]["revisions"] == {"bot": 2})
    assert {beat["id"] for beat in server.beats()} == {first["id"]}


def test_there_are_no_heartbeats_where_none_are_wanted(client_of: Maker, server: FakeServer) -> None:
    client = client_of(server.url, heartbeat=False, poll=0.1)
    until(lambda: client.status().polls > 3)
    assert server.beats() == []


def test_a_server_without_streams_is_followed_by_asking(client_of: Maker, server: FakeServer) -> None:
    server.streams = False
    client = client_of(server.url, poll=0.2)
    server.serve(made.served(2, "2.0.0"))
    until(lambda: client.get_prompt("bot/answer").version == "2.0.0")


def test_a_stream_that_breaks_is_taken_up_again(client_of: Maker, server: FakeServer) -> None:
    client = client_of(server.url, poll=RARELY)
    for number in range(2, 5):
        until(lambda: client.status().streaming)
        server.cut_streams()
        server.serve(made.served(number, f"{number}.0.0"))
        until(lambda number=number: client.get_prompt("bot/answer").revision == number)  # type: ignore[misc]
    resumed = [asked.headers.get("last-event-id") for asked in server.asked if asked.kind == "events"]
    # The first stream may have been cut before its first event; what came by an event is named by the next stream.
    assert {"2", "3"} <= set(resumed)


def test_an_event_that_is_refused_is_counted_and_the_next_one_is_followed(client_of: Maker, server: FakeServer) -> None:
    client = client_of(server.url, poll=RARELY)
    until(lambda: client.status().streaming)
    good = made.served(2, "2.0.0")
    server.serve(made.snapshot({"bot": made.pointer(1, made.release("bot", "6.6.6"))}))  # one revision, two things
    until(lambda: client.status().rejected.get("conflict"))
    assert client.get_prompt("bot/answer").version == "1.0.0"
    server.serve(good)
    until(lambda: client.get_prompt("bot/answer").version == "2.0.0")


def test_closing_ends_the_following_and_not_the_serving(server: FakeServer) -> None:
    for kind in (Client, InLoop):
        client = kind(server.url, channel="prod", cache_dir=False, start_timeout=20.0)
        client.close()
        assert client.get_prompt("bot/answer").version == "1.0.0"
        assert not client.status().running


def test_a_stream_that_is_closed_is_not_called_lost(server: FakeServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "promptops.client")
    for kind in (Client, InLoop):
        client = kind(server.url, channel="prod", cache_dir=False)
        until(lambda client=client: client.status().streaming)  # type: ignore[misc]
        client.close()
    said = [getattr(record, "event", "") for record in caplog.records]
    assert "stopped" in said
    assert "stream-lost" not in said


def test_a_client_is_closed_twice_without_harm(server: FakeServer) -> None:
    with Client(server.url, channel="prod", cache_dir=False) as client:
        client.close()
    assert not client.refresh()


def test_an_asyncio_client_is_used_in_its_loop(server: FakeServer) -> None:
    async def work() -> tuple[str, str]:
        async with AsyncClient(server.url, channel="prod", cache_dir=False, start_timeout=20.0) as client:
            assert await client.start() is client  # once more, without effect
            first = client.get_prompt("bot/answer").version
            server.serve(made.served(2, "2.0.0"))
            while client.get_prompt("bot/answer").version == first:
                await asyncio.sleep(0.005)
            assert await client.refresh()
            return first, client.get_prompt("bot/answer").version

    assert asyncio.run(work()) == ("1.0.0", "2.0.0")


def test_an_asyncio_client_is_started_again_in_another_loop(server: FakeServer) -> None:
    client = AsyncClient(server.url, channel="prod", cache_dir=False, start_timeout=20.0)

    async def work() -> str:
        async with client:
            return client.get_prompt("bot/answer").version

    assert client.state is State.COLD
    assert [asyncio.run(work()), asyncio.run(work())] == ["1.0.0", "1.0.0"]


def test_every_name_of_the_package_is_there() -> None:
    for name in promptops.__all__:
        assert getattr(promptops, name) is not None
    assert set(promptops.__all__) <= set(dir(promptops))
    with pytest.raises(AttributeError):
        promptops.nothing  # noqa: B018
