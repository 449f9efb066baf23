"""The journal in git: 10,000 facts go there for the first time, signed or not, a colleague pushes beside them, fsck
reads them all and the next time none of them, and 100,000 in ten times the time.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

from promptops.operations.fsck import RegistryLocation, check
from promptops.store import Registry
from tests.harness.bench.fill import ACTOR
from tests.harness.bench.measure import Line, compare, process, seconds, timed
from tests.harness.bench.rebuild import fill
from tests.support.factory import NAME
from tests.support.journal import BRANCH, set_key
from tests.support.signing import key_text

_FACTS = {"1,000": (4, 200, 25), "10,000": (20, 400, 50), "100,000": (20, 4_000, 500)}
"""Apps, releases of each, and deployments of each on each channel: about that many facts, in one mixture."""


def lines(folder: Path) -> Iterator[Line]:
    """The first sync with a remote, a push of somebody else, and fsck."""
    for name, (apps, releases, deployments) in _FACTS.items():
        work = folder / name
        fill(_url(work), work, apps=apps, releases=releases, deployments=deployments, in_git=False)
    yield _signed_sync(folder, folder / "10,000")
    yield _first_sync(folder, folder / "10,000")
    yield _push_of_a_colleague(folder)
    for name in ("1,000", "100,000"):
        process([*_promptops(folder / name), "sync"], folder)
    yield _fsck_again(folder / "10,000")
    yield _fsck(folder, "10,000", than="1,000", rounds=5)
    yield _fsck(folder, "100,000", than="10,000", rounds=3)


def _url(work: Path) -> str:
    return f"sqlite:///{work}.db"


def _promptops(work: Path) -> list[str]:
    return [sys.executable, "-m", "promptops", "--actor", ACTOR, "--registry", _url(work), "-C", str(work)]


def _git(folder: Path, *arguments: str, data: bytes | None = None) -> bytes:
    return subprocess.run(["git", *arguments], cwd=folder, input=data, capture_output=True, check=True).stdout


def _bare(folder: Path, name: str) -> Path:
    _git(folder, "init", "--quiet", "--bare", name)
    return folder / name


def _first_sync(folder: Path, work: Path) -> Line:
    """Once: the second time there is nothing to do."""
    _git(work, "remote", "add", "origin", str(_bare(folder, "ours.git")))
    took = process([*_promptops(work), "sync", "--remote", "origin"], work)
    stream = _git(work, "fast-export", f"refs/heads/{BRANCH}")
    _git(folder, "init", "--quiet", "imported")
    _git(folder / "imported", "remote", "add", "origin", str(_bare(folder, "theirs.git")))

    def by_hand() -> None:
        _git(folder / "imported", "fast-import", "--quiet", data=stream)
        _git(folder / "imported", "push", "--quiet", "origin", f"refs/heads/{BRANCH}")

    base = timed(by_hand)
    return Line(
        what="first sync of 10,000 facts with a local remote",
        measured=seconds(took),
        baseline=f"{seconds(base)} git fast-import and push of the same commits",
        ratio=took / base,
        bound=4.0,
    )


def _signed_sync(folder: Path, work: Path) -> Line:
    """What signatures add to a first sync. Each round has copies, and a machine that remembers none of them."""
    signed, unsigned = _copy(work, folder / "signed"), _copy(work, folder / "unsigned")
    registry = Registry.open(_url(signed))
    set_key(registry)
    registry.close()
    return compare(
        "first sync of 10,000 facts that are signed",
        _syncing(signed),
        _syncing(unsigned),
        named="the same without a key",
        bound=2.0,
        rounds=3,
    )


def _copy(work: Path, copy: Path) -> Path:
    for path in work.parent.glob(f"{work.name}.db*"):
        shutil.copy(path, copy.with_name(path.name.replace(work.name, copy.name, 1)))
    return shutil.copytree(work, copy)


def _syncing(work: Path) -> Callable[[], float]:
    numbers = count()

    def sync() -> float:
        copy = _copy(work, work.with_name(f"{work.name}-{next(numbers)}"))
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PROMPTOPS_", "PYTHON"))}
        machine = {"XDG_CACHE_HOME": str(copy.with_suffix(".cache")), "PROMPTOPS_SIGNING_KEY": key_text()}
        return process([*_promptops(copy), "sync"], copy, environment={**kept, **machine})

    return sync


def _push_of_a_colleague(folder: Path) -> Line:
    """A commit of another branch, to the remote that has the journal and to one that has not."""
    return compare(
        "a colleague's push to a repository with 10,000 facts",
        _pushing(folder, folder / "ours.git", "with"),
        _pushing(folder, _bare(folder, "without.git"), "without"),
        named="the same without the journal",
        bound=1.5,
        rounds=11,
    )


def _pushing(folder: Path, remote: Path, name: str) -> Callable[[], float]:
    _git(folder, "clone", "--quiet", str(remote), name)
    clone, numbers = folder / name, count()
    identity = ("-c", "user.name=Bob", "-c", "user.email=bob@example.org")

    def push() -> float:
        _git(clone, *identity, "commit", "--quiet", "--allow-empty", "--message", str(next(numbers)))
        return process(["git", "push", "--quiet", "origin", "HEAD:refs/heads/work"], clone)

    return push


def _fsck_again(work: Path) -> Line:
    """As it is typed each day: everything was verified before."""
    fsck, status = [*_promptops(work), "fsck"], [*_promptops(work), "status"]
    process(fsck, work)
    return compare(
        "fsck of 10,000 facts that were verified before",
        lambda: process(fsck, work),
        lambda: process(status, work),
        named="status",
        bound=3.0,
        rounds=9,
    )


def _fsck(folder: Path, name: str, *, than: str, rounds: int) -> Line:
    """The time for one fact of many, against that of one of few: whole, in process."""

    def a_fact(name: str) -> Callable[[], float]:
        place = RegistryLocation(url=_url(folder / name), root=folder / name, name=NAME)
        registry = Registry.open(place.url)
        with registry.read() as reader:
            facts, _ = reader.audit_head()
        registry.close()

        def once() -> None:
            if faults := check(place).faults:
                raise RuntimeError(f"fsck found {faults[:2]}")

        return lambda: timed(once) / facts

    return compare(
        f"fsck, a fact of {name}", a_fact(name), a_fact(than), named=f"a fact of {than}", bound=1.3, rounds=rounds
    )
