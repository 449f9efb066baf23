"""What cannot go to git yet keeps nothing else from going there."""

from __future__ import annotations

from pathlib import Path

from promptops.operations.build import BuiltWorkspace
from promptops.operations.git_sync import sync
from promptops.operations.release import ReleaseRequest, release
from promptops.projection.archive import PAGE
from promptops.store import Registry
from tests.harness.faults.orders import built
from tests.support.factory import ACTOR, NAME, START, go_live, make_channels, make_workspace


def test_many_releases_whose_commits_are_elsewhere_do_not_hold_up_what_comes_after_them(
    registry: Registry, tmp_path: Path
) -> None:
    root = make_workspace(tmp_path / "work")
    make_channels(registry)
    apps = tuple(built(f"app-{number}", "Hello {{name}}", "e" * 40) for number in range(PAGE + 1))
    release(registry, BuiltWorkspace(registry=NAME, built=apps), ReleaseRequest(key="all"), actor=ACTOR, now=START)
    assert sync(registry, root, name=NAME).drained.pending == len(apps)
    go_live(registry, "app-0@0.1.0")
    done = sync(registry, root, name=NAME).drained
    assert (done.done, done.pending, len(done.waiting)) == (1, len(apps), len(apps))
