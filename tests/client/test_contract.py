"""A process that does not pass what a release needs keeps it out of a protected channel, by name, until it does."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from promptops.core.asked import Asked
from promptops.core.model import Content, Input, Message, Policy, Role
from promptops.core.token import Scope
from promptops.store import Registry
from tests.client.waiting import until
from tests.server.conftest import mint
from tests.server.running import running
from tests.support import factory
from tests.support.checkout import ROOT

CHECKOUT = """
import sys
from promptops import Client

with Client(sys.argv[1], token=sys.argv[2], channel="prod", poll=0.2, name="checkout-web") as client:
    client.get_prompt("bot/answer").render(**dict.fromkeys(sys.argv[3:], "secret words"))
    print("asked", flush=True)
    sys.stdin.read()
    print(client.get_prompt("bot/answer").version, flush=True)
"""
"""An application that asks once, and says at its end which version it serves."""


def needing(*required: str, optional: tuple[str, ...] = ()) -> Content:
    [prompt] = factory.content().prompts
    inputs = (
        *(Input(name=name) for name in required),
        *(Input(name=name, schema={"type": "string", "default": ""}) for name in optional),
    )
    words = " ".join(f"{{{{{each.name}}}}}" for each in inputs)
    message = Message(role=Role.USER, content=words)
    return Content(app="bot", prompts=(replace(prompt, messages=(message,), inputs=inputs),))


@contextmanager
def checkout(url: str, token: str, *names: str) -> Iterator[subprocess.Popen[str]]:
    """An application in a process of its own that passes these names; it ends with its input."""
    command = [sys.executable, "-c", CHECKOUT, url, token, *names]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, cwd=ROOT, text=True, **pipes) as process:  # type: ignore[call-overload]
        try:
            assert process.stdout.readline() == "asked\n"
            yield process
        finally:
            process.stdin.close()


def promote(url: str, release: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PROMPTOPS_REGISTRY": url, "PROMPTOPS_ACTOR": factory.ACTOR, "PROMPTOPS_SYNC": "off"}
    command = [sys.executable, "-m", "promptops", "promote", release, "--channel", "prod", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def asked(registry: Registry) -> list[Asked | None]:
    with registry.read() as reader:
        return [beat.asks for beat in reader.clients_asking(datetime.now(UTC) - timedelta(seconds=90), "prod")]


@pytest.mark.slow
def test_a_promotion_waits_for_the_code_that_calls(registry: Registry, registry_url: str, tmp_path: Path) -> None:
    factory.make_channels(registry, prod=Policy(protected=True))
    factory.make_release(registry, needing("name", optional=("customer_name",)))
    factory.make_release(registry, needing("name", "customer_name"))
    factory.go_live(registry, "bot@0.1.0")
    reader = mint(registry, "reader", Scope.READ)
    with running(registry_url, tmp_path) as server:
        with checkout(server.url, reader, "name"), checkout(server.url, reader, "name"):
            until(lambda: len(asked(registry)) == 2 and all(asked(registry)))
            refused = promote(registry_url, "bot@0.2.0")
            assert refused.returncode == 5
            assert "Not ready: checkout-web (2 processes) does not pass 'customer_name' to answer" in refused.stderr
            assert factory.live_version(registry) == "0.1.0"
        with checkout(server.url, reader, "name", "customer_name") as process:
            until(lambda: len(asked(registry)) == 1 and all(asked(registry)))
            done = promote(registry_url, "bot@0.2.0")
            assert done.returncode == 0, done.stderr
            assert "Every live process that asks for it is ready." in done.stdout
            assert factory.live_version(registry) == "0.2.0"
            with registry.read() as there:
                assert "secret words" not in str(there.clients_asking(datetime.now(UTC) - timedelta(days=1), "prod"))
            assert process.poll() is None
