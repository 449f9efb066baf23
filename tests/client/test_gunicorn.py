"""Under gunicorn the application is loaded before the workers are forked, and each worker follows by itself."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.client import made
from tests.client.fake_server import FakeServer
from tests.client.waiting import until

APPLICATION = """
import json, os
from promptops import Client

client = Client(os.environ["SOURCE"], channel="prod", cache_dir=False, start_timeout=20.0)
loaded_by = os.getpid()
assert client.get_prompt("bot/answer").version == "1.0.0", client.status()

def application(environ, start_response):
    prompt, status = client.get_prompt("bot/answer"), client.status()
    body = json.dumps({"pid": os.getpid(), "loaded_by": loaded_by, "version": prompt.version, "state": status.state})
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body.encode()]
"""
WORKERS = 3


@contextmanager
def gunicorn(folder: Path, source: str, worker: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """An application under gunicorn, on a port of its own; it ends without a word of complaint."""
    (folder / "shop.py").write_text(APPLICATION)
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listening:
        command = [sys.executable, "-m", "gunicorn", "--preload", "--bind", f"fd://{listening.fileno()}"]
        command += ["--workers", str(WORKERS), "--worker-class", worker, "--chdir", str(folder)]
        command += ["--no-control-socket", "--log-level", "warning", "shop:application"]
        process = subprocess.Popen(
            command,
            env={**os.environ, "SOURCE": source},
            pass_fds=[listening.fileno()],
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            yield process, listening.getsockname()[1]
        finally:
            process.terminate()
            errors = process.communicate(timeout=60)[1]
        assert process.returncode == 0, errors
        assert "Traceback" not in errors, errors


def ask(port: int) -> dict[str, object]:
    """What one of the workers says."""
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", "/", headers={"Connection": "close"})
        found = json.loads(connection.getresponse().read())
        assert isinstance(found, dict)
        return found
    finally:
        connection.close()


@pytest.mark.parametrize("worker", ["sync", "gthread"])
def test_the_workers_of_a_preloaded_application_follow(server: FakeServer, tmp_path: Path, worker: str) -> None:
    with gunicorn(tmp_path, server.url, worker) as (process, port):
        said: dict[object, dict[str, object]] = {}

        def heard() -> dict[object, dict[str, object]]:
            answer = ask(port)
            said[answer["pid"]] = answer
            return said

        until(lambda: len(heard()) == WORKERS)
        assert {(answer["loaded_by"], answer["version"]) for answer in said.values()} == {(process.pid, "1.0.0")}
        server.serve(made.served(3, "3.0.0"))
        until(lambda: {answer["version"] for answer in heard().values()} == {"3.0.0"})

        # The parent followed too: a worker that is forked now begins with what is live now.
        killed, *_ = workers = set(said)
        assert isinstance(killed, int)
        os.kill(killed, signal.SIGKILL)
        until(lambda: set(heard()) - workers)
        (newcomer,) = set(said) - workers
        assert said[newcomer]["version"] == "3.0.0"
        server.serve(made.served(4, "4.0.0"))
        del said[killed]
        until(lambda: {answer["version"] for answer in heard().values()} == {"4.0.0"})
        until(lambda: {answer["state"] for answer in heard().values()} == {"READY"})  # which follows what is served
