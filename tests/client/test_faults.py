"""Whatever the network does: a refresh ends in its time, prompts are served, the state is told, and it comes back."""

from __future__ import annotations

import time

import pytest

from promptops import State
from tests.client import made
from tests.client.clients import Maker
from tests.client.fake_server import Asked, FakeServer, Reply
from tests.client.proxy import Fault, FaultProxy
from tests.client.waiting import until

TIMEOUT = 1.0
# Far more than the deadline, and far less than what each fault would take: a drip of a snapshot takes four minutes.
BOUND = 15.0

FAULTS = [fault for fault in Fault if fault is not Fault.NONE]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_ends_in_time_and_changes_nothing_that_is_served(
    client_of: Maker, server: FakeServer, proxy: FaultProxy, fault: Fault
) -> None:
    client = client_of(proxy.url, poll=0.2, timeout=TIMEOUT)
    until(lambda: client.status().streaming)
    proxy.set(fault)
    server.serve(made.served(2, "2.0.0"))
    began = time.monotonic()
    for _ in range(2):
        client.refresh(BOUND)
        assert time.monotonic() - began < BOUND
    until(lambda: client.status().failures > 0)
    assert client.state is not State.READY
    assert client.get_prompt("bot/answer").version in ("1.0.0", "2.0.0")
    proxy.set(Fault.NONE)
    until(lambda: client.state is State.READY and client.get_prompt("bot/answer").version == "2.0.0")
    assert client.get_prompt("bot/answer").revision == 2


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_at_the_start_holds_nobody_up_and_is_recovered_from(
    client_of: Maker, proxy: FaultProxy, fault: Fault
) -> None:
    proxy.set(fault)
    began = time.monotonic()
    client = client_of(proxy.url, poll=0.2, timeout=TIMEOUT, start_timeout=0.3)
    assert time.monotonic() - began < BOUND
    assert client.get_prompt("bot/answer", fallback="Hello").render()[0]["content"] == "Hello"
    proxy.set(Fault.NONE)
    until(lambda: client.state is State.READY)
    assert client.get_prompt("bot/answer").version == "1.0.0"


def test_what_is_corrupted_on_the_way_is_never_served(client_of: Maker, server: FakeServer, proxy: FaultProxy) -> None:
    client = client_of(proxy.url, poll=0.05, timeout=TIMEOUT)
    proxy.set(Fault.CORRUPT)
    known, refused = {made.release("bot", f"{n}.0.0").digest for n in range(1, 40)}, 0
    for number in range(2, 40):
        server.serve(made.served(number, f"{number}.0.0"))
        refused += not client.refresh(BOUND)
        prompt = client.get_prompt("bot/answer")
        assert prompt.digest in known
        assert prompt.definition.written[0].content == f"bot {prompt.version}: {{{{question}}}}"
    assert proxy.corrupted > 0
    assert refused > 0


@pytest.mark.parametrize("fault", ["a letter", "another release"])
def test_a_release_that_is_not_its_digest_is_refused_until_it_is(
    client_of: Maker, server: FakeServer, fault: str
) -> None:
    """The answer stays good HTTP and a good release, so that only its digest shows what happened to it."""
    client = client_of(server.url, poll=0.05, timeout=TIMEOUT)
    wanted, other = made.release("bot", "2.0.0"), made.release("bot", "3.0.0")

    letter = made.CONTENTS[wanted.digest].replace(b"bot 2.0.0", b"bot 2.0.1")
    wrong = letter if fault == "a letter" else made.CONTENTS[other.digest]

    def corrupted(asked: Asked) -> Reply | None:
        if not asked.path.endswith(wanted.digest.removeprefix("sha256:")):
            return None
        return Reply(headers={"Content-Type": "application/json"}, body=wrong)

    server.script = corrupted
    server.serve(made.served(2, "2.0.0"))
    until(lambda: list(client.status().cannot_load) == ["bot"])
    assert client.status().rejected["digest"] > 0
    assert client.get_prompt("bot/answer").version == "1.0.0"
    server.script = None
    until(lambda: client.get_prompt("bot/answer").version == "2.0.0")
    assert client.get_prompt("bot/answer").definition.written[0].content == "bot 2.0.0: {{question}}"


def test_a_stream_that_is_dead_without_a_word_does_not_stop_the_polls(
    client_of: Maker, server: FakeServer, proxy: FaultProxy
) -> None:
    client = client_of(proxy.url, poll=0.2, timeout=TIMEOUT)
    until(lambda: client.status().streaming)
    # What is open stays open and says nothing; what is opened now works.
    proxy.freeze()
    server.serve(made.served(2, "2.0.0"))
    until(lambda: client.get_prompt("bot/answer").version == "2.0.0")


def test_the_next_place_is_asked_where_the_first_one_hangs(
    client_of: Maker, server: FakeServer, proxy: FaultProxy
) -> None:
    proxy.set(Fault.BLACKHOLE)
    client = client_of([proxy.url, server.url], timeout=TIMEOUT)
    assert client.state is State.READY
    assert client.status().place == server.url


def test_a_server_that_says_when_to_listen_again_is_not_asked_before(client_of: Maker, server: FakeServer) -> None:
    server.script = lambda asked: Reply(status=429, headers={"Retry-After": "600"}) if asked.kind == "events" else None
    client = client_of(server.url, poll=0.05)
    until(lambda: server.kinds().count("snapshot") > 100)
    assert server.kinds().count("events") == 1
    until(lambda: client.state is State.READY)  # after three intervals of 50 ms without an answer it is not
