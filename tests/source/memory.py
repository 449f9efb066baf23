"""A tree of source files in memory: the smallest real :class:`promptops.source.tree.Tree`."""

from __future__ import annotations

from collections.abc import Sequence

from promptops.core.finding import Finding
from promptops.source.lint.lint import check
from promptops.source.load import Loaded
from promptops.source.tree import MAX_FILE, below

WORKSPACE = "registry: team\napps: [bot]\n"


class MemoryTree:
    """Files by their paths."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.content = files

    def files(self, *under: str) -> Sequence[str]:
        return sorted(path for path in self.content if any(below(path, folder) for folder in under or ("",)))

    def others(self, *under: str) -> Sequence[str]:
        return ()

    def prepare(self, paths: Sequence[str]) -> None:
        pass

    def read(self, path: str, most: int = MAX_FILE) -> bytes:
        if path not in self.content:
            raise FileNotFoundError(path)
        return self.content[path][: most + 1]

    def size(self, path: str) -> int:
        return len(self.read(path))


def workspace(files: dict[str, str | bytes]) -> MemoryTree:
    """A workspace with one app in ``bot/``; paths are relative to the app, or absolute with a slash."""
    content: dict[str, bytes] = {"promptops.yml": WORKSPACE.encode()}
    for path, text in files.items():
        name = path[1:] if path.startswith("/") else f"bot/{path}"
        content[name] = text if isinstance(text, bytes) else text.encode()
    return MemoryTree(content)


def checked(files: dict[str, str | bytes]) -> Loaded:
    """Check a workspace of these files."""
    return check(workspace(files))


def prompt_findings(text: str | bytes, **more: str) -> list[Finding]:
    """What there is to say about one prompt file, in an app with these other files."""
    files: dict[str, str | bytes] = {"answer.prompt.yml": text}
    files |= {
        path.replace("__", "/").replace("_yml", ".yml").replace("_md", ".md"): body for path, body in more.items()
    }
    return [finding for finding in checked(files).findings if finding.path == "bot/answer.prompt.yml"]


def codes(findings: Sequence[Finding]) -> list[tuple[str, int, int]]:
    """Code, line and column of each finding."""
    return [(finding.code, finding.line, finding.column) for finding in findings]
