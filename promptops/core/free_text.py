"""Checks texts that people write into the log: reasons, notes, descriptions. The same rule holds for every way in.

They are kept for ever and shown to others, so they have a maximum length and only characters that both databases keep.
Characters that a terminal does not show are stored as they are, and displayed escaped.
"""

from __future__ import annotations

from typing import Final

from promptops.core.advice import Sentence, option
from promptops.core.digest import check_text
from promptops.core.errors import Invalid

LONGEST: Final = 10_000
"""Characters of a reason, or of a text of an app's profile: several pages; longer texts belong behind a link."""

LONGEST_NOTES: Final = 100_000
"""Characters of a release's notes: a changelog of dozens of pages."""


def require_words(text: str, what: str = "the reason", longest: int = LONGEST) -> str:
    """Returns the text if it can be stored.

    Raises:
        Invalid: it is too long, or has a NUL or a lone surrogate.
    """
    if len(text) > longest:
        raise Invalid(
            f"{what} has {len(text):,} characters, and at most {longest:,} are kept",
            hint="Shorten it, and link to the rest.",
        )
    check_text(text, what)
    return text


def require_reason(text: str, use: str = "") -> None:
    """Checks the reason of a change that needs one; ``use`` is what it is for, as the hint has it.

    Raises:
        Invalid: it is empty, or cannot be stored.
    """
    require_words(text)
    if not text.strip():
        say = option("reason", "Say why", value="TEXT")
        raise Invalid("a reason is needed", hint=Sentence(say, f"; {use}." if use else "."))
