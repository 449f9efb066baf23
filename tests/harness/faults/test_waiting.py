"""What cannot go to git yet keeps nothing else from going there."""

from __future__ import annotations

from pathlib import Path

from promptops.operations.build import BuiltWorkspace
from promptops.operations.release import ReleaseRequest, release
from promptops.projection import Drained
from promptops.projection.chain import PAGE
from promptops.store import Registry
from tests.harness.faults.orders import built
from tests.support.factory import ACTOR, NAME, START, go_live, make_channels, make_workspace
from tests.support.journal import names, sync


def test_many_releases_whose_commits_are_elsewhere_hold_nothing_up(registry: Registry, tmp_path: Path) -> None:
    root = make_workspace(tmp_path / "work")
    make_channels(registry)
    apps = tuple(built(f"app-{number}", "Hello {{name}}", "e" * 40) for number in range(PAGE + 1))
    release(registry, BuiltWorkspace(registry=NAME, built=apps), ReleaseRequest(key="all"), actor=ACTOR, now=START)
    assert sync(registry, root).drained.pending == 0
    go_live(registry, "app-0@0.1.0")
    assert sync(registry, root).drained == Drained(done=1)
    with registry.read() as reader:
        assert len(names(root)) == reader.audit_head()[0]
