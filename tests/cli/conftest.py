"""A command line to type into, in this process and on SQLite, and a registry that has seen something."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from promptops.cli.main import run
from promptops.config import VARIABLES
from promptops.core.model import Json, Policy
from promptops.store import Registry
from tests.support import factory


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a command printed, and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Json]:
        """The one JSON object on stdout."""
        value = json.loads(self.out)
        assert isinstance(value, dict)
        return value

    @property
    def error(self) -> dict[str, str]:
        """The error that stands on stderr with --json."""
        assert self.out == ""
        error = json.loads(self.err)["error"]
        assert isinstance(error, dict)
        return error


Promptops = Callable[..., Answer]


@pytest.fixture
def promptops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Promptops:
    """Types one command line, in the test's own folder and with an environment in which only the actor is set."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PROMPTOPS_ACTOR", factory.ACTOR)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))  # no server that a person logged in to
    monkeypatch.setenv("PROMPTOPS_SYNC", "now")  # nothing is left running behind a test
    monkeypatch.chdir(tmp_path)

    def type_in(*arguments: str, exits: int = 0) -> Answer:
        capsys.readouterr()
        code = run(arguments)
        out, err = capsys.readouterr()
        assert code == exits, f"exit code {code}, not {exits}\n{out}{err}"
        return Answer(code=code, out=out, err=err)

    return type_in


@pytest.fixture
def registry(
    sqlite_template: Path, tmp_path: Path, promptops: Promptops, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Registry]:
    """An empty registry that the command line finds through the environment, with a plain `dev` and `prod`."""
    path = tmp_path / "registry.db"
    shutil.copy(sqlite_template, path)
    monkeypatch.setenv("PROMPTOPS_REGISTRY", str(path))
    opened = Registry.open(f"sqlite:///{path}")
    factory.make_channels(opened, dev=Policy(), prod=Policy())
    yield opened
    opened.close()


@pytest.fixture
def told(registry: Registry) -> Registry:
    """`bot` with 0.1.0, 0.1.1 and 0.1.2, live on prod one after the other, the last an hour ago."""
    start = datetime.now(UTC) - timedelta(hours=3)
    for place, release in enumerate(factory.make_releases(registry, model=factory.LASTING)):
        at = start + timedelta(hours=place)
        factory.go_live(registry, f"bot@{release.version}", now=at, reason=f"take {place}")
    return registry


@pytest.fixture
def workspace(tmp_path: Path, promptops: Promptops, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A git workspace with one app, `bot`, committed, and its registry; the command line runs in it."""
    root = factory.make_workspace(tmp_path / "prompts")
    monkeypatch.chdir(root)
    promptops("init")
    factory.git(root, "add", "--all")
    factory.git(root, "commit", "--quiet", "-m", "Ignore the registry")
    return root
