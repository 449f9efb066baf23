"""No app stops another: whatever is wrong with one, over each source, the others are followed, and it heals."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from promptops import PromptUnavailable, State
from promptops.client.disk.cache_format import StoredChannel, encode
from promptops.client.state import release_set
from promptops.core.digest import digest
from promptops.core.model import Content, Engine, Input, Message, Prompt, ReleaseRef, Role
from promptops.core.snapshot import Pointer, Snapshot
from promptops.store import Registry
from promptops.wire.snapshot import encode as encode_snapshot
from tests.client import made
from tests.client.clients import RARELY, Maker
from tests.client.fake_server import Asked, FakeServer, Reply
from tests.client.test_starting import bundle
from tests.client.waiting import until
from tests.support import factory


def _jinja(text: str) -> ReleaseRef:
    prompt = Prompt(name="answer", messages=(Message(role=Role.USER, content=text),), engine=Engine.JINJA2)
    return made.shelve("6.6.6", Content(app="evil", prompts=(prompt,)))


def _raw(text: str) -> ReleaseRef:
    data = text.encode()
    made.CONTENTS[digest(data)] = data
    return ReleaseRef(version="6.6.6", digest=digest(data))


def _taking(schema: Mapping[str, Any]) -> ReleaseRef:
    prompt = made.prompt("answer", "{{question}}", inputs=[Input(name="question", schema=schema)])
    return made.shelve("6.6.6", Content(app="evil", prompts=(prompt,)))


BAD: Mapping[str, Callable[[], ReleaseRef]] = {
    "a statement that is none": lambda: _jinja("{% set x = 1 %}"),
    "a syntax error": lambda: _jinja("{% if %}"),
    "autoescape": lambda: _jinja("{% autoescape true %}x{% endautoescape %}"),
    "no type": lambda: _taking({"type": "nope"}),
    "no pattern": lambda: _taking({"type": "string", "pattern": "(("}),
    "no JSON": lambda: _raw("<html>"),
    "deep JSON": lambda: _raw("[" * 100_000),
    "a newer format": lambda: _raw('{"schema":"promptops.release/9","app":"evil","prompts":{}}'),
    "a feature of later": lambda: _raw('{"app":"evil","budget":{},"prompts":{},"requires":["budget"],"schema":"x"}'),
    "another app's": lambda: made.release("other", "6.6.6"),
    "not there": lambda: ReleaseRef(version="6.6.6", digest="sha256:" + "0" * 64),
}


def _snapshot(evil: Pointer | None, bot: int, cursor: int) -> Snapshot:
    apps = {"bot": made.pointer(bot, made.release("bot", f"{bot}.0.0"), last_good=made.release("bot", "1.0.0"))}
    return made.snapshot({**({"evil": evil} if evil else {}), **apps}, cursor=cursor)


GOOD = made.pointer(1, made.release("evil", "1.0.0"))


LATER = "a feature of later"
"""A canary that requires one leaves its app at the newest revision, with stable for all keys."""


def test_a_canary_that_requires_a_feature_of_later_leaves_stable_to_all_also_in_a_cold_process(
    threaded: Maker, server: FakeServer
) -> None:
    server.streams = False
    server.serve(_snapshot(GOOD, 1, 1))
    client = threaded(server.url, poll=RARELY)
    server.serve(_snapshot(made.pointer(2, GOOD.stable, canary=BAD[LATER](), weight=5_000), 2, 2))
    assert client.refresh()
    for each in (client, threaded(server.url, poll=RARELY)):
        for key in ("ada", "ben", "cyn", "dan"):
            found = each.get_prompt("evil/answer", key=key)
            assert (found.version, found.revision) == ("1.0.0", 2)
        assert each.get_prompt("bot/answer").version == "2.0.0"
        status = each.status()
        assert (status.state, list(status.cannot_load)) == (State.READY, ["evil"])
        assert "budget" in status.problem
    server.serve(_snapshot(made.pointer(3, GOOD.stable), 3, 3))
    assert client.refresh()
    assert (client.status().cannot_load, client.get_prompt("evil/answer").revision) == ({}, 3)


@pytest.mark.parametrize(
    ("name", "place"),
    [(name, place) for name in BAD for place in ("stable", "canary") if (name, place) != (LATER, "canary")],
)
def test_an_app_that_cannot_be_loaded_keeps_its_last_good_release_and_stops_no_other(
    threaded: Maker, server: FakeServer, name: str, place: str
) -> None:
    bad = BAD[name]()
    pointer = made.pointer(2, bad) if place == "stable" else made.pointer(2, GOOD.stable, canary=bad, weight=5_000)
    server.streams = False
    server.serve(_snapshot(GOOD, 1, 1))
    client = threaded(server.url, poll=RARELY)
    server.serve(_snapshot(pointer, 2, 2))
    assert client.refresh()
    assert client.get_prompt("bot/answer").version == "2.0.0"
    assert (client.get_prompt("evil/answer").version, client.get_prompt("evil/answer").revision) == ("1.0.0", 1)
    status = client.status()
    assert list(status.cannot_load) == ["evil"]
    assert "evil" in status.problem
    assert status.problem.isprintable()
    assert (status.state, status.failures) == (State.READY, 0)
    # Cold, it serves nothing of this app, says so, and serves the other.
    cold = threaded(server.url, poll=RARELY)
    assert cold.get_prompt("bot/answer").version == "2.0.0"
    assert (cold.state, list(cold.status().cannot_load)) == (State.READY, ["evil"])
    assert cold.get_prompt("evil/answer", fallback="x").source == "fallback"
    with pytest.raises(PromptUnavailable, match="evil"):
        cold.get_prompt("evil/answer")
    # Both heal by themselves: by a good release, or by a rollback.
    server.serve(_snapshot(made.pointer(3, made.release("evil", "1.0.0")), 3, 3))
    for each in (client, cold):
        assert each.refresh()
        assert (each.status().cannot_load, each.status().problem) == ({}, "")
        assert each.get_prompt("evil/answer").revision == each.get_prompt("bot/answer").revision == 3


# --- over each source ----------------------------------------------------------------------------


@dataclass
class Way:
    """A source, and how a test puts something there."""

    source: Any
    serve: Callable[[Snapshot], None]


def _into_folder(folder: Path, snapshot: Snapshot) -> None:
    for pointer in snapshot.apps.values():
        for release in pointer.releases():
            if release.digest in made.CONTENTS:
                file = folder / "v1" / "releases" / release.digest.removeprefix("sha256:")
                file.write_bytes(made.CONTENTS[release.digest])
    part = folder / "part"
    part.write_bytes(encode_snapshot(snapshot)[0])
    os.replace(part, folder / "v1" / "channels" / "prod" / "snapshot")


def _into_file(file: Path, snapshot: Snapshot) -> None:
    named = {ref.digest for pointer in snapshot.apps.values() for ref in pointer.releases()}
    contents = {digest: made.CONTENTS[digest] for digest in named if digest in made.CONTENTS}
    part = file.with_name("part")
    part.write_bytes(encode(StoredChannel(snapshot=encode_snapshot(snapshot)[0], contents=contents)))
    os.replace(part, file)


@contextmanager
def _way(kind: str, folder: Path) -> Iterator[Way]:
    if kind == "folder":
        place = bundle(folder / "export", _snapshot(GOOD, 1, 1))
        yield Way(f"file:{place}", lambda what: _into_folder(place, what))
    elif kind == "file":
        _into_file(folder / "one", _snapshot(GOOD, 1, 1))
        yield Way(f"file:{folder / 'one'}", lambda what: _into_file(folder / "one", what))
    else:
        with FakeServer(api=kind != "plain files", streams=kind == "stream") as server:
            server.serve(_snapshot(GOOD, 1, 1))
            yield Way(server.url, server.serve)


@pytest.mark.parametrize("kind", ["stream", "polls", "plain files", "folder", "file"])
def test_over_each_source_the_others_go_on_and_it_heals(client_of: Maker, tmp_path: Path, kind: str) -> None:
    with _way(kind, tmp_path) as way:
        client = client_of(way.source, poll=0.3 if kind in ("polls", "plain files") else RARELY)
        for number, name in enumerate(("a statement that is none", "not there"), 1):
            revision = 10 * number
            way.serve(_snapshot(made.pointer(revision, BAD[name]()), revision, revision))
            until(lambda: client.get_prompt("bot/answer").revision == revision)  # noqa: B023 called at once
            until(lambda: list(client.status().cannot_load) == ["evil"])
            back = made.pointer(revision + 1, made.release("bot", "1.0.0"))  # a rollback beside it
            way.serve(made.snapshot({"evil": made.pointer(revision, BAD[name]()), "bot": back}, cursor=revision + 2))
            until(lambda: client.get_prompt("bot/answer").revision == revision + 1)  # noqa: B023
            assert client.get_prompt("evil/answer").version == "1.0.0"
            until(lambda: client.state is State.READY)
            way.serve(_snapshot(made.pointer(revision + 2, GOOD.stable), revision + 2, revision + 3))
            until(lambda: client.status().cannot_load == {})
            until(lambda: client.get_prompt("evil/answer").revision == revision + 2)  # noqa: B023
        until(lambda: client.get_prompt("bot/answer").revision == 22)


@pytest.mark.parametrize("kind", ["server", "database"])
def test_a_registry_serves_one_app_that_a_process_cannot_use(
    client_of: Maker, registry: Registry, registry_url: str, kind: str
) -> None:
    factory.make_channels(registry)
    for app in ("bot", "other"):
        factory.make_releases(registry, app, 2)
        factory.go_live(registry, f"{app}@0.1.0")
    with _served(registry_url, kind) as source:
        client = client_of(source, required=["other/gone", "nowhere/answer"], poll=RARELY)
        assert client.state is State.READY
        assert sorted(client.status().cannot_load) == ["nowhere", "other"]
        factory.go_live(registry, "other@0.1.1")
        factory.go_live(registry, "bot@0.1.1")
        until(lambda: client.get_prompt("bot/answer").version == "0.1.1")
        factory.go_back(registry, "bot")
        until(lambda: client.get_prompt("bot/answer").version == "0.1.0")


@contextmanager
def _served(url: str, kind: str) -> Iterator[str]:
    from promptops.server.app import create_app
    from promptops.server.settings import Settings
    from tests.server.running import inside

    if kind == "database":
        yield url
        return
    with inside(create_app(Settings(registry=url, auth=False))) as talking:
        yield f"http://127.0.0.1:{talking.port}"


def test_a_heartbeat_names_what_cannot_be_loaded_beside_what_is_served(client_of: Maker, server: FakeServer) -> None:
    server.serve(_snapshot(GOOD, 1, 1))
    client_of(server.url)
    until(lambda: server.beats() and "cannot_load" not in server.beats()[-1])
    server.serve(_snapshot(made.pointer(2, BAD["a syntax error"]()), 2, 2))
    until(lambda: server.beats()[-1].get("cannot_load"))
    last = server.beats()[-1]
    (reason,) = last["cannot_load"].values()  # type: ignore[attr-defined]
    assert (last["revisions"], len(reason) <= 200, reason.isprintable()) == ({"bot": 2, "evil": 1}, True, True)
    server.serve(_snapshot(made.pointer(3, GOOD.stable), 3, 3))
    until(lambda: server.beats()[-1]["revisions"] == {"bot": 3, "evil": 3})
    assert "cannot_load" not in server.beats()[-1]


def test_what_cannot_be_loaded_is_neither_fetched_nor_compiled_at_each_poll(
    client_of: Maker, server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled, compile_release = list[str](), release_set.compile_release

    def counting(app: str, digest: str, data: bytes) -> release_set.CompiledRelease:
        compiled.append(app)
        return compile_release(app, digest, data)

    monkeypatch.setattr(release_set, "compile_release", counting)
    server.serve(_snapshot(GOOD, 1, 1))
    client = client_of(server.url, poll=0.05, heartbeat=False)
    until(lambda: client.status().streaming)
    server.serve(_snapshot(made.pointer(2, BAD["a syntax error"]()), 2, 2))
    until(lambda: client.get_prompt("bot/answer").revision == 2 and client.status().cannot_load)
    polls, fetched = client.status().polls, server.kinds().count("releases")
    until(lambda: client.status().polls > polls + 10)
    assert compiled.count("evil") == 2  # the good one, and once the bad one
    assert server.kinds().count("releases") == fetched
    # What is missing is asked for again, once a poll and no more.
    server.serve(_snapshot(made.pointer(3, BAD["not there"]()), 3, 3))
    until(lambda: client.status().rejected.get("missing"))
    polls, fetched = client.status().polls, server.kinds().count("releases")
    until(lambda: client.status().polls > polls + 10)
    assert server.kinds().count("releases") - fetched <= client.status().polls - polls + 1
    assert client.status().failures == 0


@pytest.mark.parametrize("kind", ["stream", "folder", "file"])
def test_what_takes_long_to_compile_delays_no_other_app(
    client_of: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    begun, go, compile_release = threading.Event(), threading.Event(), release_set.compile_release

    def slowly(app: str, digest: str, data: bytes) -> release_set.CompiledRelease:
        if app == "evil" and digest != GOOD.digest:
            begun.set()
            go.wait(60)
        return compile_release(app, digest, data)

    slow = made.pointer(2, made.release("evil", "2.0.0"))
    monkeypatch.setattr(release_set, "compile_release", slowly)
    with _way(kind, tmp_path) as way:
        client = client_of(way.source, poll=RARELY, timeout=60.0)
        until(lambda: client.status().streaming or kind != "stream")
        way.serve(_snapshot(slow, 2, 2))
        assert begun.wait(60)
        # A release, and a rollback, of the other app arrive meanwhile.
        way.serve(made.snapshot({"evil": slow, "bot": made.pointer(3, made.release("bot", "3.0.0"))}, cursor=3))
        until(lambda: client.get_prompt("bot/answer").version == "3.0.0")
        way.serve(made.snapshot({"evil": slow, "bot": made.pointer(4, made.release("bot", "1.0.0"))}, cursor=4))
        until(lambda: client.get_prompt("bot/answer").revision == 4)
        assert client.get_prompt("evil/answer").version == "1.0.0"
        go.set()
        until(lambda: client.get_prompt("evil/answer").version == "2.0.0")
        assert client.status().cannot_load == {}


def test_what_takes_long_to_fetch_delays_no_other_app(client_of: Maker, server: FakeServer) -> None:
    begun, go = threading.Event(), threading.Event()
    slow = made.pointer(2, made.release("evil", "2.0.0"))

    def hold(asked: Asked) -> Reply | None:
        named = asked.path + str(asked.query)
        if asked.kind == "releases" and slow.digest.removeprefix("sha256:") in named:
            begun.set()
            go.wait(60)
        return None

    server.serve(_snapshot(GOOD, 1, 1))
    client = client_of(server.url, poll=RARELY, timeout=60.0)
    until(lambda: client.status().streaming)
    server.script = hold
    server.serve(made.snapshot({"evil": slow, "bot": made.pointer(1, made.release("bot", "1.0.0"))}, cursor=2))
    assert begun.wait(60)
    server.serve(made.snapshot({"evil": slow, "bot": made.pointer(3, made.release("bot", "3.0.0"))}, cursor=3))
    until(lambda: client.get_prompt("bot/answer").version == "3.0.0")
    server.serve(made.snapshot({"evil": slow, "bot": made.pointer(4, made.release("bot", "1.0.0"))}, cursor=4))
    until(lambda: client.get_prompt("bot/answer").revision == 4)
    assert client.get_prompt("evil/answer").version == "1.0.0"
    go.set()
    until(lambda: client.get_prompt("evil/answer").version == "2.0.0")


def test_after_a_restart_an_app_that_cannot_be_loaded_has_its_last_good_release_from_disk(
    client_of: Maker, server: FakeServer, tmp_path: Path
) -> None:
    server.serve(_snapshot(GOOD, 1, 1))
    client = client_of(server.url, cache_dir=tmp_path)
    until(lambda: list(tmp_path.glob("*.lkg")))
    server.serve(_snapshot(made.pointer(2, BAD["a syntax error"]()), 2, 2))
    until(lambda: client.get_prompt("bot/answer").revision == 2)
    until(lambda: any(b'"revision\\":2' in path.read_bytes() for path in tmp_path.glob("*.lkg")))
    client.close()
    again = client_of(server.url, cache_dir=tmp_path)
    assert (again.get_prompt("evil/answer").version, again.get_prompt("bot/answer").revision) == ("1.0.0", 2)
    assert list(again.status().cannot_load) == ["evil"]
    again.close()
    server.stop()
    alone = client_of(server.url, cache_dir=tmp_path, start_timeout=0.1)
    assert (alone.get_prompt("evil/answer").version, alone.get_prompt("bot/answer").revision) == ("1.0.0", 2)
