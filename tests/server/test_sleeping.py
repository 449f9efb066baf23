"""A server without work sleeps, and a signal wakes it."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.server.running import PATIENCE, environment

_SELDOM_AWAKE = """
from promptops.cli.main import main
from promptops.server import run
run._TICK = 3600.0
main()
"""


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_server_that_sleeps(sqlite_template: Path, tmp_path: Path, sig: signal.Signals) -> None:
    path = shutil.copy(sqlite_template, tmp_path / "registry.db")
    command = [sys.executable, "-c", _SELDOM_AWAKE, "--json", "serve", "--port", "0", "--no-auth"]
    with subprocess.Popen(command, env=environment(f"sqlite:///{path}"), stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        process.send_signal(sig)
        assert process.wait(PATIENCE) == 0  # the watchdog would end it with 1
