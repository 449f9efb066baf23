"""A process ends in whatever way with a client in it: it does not hang, and says nothing on its way."""

from __future__ import annotations

import gc
import signal
import subprocess
import sys
import threading
import weakref

import pytest

from promptops import Client
from tests.client.fake_server import FakeServer
from tests.client.proxy import Fault, FaultProxy
from tests.client.waiting import until
from tests.support.checkout import ROOT, interruptible

HEAD = """
import asyncio, atexit, gc, logging, os, signal, sys, threading, time
from promptops import AsyncClient, Client
logging.getLogger("promptops.client").setLevel(logging.ERROR)  # a server that hangs is no error here
url = sys.argv[1]
told = dict(channel="prod", cache_dir=False, poll=0.05, start_timeout=0.3, timeout=20.0)
"""

ENDINGS = {
    "the end of the program": "client = Client(url, **told)",
    "sys.exit": "client = Client(url, **told); sys.exit(0)",
    "os._exit": "client = Client(url, **told); os._exit(0)",
    "an exit in the middle of starting": """
threading.Thread(target=Client, args=(url,), kwargs=told, daemon=True).start()
""",
    "a client that nobody has": "Client(url, **told); gc.collect()",
    "a client in a cycle": "client = Client(url, **told); client.me = client; del client; gc.collect()",
    "a client used at exit": """
client = Client(url, **told)
atexit.register(lambda: client.get_prompt("bot/answer", fallback="x").render(question="Why?"))
""",
    "a client made at exit": "atexit.register(lambda: Client(url, **told))",
    "a thread that outlives the program": """
client = Client(url, **told)
def work():
    for _ in range(30):
        client.get_prompt("bot/answer", fallback="x"); time.sleep(0.01)
threading.Thread(target=work).start()
""",
    "a signal": """
client = Client(url, **told)
signal.signal(signal.SIGTERM, lambda *args: sys.exit(0))
threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGTERM)).start()
time.sleep(20)
""",
    "a refresh under way in another thread": """
client = Client(url, **told)
threading.Thread(target=client.refresh, daemon=True).start()
time.sleep(0.1)
""",
    "many clients": "clients = [Client(url, **told) for _ in range(10)]",
    "a close while everything hangs": "client = Client(url, **told); client.close()",
    "an asyncio client that is left open": """
async def main():
    client = AsyncClient(url, **told)
    await client.start()
    client.get_prompt("bot/answer", fallback="x")
asyncio.run(main())
""",
    "an asyncio client in a loop that is stopped by a signal": """
async def main():
    async with AsyncClient(url, **told) as client:
        threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
        await asyncio.sleep(20)
try:
    asyncio.run(main())
except KeyboardInterrupt:
    pass
""",
}


@pytest.mark.parametrize("fault", [Fault.NONE, Fault.BLACKHOLE, Fault.REFUSE, Fault.DRIP])
@pytest.mark.parametrize("ending", ENDINGS)
def test_a_process_ends_without_a_word(proxy: FaultProxy, ending: str, fault: Fault) -> None:
    proxy.set(fault)
    # What is open at the end of a process is closed by it.
    command = [sys.executable, "-W", "error", "-W", "ignore::ResourceWarning", "-c", HEAD + ENDINGS[ending], proxy.url]
    child = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False, preexec_fn=interruptible
    )
    assert (child.returncode, child.stderr) == (0, "")


LEFT_OPEN = {
    "Client": "client = Client(url, **told); start()",
    "AsyncClient": """
client = AsyncClient(url, **told)
async def main():
    await client.start()
    await asyncio.to_thread(start)
asyncio.run(main())
""",
}


@pytest.mark.parametrize("kind", LEFT_OPEN)
def test_a_client_that_is_left_open_says_goodbye_when_the_process_ends(server: FakeServer, kind: str) -> None:
    start = """
from promptops.client import background
from promptops.client.follow import reports
background._AT_EXIT = reports.GOODBYE = 20.0  # a machine that is slow is no server that does not answer
def start():
    print("ready", flush=True)
    sys.stdin.readline()
"""
    child = subprocess.Popen(
        [sys.executable, "-c", HEAD + start + LEFT_OPEN[kind], server.url],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    until(server.beats)
    _, errors = child.communicate("end\n", timeout=60)
    assert (child.returncode, errors) == (0, "")
    assert [beat.get("leaving") for beat in server.beats()][-1] is True


def test_a_process_that_is_interrupted_says_no_more_than_any_other(server: FakeServer) -> None:
    program = HEAD + 'client = Client(url, **told); print("ready", flush=True); time.sleep(30)'
    child = subprocess.Popen(
        [sys.executable, "-c", program, server.url],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=interruptible,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    child.send_signal(signal.SIGINT)
    _, errors = child.communicate(timeout=60)
    assert errors.count("Traceback") == 1
    assert errors.rstrip().endswith("KeyboardInterrupt")


@pytest.mark.usefixtures("patient")
def test_a_client_that_nobody_has_any_more_stops(server: FakeServer) -> None:
    before = {thread.name for thread in threading.enumerate()}
    client = Client(server.url, channel="prod", cache_dir=False)
    alive = weakref.ref(client)
    assert {thread.name for thread in threading.enumerate()} - before
    until(server.beats)
    del client
    until(lambda: gc.collect() >= 0 and alive() is None)
    until(lambda: not {thread.name for thread in threading.enumerate() if "promptops" in thread.name})
    assert server.beats()[-1].get("leaving") is True
