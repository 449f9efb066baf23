"""Comments that take a finding off, and say why.

In YAML ``# promptops: ignore[code] reason``, at the end of a line or on a line of its own above the entry it covers,
all of it where the entry is a block of text. In Markdown ``<!-- promptops: ignore[code] reason -->``, in a line or
above the paragraph it covers; it is not part of the text that a model gets. Several codes are written ``ignore[one,
two]``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from promptops.source.findings import RULES, Report, Suppression, near
from promptops.source.strict_yaml import Document

_MARK = "promptops:"
_IGNORE = r"promptops:[ \t]*ignore\b(?:[ \t]*\[(?P<codes>[^\]\n]*)\])?[ \t]*(?P<reason>[^\n]*?)[ \t]*"
_IN_YAML = re.compile(rf"(?:^|(?<=[ \t]))#[ \t]*{_IGNORE}$", re.MULTILINE)
_IN_TEXT = re.compile(rf"<!--[ \t]*{_IGNORE}-->", re.MULTILINE)
_IN_TEXT_LINES = re.compile(
    rf"^[ \t]*{_IN_TEXT.pattern}[ \t]*(?:\n|\Z)|{_IN_TEXT.pattern.replace('?P<', '?P<_')}", re.MULTILINE
)
_HINT = "Write: promptops: ignore[code] why it is all right"


def in_yaml(document: Document, report: Report) -> list[Suppression]:
    """The suppressions of a YAML text. Malformed ones become findings."""
    if _MARK not in document.text or document.root is None:
        return []
    found = []
    entries = sorted(_entries(document.root, document.base))
    texts = [(node.start_mark.index, node) for node in _scalars(document.root)]
    for match in _IN_YAML.finditer(document.text):
        if any(_covers(document.text, node, match.start()) for start, node in texts if start <= match.start()):
            continue
        first, last = _range(document, report, match.start(), entries)
        suppression = _read(match, document.base + match.start(), first, last, report)
        if suppression:
            found.append(suppression)
    return found


def in_text(text: str, base: int, report: Report) -> list[Suppression]:
    """The suppressions of a text that begins at ``base`` of its file. Malformed ones become findings."""
    if _MARK not in text:
        return []
    found = []
    for match in _IN_TEXT.finditer(text):
        line = report.line(base + match.start())
        own = not text[text.rfind("\n", 0, match.start()) + 1 : match.start()].strip()
        own = own and not text[match.end() :].partition("\n")[0].strip()
        end = text.find("\n\n", match.end())
        last = report.line(base + (len(text) if end < 0 else end)) if own else line
        suppression = _read(match, base + match.start(), line, last, report)
        if suppression:
            found.append(suppression)
    return found


def without(text: str) -> str:
    """The text without its suppressions."""
    return _IN_TEXT_LINES.sub("", text) if _MARK in text else text


def _read(match: re.Match[str], offset: int, first: int, last: int, report: Report) -> Suppression | None:
    codes = tuple(code.strip() for code in (match["codes"] or "").split(",") if code.strip())
    unknown = [code for code in codes if code not in RULES]
    if not codes:
        report.add("suppression-invalid", offset, "the suppression names no code", _HINT)
    elif unknown:
        report.add("suppression-invalid", offset, f"'{unknown[0]}' is no finding's code", near(unknown[0], RULES))
    elif not match["reason"]:
        report.add("suppression-invalid", offset, "the suppression gives no reason", _HINT)
    else:
        return Suppression(codes=codes, reason=match["reason"], offset=offset, first=first, last=last)
    return None


def _range(document: Document, report: Report, offset: int, entries: list[tuple[int, int, bool]]) -> tuple[int, int]:
    """The lines that a comment at an offset covers."""
    line = report.line(document.base + offset)
    own = not document.text[document.text.rfind("\n", 0, offset) + 1 : offset].strip()
    spans = [(report.line(start), report.line(end), scalar) for start, end, scalar in entries]
    if not own:
        return line, max((last for first, last, scalar in spans if first == line and scalar), default=line)
    following = min((first for first, _, _ in spans if first > line), default=line)
    return line, max((last for first, last, _ in spans if first == following), default=line)


def _entries(node: Node, base: int) -> Iterator[tuple[int, int, bool]]:
    """Begin, end and whether it is one scalar, of every entry of every mapping and list below a node."""
    if isinstance(node, MappingNode):
        pairs = node.value
    elif isinstance(node, SequenceNode):
        pairs = [(item, item) for item in node.value]
    else:
        return
    for key, value in pairs:
        yield base + key.start_mark.index, base + _end(value), isinstance(value, ScalarNode)
        yield from _entries(value, base)


def _end(node: Node) -> int:
    """The offset of a node's last character."""
    while node.value and not isinstance(node, ScalarNode):
        last = node.value[-1]
        node = last[1] if isinstance(last, tuple) else last
    return max(node.start_mark.index, node.end_mark.index - 1)


def _scalars(node: Node) -> Iterator[ScalarNode]:
    if isinstance(node, ScalarNode):
        yield node
        return
    for item in node.value:
        for inner in item if isinstance(item, tuple) else (item,):
            yield from _scalars(inner)


def _covers(text: str, node: ScalarNode, offset: int) -> bool:
    start = node.start_mark.index
    if node.style in ("|", ">"):  # a comment may stand behind the | of a block of text
        start = text.find("\n", start)
    return start <= offset < node.end_mark.index
