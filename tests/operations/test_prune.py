"""What is thrown away, and that nothing else is: facts stay, and a retry that may still come gets the first answer."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial

import pytest

from promptops.core.heartbeat import Beat, Room, State
from promptops.core.token import Scope
from promptops.operations.prune import KEPT_KEYS, Pruned, prune
from promptops.operations.tokens import revoke_token
from promptops.store import Registry, Writer
from promptops.store.checks.checks import check_store
from promptops.store.queries import housekeeping
from tests.support.factory import ACTOR, START, go_live, make_channels, make_release, make_releases, make_token

MONTH_LATER = START + KEPT_KEYS
SECOND = timedelta(seconds=1)


def beat(name: str) -> Beat:
    return Beat(
        id=f"{len(name):032x}", channel="prod", name=name, sdk="promptops/0.8.0", state=State.READY, lineage="", epoch=1
    )


@pytest.fixture
def used(registry: Registry) -> Registry:
    """A registry with releases, two deployments by keys of no token, and two tokens, one of which ended."""
    make_channels(registry)
    make_releases(registry, count=2)
    go_live(registry, "bot@0.1.0", key="old")
    go_live(registry, "bot@0.1.1", key="new", now=START + timedelta(days=20))
    going = make_token(registry, "going", scopes=(Scope.PROMOTE,)).token
    lasting = make_token(registry, "lasting", scopes=(Scope.PROMOTE,), lifetime=None).token
    for token in (going, lasting):
        go_live(registry, "bot@0.1.1", key="same", token=token.id, now=START + timedelta(days=25))
    revoke_token(registry, going.id, reason="over", actor=ACTOR, now=START + timedelta(days=26))
    return registry


def journal(registry: Registry) -> list[tuple[int, str]]:
    with registry.read() as reader:
        return [(entry.seq, entry.hash) for entry in reader.audit()]


def answered(registry: Registry, key: str, token: str = "") -> bool:
    with registry.read() as reader:
        return reader.answer(key, token=token) is not None


@pytest.mark.parametrize("page", [1, 2, 1_000])
def test_keys_are_kept_for_their_time_and_those_of_an_ended_token_are_not(
    used: Registry, page: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the number of keys in a transaction."""
    monkeypatch.setattr(housekeeping, "_KEYS", housekeeping._KEYS.limit(page))
    before = journal(used)
    shared = 3  # of the fixture: releases and channels have keys too, and all are of the first day
    found = prune(used, now=MONTH_LATER + SECOND, dry_run=True)
    assert (found.keys_of_ended_tokens, found.clients, found.dry_run) == (1, 0, True)
    assert found.keys >= shared
    assert answered(used, "old"), "a dry run throws nothing away"
    done = prune(used, now=MONTH_LATER + SECOND)
    assert (done.keys, done.keys_of_ended_tokens) == (found.keys, 1)
    assert [answered(used, key) for key in ("old", "new")] == [False, True]
    assert prune(used, now=MONTH_LATER + SECOND).nothing
    assert journal(used) == before
    assert check_store(used) == ()
    assert go_live(used, "bot@0.1.1", key="new", now=MONTH_LATER).replayed, "a retry gets the first answer"
    assert not go_live(used, "bot@0.1.0", key="old", now=MONTH_LATER).replayed, "this one came too late"


def test_a_key_is_kept_to_the_last_moment(used: Registry) -> None:
    assert prune(used, now=MONTH_LATER) == Pruned(keys=0, keys_of_ended_tokens=1, clients=0)
    assert answered(used, "old")


def test_the_facts_of_an_ended_token_stay(used: Registry) -> None:
    prune(used, now=MONTH_LATER + SECOND)
    with used.read() as reader:
        ids = {token.name: token.id for token in reader.tokens()}
        assert reader.changed_secrets() == ()
    assert {name: answered(used, "same", id) for name, id in ids.items()} == {"going": False, "lasting": True}


@pytest.mark.parametrize(("silent", "over"), [(timedelta(days=1), 0), (timedelta(days=1, seconds=1), 1)])
def test_clients_are_forgotten_that_were_silent_for_a_day(registry: Registry, silent: timedelta, over: int) -> None:
    make_channels(registry)
    now: datetime = START + timedelta(days=3)
    for name, at in (("old", now - silent), ("newer", now)):
        registry.write(partial(Writer.put_beats, beats=[beat(name)], now=at, room=Room(of_a_token=10, in_all=10)))
    assert prune(registry, now=now, dry_run=True).clients == over
    assert prune(registry, now=now).clients == over
    with registry.read() as reader:
        left = [each.name for each, _ in reader.clients_since(START)]
    assert left == (["newer"] if over else ["newer", "old"])


def test_an_empty_registry_has_nothing_to_throw_away(registry: Registry) -> None:
    assert prune(registry, now=START + timedelta(days=365)).nothing
    make_release(registry)
    assert not prune(registry, now=START + timedelta(days=365)).nothing
