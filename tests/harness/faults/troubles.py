"""What can be the matter with git while somebody rolls back: whole processes of the command line in such a place."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.harness.faults.children import descendants
from tests.support.checkout import ROOT

_SUBREAPER, _DROP, _OVERRIDE, _SEARCH = 36, 24, 1, 2  # prctl(2), capabilities(7)
_HANGING = "#!/bin/sh\nexec sleep 60\n"
_REFUSING = "#!/bin/sh\nexit 1\n"
_HOOKS = "reference-transaction", "pre-push", "post-commit", "pre-receive", "update"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """One thing that is the matter: what it does to a workspace, and which folder of programs comes first, or alone."""

    name: str
    spoil: Callable[[Path], None] = lambda root: None
    programs: Callable[[Path], str] = lambda root: os.environ["PATH"]


def _nothing(root: Path) -> str:
    """A PATH with no programs at all."""
    folder = root.parent / f"{root.name}-empty"
    folder.mkdir(exist_ok=True)
    return str(folder)


def _hanging(root: Path) -> str:
    folder = root.parent / f"{root.name}-hanging"
    folder.mkdir(exist_ok=True)
    _program(folder / "git", _HANGING)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"


def _program(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def _read_only(root: Path) -> None:
    for folder, _, files in os.walk(root / ".git"):
        for path in (Path(folder), *(Path(folder) / name for name in files)):
            path.chmod(path.stat().st_mode & ~0o222)


def _refusing_hooks(root: Path) -> None:
    (root / ".git" / "hooks").mkdir(exist_ok=True)
    for name in _HOOKS:
        _program(root / ".git" / "hooks" / name, _REFUSING)


def _unreachable_remote(root: Path) -> None:
    git(root, "remote", "add", "origin", "https://192.0.2.1/nowhere.git")  # RFC 5737: there is nobody at this address


def _no_repository(root: Path) -> None:
    shutil.rmtree(root / ".git")


NO_GIT = Trouble(name="no git at all", spoil=_no_repository, programs=_nothing)
TROUBLES = (
    Trouble(name="git gone", programs=_nothing),
    Trouble(name="git hanging", programs=_hanging),
    Trouble(name=".git read-only", spoil=_read_only),
    Trouble(name="hooks failing", spoil=_refusing_hooks),
    Trouble(name="remote unreachable", spoil=_unreachable_remote),
)


def git(root: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True)


def environment(trouble: Trouble, root: Path) -> Mapping[str, str]:
    """What a process in this trouble gets: nobody's settings, and the programs there are."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PROMPTOPS_", "PYTHON", "GIT_"))}
    return {**kept, "PATH": trouble.programs(root), "PYTHONPATH": str(ROOT)}


def promptops(trouble: Trouble, root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """One whole process of the command line in this trouble."""
    actor = "--actor", "Ada Lovelace <ada@example.org>"
    return subprocess.run(
        [sys.executable, "-m", "promptops", "-C", str(root), *actor, *arguments],
        env=environment(trouble, root),
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=bound_by_permissions,
    )


def bound_by_permissions() -> None:
    """Even root may then only write what its permissions say. Anybody else was bound already."""
    if os.geteuid() == 0 and sys.platform == "linux":
        libc = ctypes.CDLL(None)
        for capability in (_OVERRIDE, _SEARCH):
            libc.prctl(_DROP, capability, 0, 0, 0)


@contextmanager
def adopting() -> Iterator[Callable[[], bool]]:
    """Become the parent of what the processes started in here leave behind, and wait for all of it at the end. The way
    to ask whether any of it still runs. Only Linux can; elsewhere they run on, and it is always said that they do."""
    if sys.platform != "linux":
        yield lambda: True
        return
    libc = ctypes.CDLL(None)
    libc.prctl(_SUBREAPER, 1, 0, 0, 0)
    before = set(descendants(os.getpid()))
    try:
        yield lambda: any(_runs(pid) for pid in descendants(os.getpid()) if pid not in before)
    finally:
        _outlive(before)
        libc.prctl(_SUBREAPER, 0, 0, 0, 0)


def _outlive(before: set[int]) -> None:
    """Wait for every process that came since; one that only sleeps is ended."""
    until = time.monotonic() + 60
    while left := [pid for pid in descendants(os.getpid()) if pid not in before]:
        for pid in left:
            if _sleeps(pid) or time.monotonic() > until:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
        time.sleep(0.01)


def _runs(pid: int) -> bool:
    """Whether a process is there and more than a dead one nobody has waited for."""
    with suppress(OSError):
        return not Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].startswith((" Z", " X"))
    return False


def _sleeps(pid: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().strip() == "sleep"
    return False
