"""The name that a caller claims for a change: one line of text that cannot be mistaken for what a server adds to it.

A server records ``Ada via token ci-bot``: the claim, and the token that it came with. So a claim must not contain the
word "via", in any case, width or spacing, or an invisible character.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from promptops.core.advice import Sentence, option
from promptops.core.errors import Invalid

LONGEST: Final = 200
"""Characters of a claim."""

_BLANKS = str.maketrans(dict.fromkeys("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0", " "))
"""Letters, marks and symbols that are invisible (Unicode's Default_Ignorable_Code_Point, and Braille)."""

_VIA: Final = re.compile(r"(?<!\S)via(?!\S)|\bvia\W+token\b")


_EXAMPLE: Final = option("actor", "'Ada <ada@example.org>' as the actor", value="Ada <ada@example.org>")


def require_claim(text: str) -> str:
    """Returns the text if it is valid as a name.

    Raises:
        Invalid: it is too long, has a character that is not printed, or the word "via".
    """
    if len(text) > LONGEST or not text.isprintable():
        raise Invalid(
            f"the actor {text[:40]!r} is not one line of at most {LONGEST} printable characters",
            hint=Sentence("Name who makes the change: ", _EXAMPLE, ", or PROMPTOPS_ACTOR."),
        )
    if _VIA.search(unicodedata.normalize("NFKC", text.translate(_BLANKS)).casefold()):
        raise Invalid(
            f"the actor {text[:80]!r} has the word 'via', which a server writes before the name of a token",
            hint=Sentence("Leave it out: ", _EXAMPLE, ", PROMPTOPS_ACTOR, or git config user.name."),
        )
    return text
