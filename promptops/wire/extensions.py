"""The one place of a document where a reader ignores what it does not know.

Every other unknown key is refused: a typo, or a change of meaning that an old reader would miss. What a newer version
adds without such a change comes as a member of ``extensions``, an object of any members.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from promptops.core.errors import Invalid
from promptops.core.model import Json

EXTENSIONS: Final = "extensions"


def require_extensions(document: Mapping[str, Json], path: str) -> None:
    """Do nothing for a document without extensions, or with an object of them.

    Raises:
        Invalid: it has something else there.
    """
    if not isinstance(document.get(EXTENSIONS, {}), Mapping):
        raise Invalid(f"{path}.{EXTENSIONS} is not an object")
