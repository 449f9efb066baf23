"""Processes that end, and that fork: each reports its own calls, once."""

from __future__ import annotations

import subprocess
import sys

from tests.client.calls.said import counts
from tests.client.fake_server import FakeServer
from tests.support.checkout import ROOT

HEAD = """
import asyncio, os, sys, time
from promptops import AsyncClient, Client
from tests.client.calls.said import LINEAGE, answer

def wait_for_secret(client):
    while not client._own.desk.secret_of(LINEAGE):
        time.sleep(0.005)

def ask(client, key):
    with client.call("bot/answer", key=key) as call:
        call.record(answer())
"""

ENDING = """
client = Client(sys.argv[1], channel="prod", cache_dir=False, start_timeout=20.0)
wait_for_secret(client)
ask(client, "ada")
client.outcome("pc1:x", "ticket_resolved")
"""

FORKING = """
client = Client(sys.argv[1], channel="prod", cache_dir=False, start_timeout=20.0)
wait_for_secret(client)
ask(client, "before")
with client.call("bot/answer", key="both") as call:
    pid = os.fork()
    call.record(answer())
ask(client, "child" if pid == 0 else "parent")
client.close(30.0)
if pid == 0:
    os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
"""

TASKS = """
async def main():
    async with AsyncClient(sys.argv[1], channel="prod", cache_dir=False, start_timeout=20.0) as client:
        while not client._own.desk.secret_of(LINEAGE):
            await asyncio.sleep(0.005)
        async def one(key):
            async with client.call("bot/answer", key=key) as call:
                await asyncio.sleep(0)
                call.record(answer())
        await asyncio.gather(*(one(str(number)) for number in range(20)))

asyncio.run(main())
"""

# Closing has time: a machine that is slow is no server that does not answer.
PATIENT = """
from promptops.client import async_client, background
from promptops.client.follow import outcome_reports, reports, threads
outcome_reports.EVERY = 1e9
reports.BRIEFLY = reports.GOODBYE = threads.GOODBYE = background._AT_EXIT = async_client._END = 40.0
"""


def _run(server: FakeServer, code: str) -> None:
    command = [sys.executable, "-c", PATIENT + HEAD + code, server.url]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_process_that_ends_reports_what_it_has(counting: FakeServer) -> None:
    _run(counting, ENDING)
    [report] = counting.reports()
    assert counts([report]) == {"opened": 1, "calls": 1}
    assert [entry.name for entry in report.feedback] == ["ticket_resolved"]


def test_tasks_of_one_process_are_one_report(counting: FakeServer) -> None:
    _run(counting, TASKS)
    [report] = counting.reports()
    assert counts([report]) == {"opened": 20, "calls": 20}


def test_a_forked_child_reports_its_own_calls_as_another_client(counting: FakeServer) -> None:
    _run(counting, FORKING)
    by_client = dict[str, dict[str, int]]()
    for client in {report.client for report in counting.reports()}:
        by_client[client] = counts(report for report in counting.reports() if report.client == client)
    parent, child = sorted(by_client.values(), key=lambda each: -each["calls"])
    assert parent == {"opened": 3, "calls": 3}  # the call that was open at the fork is the parent's
    assert child == {"opened": 1, "calls": 1}
