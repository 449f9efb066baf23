"""What a registry has of users: with capture off nothing, anywhere; and nobody who may only read tells who they are."""

from __future__ import annotations

import hashlib
import hmac
import re
import subprocess
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from promptops.core.bucketing import utf8
from promptops.core.declarations import Capture
from promptops.core.deployment_parts import Kind
from promptops.core.outcomes.units import Unit
from promptops.core.token import Scope
from promptops.gateway.local import Direct
from promptops.operations.export_snapshot import export
from promptops.operations.outcomes import report_key
from promptops.store import Registry
from promptops.store.schema import tables
from tests.client.calls.said import answer
from tests.client.clients import AnyClient, Maker
from tests.client.waiting import until
from tests.server.conftest import mint
from tests.server.running import Running, running
from tests.support import factory
from tests.support.journal import sync

MARK = "marked-user-4711@example.org"
GUESSES = [MARK, *(f"user{number}@example.org" for number in range(100_000))]
_DIGITS = re.compile(r"[0-9a-f]{16,}")
_UNIT = re.compile(r"pc1:[^\s\"]*:([A-Za-z0-9_-]{14}):")


@pytest.fixture
def live(registry: Registry) -> Registry:
    """`bot` with a canary on prod, so that its keys have buckets."""
    factory.make_channels(registry)
    first, second = factory.make_releases(registry, count=2)
    factory.go_live(registry, f"bot@{first.version}")
    canary = factory.canary_of(second, weight=5_000)
    factory.by_hand(registry, kind=Kind.CANARY, canary=canary)
    return registry


@pytest.fixture
def server(live: Registry, registry_url: str, tmp_path: Path) -> Iterator[Running]:
    mint(live, "first", Scope.READ)  # a server without a valid token does not start
    with running(registry_url, tmp_path) as started:
        yield started


def use(client: AnyClient, registry: Registry) -> str:
    """Calls that are bad in every way, of a key and with texts that have the mark; the id of one."""
    secret = report_key(registry).secret
    following: Any = getattr(client, "client", client)
    until(lambda: following._own.desk.secret_of(registry.lineage) == secret)
    with client.call("bot/answer", key=MARK, tags={"user": MARK}) as call:
        call.prompt.render(name=MARK)
        call.record(answer(MARK, refusal=MARK))
        with call.tool("search"):
            pass
    with pytest.raises(TimeoutError), client.call("bot/answer", key=MARK) as failed:
        failed.prompt.to_openai(name=MARK)
        raise TimeoutError(MARK)
    client.outcome(call.id, MARK)
    client.score(call.id, "helpful", 0.0)
    return str(failed.id)


def stored(registry: Registry) -> dict[str, list[str]]:
    """By table, every value that has the mark."""
    found: dict[str, list[str]] = {}
    with registry.read() as reader:
        for table in tables.metadata.tables.values():
            rows = reader._connection.execute(table.select())
            if marked := [str(value) for row in rows for value in row if MARK in str(value)]:
                found[table.name] = marked
    return found


def elsewhere(registry: Registry, server: Running, token: str, folder: Path) -> Iterator[tuple[str, bytes]]:
    """All that is kept or said of the registry beside its tables, by what it is."""
    root = factory.make_workspace(folder / "prompts")
    sync(registry, root)
    command = ["git", "cat-file", "--batch-all-objects", "--batch", "--unordered"]
    yield "git", subprocess.run(command, cwd=root, capture_output=True, check=True).stdout
    export(Direct(registry, now=factory.minutes(1)), "prod", folder / "bundle")
    yield "snapshots", b"\0".join(file.read_bytes() for file in (folder / "bundle").rglob("*") if file.is_file())
    yield "metrics", server.ask("GET", "/metrics", token=token).body
    yield "log", server.said().encode()


@pytest.mark.usefixtures("at_the_end")
@pytest.mark.parametrize("capture", [Capture.OFF, Capture.VARIABLES])
def test_with_capture_off_no_content_and_no_key_is_anywhere(
    threaded: Maker, live: Registry, server: Running, tmp_path: Path, capture: Capture
) -> None:
    if capture is Capture.VARIABLES:
        factory.declare(live, capture=capture)
    client = threaded(server.url, token=mint(live, "app", Scope.REPORT))
    use(client, live)
    client.close(60)
    assert client.status().dropped == {}
    found = stored(live)
    # That the mark is found where variables are captured shows that the search finds it.
    assert found.keys() == (set() if capture is Capture.OFF else {"kept_call"})
    others = dict(elsewhere(live, server, mint(live, "reader", Scope.READ), tmp_path))
    assert all(others.values())
    assert not [what for what, data in others.items() if MARK.encode() in data]


PLACES = (
    *("/v1/registry", "/v1/status", "/v1/channels", "/v1/apps", "/v1/clients", "/metrics"),
    *("/v1/channels/prod/snapshot", "/v1/channels/prod/apps/bot/history", "/v1/apps/bot/releases"),
    *("/v1/apps/bot/outcomes", "/v1/apps/bot/cost", "/v1/why?id={call}"),
)


def seen(server: Running, token: str, call: str) -> str:
    """All that a token that may only read is shown of calls, and of what they were made with."""
    answers = [server.ask("GET", place.format(call=call), token=token) for place in PLACES]
    assert [each.status for each in answers] == [200] * len(PLACES)
    return "\n".join(each.body.decode() for each in answers)


@pytest.mark.usefixtures("at_the_end")
def test_guessed_keys_match_nothing_that_a_reader_sees(threaded: Maker, live: Registry, server: Running) -> None:
    factory.declare(live, capture=Capture.VARIABLES)
    client = threaded(server.url, token=mint(live, "app", Scope.REPORT))
    call = use(client, live)
    client.close(60)
    text = seen(server, mint(live, "reader", Scope.READ), call)
    assert '"captured": true' in text or '"captured":true' in text
    assert MARK not in text
    shown = {bytes.fromhex(found[:16]) for found in _DIGITS.findall(text)}
    shown |= {urlsafe_b64decode(found + "==")[:8] for found in _UNIT.findall(call)}
    salt = "bot#prod#1"
    assert salt in text and live.lineage in text
    for known in (salt, live.lineage):
        assert not shown & {digest[:8] for guess in GUESSES for digest in hashed(known, guess)}
    secret = report_key(live).secret
    assert secret.hex() not in text
    assert bytes.fromhex(Unit.of(secret, "bot", MARK).id) not in shown


def hashed(known: str, key: str) -> Iterator[bytes]:
    """What a reader can make of a key with something that it knows."""
    yield hmac.digest(known.encode(), utf8(f"promptops/unit-v1\0bot\0{key}"), "sha256")
    yield hashlib.sha256(utf8(f"{known}:{key}")).digest()
