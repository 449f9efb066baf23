"""Inlines the partials of a message: returns the text that a release keeps, and the names of its variables.

An alias becomes the name of its variable, and ``${{ x }}`` that no variable is declared for becomes literal.

Partials are inlined as text, without their last line end. A wrong tag is reported in the file that has it, the prompt's
or the partial's. A text only grows to a cap, because partials that include others twice would double it at each level.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

from promptops.core.errors import ExtraMissing, TemplateInvalid
from promptops.core.model import Engine
from promptops.core.template.jinja import check_jinja
from promptops.core.template.simple import Tag, TagKind, each_tag
from promptops.core.template.template import variables
from promptops.source.names import Names
from promptops.source.origin import Origin
from promptops.source.text.findings import Near, short
from promptops.source.tree import MAX_FILE

MAX_DEPTH = 10
"""Levels that partials may include each other: deeper nesting is a mistake, and recursion stays shallow."""

_Cut: TypeAlias = tuple[int, int, str, tuple[str, str]]
"""Begin and end of a partial's tag, the partial's name, and the text to put before and behind it."""
_INCLUDE = re.compile(
    r"(?P<comment>\{#)|(?P<raw>\{%[-+]?\s*+raw\s*+[-+]?%\})"
    r"|\{%(?P<left>[-+]?)\s*+include\s++(?P<quote>[\"'])(?P<name>[^\"'\n]*+)(?P=quote)\s*+(?P<right>[-+]?)%\}"
)
_MAX_ALIAS = 40  # in a hint: longer ones are instructions, not names
_ENDS = {"comment": re.compile(r"#\}"), "raw": re.compile(r"\{%[-+]?\s*+endraw\s*+[-+]?%\}")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Expanded:
    """A text with its partials inlined.

    ``parts`` are ``(offset, origin, shift)``: from ``offset`` on, the text is that of ``origin`` from ``shift`` on.
    """

    text: str
    names: frozenset[str]
    parts: tuple[tuple[int, Origin, int], ...]

    def add(self, code: str, offset: int, message: str, hint: str = "") -> None:
        """Adds a finding about an offset of the expanded text, at the place that it comes from."""
        start, origin, shift = self.parts[max(bisect_right([part[0] for part in self.parts], offset) - 1, 0)]
        origin.add(code, min(offset - start + shift, len(origin.text)), message, hint)


class Partials:
    """The partials of one app. ``used`` are the names that messages have included so far."""

    def __init__(self, origins: Mapping[str, Origin]) -> None:
        self.origins = origins
        self.used: set[str] = set()
        self.has_dollar = any("${{" in origin.text for origin in origins.values())
        self.done: dict[tuple[str, Engine, Names], Expanded | None] = {}


@dataclass(frozen=True, slots=True)
class Expander:
    """Inlines the partials of an app into the messages of one prompt."""

    partials: Partials
    engine: Engine
    names: Names

    def __call__(self, origin: Origin) -> Expanded | None:
        """Returns a message's text with its partials inlined; None with findings if that is not possible."""
        if "{" not in origin.text:
            return Expanded(text=origin.text, names=frozenset(), parts=((0, origin, 0),))
        expanded = self._expand(origin, ())
        if expanded is None:
            return None
        if self.engine is Engine.JINJA2:
            return _checked(expanded)
        if len(expanded.parts) > 1 and not _same_tags(expanded):
            origin.add("template-invalid", 0, "a partial and the text around it together make a new tag")
            return None
        return expanded

    def _expand(self, origin: Origin, stack: tuple[str, ...]) -> Expanded | None:
        """Inlines the partials of a text; ``stack`` are the partials that are being inlined around it."""
        growing = _Growing()
        cuts = _includes_of(origin) if self.engine is Engine.JINJA2 else self._tags(origin, growing)
        for start, end, name, edges in cuts:
            inner = self._partial(origin, start, name, stack)
            if inner is None:
                growing.broken = True
            else:
                growing.take(origin, start, end, inner, edges)
        return growing.finish(origin)

    def _tags(self, origin: Origin, growing: _Growing) -> Iterator[_Cut]:
        """Yields the partials of a simple text. Spells out aliases and what is literal, and reports unknown tags."""
        for tag in each_tag(origin.text, escapes=True):
            spelled = self.names.spell(origin, tag)
            if spelled is not None:
                names = frozenset({spelled.name}) if spelled.name else frozenset()
                inner = Expanded(text=spelled.text, names=names, parts=((0, origin, tag.start),))
                growing.take(origin, tag.start, tag.end, inner, ("", ""))
            elif tag.kind is TagKind.VARIABLE:
                growing.names.add(tag.name.partition(".")[0])
            elif tag.kind is TagKind.PARTIAL:
                yield tag.start, tag.end, tag.name, ("", "")
            elif tag.kind is TagKind.UNKNOWN and origin.report.has_room("unknown-tag"):
                origin.add("unknown-tag", tag.start, f"{short(tag.text)} is not a tag", _hint(tag))

    def _partial(self, origin: Origin, offset: int, name: str, stack: tuple[str, ...]) -> Expanded | None:
        partials = self.partials
        partials.used.add(name)
        if name not in partials.origins:
            otherwise = "Partials are the files of the app's partials/ folder, without ending."
            hint = Near(name, partials.origins, otherwise=otherwise)
            origin.add("partial-missing", offset, f"there is no partial '{short(name)}'", hint)
            return None
        if name in stack:
            circle = " → ".join((*stack[stack.index(name) :], name))
            origin.add("partial-cycle", offset, f"partials include each other in a circle: {circle}")
            return None
        if len(stack) >= MAX_DEPTH:
            origin.add("partial-cycle", offset, f"partials include each other more than {MAX_DEPTH} levels deep")
            return None
        key = (name, self.engine, self.names)
        if key not in partials.done:
            partials.done[key] = self._expand(partials.origins[name], (*stack, name))
        return partials.done[key]


class _Growing:
    """An expanded text that is being put together."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.broken = False
        self._pieces: list[str] = []
        self._parts: list[tuple[int, Origin, int]] = []
        self._length = 0
        self._from = 0

    def take(self, origin: Origin, start: int, end: int, inner: Expanded, edges: tuple[str, str]) -> None:
        """Adds the text up to a tag, and the text that replaces the tag."""
        self._add(origin, self._from, start)
        self._from = end
        self._piece(edges[0], ())
        self._piece(inner.text, inner.parts)
        self._piece(edges[1], ())
        if self._length <= MAX_FILE:
            self.names |= inner.names

    def finish(self, origin: Origin) -> Expanded | None:
        self._add(origin, self._from, len(origin.text))
        if self._length > MAX_FILE:
            origin.add("prompt-too-large", 0, f"over {MAX_FILE // 1024} KiB with its partials")
            return None
        if self.broken:
            return None
        return Expanded(text="".join(self._pieces), names=frozenset(self.names), parts=tuple(self._parts))

    def _add(self, origin: Origin, start: int, end: int) -> None:
        self._piece(origin.text[start:end], ((0, origin, start),))

    def _piece(self, text: str, parts: tuple[tuple[int, Origin, int], ...]) -> None:
        if text and self._length <= MAX_FILE:
            self._pieces.append(text)
            self._parts += [(self._length + at, origin, shift) for at, origin, shift in parts]
        self._length += len(text)


def _includes_of(origin: Origin) -> Iterator[_Cut]:
    for match in _includes(origin.text):
        # An empty comment keeps the whitespace control of the tag that it replaces.
        left = f"{{#{match['left']} #}}" if match["left"] else ""
        right = f"{{# {match['right']}#}}" if match["right"] else ""
        yield match.start(), match.end(), match["name"], (left, right)


def _hint(tag: Tag) -> str:
    write = "Write {{ name }} for a variable"
    if tag.text.startswith(("{%", "{#")):
        write = "For conditions and loops, set `template: jinja2`"
    elif (alias := tag.text.strip("{} ")) and len(alias) < _MAX_ALIAS:
        write = f"Write {{{{ name }}}} for a variable, and `alias: {alias}` in its input if other tools read the file"
    return f"{write}; to send it as it is: `# promptops: ignore[unknown-tag] why`."


def _includes(text: str) -> Iterator[re.Match[str]]:
    """Yields every ``include`` of a Jinja text outside of comments and raw blocks. An unclosed one hides nothing."""
    position = 0
    endless: set[str] = set()
    while match := _INCLUDE.search(text, position):
        position = match.end()
        kind = match.lastgroup or ""
        if match["name"] is not None:
            yield match
        elif kind not in endless:
            if end := _ENDS[kind].search(text, position):
                position = end.end()
            else:
                endless.add(kind)


def _checked(expanded: Expanded) -> Expanded | None:
    """Checks a Jinja text against the allow-list, and returns it with the names of its variables."""
    try:
        check_jinja(expanded.text)
        names = variables(expanded.text, Engine.JINJA2)
    except TemplateInvalid as error:
        expanded.add("template-invalid", error.offset, error.message, error.hint)
        return None
    except ExtraMissing as error:
        expanded.add("template-invalid", 0, error.message, error.hint)
        return None
    return Expanded(text=expanded.text, names=names, parts=expanded.parts)


def _same_tags(expanded: Expanded) -> bool:
    """Returns False if inlining made a tag that is in none of the texts: ``{`` and ``{ name }}`` from two files."""
    variables_of_whole = {tag.name.partition(".")[0] for tag in each_tag(expanded.text) if tag.kind is TagKind.VARIABLE}
    whole = sum(tag.kind is not TagKind.PARTIAL for tag in each_tag(expanded.text))
    apart = 0
    edges = [*(part[0] for part in expanded.parts), len(expanded.text)]
    for start, end in pairwise(edges):
        apart += sum(tag.kind is not TagKind.PARTIAL for tag in each_tag(expanded.text[start:end]))
    return variables_of_whole <= expanded.names and whole == apart
