"""A registry of 10,000 releases and 1,000 deployments, made again from git alone by one process."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from promptops import store
from promptops.core.model import Deployment, Kind, Policy, Release
from promptops.operations.channels import apply_channels
from promptops.store import Registry, Writer
from promptops.store.facts.kind import label
from tests.harness.bench.fill import ACTOR, NOW, release
from tests.harness.bench.measure import Line, seconds
from tests.support.factory import make_workspace
from tests.support.journal import sync

APPS, RELEASES, CHANNELS, DEPLOYMENTS = 20, 500, ("staging", "prod"), 25
_SECONDS, _MEGABYTES = 60.0, 500.0


def lines(folder: Path) -> Iterator[Line]:
    """Its time and its peak memory."""
    source, target = folder / "source", folder / "rebuilt.db"
    fill(f"sqlite:///{folder}/registry.db", source, apps=APPS, releases=RELEASES, deployments=DEPLOYMENTS)
    took, megabytes = _rebuild(source, f"sqlite:///{target}")
    what = f"rebuild of {APPS * RELEASES:,} releases, {APPS * len(CHANNELS) * DEPLOYMENTS:,} deployments"
    yield Line(
        what=what,
        measured=seconds(took),
        baseline=f"{_SECONDS:.0f} s",
        ratio=took / _SECONDS,
        bound=1.0,
    )
    yield Line(
        what=f"{what}: memory",
        measured=f"{megabytes:.0f} MB",
        baseline=f"{_MEGABYTES:.0f} MB",
        ratio=megabytes / _MEGABYTES,
        bound=1.0,
    )


def fill(url: str, work: Path, *, apps: int, releases: int, deployments: int, in_git: bool = True) -> None:
    """A registry with so many apps, releases of each, and deployments of each on each channel; all of it in git, unless
    that is to be measured; then the releases are of commits elsewhere, and get no tags."""
    make_workspace(work)
    command = ["git", "rev-parse", "HEAD"]
    commit = subprocess.run(command, cwd=work, capture_output=True, text=True, check=True).stdout.strip()
    store.create(url, name="test", now=NOW, actor=ACTOR)
    registry = Registry.open(url)
    try:
        declared = dict.fromkeys(CHANNELS, Policy())
        apply_channels(registry, "test", declared, actor=ACTOR, now=NOW)
        for number in range(apps):
            app = f"app-{number:02}"
            made = [_from(commit if in_git else "e" * 40, release(app, each)) for each in range(releases)]
            _add(registry, app, made, deployments)
        if in_git:
            sync(registry, work)
    finally:
        registry.close()


def _from(commit: str, made: Release) -> Release:
    return replace(made, provenance=replace(made.provenance, commit=commit))


def _add(registry: Registry, app: str, made: list[Release], deployments: int) -> None:
    """What the operations would write, in one transaction an app."""

    def work(writer: Writer) -> None:
        writer.lock_app(app)
        for number, each in enumerate(made):
            before = made[number - 1].ref if number else None
            writer.record(each, before=label(before))
        for channel in CHANNELS:
            writer.lock_heads([(app, channel)])
            for revision in range(1, deployments + 1):
                _deploy(writer, channel, revision, made)

    registry.write(work)


def _deploy(writer: Writer, channel: str, revision: int, made: list[Release]) -> None:
    now_live, before = made[revision - 1], made[revision - 2].ref if revision > 1 else None
    deployment = Deployment(
        app=now_live.app,
        channel=channel,
        revision=revision,
        kind=Kind.PROMOTE,
        stable=now_live.ref,
        before=before,
        restores=None,
        actor=ACTOR,
        reason="",
        at=NOW,
    )
    writer.append(deployment)


def _rebuild(source: Path, url: str) -> tuple[float, float]:
    """Seconds and megabytes of a whole process."""
    arguments = ["--actor", ACTOR, "--registry", url, "rebuild", "--from-git", str(source)]
    start = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "promptops", *arguments], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    took = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"rebuild failed: {process.returncode}")
    return took, usage.ru_maxrss / (1024 if sys.platform == "linux" else 1024**2)
