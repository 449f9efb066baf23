"""What is no part of a revision  <->  JSON in ``extensions`` of an app's entry in a snapshot.

::

    {"outcomes": {…}, "withdrawn": ["sha256:…"], "held_from": 12}

``outcomes`` is what the app declares of its calls (:mod:`promptops.wire.declarations`). No conversation stays on a
release that is ``withdrawn``, or that it was assigned before the revision ``held_from``. What is empty is left out.
Reading is lenient, as of every extension, and where a part cannot be read, no conversation stays on anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from promptops.core.declarations import NOTHING
from promptops.core.model import Json
from promptops.core.snapshot import MAX_REVISION, Pointer
from promptops.wire.declarations import DECLARED, declarations_from_json, declarations_to_json

_WITHDRAWN: Final = "withdrawn"
_HELD_FROM: Final = "held_from"


def extensions_to_json(pointer: Pointer) -> dict[str, Json]:
    """Returns the extensions of an app's entry, without what is empty."""
    parts: dict[str, Json] = {
        DECLARED: declarations_to_json(pointer.declared),
        _WITHDRAWN: list(pointer.withdrawn),
        _HELD_FROM: pointer.held_from,
    }
    return {name: part for name, part in parts.items() if part}


def with_extensions(pointer: Pointer, extensions: Json) -> Pointer:
    """Returns a pointer with what the extensions of its entry say."""
    if not isinstance(extensions, Mapping) or not extensions:
        return pointer
    withdrawn, held_from = extensions.get(_WITHDRAWN, []), extensions.get(_HELD_FROM, 0)
    if not isinstance(withdrawn, list) or type(held_from) is not int or not 0 <= held_from <= MAX_REVISION:
        withdrawn, held_from = [], pointer.revision
    return replace(
        pointer,
        declared=declarations_from_json(extensions),
        withdrawn=tuple(digest for digest in withdrawn if isinstance(digest, str)),
        held_from=held_from,
    )


def bare(pointer: Pointer) -> Pointer:
    """Returns a pointer with as few extensions as there can be: what apps declare stops no channel."""
    return replace(pointer, declared=NOTHING, withdrawn=(), held_from=pointer.revision if pointer.withdrawn else 0)
