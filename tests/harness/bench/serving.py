"""What an application pays for its prompts: finding one, rendering it, memory, a start while the server is dead."""

from __future__ import annotations

import random
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import mmh3

from promptops import Client
from promptops.client.prompt import Variant
from promptops.core.bucketing import key_hash
from promptops.core.digest import digest
from promptops.core.model import Content, Input, Message, Prompt, ReleaseRef, Role
from promptops.core.outcomes.units import EVERY
from promptops.core.release_bytes import encode
from promptops.core.snapshot import Pointer, Snapshot
from promptops.core.trial import MAX_KEYS, Limits, Trial
from promptops.wire import snapshot as wire
from tests.harness.bench.measure import Line, compare, seconds, timed
from tests.harness.bench.rendering import SYSTEM, USER, VALUES

_TIMES = 100_000
_RENDERINGS = 5_000
_APPS = 200
_MEGABYTE = 1 << 20
_FIRST = [f"staff-{number}" for number in range(MAX_KEYS)]


def lines(folder: Path) -> Iterator[Line]:
    """The hot path, then memory, then the start."""
    with closing(_client(_exported(folder / "few", apps=3, canary=True))) as client:
        yield from _lookups(client)
        yield _lookup_and_rendering(client)
    yield _memory(_exported(folder / "many", apps=_APPS, canary=False))
    yield from _dead_server(folder)


# --- the hot path --------------------------------------------------------------------------------


def _lookups(client: Client) -> Iterator[Line]:
    name, table = "app-001/answer", {f"app-{number:03}/answer": object() for number in range(3)}
    if client.get_prompt(name).app != "app-001" or client.get_prompt("app-000/answer", key="ada").app != "app-000":
        raise RuntimeError("the client serves something else")
    if any(client.get_prompt("app-002/answer", key=key).variant is not Variant.CANARY for key in _FIRST):
        raise RuntimeError("a first key has not the canary")
    yield compare(
        "get_prompt, no canary",
        partial(timed, partial(_look_up, client, name)),
        partial(timed, partial(_dict_get, table, name)),
        named=f"dict.get ({_TIMES:,} times)",
        bound=12.0,
        rounds=15,
    )
    keys = [f"user-{random.Random(number).getrandbits(40)}" for number in range(_TIMES)]
    yield compare(
        "get_prompt with a key, canary at 10 %",
        partial(timed, partial(_look_up_keys, client, "app-000/answer", keys)),
        partial(timed, partial(_hash_and_get, table, "app-000/answer", keys)),
        named=f"mmh3.hash and dict.get ({_TIMES:,} keys)",
        bound=12.0,
        rounds=15,
    )
    yield compare(
        f"get_prompt with a key, canary of a rollout with {MAX_KEYS:,} first keys",
        partial(timed, partial(_look_up_keys, client, "app-002/answer", keys)),
        partial(timed, partial(_look_up_keys, client, "app-000/answer", keys)),
        named="the same, a canary without a rollout",
        bound=2.0,
        rounds=15,
    )


def _look_up(client: Client, name: str) -> None:
    for _ in range(_TIMES):
        client.get_prompt(name)


def _dict_get(table: Mapping[str, object], name: str) -> None:
    for _ in range(_TIMES):
        table.get(name)


def _look_up_keys(client: Client, name: str, keys: list[str]) -> None:
    for key in keys:
        client.get_prompt(name, key=key)


def _hash_and_get(table: Mapping[str, object], name: str, keys: list[str]) -> None:
    for key in keys:
        mmh3.hash(key)
        table.get(name)


def _lookup_and_rendering(client: Client) -> Line:
    tag = re.compile(r"\{\{\s*(\w+)\s*\}\}")
    texts = [("system", SYSTEM), ("user", USER)]

    def bare() -> list[dict[str, str]]:
        return [{"role": role, "content": tag.sub(lambda found: VALUES[found[1]], text)} for role, text in texts]

    def ours() -> list[dict[str, str]]:
        return client.get_prompt("app-001/answer").render(**VALUES)

    if [message["role"] for message in ours()] != ["system", "user"] or ours()[1] != bare()[1]:
        raise RuntimeError("the two renderings differ: they cannot be compared")
    return compare(
        "get_prompt and render, 2 KB, 2 messages, 5 variables",
        partial(timed, partial(_repeat, ours)),
        partial(timed, partial(_repeat, bare)),
        named=f"re.sub over the same text ({_RENDERINGS:,} times)",
        bound=0.8,
        rounds=15,
    )


def _repeat(work: Callable[[], object]) -> None:
    for _ in range(_RENDERINGS):
        work()


# --- memory and start ----------------------------------------------------------------------------

_BARE = "import httpx; held = httpx.Client()"
_OURS = """
from promptops import Client
from promptops.client.prompt import Variant
from promptops.core.bucketing import key_hash
held = Client("{url}", channel="prod", cache_dir=False, start_timeout=30.0, timeout=30.0)
assert sum(held.get_prompt(f"app-{{number:03}}/answer").revision for number in range({apps})) == {apps}
"""
_RESIDENT = """
import gc
gc.collect()
print([line.split()[1] for line in open("/proc/self/status") if line.startswith("VmRSS")][0])
"""


def _memory(folder: Path) -> Line:
    with _web_server(folder) as url:
        bare, ours = _resident(_BARE), _resident(_OURS.format(url=url, apps=_APPS))
    limit = 40 * _MEGABYTE
    return Line(
        what=f"memory of a client with {_APPS} apps, over bare httpx",
        measured=f"{(ours - bare) / _MEGABYTE:.1f} MB",
        baseline="40 MB",
        ratio=(ours - bare) / limit,
        bound=1.0,
    )


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the bench's own lines are what is read."""


@contextmanager
def _web_server(folder: Path) -> Iterator[str]:
    """The folder over HTTP, from any web server."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def _resident(program: str) -> int:
    done = subprocess.run([sys.executable, "-c", program + _RESIDENT], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return int(done.stdout) * 1024


def _dead_server(folder: Path) -> Iterator[Line]:
    """A server that takes connections and says nothing, ever: the slowest way to be dead."""
    kept = _exported(folder / "bundle", apps=3, canary=False)
    with closing(socket.create_server(("127.0.0.1", 0), backlog=100)) as dead:
        url = f"http://127.0.0.1:{dead.getsockname()[1]}"
        start = time.perf_counter()
        client = Client(url, channel="prod", bundle=kept, cache_dir=False)
        took = time.perf_counter() - start
        with closing(client), closing(_client(kept)) as alive:
            yield Line(
                what="start of a client whose server says nothing",
                measured=seconds(took),
                baseline="2 s",
                ratio=took / 2.0,
                bound=1.0,
            )
            yield compare(
                "get_prompt while the server is dead",
                partial(timed, partial(_look_up, client, "app-001/answer")),
                partial(timed, partial(_look_up, alive, "app-001/answer")),
                named="the same with a source that answers",
                bound=1.1,
                rounds=15,
            )


# --- what is served --------------------------------------------------------------------------------


def _client(folder: Path) -> Client:
    return Client(f"file:{folder}", channel="prod", cache_dir=False)


def _exported(folder: Path, *, apps: int, canary: bool) -> Path:
    """A channel as files; if wanted, the first app and the third have a canary at 10 %, the third one by a rollout."""
    pointers: dict[str, Pointer] = {}
    (folder / "v1" / "releases").mkdir(parents=True)
    for number in range(apps):
        app = f"app-{number:03}"
        stable, last_good = (_written(folder, app, take) for take in (1, 0))
        pointers[app] = Pointer(revision=1, stable=stable, last_good=last_good)
        if canary and number in (0, 2):
            salt = f"{app}#prod#1"
            trial = Trial(
                sample=(EVERY, EVERY // 9),
                keys=frozenset(key_hash(salt, key) for key in _FIRST),
                limits={"answer": Limits(slow_ms=5_300, dear_micro_usd=12_300)},
            )
            pointers[app] = replace(
                pointers[app],
                canary=_written(folder, app, 2),
                weight=1_000,
                salt=salt,
                trial=trial if number else None,
            )
    document, _ = wire.encode(
        Snapshot(registry="bench", lineage="bench", epoch=1, channel="prod", cursor=1, apps=pointers)
    )
    place = folder / "v1" / "channels" / "prod"
    place.mkdir(parents=True)
    (place / "snapshot").write_bytes(document)
    return folder


def _written(folder: Path, app: str, take: int) -> ReleaseRef:
    messages = (
        Message(role=Role.SYSTEM, content=SYSTEM + f"Take {take}."),
        Message(role=Role.USER, content=USER),
    )
    prompt = Prompt(
        name="answer",
        model="openai/gpt-4o-mini-2024-07-18",
        messages=messages,
        inputs=tuple(Input(name=name, schema={"type": "string"}) for name in sorted(VALUES)),
    )
    data = encode(Content(app=app, prompts=(prompt,)))
    found = digest(data)
    (folder / "v1" / "releases" / found.removeprefix("sha256:")).write_bytes(data)
    return ReleaseRef(version=f"0.{take}.0", digest=found)
