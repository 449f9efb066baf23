"""A rollback needs the registry alone: whatever is the matter with git, it is done, and git gets it later."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.harness.faults.troubles import NO_GIT, TROUBLES, Trouble, adopting, promptops
from tests.harness.faults.worlds import World, begin
from tests.support.journal import names

WELL = Trouble(name="nothing")


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A git workspace with a registry in its usual place, in which `bot` was live three times."""
    root = tmp_path / "work"
    place = root / ".promptops"
    place.mkdir(parents=True)
    begin(World(url=f"sqlite:///{place}/registry.db", root=tmp_path))
    return root


@pytest.mark.parametrize("trouble", [NO_GIT, *TROUBLES], ids=lambda trouble: trouble.name)
def test_a_rollback_is_done_whatever_is_the_matter_with_git(workspace: Path, trouble: Trouble) -> None:
    trouble.spoil(workspace)
    with adopting():
        done = promptops(trouble, workspace, "--json", "rollback", "bot", "--channel", "prod", "--reason", "wrong")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["stable"]["version"] == "0.1.0"  # 0.1.1 is in quarantine


@pytest.mark.parametrize(
    "trouble", [t for t in TROUBLES if t.name in ("git gone", "git hanging")], ids=lambda t: t.name
)
def test_git_gets_it_when_it_is_back(workspace: Path, trouble: Trouble) -> None:
    with adopting():
        assert promptops(trouble, workspace, "rollback", "bot", "--channel", "prod").returncode == 0
        waiting = json.loads(promptops(trouble, workspace, "--json", "status").stdout)["pending"]
        assert waiting > 0
    with adopting():
        done = promptops(WELL, workspace, "--json", "sync")
        assert json.loads(done.stdout)["pending"] == 0, done.stderr
    assert "channels/prod/bot/4" in names(workspace)
