"""The pages of the documentation, which are inside an installed package and beside it in a checkout."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path, PurePosixPath
from posixpath import normpath

from promptops.core.errors import NotFound, Unavailable

_FENCE = re.compile(r"^(?P<mark>```+|~~~+)[^\n]*\n.*?^(?P=mark)[ \t]*$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(
    r"^(?P<marks>#{1,6})[ \t]+(?P<title>.+?)[ \t#]*$|<a (?:id|name)=\"(?P<anchor>[^\"]+)\"", re.MULTILINE
)
_LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
_LINKS = re.compile(
    rf"{_FENCE.pattern}|!?\[(?P<text>(?:`[^`]*`|[^\]`])*)\]\((?P<target>[^)\s]*)\)|`[^`\n]+`", re.MULTILINE | re.DOTALL
)
_DEEPEST = 7
_SENTENCE = re.compile(r"(?<=[.:])\s")


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """A heading of a page: its depth, its text, its anchor as GitHub makes it, and where it begins.

    An anchor that a page sets by itself has no text, and is below every heading.
    """

    depth: int
    title: str
    anchor: str
    start: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GuidePage:
    """A page: its place in the folder of all pages, and its text in Markdown."""

    path: PurePosixPath
    text: str

    @property
    def name(self) -> str:
        """What `promptops docs` calls it: ``gates``, ``integrations/fastapi``, or ``integrations`` for its README."""
        return _name(self.path)

    @property
    def title(self) -> str:
        """The first heading."""
        return next((heading.title for heading in self.headings()), self.name)

    @property
    def summary(self) -> str:
        """The first sentence below the first heading; the heading where no text follows it."""
        paragraph = self.text.partition("\n")[2].strip().partition("\n\n")[0]
        if paragraph.startswith(("#", "```", "|")):
            return self.title
        return _SENTENCE.split(_plain(paragraph.replace("\n", " ")), maxsplit=1)[0].rstrip(":")

    def headings(self) -> Iterator[Heading]:
        """Yields the headings, with those of one name numbered as GitHub does."""
        taken: dict[str, int] = {}
        prose = _FENCE.sub(lambda fence: " " * len(fence[0]), self.text)
        for match in _HEADING.finditer(prose):
            title = _plain(match["title"] or "")
            anchor = match["anchor"] or re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
            number = taken.get(anchor, 0)
            taken[anchor] = number + 1
            yield Heading(
                depth=len(match["marks"] or "") or _DEEPEST,
                title=title.replace("`", ""),
                anchor=f"{anchor}-{number}" if number else anchor,
                start=match.start(),
            )

    def section(self, anchor: str) -> str:
        """Returns the text from a heading to the next one that is not below it.

        Raises:
            NotFound: the page has no such heading.
        """
        headings = list(self.headings())
        for at, heading in enumerate(headings):
            if heading.anchor == anchor:
                after = (other.start for other in headings[at + 1 :] if other.depth <= heading.depth)
                return self.text[heading.start : next(after, len(self.text))].rstrip() + "\n"
        anchors = [heading.anchor for heading in headings[1:]]
        near = get_close_matches(anchor.lower(), anchors, n=1)
        meant = f"Did you mean '{self.name}#{near[0]}'?" if near else f"Its sections are: {', '.join(anchors)}."
        raise NotFound(f"the page '{self.name}' has no section '{anchor[:80]}'", hint=meant)

    def linked(self, text: str) -> str:
        """Returns a text of this page with links to other pages as their names: ``the checks (gates#checks)``."""

        def named(match: re.Match[str]) -> str:
            target, _, anchor = (match["target"] or ":").partition("#")
            if ":" in target:  # it leads out of here, or is code
                return match[0]
            path = PurePosixPath(normpath(f"{self.path.parent}/{target}")) if target else self.path
            is_page = path.suffix == ".md" and ".." not in path.parts
            return f"{match['text']} ({_name(path)}{'#' * bool(anchor)}{anchor})" if is_page else match["text"]

        return _LINKS.sub(named, text)


def pages() -> Mapping[str, GuidePage]:
    """Returns all pages by name.

    Raises:
        Unavailable: this installation has none.
    """
    folder = _folder()
    found = (
        GuidePage(path=PurePosixPath(path.relative_to(folder).as_posix()), text=path.read_text(encoding="utf-8"))
        for path in folder.rglob("*.md")
    )
    return {page.name: page for page in sorted(found, key=lambda page: page.name)}


def find_page(words: str) -> GuidePage:
    """Returns the page of this name, whether it has the ending ``.md`` or the folder ``docs/`` in front.

    Raises:
        NotFound: there is no such page.
    """
    known = pages()
    name = words.removeprefix("docs/").removesuffix(".md").removesuffix("/README").lower()
    if name in known:
        return known[name]
    leaves = {page.rpartition("/")[2]: page for page in reversed(list(known))}
    if name in leaves:
        return known[leaves[name]]
    near = get_close_matches(name, [*known, *leaves], n=1)
    meant = f"Did you mean '{leaves.get(near[0], near[0])}'?" if near else "All pages: promptops docs"
    raise NotFound(f"there is no page '{words[:80]}'", hint=meant)


def _folder() -> Path:
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "docs", package.parent / "docs"):
        if (folder / "concepts.md").is_file():
            return folder
    raise Unavailable("this installation has no documentation", hint="Every command has --help.")


def _name(path: PurePosixPath) -> str:
    return str(path.parent) if path.name == "README.md" else str(path.with_suffix(""))


def _plain(text: str) -> str:
    return _LINK.sub(r"\1", text).replace("**", "")
