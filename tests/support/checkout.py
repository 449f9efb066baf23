"""What the house tests look at: the files of this checkout that git knows or would take, and the modules among them."""

from __future__ import annotations

import ast
import functools
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


@functools.cache
def files() -> tuple[Path, ...]:
    """Every file that is committed or would be by `git add .`, relative to the checkout."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    )
    return tuple(Path(name) for name in sorted(listed.stdout.split("\0")) if name and (ROOT / name).is_file())


@dataclass(frozen=True, slots=True, kw_only=True)
class Module:
    """One Python file: its path and its text."""

    path: Path
    text: str

    @property
    def tree(self) -> ast.Module:
        """Its syntax tree. Parsing takes most of the time of a test over many modules, so each is parsed once."""
        return _parsed(self)

    @property
    def name(self) -> str:
        parts = self.path.with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@functools.cache
def _parsed(module: Module) -> ast.Module:
    return ast.parse(module.text, str(module.path))


@functools.cache
def _read(path: Path) -> Module:
    return Module(path=path, text=(ROOT / path).read_text(encoding="utf-8"))


def modules(*tops: str) -> tuple[Module, ...]:
    """The Python modules below these top folders, in order."""
    return tuple(_read(path) for path in files() if path.suffix == ".py" and path.parts[0] in tops)


@functools.cache
def imports(module: Module, *, for_types: bool = True) -> tuple[tuple[str, int], ...]:
    """Every imported module's dotted name with its line, also inside functions; those ``if TYPE_CHECKING`` if asked."""
    return tuple(_imports(module, for_types=for_types))


def _imports(module: Module, *, for_types: bool) -> Iterator[tuple[str, int]]:
    waiting: list[ast.AST] = [module.tree]
    while waiting:
        node = waiting.pop(0)
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module, node.lineno
        elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING" and not for_types:
            waiting += node.orelse
        else:
            waiting += ast.iter_child_nodes(node)


def run_python(code: str, *arguments: str) -> str:
    """What a clean interpreter prints for this code with the checkout as its working directory."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def interruptible() -> None:
    """Before a child begins: Ctrl-C means what it means in a terminal, also where the tests run in the background."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def memory(room: int) -> Path | None:
    """A file system in memory with so many bytes free, where there is one: a disk is slow for what need not last."""
    place = Path("/dev/shm")
    try:
        return place if os.access(place, os.W_OK) and shutil.disk_usage(place).free > room else None
    except OSError:
        return None
