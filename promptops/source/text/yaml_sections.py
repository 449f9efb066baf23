"""Reads a YAML text of which one entry at the top level is broken, without that entry: the suite of a prompt file that
is not YAML stops no release.

An entry is left out by its lines: that of its key, which has no indentation, and those below it that are indented, list
items or empty. This is what a reader of the file sees, and it is certain:

- The text before the key is a mapping by itself, so the key does not stand within a text in quotes.
- All that is left is YAML. An error anywhere else is still one of the file.
- The lines become comments of the same length. So offsets stay, and a block of text before them ends where it did.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from itertools import combinations, islice

from yaml.nodes import MappingNode

from promptops.source.text.strict_yaml import Document, Problem, parse

_MOST = 4
"""Entries that are looked at. More of them are no file that a person wrote."""
_ALL = re.compile(r"[^\n]")
_KEY = re.compile(r"""(["']?)(?P<key>\w+)\1[ \t]*:(?![^ \t])""")
_OTHER_BREAKS = re.compile("[\r\x85\u2028\u2029]")
"""Ends of lines that YAML knows too, and that an editor may not show."""


@dataclass(frozen=True, slots=True)
class _Entry:
    key: str
    start: int
    end: int


def without_broken(document: Document, keys: Collection[str]) -> Document:
    """Returns a document that could not be parsed as it is without the entries of ``keys`` that are broken; the same
    document where that is not certain. Its ``left_out`` are their places, and its ``problems`` say what is wrong there.
    """
    text = document.text
    if document.root is not None or not document.problems or _OTHER_BREAKS.search(text):
        return document
    entries: list[_Entry] = []
    for entry in islice(_entries(text, keys), _MOST):
        if _is_at_the_top(_masked(text, entries)[: entry.start]):
            entries.append(entry)
    for count in range(1, len(entries) + 1):
        for chosen in combinations(entries, count):
            found = parse(_masked(text, chosen), base=document.base)
            if isinstance(found.root, MappingNode):
                return _joined(document, found, chosen)
    return document


def _entries(text: str, keys: Collection[str]) -> Iterator[_Entry]:
    """Yields the entries of these keys. Empty lines and comments at the end of one may belong to what follows."""
    entry: _Entry | None = None
    position = 0
    for line in text.split("\n"):
        start, position = position, position + len(line) + 1
        if entry is not None and (line == "-" or line.startswith((" ", "\t", "- ", "-\t"))):
            if line.strip():
                entry = replace(entry, end=min(position, len(text)))
        elif line and not line.startswith("#"):
            if entry is not None:
                yield entry
            key = _KEY.match(line)
            is_one = key is not None and key["key"] in keys
            entry = _Entry(key["key"], start, min(position, len(text))) if key is not None and is_one else None
    if entry is not None:
        yield entry


def _is_at_the_top(before: str) -> bool:
    document = parse(before)
    if document.root is None:
        return not document.problems
    return isinstance(document.root, MappingNode) and not document.root.flow_style


def _masked(text: str, entries: Collection[_Entry]) -> str:
    for entry in entries:
        text = text[: entry.start] + _ALL.sub("#", text[entry.start : entry.end]) + text[entry.end :]
    return text


def _joined(document: Document, found: Document, entries: Collection[_Entry]) -> Document:
    return replace(
        found,
        problems=[*_problems(document, entries), *found.problems],
        left_out=[(document.base + entry.start, document.base + entry.end) for entry in entries],
    )


def _problems(document: Document, entries: Collection[_Entry]) -> Iterator[Problem]:
    """Yields what is wrong in each entry, read alone if the problem of the whole text is elsewhere."""
    for entry in entries:
        start, end = document.base + entry.start, document.base + entry.end
        inside = [problem for problem in document.problems if start <= problem.offset < end]
        first = (inside or parse(document.text[entry.start : entry.end], base=start).problems or document.problems)[-1]
        offset = first.offset if start <= first.offset < end else start
        message = f"`{entry.key}` cannot be read, so the prompt has no suite: {first.message}"
        yield replace(first, offset=offset, message=message)
        yield from (problem for problem in inside if problem is not first)
