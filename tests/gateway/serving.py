"""A server as a process of its own, and a typist who works with it or with the database behind it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from promptops.core.token import Scope, Token
from promptops.operations.tokens import TokenRequest, create_token
from promptops.store import Registry
from tests import factory
from tests.cli.conftest import Answer

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 60.0
"""How long anything is waited for; a machine may be very busy."""

Serve = Callable[[str], str]
"""Starts a server for the registry of this URL, and answers where it is."""


@dataclass(frozen=True, slots=True)
class Held:
    """A token and its secret."""

    token: Token
    secret: str


def mint(
    registry: Registry,
    name: str,
    *scopes: Scope,
    channels: tuple[str, ...] = ("*",),
    apps: tuple[str, ...] = ("*",),
    lifetime: timedelta | None = None,
) -> Held:
    """A token with these rights, which does not end unless that is said."""
    request = TokenRequest(name=name, scopes=scopes, channels=channels, apps=apps, lifetime=lifetime)
    made = create_token(registry, request, actor=factory.ACTOR, now=datetime.now(UTC))
    return Held(made.token, made.text)


def rows(answer: Answer, name: str) -> list[Any]:
    """A list in the JSON of an answer."""
    found = answer.json[name]
    assert isinstance(found, list)
    return found


@contextmanager
def serving(url: str, folder: Path, *arguments: str) -> Iterator[str]:
    """A server for this registry at a free port, until the block ends. It says nothing that is not expected."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PROMPTOPS_")}
    environment |= {"PROMPTOPS_REGISTRY": url, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "default"}
    log = (folder / f"serve-{time.monotonic_ns()}.log").open("w+", encoding="utf-8")
    command = [sys.executable, "-m", "promptops", "serve", "--port", "0", "--json", *arguments]
    with log, subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=log) as process:
        assert process.stdout is not None
        try:
            said = process.stdout.readline()
            assert said, f"the server did not start: {Path(log.name).read_text(encoding='utf-8')}"
            yield str(json.loads(said)["url"])
        finally:
            process.send_signal(signal.SIGTERM)
            process.stdout.close()
            process.wait(SECONDS)
    assert "Traceback" not in Path(log.name).read_text(encoding="utf-8")
