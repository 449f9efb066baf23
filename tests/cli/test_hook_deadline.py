"""A hook ends in time, also where nothing in it can be interrupted."""

from __future__ import annotations

import subprocess
import sys

import pytest

from promptops.cli.hook_deadline import Deadline
from promptops.operations.pushes import PushLate

BLOCKED = """
import signal, time
from promptops.cli.hook_deadline import in_time
with in_time(0.2):
    {before}
    time.sleep(600)
"""


@pytest.mark.parametrize(
    ("before", "code", "said"),
    [("pass", 1, "PushLate"), ("signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})", 6, "does not answer")],
    ids=["a signal is heard", "a call of the system hears none"],
)
def test_a_hook_that_hangs_is_ended(before: str, code: int, said: str) -> None:
    script = BLOCKED.replace("{before}", before)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == code and said in done.stderr


def test_where_silence_lets_a_push_through_there_has_to_be_time_to_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("promptops.cli.hook_deadline._age", lambda: 0.4)
    assert 0 < Deadline(60).for_registry(fair=True) < 60
    monkeypatch.setattr("promptops.cli.hook_deadline._age", lambda: 59.0)
    late = Deadline(60)
    assert 0 < late.for_registry(fair=False) < 6
    with pytest.raises(PushLate):
        late.for_registry(fair=True)
