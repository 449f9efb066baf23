"""The tags of the default template language, which has one construct: ``{{ name }}`` or ``{{ name.field }}``.

A prompt with ``escapes`` has one more: ``{{ "{{" }}`` stands for two braces, as it does for the beginning or end of any
tag in the quotes. Text that looks like a tag but is not one is literal text for a client; `promptops check` refuses it
before a release.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from promptops.core.model import VARIABLE

_MAX_FIELDS = 7  # `a.b.c.…`: deeper values than people write, and a bound for the pattern below
_OPEN = re.compile(r"\{\{|\{%|\{#")
# Possessive, so that a failed match costs no more than a successful one.
_VARIABLE = re.compile(
    rf"\{{\{{\s*+({VARIABLE.pattern}(?:\.{VARIABLE.pattern}){{0,{_MAX_FIELDS}}})\s*+\}}\}}", re.ASCII
)
_PARTIAL = re.compile(r"\{\{>\s*+([A-Za-z0-9][A-Za-z0-9._-]*+(?:/[A-Za-z0-9][A-Za-z0-9._-]*+)*+)\s*+\}\}", re.ASCII)


_ESCAPE = re.compile(r"""\{\{\s*+(["'])(\{\{|\}\}|\{%|%\}|\{#|#\})\1\s*+\}\}""")
_FIELD = re.compile(rf"\{{\{{\s*+{VARIABLE.pattern}\.", re.ASCII)


class TagKind(StrEnum):
    """What a tag of a simple template is: a variable, a partial, an escape, or unknown."""

    VARIABLE = "variable"
    PARTIAL = "partial"
    ESCAPE = "escape"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag:
    """A tag and where it stands, ``template[start:end]``.

    ``name`` is ``user.name``, a partial's name, what an escape stands for, or empty.
    """

    kind: TagKind
    text: str
    name: str
    start: int
    end: int


def tags(text: str) -> tuple[Tag, ...]:
    """Every tag of a simple template in order, without overlaps, in linear time.

    ``{{{name}}}`` is a tag between two braces. An opening without its end is an unknown tag up to the next one or
    the end of its line; only ``{#`` needs its ``#}``, because it opens too many other things.
    """
    return tuple(each_tag(text))


def only_variables(text: str) -> frozenset[str] | None:
    """Returns the names, up to the first dot, of the variables of a text without other tags, as most are; None for any
    other text. To look at the tags one by one takes three times as long.
    """
    found: list[str] = _VARIABLE.findall(text)
    if "{{{" in text or len(found) != openings(text):
        return None
    return frozenset(name.partition(".")[0] for name in found)


def openings(text: str) -> int:
    """Returns how many tags of any kind begin in a text, in either language."""
    return text.count("{{") + text.count("{%") + text.count("{#")


def fields_in(text: str) -> frozenset[str]:
    """Returns the variables of which a text uses a field, with it: ``user.name``."""
    if not _FIELD.search(text):
        return frozenset()
    return frozenset(tag.name for tag in each_tag(text) if tag.kind is TagKind.VARIABLE and "." in tag.name)


def has_escapes(text: str) -> bool:
    """Returns whether a text has an escape."""
    return bool(_ESCAPE.search(text)) and any(tag.kind is TagKind.ESCAPE for tag in each_tag(text, escapes=True))


def each_tag(text: str, *, escapes: bool = False) -> Iterator[Tag]:
    """Yields the tags one by one, as :func:`tags`: a text may have thousands. Escapes are tags only if ``escapes``."""
    position = 0
    while match := _OPEN.search(text, position):
        start, opening = match.span()[0], match.group()
        if opening == "{{":
            # Of a run of braces the last two open the tag: {{{name}}} is a name in braces.
            inner = _last_pair(text, start)
            tag = _known(text, inner) or (_escape(text, inner) if escapes else None)
            if tag is not None:
                if inner - start > 1:
                    yield Tag(kind=TagKind.UNKNOWN, text=text[start:inner], name="", start=start, end=inner)
                yield tag
                position = tag.end
                continue
        end = _end(text, start, opening)
        if end > start:
            yield Tag(kind=TagKind.UNKNOWN, text=text[start:end], name="", start=start, end=end)
        position = max(end, start + 2)


def _last_pair(text: str, start: int) -> int:
    end = start + 2
    while text.startswith("{", end):
        end += 1
    return end - 2


def _known(text: str, start: int) -> Tag | None:
    for kind, pattern in ((TagKind.VARIABLE, _VARIABLE), (TagKind.PARTIAL, _PARTIAL)):
        if match := pattern.match(text, start):
            return Tag(kind=kind, text=match[0], name=match[1], start=start, end=match.end())
    return None


def _escape(text: str, start: int) -> Tag | None:
    match = _ESCAPE.match(text, start)
    return Tag(kind=TagKind.ESCAPE, text=match[0], name=match[2], start=start, end=match.end()) if match else None


def _end(text: str, start: int, opening: str) -> int:
    """Where an unknown tag ends; ``start`` itself for a ``{#`` that nothing closes."""
    inside = start + 2
    while text.startswith("{", inside):
        inside += 1
    following = text.find(opening, inside)
    following = len(text) if following < 0 else following
    closing = text.find({"{{": "}}", "{%": "%}", "{#": "#}"}[opening], inside, following)
    if closing >= 0:
        end = closing + 2
        while opening == "{{" and text.startswith("}", end):
            end += 1
        return end
    if opening == "{#":
        return start
    line = text.find("\n", inside, following)
    line = following if line < 0 else line
    another = _OPEN.search(text, inside, line)
    return another.start() if another else line
