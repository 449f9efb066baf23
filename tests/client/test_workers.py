"""Workers of real servers that fork follow a rollback, each by itself, and the registry knows each of them."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from promptops.core.token import Scope
from promptops.server.app import create_app
from promptops.server.settings import Settings
from promptops.store import Registry
from tests.client.crew import Said, ask, at_work, follows, free_port, is_open, roll_back_and_wait
from tests.client.waiting import until
from tests.server.conftest import mint
from tests.server.running import inside
from tests.support import factory

UWSGI = str(Path(sys.executable).with_name("uwsgi"))


@pytest.fixture
def database() -> str:
    """One of them is enough: what is forked is the client's."""
    return "sqlite"


@pytest.fixture
def live(registry: Registry) -> Registry:
    factory.make_channels(registry)
    for release in factory.make_releases(registry):
        factory.go_live(registry, f"bot@{release.version}")
    return registry


@pytest.fixture
def token(live: Registry) -> str:
    return mint(live, "reader", Scope.READ)


@pytest.fixture
def served(live: Registry, registry_url: str) -> Iterator[str]:
    with inside(create_app(Settings(registry=registry_url))) as talking:
        yield f"http://127.0.0.1:{talking.port}"


@pytest.mark.parametrize(
    "options",
    [
        "--master",
        "--master --enable-threads --lazy-apps",
        "--master --threads 2",
        "--master --py-call-uwsgi-fork-hooks",
        "--die-on-term",  # without a master: the process that loaded is a worker itself
    ],
)
def test_workers_of_uwsgi_follow(
    live: Registry, token: str, served: str, registry_url: str, tmp_path: Path, options: str
) -> None:
    port = free_port()
    command = [UWSGI, "--http-socket", f"127.0.0.1:{port}", "--module", "shop:application", "--processes", "2"]
    command += ["--disable-logging", "--die-on-term", *options.split()]
    with at_work(command, tmp_path, served, token):
        until(lambda: is_open(port))
        follows(lambda: ask(port), live, 2, lambda: roll_back_and_wait(registry_url))


def test_workers_of_uwsgi_follow_a_database(live: Registry, registry_url: str, tmp_path: Path) -> None:
    port = free_port()
    command = [UWSGI, "--http-socket", f"127.0.0.1:{port}", "--module", "shop:application", "--processes", "2"]
    with at_work([*command, "--master", "--disable-logging", "--die-on-term"], tmp_path, registry_url, ""):
        until(lambda: is_open(port))
        follows(lambda: ask(port), live, 2, lambda: factory.go_back(live, "bot"), known=False)


@pytest.mark.parametrize("preload", [True, False], ids=["preload", "each"])
def test_workers_of_gunicorn_with_gevent_follow(
    live: Registry, token: str, served: str, tmp_path: Path, preload: bool
) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listening:
        command = [sys.executable, "-m", "gunicorn", "--bind", f"fd://{listening.fileno()}", "--workers", "2"]
        command += [
            "--worker-class",
            "gevent",
            "--no-control-socket",
            "--log-level",
            "warning",
            "--chdir",
            str(tmp_path),
        ]
        command += [*(["--preload"] if preload else []), "shop:application"]
        with at_work(command, tmp_path, served, token, inherits=[listening.fileno()]):
            port = listening.getsockname()[1]
            follows(lambda: ask(port), live, 2, lambda: factory.go_back(live, "bot"))


CREW = """
import json, multiprocessing, os, sys, time
import shop

def work():
    while True:
        os.write(1, (json.dumps(shop.say()) + "\\n").encode())
        time.sleep(0.1)

if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    if sys.argv[1] == "forkserver":
        context.set_forkserver_preload(["shop"])
    for _ in range(2):
        context.Process(target=work, daemon=True).start()
    work()
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_processes_of_multiprocessing_follow(
    live: Registry, token: str, served: str, tmp_path: Path, method: str
) -> None:
    (tmp_path / "crew.py").write_text(CREW)
    with at_work([sys.executable, "crew.py", method], tmp_path, served, token) as process:
        lines = process.stdout
        assert lines is not None

        def hear() -> Said:
            found = json.loads(lines.readline())
            assert isinstance(found, dict)
            return found

        follows(hear, live, 3, lambda: factory.go_back(live, "bot"))


TASKS = """
import time
import celery
import shop

app = celery.Celery("tasks", broker="filesystem://")
app.conf.update(broker_transport_options=OPTIONS, worker_prefetch_multiplier=1)

@app.task(name="ask", ignore_result=True)
def ask(path):
    import json, os
    time.sleep(0.05)  # so that the other process gets the next one
    with open(path + ".part", "w") as file:
        json.dump(shop.say(), file)
    os.rename(path + ".part", path)
"""


def _folders(side: Path) -> dict[str, Any]:
    folders = {name: side / name for name in ("data_folder_in", "data_folder_out", "control_folder")}
    for folder in folders.values():
        folder.mkdir(parents=True)
    return {**{name: str(folder) for name, folder in folders.items()}, "polling_interval": 0.02}


def test_processes_of_celery_follow(live: Registry, token: str, served: str, tmp_path: Path) -> None:
    import celery  # type: ignore[import-untyped]

    # kombu's files are read while they are being written. So the two share none, and a finished one is moved over.
    options = {side: _folders(tmp_path / side) for side in ("worker", "sender")}
    (tmp_path / "tasks.py").write_text(dedent(TASKS).replace("OPTIONS", repr(options["worker"])))
    app = celery.Celery("asking", broker="filesystem://")
    app.conf.update(broker_transport_options=options["sender"])
    command = [sys.executable, "-m", "celery", "-A", "tasks", "worker", "--pool", "prefork", "--concurrency", "2"]
    command += ["--loglevel", "warning", "--without-gossip", "--without-mingle", "--without-heartbeat"]
    numbers = iter(range(100_000))

    def hear() -> Said:
        path = tmp_path / f"answer-{next(numbers)}"
        app.send_task("ask", [str(path)])
        for message in Path(options["sender"]["data_folder_out"]).iterdir():
            message.rename(Path(options["worker"]["data_folder_in"], message.name))
        until(path.exists)
        found = json.loads(path.read_text())
        assert isinstance(found, dict)
        return found

    with at_work(command, tmp_path, served, token), app.connection_for_write():
        follows(hear, live, 2, lambda: factory.go_back(live, "bot"))
