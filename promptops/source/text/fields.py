"""Reads a file's bytes as text and its fields one by one. Each problem becomes a finding at its place in the file.

Reading goes on after a problem, so that one run reports all of them. Line ends and a byte order mark are normalised
here and nowhere else; the rest of a text stays as it is.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import TypeVar

from promptops.core.model import OBJECTS, Json
from promptops.source.text.findings import Near, Report, short
from promptops.source.text.strict_yaml import Document, Path, parse
from promptops.source.text.suppression import in_yaml
from promptops.source.text.yaml_sections import without_broken
from promptops.source.tree import MAX_FILE, Tree

_LFS = b"version https://git-lfs.github.com/spec/"
_SCALARS = (bool, int, float)
_T = TypeVar("_T")


def read_text(tree: Tree, path: str, *, most: int = MAX_FILE) -> Report:
    """Returns the report of a file with its text; if the file cannot be read, with findings and an empty text.

    ``most`` is how many bytes it may have.
    """
    try:
        data = tree.read(path, most)
    except OSError as error:
        report = Report(path)
        report.add("file-unreadable", 0, str(error) or type(error).__name__)
        return report
    if len(data) > most:
        hint = "Split it: a prompt is rarely this large." if most == MAX_FILE else "Split it."
        return _refused(path, "file-too-large", f"over {most // 1024:,} KiB", hint)
    if is_lfs_pointer(data):
        return _refused(path, "lfs-pointer", "the file is a Git LFS pointer", "Take the file out of Git LFS.")
    return report_of(path, data)


def is_lfs_pointer(data: bytes) -> bool:
    """Returns whether bytes are not those of a file, and say where Git LFS has them."""
    return data.startswith(_LFS)


def report_of(path: str, data: bytes) -> Report:
    """Returns the report of these bytes with their text; if they are not UTF-8, with a finding and an empty text."""
    try:
        text = data.removeprefix(codecs.BOM_UTF8).decode("utf-8")
    except UnicodeDecodeError as error:
        report = Report(path, data[: error.start].decode("utf-8", "replace"))
        report.add("not-utf8", len(report.text), "not UTF-8 text", "Save the file as UTF-8.")
        report.text = ""
        return report
    if "\r" in text:
        text = text.replace("\r\n", "\n")
    report = Report(path, text)
    if "\0" in text:
        report.add("nul-character", text.index("\0"), "NUL characters are not allowed")
    return report


def read_yaml(
    report: Report,
    *,
    start: int = 0,
    end: int | None = None,
    words: Collection[str] = (),
    optional: Callable[[], Collection[str]] = tuple,
) -> Document:
    """Parses the report's text, or a part of it, and adds problems and suppressions to the report.

    ``words`` may be keys without quotes (:func:`~promptops.source.text.strict_yaml.parse`). The entries that
    ``optional`` returns are left out where they are not YAML.
    """
    text = report.text[start:end] if start or end is not None else report.text
    document = parse(text, base=start, words=words)
    if document.root is None and document.problems:
        document = without_broken(document, optional())
    for problem in document.problems:
        report.add(problem.code, problem.offset, problem.message, problem.hint)
    report.escaped = document.escaped
    report.suppressions = in_yaml(document, report)
    return document


def read_fields(report: Report, document: Document, what: str) -> Fields | None:
    """Returns the mapping that a file consists of; None with a finding if the file holds something else."""
    if isinstance(document.value, Mapping):
        return Fields(report, document, document.value, ())
    if not document.problems:
        content = "is empty" if document.value is None else f"holds {shown(document.value)}"
        report.add("wrong-type", document.offset(()), f"{what} is a mapping of keys to values; this file {content}")
    return None


class Fields:
    """A mapping somewhere in a document. A key with a null counts as missing.

    The getters return None for a missing key, and also for a value of the wrong type, which they report.
    """

    __slots__ = ("document", "path", "report", "value")

    def __init__(self, report: Report, document: Document, value: Mapping[str, Json], path: Path) -> None:
        self.report = report
        self.document = document
        self.value = value
        self.path = path

    def text(self, key: str) -> str | None:
        return self._typed(key, str, "text")

    def written(self, key: str) -> str | None:
        """Returns the text at a key; a number or a boolean as it is written: ``1.10`` stays ``1.10``.

        For keys that GitHub's tools read in this way.
        """
        if isinstance(self.value.get(key), _SCALARS):
            node = self.document.node((*self.path, key))
            if node is not None:
                return str(node.value)
        return self.text(key)

    def flag(self, key: str) -> bool | None:
        return self._typed(key, bool, "true or false")

    def without(self, key: str) -> Fields:
        """Returns the same mapping without a key."""
        value = {name: item for name, item in self.value.items() if name != key}
        return Fields(self.report, self.document, value, self.path)

    def fields(self, key: str) -> Fields | None:
        value = self._typed(key, dict, "a mapping")
        return None if value is None else Fields(self.report, self.document, value, (*self.path, key))

    def items(self, key: str) -> Sequence[Json] | None:
        return self._typed(key, list, "a list")

    def inner(self, key: str) -> Iterator[tuple[str, Fields]]:
        """Yields the entries of the mapping of mappings at a key; a null in it is an empty mapping."""
        outer = self.fields(key)
        for name in outer.value if outer else ():
            if outer and outer.value[name] is None:
                yield name, Fields(self.report, self.document, {}, (*outer.path, name))
            elif outer and (fields := outer.fields(name)) is not None:
                yield name, fields

    def each(self, key: str) -> Iterator[Fields]:
        """Yields the mappings of the list at a key, and reports entries that are no mapping."""
        for index, item in enumerate(self.items(key) or ()):
            path = (*self.path, key, index)
            if isinstance(item, OBJECTS):
                yield Fields(self.report, self.document, item, path)
            else:
                self.wrong(path, "a mapping", item)

    def texts(self, key: str) -> tuple[str, ...] | None:
        """Returns the texts of the list at a key; a single text counts as a list of one."""
        value = self.value.get(key)
        if value is None:
            return None
        if isinstance(value, str):
            return (value,)
        items = self.items(key)
        for index, item in enumerate(items or ()):
            if not isinstance(item, str):
                self.wrong((*self.path, key, index), "text", item)
        return tuple(item for item in items or () if isinstance(item, str))

    def add(self, code: str, key: str | int | None, message: str, hint: str | Near = "") -> None:
        """Adds a finding about the value at a key, or about this mapping (None)."""
        path = self.path if key is None else (*self.path, key)
        self.report.add(code, self.document.offset(path), message, hint)

    def add_at_key(self, code: str, key: str, message: str, hint: str | Near = "") -> None:
        """Adds a finding about a key itself."""
        self.report.add(code, self.document.key_offset((*self.path, key)), message, hint)

    def unknown(self, known: Collection[str]) -> list[str]:
        """Returns the keys that are not among the known ones."""
        return [key for key in self.value if key not in known]

    def refuse_unknown(self, known: Collection[str], twins: Mapping[str, str] | None = None) -> None:
        """Reports every key that is not among the known ones as an error. ``twins`` are known mistakes."""
        for key in self.unknown(known):
            hint = f"Write {twins[key]}." if twins and key in twins else Near(key, known, "The keys are")
            self.add_at_key("unknown-setting", key, f"unknown key '{short(key)}'", hint)

    def wrong(self, path: Path, expected: str, value: Json) -> None:
        if expected == "text" and self.document.is_braces(path):
            return
        where = f"'{short(_name(path))}'" if path else "this entry"
        hint = "Put it in quotes." if expected == "text" and isinstance(value, bool | int | float) else ""
        self.report.add(
            "wrong-type", self.document.offset(path), f"{where} must be {expected}, got {shown(value)}", hint
        )

    def _typed(self, key: str, kind: type[_T], expected: str) -> _T | None:
        value = self.value.get(key)
        if value is None or type(value) is kind:
            return value
        self.wrong((*self.path, key), expected, value)
        return None


def shown(value: Json) -> str:
    """Describes a value for a message: its kind, and the value itself, cut at 40 characters."""
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "a list"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    kind = "the text" if isinstance(value, str) else "the number"
    text = str(value)
    return f"{kind} {text[:40]!r}{'…' if len(text) > 40 else ''}" if isinstance(value, str) else f"{kind} {text[:40]}"


def _name(path: Path) -> str:
    """Returns the key that a value is at, with its place in a list: ``messages[0]``."""
    last = max((at for at, step in enumerate(path) if isinstance(step, str)), default=0)
    return "".join(f"[{step}]" if isinstance(step, int) else step for step in path[last:])


def _refused(path: str, code: str, message: str, hint: str) -> Report:
    report = Report(path)
    report.add(code, 0, message, hint)
    return report
