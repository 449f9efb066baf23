"""Many readers at once during a thousand changes: whatever one gets is of one release."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from promptops import AsyncClient, Client, Prompt
from promptops.core.model import Content, ReleaseRef
from promptops.core.snapshot import Snapshot
from tests.client import made
from tests.client.clients import InLoop
from tests.client.fake_server import FakeServer
from tests.client.waiting import until

THREADS = 64
CHANGES = 1_000
PROMPTS = {f"prompt{number}": f"{{{{question}}}} {number}" for number in range(4)}


def _release(number: int) -> ReleaseRef:
    """Everything in it says which one it is: text, model and version."""
    version = f"{number}.0.0"
    prompts = tuple(
        made.prompt(name, f"{version} {text}", model=f"openai/gpt-{number}") for name, text in PROMPTS.items()
    )
    return made.shelve(version, Content(app="bot", prompts=prompts))


RELEASES = [_release(number) for number in range(20)]


def _snapshot(revision: int) -> Snapshot:
    ref, canary = RELEASES[revision % len(RELEASES)], RELEASES[(revision + 7) % len(RELEASES)]
    pointer = made.pointer(revision, ref, canary=canary, weight=5_000) if revision % 3 == 0 else None
    return made.snapshot({"bot": pointer or made.pointer(revision, ref)}, cursor=revision)


def _is_whole(prompt: Prompt, last: int) -> int:
    """Nothing of one prompt is of another release, and the channel never goes back; answers its revision."""
    assert prompt.revision >= last, f"revision {prompt.revision} after {last}"
    at = prompt.revision + (7 if prompt.variant == "canary" else 0)
    ref = RELEASES[at % len(RELEASES)]
    assert (prompt.version, prompt.digest) == (ref.version, ref.digest)
    assert prompt.definition.written[0].content.startswith(f"{ref.version} ")
    assert prompt.render(question="Q")[0]["content"].startswith(f"{ref.version} Q ")
    assert prompt.model == f"openai/gpt-{ref.version.partition('.')[0]}"
    return prompt.revision


def _read(client: Client | AsyncClient, number: int, last: int) -> int:
    last = _is_whole(client.get_prompt(f"bot/prompt{number % 4}", key=str(number)), last)
    with client.release("bot", key=str(number)) as release:
        assert len({(_is_whole(release.prompt(name), last), release.prompt(name).digest) for name in PROMPTS}) == 1
    return release.revision


def test_what_a_reader_gets_is_always_of_one_release(server: FakeServer) -> None:
    server.serve(_snapshot(1))
    done, troubles, reads = threading.Event(), list[BaseException](), [0] * THREADS

    def read(client: Client, number: int) -> None:
        last = 0
        try:
            while not done.is_set():
                last = _read(client, number, last)
                reads[number] += 1
                done.wait(0.01)  # two cores are not to be filled by readers alone
        except BaseException as error:  # noqa: BLE001 it is shown by the test's own thread
            troubles.append(error)

    async def follow() -> None:
        last = 0
        async with AsyncClient(server.url, channel="prod", cache_dir=False, start_timeout=20.0) as client:
            started.set()
            while not done.is_set():
                last = await asyncio.to_thread(_read, client, 1, _read(client, 2, last))
                await asyncio.sleep(0.01)

    started = threading.Event()
    loop = threading.Thread(target=lambda: asyncio.run(follow()))
    with Client(server.url, channel="prod", cache_dir=False, start_timeout=20.0) as client:
        threads = [threading.Thread(target=read, args=(client, number)) for number in range(THREADS)]
        for thread in (*threads, loop):
            thread.start()
        started.wait(30)
        for revision in range(2, CHANGES + 2):
            server.serve(_snapshot(revision))
            # Each is followed before the next, so that it is a thousand swaps and not one.
            until(lambda revision=revision: client._own.view.release("bot").revision == revision or troubles)  # type: ignore[misc]
        done.set()
        for thread in (*threads, loop):
            thread.join()
    assert troubles == []
    assert min(reads) > 0


@pytest.mark.parametrize("asked_for", [True, False], ids=["refresh", "poll"])
@pytest.mark.parametrize("kind", [Client, InLoop], ids=["threads", "tasks"])
def test_polling_starts_no_thread_for_each_poll(
    server: FakeServer, kind: type[Client] | type[InLoop], asked_for: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = list[str]()
    start = threading.Thread.start

    def counted(thread: threading.Thread) -> None:
        if "process_request" not in thread.name:  # the server of the test has one for each request
            started.append(thread.name)
        start(thread)

    server.serve(_snapshot(1))
    server.streams = False
    client = kind(server.url, channel="prod", cache_dir=False, poll=0.05, heartbeat=False, start_timeout=20.0)
    polls = client.status().polls
    monkeypatch.setattr(threading.Thread, "start", counted)
    while client.status().polls < polls + 50:
        if asked_for:
            client.refresh()
        time.sleep(0.001)
    monkeypatch.undo()
    client.close()
    assert started == []
