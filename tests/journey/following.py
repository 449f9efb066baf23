"""The chapters with a server: applications that ask it, a rollback, how long it took, what both releases cost, and a
release that leaves by itself.
"""

from __future__ import annotations

import json
import os
import shlex
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, Any

from tests.journey.canarying import abort_a_bad_one
from tests.journey.explaining import explain
from tests.journey.model_server import ModelServer
from tests.journey.terminal import Surprise, Terminal, copy, expect
from tests.journey.tickets import TICKETS, answer_tickets, compare, settings_of

_SECONDS = 20.0
_APPLICATION = "application/support.py"
_LIVE = "select max(revision) from deployment where app = 'support-bot' and channel = 'prod'"


def follow(terminal: Terminal, model: ModelServer) -> None:
    """Serve, ask, roll back, and watch the application follow; then let a bad release be aborted."""
    terminal.tell("An application gets its prompts from a server, with a token that can read prod and nothing else.")
    copy(terminal, _APPLICATION)
    minted = terminal.ask("token create support-desk --scope read --channel prod")
    serve = [str(terminal.program), "--json", "serve", "--port", "0"]
    with _running(terminal, "promptops serve", serve) as server:
        url = str(json.loads(_line(server))["url"])
        print(f"  listening on {url}", flush=True)
        settings = {"PROMPTOPS_REGISTRY": url, "PROMPTOPS_CHANNEL": "prod", "PROMPTOPS_TOKEN": str(minted["secret"])}
        typed = f"PROMPTOPS_REGISTRY={url} PROMPTOPS_CHANNEL=prod PROMPTOPS_TOKEN=… python {_APPLICATION}"
        with _running(terminal, typed, [sys.executable, _APPLICATION], settings) as application:
            address = _address(application)
            tickets = settings_of(terminal, url, model)
            terminal.tell("Another one answers tickets with what is live, and says which calls led to what.")
            refused = answer_tickets(terminal, tickets, TICKETS)
            _roll_back(terminal, address)
            answer_tickets(terminal, tickets, TICKETS)
            compare(terminal)
            explain(terminal, model, refused)
            abort_a_bad_one(terminal, tickets)


def _roll_back(terminal: Terminal, address: str) -> None:
    before = _get(f"{address}/release")
    question = "?question=" + "Where%20is%20my%20refund%3F"
    asked = _get(f"{address}/ask{question}")
    sent = asked["would_send"]
    print(f"  {asked['release']} would send {len(sent['messages'])} messages to {sent['model']}\n", flush=True)
    terminal.tell("Even 0.2.0 was not right. Back again, and wait until every client says that it follows:")
    with _Committed(terminal.directory, before["revision"] + 1) as committed:
        terminal.promptops('rollback support-bot --channel prod --reason "still too chatty" --wait 10')
    after = _get(f"{address}/release")
    expect(after["version"] == "0.1.0", f"the application serves 0.1.0, not {after['version']}")
    expect(after["revision"] == before["revision"] + 1, "the application is at the rollback's revision")
    took = (after["since"] - committed.at) * 1000
    expect(committed.at > 0, "the commit of the rollback was seen")
    print(f"\n  The application served {before['version']}, and {after['version']} ", end="")
    print(f"{max(took, 0.0):.0f} ms after the rollback was committed.", flush=True)
    terminal.promptops("clients --channel prod")


class _Committed:
    """When the database first had a revision, seen from outside: ``at`` as seconds since 1970, 0 for never."""

    def __init__(self, directory: Path, revision: int) -> None:
        self.at = 0.0
        self._file = directory / ".promptops" / "registry.db"
        self._revision = revision
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> _Committed:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join()

    def _look(self) -> None:
        until = time.monotonic() + _SECONDS
        with closing(sqlite3.connect(self._file)) as connection:
            while time.monotonic() < until:
                if connection.execute(_LIVE).fetchone()[0] >= self._revision:
                    self.at = time.time()
                    return
                time.sleep(0.001)


@contextmanager
def _running(
    terminal: Terminal, typed: str, command: list[str], settings: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """A process in the background of the story, ended with it."""
    terminal.announce(f"{typed} &")
    process = subprocess.Popen(
        command,
        cwd=terminal.directory,
        env={**terminal.environment(), **(settings or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=_SECONDS)
        finally:
            process.kill()
            _out(process).close()


def _out(process: subprocess.Popen[str]) -> IO[str]:
    assert process.stdout is not None
    return process.stdout


def _line(process: subprocess.Popen[str]) -> str:
    line = _out(process).readline()
    if not line:
        raise Surprise(f"{shlex.join(map(os.fspath, process.args))} ended with {process.wait()}")  # type: ignore[arg-type]
    return line


def _address(application: subprocess.Popen[str]) -> str:
    """What the application prints about where it listens; lines about releases may come first."""
    while "listening on " not in (line := _line(application)):
        print(f"  {line}", end="", flush=True)
    return line.partition("listening on ")[2].strip()


def _get(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(url, timeout=_SECONDS) as answer:
        found = json.load(answer)
    assert isinstance(found, dict)
    return found
