"""The only part of a document in which a reader ignores unknown keys.

Every other unknown key is refused: it is a typo, or changes the meaning in a way that an old reader would miss. A newer
version adds what an old reader may ignore as a member of ``extensions``, an object of any members.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from promptops.core.errors import Invalid
from promptops.core.model import Json

EXTENSIONS: Final = "extensions"


def require_extensions(document: Mapping[str, Json], path: str) -> None:
    """Checks that the extensions of a document are an object, if it has any.

    Raises:
        Invalid: they are not an object.
    """
    if not isinstance(document.get(EXTENSIONS, {}), Mapping):
        raise Invalid(f"{path}.{EXTENSIONS} is not an object")
