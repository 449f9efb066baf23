"""These tests need SDKs of providers, which only `make interop` installs; `make test` leaves them out.

`make interop` runs this folder alone, so nothing here uses the fixtures of `tests/conftest.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from importlib.util import find_spec

import pytest

collect_ignore_glob = [] if find_spec("botocore") else ["test_*"]


@pytest.fixture
def closed_loop() -> Iterator[asyncio.AbstractEventLoop]:
    """An event loop for packages that make one for the thread and leave it open, which fails a later test."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield loop
    asyncio.set_event_loop(None)
    loop.close()
