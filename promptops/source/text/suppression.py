"""Comments that suppress a finding and give the reason.

In YAML ``# promptops: ignore[code] reason``, at the end of a line or on a line of its own above the entry it covers; it
covers all lines of a block of text. In Markdown ``<!-- promptops: ignore[code] reason -->``, in a line or
above the paragraph it covers; it is not part of the text that a model gets. Several codes are written ``ignore[one,
two]``.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from promptops.source.text.covering import Suppression
from promptops.source.text.findings import RULES, Near, Report
from promptops.source.text.places import Places
from promptops.source.text.strict_yaml import Document

_MARK = "promptops:"
_IN_YAML = re.compile(r"(?:^|(?<=[ \t]))#[ \t]*+promptops:[ \t]*+ignore\b", re.MULTILINE)
_IN_TEXT = re.compile(r"<!--[ \t]*+promptops:[ \t]*+ignore\b")
_BLANKS = re.compile(r"[^\S\n]*+")
_HINT = "Write: promptops: ignore[code] and the reason."


@dataclass(frozen=True, slots=True, kw_only=True)
class _Comment:
    """A suppressing comment: its begin and end in the text, and its content behind ``ignore``."""

    start: int
    end: int
    content: str


def in_yaml(document: Document, report: Report) -> list[Suppression]:
    """Returns the suppressions of a YAML text. Malformed ones become findings."""
    if _MARK not in document.text or document.root is None:
        return []
    suppressions = []
    lines = _Lines(document, report)
    for comment in _yaml_comments(document):
        first, last = lines.covered(comment)
        if suppression := _read(comment, document.base, first, last, report):
            suppressions.append(suppression)
    return suppressions


def in_text(text: str, base: int, report: Report) -> list[Suppression]:
    """Returns the suppressions of a text that begins at ``base`` of its file. Malformed ones become findings."""
    suppressions = []
    before, paragraph = 0, -1
    for comment in _text_comments(text):
        first = last = report.line(base + comment.start)
        if _is_alone(text, comment, before):
            if paragraph < comment.end:
                paragraph = text.find("\n\n", comment.end)
                paragraph = len(text) if paragraph < 0 else paragraph
            last = report.line(base + paragraph)
        before = comment.end
        if suppression := _read(comment, base, first, last, report):
            suppressions.append(suppression)
    return suppressions


def without(text: str) -> tuple[str, Places]:
    """Returns the text without its suppressions and the lines that hold nothing else, and the former offsets."""
    kept: list[str] = []
    pairs: list[tuple[int, int]] = []
    length = position = 0
    for comment in _text_comments(text):
        start, end = comment.start, comment.end
        if _is_alone(text, comment, position):
            start = max(text.rfind("\n", position, start) + 1, position)
            end = min(_blank_until(text, end) + 1, len(text))
        pairs.append((length, position))
        kept.append(text[position:start])
        length, position = length + start - position, end
    kept.append(text[position:])
    return "".join(kept), Places([*pairs, (length, position)])


def _text_comments(text: str) -> Iterator[_Comment]:
    """Yields the suppressing comments of a text, in time that grows with its length alone. Each ends on its line."""
    position = 0
    while match := _IN_TEXT.search(text, position):
        line = text.find("\n", match.end())
        close = text.find("-->", match.end(), len(text) if line < 0 else line)
        if close >= 0:
            yield _Comment(start=match.start(), end=close + 3, content=text[match.end() : close])
            position = close + 3
        elif line >= 0:
            position = line
        else:
            return


def _yaml_comments(document: Document) -> Iterator[_Comment]:
    """Yields the suppressing comments of a document. Each ends with its line; one inside a scalar is text."""
    text = document.text
    scalars = sorted(_spans(document.root, text)) if document.root is not None else []
    position = 0
    while match := _IN_YAML.search(text, position):
        around = bisect_right(scalars, (match.start(), len(text)))
        if around and match.start() < scalars[around - 1][1]:
            position = max(scalars[around - 1][1], match.end())
            continue
        line = text.find("\n", match.end())
        position = len(text) if line < 0 else line
        yield _Comment(start=match.start(), end=position, content=text[match.end() : position])


def _is_alone(text: str, comment: _Comment, before: int) -> bool:
    """True if the line of a comment holds nothing else; ``before`` is the end of the comment before it."""
    line = max(text.rfind("\n", before, comment.start) + 1, before)
    if line == before and before > 0 and text[before - 1] != "\n":
        return False
    end = _blank_until(text, comment.end)
    return not text[line : comment.start].strip() and (end == len(text) or text[end] == "\n")


def _blank_until(text: str, offset: int) -> int:
    match = _BLANKS.match(text, offset)
    assert match is not None
    return match.end()


def _read(comment: _Comment, base: int, first: int, last: int, report: Report) -> Suppression | None:
    content = comment.content.strip(" \t")
    listed, bracket, reason = content[1:].partition("]") if content.startswith("[") else ("", "", content)
    if not bracket:
        listed, reason = "", content
    codes = tuple(code.strip() for code in listed.split(",") if code.strip())
    unknown = [code for code in codes if code not in RULES]
    offset = base + comment.start
    if not codes:
        report.add("suppression-invalid", offset, "the suppression names no code", _HINT)
    elif unknown:
        report.add("suppression-invalid", offset, f"there is no finding '{unknown[0][:80]}'", Near(unknown[0], RULES))
    elif not reason.strip(" \t"):
        report.add("suppression-invalid", offset, "the suppression gives no reason", _HINT)
    else:
        return Suppression(codes=codes, reason=reason.strip(" \t"), offset=offset, first=first, last=last)
    return None


class _Lines:
    """The lines of a document's entries, which are the ranges that comments cover."""

    def __init__(self, document: Document, report: Report) -> None:
        self._document = document
        self._report = report
        self._last: dict[int, int] = {}
        self._last_scalar: dict[int, int] = {}
        for start, end, scalar in _entries(document.root, document.base):
            first, last = report.line(start), report.line(end)
            self._last[first] = max(last, self._last.get(first, 0))
            if scalar:
                self._last_scalar[first] = max(last, self._last_scalar.get(first, 0))
        self._firsts = sorted(self._last)

    def covered(self, comment: _Comment) -> tuple[int, int]:
        """Returns the first and last line that a comment covers."""
        text = self._document.text
        line = self._report.line(self._document.base + comment.start)
        if text[text.rfind("\n", 0, comment.start) + 1 : comment.start].strip():
            return line, self._last_scalar.get(line, line)
        index = bisect_right(self._firsts, line)
        following = self._firsts[index] if index < len(self._firsts) else line
        return line, self._last.get(following, line)


def _entries(node: Node | None, base: int) -> Iterator[tuple[int, int, bool]]:
    """Yields every entry of every mapping and list below a node: begin, end, and whether it is a scalar."""
    pairs: Iterable[tuple[Node, Node]]
    if isinstance(node, MappingNode):
        pairs = node.value
    elif isinstance(node, SequenceNode):
        pairs = ((item, item) for item in node.value)
    else:
        return
    for key, value in pairs:
        yield base + key.start_mark.index, base + _end(value), isinstance(value, ScalarNode)
        yield from _entries(value, base)


def _end(node: Node) -> int:
    """Returns the offset of a node's last character."""
    while node.value and not isinstance(node, ScalarNode):
        last = node.value[-1]
        node = last[1] if isinstance(last, tuple) else last
    return max(node.start_mark.index, node.end_mark.index - 1)


def _spans(node: Node, text: str) -> Iterator[tuple[int, int]]:
    """Yields begin and end of the text of every scalar. A block's begins below its ``|``, where a comment may stand."""
    if isinstance(node, ScalarNode):
        start = node.start_mark.index
        yield (text.find("\n", start) if node.style in ("|", ">") else start), node.end_mark.index
        return
    for item in node.value:
        for inner in item if isinstance(item, tuple) else (item,):
            yield from _spans(inner, text)
