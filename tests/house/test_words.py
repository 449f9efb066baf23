"""Comments, docstrings, messages and pages name who acts, and what happens: see "Words" in docs/contributing.md."""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.checkout import ROOT

VAGUE = re.compile(
    r"\b(whoever|nobody|somebody|anybody|everybody|told|is none|who does not|as of now|asked for|says? so)\b",
    re.IGNORECASE,
)
"""Words that hide who acts, or what happens."""

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
MODULES = sorted((ROOT / "promptops").rglob("*.py"))


def vague(text: str) -> list[str]:
    """The vague words of a text; ``is None`` is Python."""
    return [match[0] for match in VAGUE.finditer(text) if match[0] != "is None"]


def words_of(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a page, or of the comments and texts of a module, with their numbers."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        yield from enumerate(text.splitlines(), 1)
        return
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in (tokenize.COMMENT, tokenize.STRING):
            yield from enumerate(token.string.splitlines(), token.start[0])


def test_texts_name_who_acts() -> None:
    assert len(PAGES) > 20 and len(MODULES) > 200
    assert {
        f"{path.relative_to(ROOT)}:{number}": found
        for path in (*PAGES, *MODULES)
        for number, line in words_of(path)
        if (found := vague(line))
    } == {}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Whoever holds the lock writes.", ["Whoever"]),
        ("the server is told, and says so", ["told", "says so"]),
        ("an empty text where there is none", ["is none"]),
        ("``root`` is None outside of a workspace", []),
        ("The holder of the lock writes.", []),
    ],
)
def test_vague_words_are_found(text: str, found: list[str]) -> None:
    assert vague(text) == found
