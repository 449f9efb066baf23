"""Whole processes against the bare import of what they cannot do without."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from promptops import store
from tests.harness.bench.fill import ACTOR, NOW, deploy_all, fill_app
from tests.harness.bench.measure import Line, compare, process
from tests.support.checkout import ROOT

_ROUNDS = 15
# What a tool on a usual ORM loads before its first line of work. promptops itself declares plain tables.
_DATABASE = 'python -c "import sqlmodel, click"'
_WORKSPACE = """\
registry: bench
apps: [apps/*]
channels:
  dev: {}
  staging: {}
  prod: {}
"""
CHANNELS = ("dev", "staging", "prod")


def lines(folder: Path) -> Iterator[Line]:
    """help, the client, rollback and status."""
    python, promptops = sys.executable, console_script()
    click = partial(process, [python, "-c", "import click"], folder)
    database = partial(process, [python, "-c", "import sqlmodel, click"], folder)
    yield compare(
        "promptops --help",
        partial(process, [*promptops, "--help"], folder),
        click,
        named='python -c "import click"',
        bound=1.8,
        rounds=_ROUNDS,
    )
    yield compare(
        "from promptops import Client",
        partial(process, [python, "-c", "from promptops import Client"], folder),
        partial(process, [python, "-c", "import httpx"], folder),
        named='python -c "import httpx", which a client loads later',
        bound=1.8,
        rounds=_ROUNDS,
    )
    small = workspace(folder / "small", apps=1, releases=3 * _ROUNDS, on=("prod",))
    yield compare(
        "promptops rollback, the whole process",
        partial(process, [*promptops, "rollback"], small),
        database,
        named=_DATABASE,
        bound=1.5,
        rounds=_ROUNDS,
    )
    large = workspace(folder / "large", apps=500, releases=20, on=CHANNELS)
    for what, place in (("1 app", small), ("500 apps on 3 channels, 10,000 releases", large)):
        yield compare(
            f"promptops status, {what}",
            partial(process, [*promptops, "status"], place),
            database,
            named=_DATABASE,
            bound=1.15,
            rounds=_ROUNDS,
        )


def console_script() -> list[str]:
    """Returns the words that start the command of this environment."""
    script = Path(sys.executable).with_name("promptops")
    return [str(script)] if script.is_file() else [sys.executable, "-c", _MAIN]


_MAIN = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from promptops.cli.main import main; main()"


def workspace(root: Path, *, apps: int, releases: int, on: tuple[str, ...]) -> Path:
    """A workspace in git whose registry has this many apps, each with this many releases, all of them once live."""
    root.mkdir()
    (root / "promptops.yml").write_text(_WORKSPACE, encoding="utf-8")
    (root / ".promptops").mkdir()
    for arguments in (["init", "--quiet"], ["config", "user.name", "Ada"], ["config", "user.email", "ada@example.org"]):
        subprocess.run(["git", *arguments], cwd=root, check=True)
    url = f"sqlite:///{root}/.promptops/registry.db"
    store.create(url, name="bench", now=NOW, actor=ACTOR)
    registry = store.Registry.open(url)
    try:
        for number in range(apps):
            name = f"app-{number:03}"
            made = fill_app(registry, name, releases)
            # One app that can be rolled back often was live with each release; of many, a short past is the usual one.
            deploy_all(registry, name, made if apps == 1 else made[-4:], on)
    finally:
        registry.close()
    return root
