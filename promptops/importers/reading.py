"""A result file and the name of its format -> its results. The file is read once, within limits, and not kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from promptops.core.errors import Invalid
from promptops.importers import deepeval, inspect, inspect_archive, json_lines, junit, promptfoo, pydantic_evals
from promptops.importers.json_text import Part, parsed
from promptops.importers.results import Results, Target
from promptops.source.tree import WorkingTree

MAX_FILE: Final = 64 << 20
"""Bytes of a result file: 200,000 results with some fields each."""


def _json(read: Callable[[Part, Target], Results]) -> Callable[[bytes, Target], Results]:
    return lambda data, target: read(parsed(data), target)


def _inspect(data: bytes, target: Target) -> Results:
    read = inspect_archive.read if inspect_archive.is_archive(data) else _json(inspect.read)
    return read(data, target)


FORMATS: Final[Mapping[str, Callable[[bytes, Target], Results]]] = {
    "promptfoo": _json(promptfoo.read),
    "junit": junit.read,
    "inspect": _inspect,
    "pydantic-evals": _json(pydantic_evals.read),
    "deepeval": _json(deepeval.read),
    "jsonl": json_lines.read,
}
"""Each format with its reader."""


def read_results(path: Path, format: str, *, prompt: str) -> Results:
    """Reads a result file of one of :data:`FORMATS`. Its cases are put to ``prompt``, as a suite with the name that the
    file has for it, or else the file's own.

    Raises:
        Invalid: the file is not there, over a limit, or not what the format is; the message names it.
        ExtraMissing: it needs a package that is not installed.
    """
    if format not in FORMATS:
        raise Invalid(f"'{format}' is no format of results", hint=f"There are: {', '.join(FORMATS)}.")
    data = _bytes(path)
    try:
        return FORMATS[format](data, Target(prompt=prompt, file=path.stem[:200]))
    except Invalid as error:
        raise Invalid(f"{path.name}: {error.message}", hint=error.hint) from error


def _bytes(path: Path) -> bytes:
    try:
        place = path.resolve(strict=True)
        data = WorkingTree(place.parent).read(place.name, MAX_FILE)
    except (OSError, RuntimeError, ValueError) as error:
        raise Invalid(f"{path.name}: the file cannot be read", hint="It has to be a regular file.") from error
    if len(data) > MAX_FILE:
        raise Invalid(f"{path.name} has over {MAX_FILE >> 20} MiB", hint="Split the run into smaller ones.")
    return data
