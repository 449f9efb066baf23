"""Changes of a content -> lines, with their texts compared, and JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from promptops.cli.output.json_shapes import JsonObject
from promptops.cli.output.render import Cell, Line, Page, Span
from promptops.cli.output.word_diff import compare_texts, whole_text
from promptops.core.model import Change
from promptops.wire.codec import to_json
from promptops.wire.documents.commands import DifferenceDocument, SideDocument
from promptops.wire.documents.releases import ChangeDocument, MeasuredTokensDocument

if TYPE_CHECKING:
    from promptops.operations.queries import Difference, Named


def change_lines(change: Change, page: Page) -> list[Line]:
    """Returns what one change is, with its texts compared."""
    place = change.field.rpartition(".")[2]
    field: list[Cell] = (
        [] if not place or change.summary.startswith(f"{place} ") else [Span(change.field, "quiet"), "  "]
    )
    lines: list[Line] = [["    ", *field, change.summary]]
    body: list[Line] = []
    before, after = _readable(change.before), _readable(change.after)
    if before is not None and after is not None:
        if f"{change.before} → {change.after}" not in change.summary:
            body = compare_texts(before, after, color=page.color)
    elif after is not None:
        body = whole_text(after, added=True)
    elif before is not None:
        body = whole_text(before, added=False)
    return [*lines, *(["      ", *([line] if isinstance(line, (str, Span)) else line)] for line in body)]


def _readable(text: str | None) -> str | None:
    """Returns canonical JSON, the form in which schemas are compared, with a line for each key."""
    if text is None or text[:1] not in ("{", "["):
        return text
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return json.dumps(value, ensure_ascii=False, indent=2)


def difference_shape(difference: Difference, changes: tuple[Change, ...]) -> JsonObject:
    """Returns both sides and these of their changes."""
    return to_json(
        DifferenceDocument(
            app=difference.new.content.app,
            old=_side(difference.old),
            new=_side(difference.new),
            changes=tuple(map(ChangeDocument.of, changes)),
            bump=difference.bump.value,
            next_version=difference.version or None,
        )
    )


def _side(named: Named) -> SideDocument:
    release = named.release
    return SideDocument(
        reference=str(named.reference),
        version=release.version if release else None,
        digest=release.digest if release else None,
        measured=tuple(map(MeasuredTokensDocument.of, named.measured)),
    )
