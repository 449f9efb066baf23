"""Worker processes of real application servers, and what each of them says of the prompts it serves."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path

from promptops.operations import heartbeats
from promptops.store import Registry
from tests.client.waiting import until
from tests.support import factory, forked
from tests.support.checkout import ROOT

SHOP = """
import json, os
from promptops import Client

client = Client(os.environ["SOURCE"], channel="prod", cache_dir=False, poll=0.5, start_timeout=20.0)
first = client.get_prompt("bot/answer").version

def say():
    prompt, status = client.get_prompt("bot/answer"), client.status()
    return {"pid": os.getpid(), "version": prompt.version, "state": status.state, "problem": status.problem}

def application(environ, start_response):
    body = json.dumps(say()).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
"""
"""An application that makes its client when it is imported."""

Said = dict[str, object]


@contextmanager
def at_work(
    command: Sequence[str],
    folder: Path,
    source: str,
    token: str,
    *,
    inherits: Sequence[int] = (),
    end: int = signal.SIGTERM,
) -> Iterator[subprocess.Popen[str]]:
    """A program with ``shop`` to import; it ends with the block, with all its processes, and without a traceback."""
    (folder / "shop.py").write_text(SHOP)
    log = folder / "crew.log"
    environment = {**os.environ, "SOURCE": source, "PROMPTOPS_TOKEN": token, "PYTHONPATH": f"{folder}:{ROOT}"}
    with log.open("w") as errors:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            pass_fds=tuple(inherits),
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,
        )
        try:
            yield process
            process.send_signal(end)
            process.wait(60)
        except Exception as error:
            error.add_note(f"the program said: {log.read_text()}")
            raise
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    assert "Traceback" not in log.read_text(), log.read_text()


def ask(port: int) -> Said:
    """What one of the workers behind a port says."""
    connection = HTTPConnection("127.0.0.1", port, timeout=60)  # the first answer waits for the program to start
    try:
        connection.request("GET", "/", headers={"Connection": "close"})
        found = json.loads(connection.getresponse().read())
        assert isinstance(found, dict)
        return found
    finally:
        connection.close()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def is_open(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


def follows(
    hear: Callable[[], Said], registry: Registry, workers: int, roll_back: Callable[[], object], *, known: bool = True
) -> dict[object, Said]:
    """Have so many workers follow a rollback; answers what each said last.

    None is READY with anything but what is live, and where the source knows its clients, it knows them all.
    """
    said: dict[object, Said] = {}

    def heard() -> dict[object, Said]:
        answer = hear()
        said[answer["pid"]] = answer
        return said

    until(lambda: len(heard()) == workers)
    until(lambda: {answer["state"] for answer in heard().values()} == {"READY"}, str(said))
    assert {answer["version"] for answer in said.values()} == {"0.1.2"}
    names = {f"{socket.gethostname()}:{process}" for process in said}
    if known:
        until(lambda: names <= _known(registry).keys(), f"{names} among the clients")
    roll_back()
    until(lambda: {answer["version"] for answer in heard().values()} == {"0.1.1"}, str(said))
    until(lambda: {answer["state"] for answer in heard().values()} == {"READY"}, str(said))
    if known:
        until(lambda: all(_known(registry)[name] == {"bot": 4} for name in names))
    return said


def _known(registry: Registry) -> dict[str, dict[str, int]]:
    found = heartbeats.clients(registry, "prod", now=datetime.now(UTC)).live
    return {each.beat.name: dict(each.beat.revisions) for each in found}


def roll_back_and_wait(url: str) -> None:
    """A rollback on the command line that ends when all who follow have it."""
    environment = {**os.environ, "PROMPTOPS_REGISTRY": url, "PROMPTOPS_ACTOR": factory.ACTOR, "PROMPTOPS_SYNC": "off"}
    command = "rollback", "bot", "--channel", "prod", "--wait", "30"
    done = forked.run(*command, folder=ROOT, environment=environment)
    assert done.returncode == 0, done.stderr
