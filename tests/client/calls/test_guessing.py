"""Who may only read cannot tell from anything that was sent, or from a call id, which users made calls."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator

import pytest

from promptops.core.bucketing import utf8
from promptops.core.outcomes.call_id import read_call_id
from tests.client import made
from tests.client.calls.conftest import with_secret
from tests.client.calls.said import LINEAGE, bodies, serve
from tests.client.clients import Maker
from tests.client.fake_server import SECRET, FakeServer

GUESSES = [f"user{number}@example.org" for number in range(100_000)]
USERS = GUESSES[::20_000]


def hashed(known: str, key: str) -> Iterator[bytes]:
    """What a reader can make of a key with something that it knows."""
    framed = utf8(f"promptops/unit-v1\0bot\0{key}")
    yield hmac.digest(utf8(known), framed, "sha256")
    yield hashlib.sha256(utf8(f"{known}:{key}")).digest()


@pytest.mark.usefixtures("at_the_end")
def test_guessed_keys_match_nothing_that_was_sent(threaded: Maker, counting: FakeServer) -> None:
    stable, canary = made.release("bot", "1.0.0"), made.release("bot", "2.0.0")
    pointer = made.pointer(18, stable, canary=canary, weight=5_000)
    serve(counting, pointer, cursor=2)
    client = with_secret(threaded(counting.url))
    ids = []
    for user in USERS:
        with pytest.raises(TimeoutError), client.call("bot/answer", key=user) as call:
            ids.append(call.id)
            raise TimeoutError
    client.close(60)
    [document] = bodies(counting)
    sent = {bytes.fromhex(unit[0]) for group in document["bad_units"] for unit in group["units"]}
    assert len(sent) == len(USERS)
    encrypted = {text.split(":")[6] for text in ids}
    assert len(encrypted) == len(USERS)
    for known in (LINEAGE, pointer.salt, stable.digest, document["client"]):
        assert not sent & {each[:8] for guess in GUESSES for each in hashed(known, guess)}
    # With the secret they are found, so this looks for the right thing.
    framed = {hmac.digest(SECRET, utf8(f"promptops/unit-v1\0bot\0{guess}"), "sha256")[:8] for guess in GUESSES}
    assert sent <= framed
    units = {read_call_id(text, lineage=LINEAGE).unit(SECRET) for text in ids}
    assert {bytes.fromhex(unit.id) for unit in units if unit} == sent
