"""Wait for something to become true; generously, because machines that run tests are slow."""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE = 40.0


def until(condition: Callable[[], object], what: str = "") -> None:
    """Return as soon as the condition is true, and fail where it never is."""
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"it never happened: {what or condition}")
        time.sleep(0.002)
