"""A registry and its copy in git that 0.2.0 made on its own command line: today's reads, proves and rebuilds both."""

from __future__ import annotations

import shutil
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from promptops.cli.main import run
from promptops.store import Registry
from tests import factory
from tests.cli.conftest import Promptops
from tests.old import Old
from tests.projection.test_rebuild import answers

PROMPT = "bot/prompts/greet.prompt.yml"
KINDS = {
    "registry", "releases", "confirmations", "profiles", "yanks", "policies", "channels", "quarantines", "tokens",
    "revocations",
}  # fmt: skip
"""The kinds of facts in the story: all but those of an upgrade and of a restore."""


@dataclass(frozen=True)
class Lived:
    """What 0.2.0 left: the database, the workspace with its git repository, and a backup where it is SQLite."""

    url: str
    root: Path
    backup: Path

    @property
    def options(self) -> tuple[str, ...]:
        return ("--registry", self.url, "-C", str(self.root))


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Old:
    return Old.unpack("0.2.0", tmp_path_factory.mktemp("old"))


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def lived(request: pytest.FixtureRequest, old: Old, tmp_path_factory: pytest.TempPathFactory) -> Lived:
    """Made by 0.2.0, and upgraded by today's command line. No test changes it."""
    folder = tmp_path_factory.mktemp(request.param)
    made = Lived(url=f"sqlite:///{folder}/registry.db", root=folder / "prompts", backup=folder / "old.backup")
    if request.param == "postgresql":
        made = replace(made, url=request.getfixturevalue("postgresql_databases")("template0"))
    factory.make_workspace(made.root)
    live_through(old, made.url, made.root)
    if request.param == "sqlite":
        old.type_in(f"db backup {made.backup}", PROMPTOPS_REGISTRY=made.url)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PROMPTOPS_SYNC", "now")
        patch.setenv("PROMPTOPS_ACTOR", factory.ACTOR)
        assert run(["db", "upgrade", *made.options]) == 0
    return made


def live_through(old: Old, url: str, root: Path) -> None:
    """Every kind of change that a command makes."""

    def text(what: str) -> dict[str, str]:
        return {PROMPT: factory.PROMPT.replace("hello", what)}

    def checkout(*what: str) -> str:
        return f"git -C {root} checkout {' '.join(what)}"

    def everywhere(release: str) -> list[str]:
        return [f"promote {release} --channel {channel}" for channel in ("dev", "staging", "prod")]

    policies = factory.WORKSPACE.replace("protected: true", "")
    first = factory.git(root, "rev-parse", "HEAD")
    files = {"promptops.yml": policies, "bot/app.yml": "owner: greeters\n", **text("größer ☃")}
    second, third, fourth = (factory.commit(root, more) for more in (files, text("farewell"), text("nothing")))
    pin = root.parent / "bot.prod.override.json"
    story = [
        checkout(first),
        "init",
        "release -m first",
        *everywhere("bot@0.1.0"),
        "sync",
        checkout(second),
        "channels apply",
        "release -m größer",
        *everywhere("bot@0.1.1"),
        checkout(third),
        "release",
        *everywhere("bot@0.1.2"),
        "rollback bot --channel prod -m 'wrong ☃'",
        "unquarantine bot@0.1.2 --channel prod -m 'fine after all'",
        "rollback bot --channel dev --to 0.1.0",
        "rollback bot --channel staging",
        "yank bot@0.1.2 -m 'it leaks'",
        "quarantine bot@0.1.1 --channel dev -m slow",
        checkout(fourth, "--", "bot"),
        "release --allow-dirty",
        "promote bot@0.1.3 --channel dev",
        checkout(fourth),
        "release",
        "token create ci --scope release --scope promote --channel staging --expires 30d",
        "token create app --channel prod --app bot --expires never",
        "token revoke ci -m leaked",
        f"break-glass pin bot@0.1.0 --channel prod -m gone --out {pin}",
        f"break-glass reconcile {pin}",
        "sync",
    ]
    lines = (line if line.startswith("git ") else f"{line} -C {root}" for line in story)
    old.type_in(*lines, PROMPTOPS_REGISTRY=url, PROMPTOPS_ACTOR=factory.ACTOR)


SERVED = {"dev": "0.1.3", "staging": "0.1.1", "prod": "0.1.0"}
PAST = [
    ("break-glass", "0.1.0"),
    ("rollback", "0.1.1"),
    ("promote", "0.1.2"),
    ("promote", "0.1.1"),
    ("promote", "0.1.0"),
]


def served(promptops: Promptops, *options: str) -> dict[str, str]:
    """What `promptops status` says of each channel."""
    apps: Any = promptops("status", "--json", *options).json["apps"]
    [bot] = apps
    return {channel: found["stable"]["version"] for channel, found in bot["channels"].items()}


def test_it_is_read_and_whole(lived: Lived, promptops: Promptops) -> None:
    with closing(Registry.open(lived.url)) as registry, registry.read() as reader:
        assert {entry.ref.partition("/")[0] for entry in reader.journal()} == KINDS
        assert {entry.action for entry in reader.audit()} >= {"confirm", "rollback", "unquarantine", "break-glass"}
    assert served(promptops, *lived.options) == SERVED
    past: Any = promptops("history", "bot", "--channel", "prod", "--json", *lived.options).json["deployments"]
    assert [(found["kind"], found["stable"]["version"]) for found in past] == PAST
    promptops("releases", "bot", *lived.options)
    promptops("token", "list", *lived.options)
    assert promptops("fsck", "--json", *lived.options).json["faults"] == []
    assert promptops("audit", "--verify", "--json", *lived.options).json["whole"] is True


def test_it_is_rebuilt_from_git_alone(lived: Lived, promptops: Promptops, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/new.db"
    root = shutil.copytree(lived.root, tmp_path / "prompts")
    options = ("--registry", url, "-C", str(root))
    promptops("rebuild", "--from-git", str(root), *options)
    with (
        closing(Registry.open(lived.url)) as before,
        closing(Registry.open(url)) as after,
        before.read() as reader,
        after.read() as other,
    ):
        until, _ = reader.audit_head()
        assert list(answers(other, until)) == list(answers(reader, until))
    promptops("sync", *options)
    promptops("fsck", *options)
    promptops("rollback", "bot", "--channel", "staging", *options)
    assert served(promptops, *options) == {**SERVED, "staging": "0.1.0"}
    promptops("fsck", *options)


@pytest.mark.parametrize("lived", ["sqlite"], indirect=True)
def test_its_backup_is_restored(lived: Lived, promptops: Promptops, tmp_path: Path) -> None:
    options = (
        "--registry",
        str(tmp_path / "restored.db"),
        "-C",
        str(shutil.copytree(lived.root, tmp_path / "prompts")),
    )
    promptops("db", "restore", str(lived.backup), *options)
    assert served(promptops, *options) == SERVED
    promptops("sync", *options)
    promptops("fsck", *options)
