"""Fixtures for pytest, which finds this module by its entry point (``pytest11``). See ``docs/testing.md``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from promptops.testing import AsyncClient, Client


@pytest.fixture
def promptops_prompts() -> Client:
    """A client out of memory, to be called with its prompts: ``promptops_prompts({"bot/answer": "Hi {{name}}"})``."""
    from promptops.testing import Client  # loaded by the tests that use it

    return Client.of({})


@pytest.fixture
def promptops_async_prompts() -> AsyncClient:
    """The same for asyncio."""
    from promptops.testing import AsyncClient

    return AsyncClient.of({})
