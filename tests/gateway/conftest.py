"""A command line in this process, and servers that it can work with."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from promptops.cli.main import run
from promptops.core.model import Policy
from promptops.core.token import Scope
from promptops.store import Registry
from tests.cli.conftest import Promptops, promptops
from tests.gateway.serving import Held, Serve, mint, serving
from tests.support import factory

__all__ = ["promptops"]

Attempt = Callable[..., tuple[int, str, str]]


@pytest.fixture
def serve(caplog: pytest.LogCaptureFixture) -> Iterator[Serve]:
    """Starts servers that end with the test, and have nothing to complain of but what is asked of them."""
    with ExitStack() as stack:
        yield lambda url: stack.enter_context(serving(url))
    assert [record for record in caplog.get_records("call") if record.levelno >= logging.ERROR] == []


@pytest.fixture
def attempt(promptops: Promptops, capsys: pytest.CaptureFixture[str]) -> Attempt:
    """Types one command line, and answers its exit code and what it printed, whatever they are."""

    def type_in(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        return run(arguments), *capsys.readouterr()

    return type_in


@pytest.fixture
def told(registry: Registry) -> Registry:
    """`bot` with three releases and `other` with two, each live on prod one after the other; `dev` takes anything."""
    factory.make_channels(registry, dev=Policy(), prod=Policy())
    for app, count in (("bot", 3), ("other", 2)):
        for place, release in enumerate(factory.make_releases(registry, app, count)):
            factory.go_live(registry, f"{app}@{release.version}", now=factory.minutes(place), reason=f"take {place}")
    mint(registry, "first", Scope.READ)  # a server that nobody could use does not start
    return registry


@pytest.fixture
def admin(registry: Registry) -> Held:
    """A token that may do everything."""
    return mint(registry, "ops", Scope.ADMIN)


@pytest.fixture
def remote(
    told: Registry,
    registry_url: str,
    admin: Held,
    serve: Serve,
    promptops: Promptops,
    monkeypatch: pytest.MonkeyPatch,
) -> Promptops:
    """The command line, with a server for its registry."""
    monkeypatch.setenv("PROMPTOPS_REGISTRY", serve(registry_url))
    monkeypatch.setenv("PROMPTOPS_TOKEN", admin.secret)
    return promptops
