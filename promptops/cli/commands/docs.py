"""`promptops docs`: the documentation of this version, without a network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import click

from promptops.cli.command import command
from promptops.cli.output.render import Line, Page, Span
from promptops.cli.session import Session

if TYPE_CHECKING:
    from promptops.cli.guide import GuidePage
    from promptops.core.model import Json

_DECISIONS = "adr/"


def _names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    from promptops.cli.guide import pages

    return [name for name in pages() if name.startswith(incomplete)]


@command("docs")
@click.argument("page", metavar="[PAGE]", default="", shell_complete=_names)
def docs(session: Session, /, page: str) -> None:
    """The documentation of this version, page by page.

    Lists the pages, or prints one, or a section of it. They need no network. On a terminal a page is set for its width;
    elsewhere it is the Markdown as it is written.

    \b
      promptops docs
      promptops docs gates
      promptops docs gates#checks
    """
    from promptops.cli.guide import find_page, pages
    from promptops.cli.output.markdown import markdown

    if not page:
        known = pages()
        session.answer(lambda: _shape(known), lambda canvas: _list(known, canvas))
        return
    name, _, anchor = page.partition("#")
    found = find_page(name)
    text = found.section(anchor) if anchor else found.text
    session.answer(
        lambda: {"page": found.name, "title": found.title, "section": anchor or None, "text": text},
        lambda canvas: markdown(text if canvas.width is None else found.linked(text), canvas),
    )


def _shape(known: Mapping[str, GuidePage]) -> Mapping[str, Json]:
    return {
        "pages": [{"page": page.name, "title": page.title, "summary": page.summary} for page in known.values()],
    }


def _list(known: Mapping[str, GuidePage], canvas: Page) -> Iterator[Line]:
    rows = [(Span(page.name, "name"), page.summary) for page in known.values() if not page.name.startswith(_DECISIONS)]
    yield from canvas.columns(rows)
    yield ""
    yield Span("  promptops docs PAGE", "command")
