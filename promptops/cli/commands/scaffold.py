"""A folder -> a workspace: the small one of templates/, or a copy of the example.

The rule it keeps: it never overwrites a file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from promptops.config import DEFAULT_REGISTRY
from promptops.core.errors import Conflict, Invalid, Unavailable
from promptops.core.model import is_name

MARKER = "promptops.yml"
IGNORED = f"/{DEFAULT_REGISTRY.parent.as_posix()}/"
_LEFT_OUT = {".promptops", "__pycache__", ".DS_Store"}


def scaffold(target: Path, *, example: bool) -> tuple[str, ...]:
    """Write the files of a new workspace below ``target``, and return their paths there.

    Raises:
        Conflict: files of the example exist there already; nothing was written.
        Invalid: the folder cannot be written; none of the files is left.
    """
    source = example_workspace() if example else Path(__file__).parents[1] / "templates"
    files = [path.relative_to(source) for path in _files(source)]
    taken = [path.as_posix() for path in files if (target / path).exists() and path.name != ".gitignore"]
    if taken:
        raise Conflict(
            f"these files are in {target} already: {', '.join(taken[:5])}" + (" …" if len(taken) > 5 else ""),
            hint="Choose an empty folder: promptops init DIR" + (" --example" if example else ""),
        )
    new = [path for path in files if not (target / path).exists()]
    try:
        for path in new:
            _write(source / path, target / path, target)
    except BaseException as error:
        for path in new:
            with suppress(OSError):
                (target / path).unlink()
        if isinstance(error, OSError):
            what = error.strerror or str(error)
            raise Invalid(f"{target} cannot be written: {what}", hint="Nothing of the workspace is left.") from error
        raise
    return tuple(path.as_posix() for path in new)


def ignore_registry(root: Path) -> bool:
    """Keep the workspace's registry out of git, by a line in ``.gitignore``; True if the line was added."""
    file = root / ".gitignore"
    if file.exists() and not file.is_file():
        return False
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    folder = DEFAULT_REGISTRY.parent.as_posix()
    if any(line.strip().strip("/") == folder for line in text.splitlines()):
        return False
    gap = "" if not text or text.endswith("\n") else "\n"
    file.write_text(f"{text}{gap}{IGNORED}\n", encoding="utf-8")
    return True


def example_workspace() -> Path:
    """Returns the folder of the example: inside an installed package, beside it in a checkout.

    Raises:
        Unavailable: this installation has no example.
    """
    package = Path(__file__).resolve().parents[2]
    for place in (package / "templates" / "example", package.parent / "example-repo"):
        if (place / MARKER).is_file():
            return place
    raise Unavailable(
        "this installation has no example workspace", hint="promptops init without --example makes a small one."
    )


def registry_name(folder: Path) -> str:
    """Returns a registry's name made of a folder's name, or ``prompts`` if no usable letter is left."""
    name = re.sub(r"[^a-z0-9._-]+", "-", folder.name.lower()).strip("._-")[:63]
    return name if is_name(name) else "prompts"


def _files(source: Path) -> Iterator[Path]:
    for path in sorted(source.rglob("*")):
        if path.is_file() and not _LEFT_OUT.intersection(path.relative_to(source).parts):
            yield path


def _write(source: Path, place: Path, target: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    data = source.read_bytes()
    if source.name == MARKER:
        data = data.replace(b"$registry", registry_name(target).encode())
    place.write_bytes(data)
