"""Limits on the parts of a release, so that no release costs a client more than 64 MB and a second to load.

:mod:`promptops.core.digest` limits bytes and nesting; these limit what a few bytes can expand into. Each follows from
the cost of its worst content, measured by ``tests/harness/bench/loading.py``; prompts written by people stay far below.
"""

from __future__ import annotations

from typing import Final

from promptops.core.model import LISTS, OBJECTS, Json

VALUES: Final = 100_000
"""JSON values of a release: texts, numbers, lists and mappings, with everything in its schemas."""

SCHEMA_VALUES: Final = 20_000
"""JSON values of one schema."""

PROMPTS: Final = 5_000
INPUTS: Final = 5_000
"""Prompts of a release, and inputs of all its prompts whose schema constrains the value."""

TAGS: Final = 20_000
"""Beginnings of tags, ``{{``, ``{%`` and ``{#``, in all messages of a release."""

TEMPLATE_NODES: Final = 2_000
RELEASE_NODES: Final = 6_000
"""Tags and parts of expressions of one Jinja message, and of all Jinja messages of a release."""

PATTERN: Final = 1_000
PATTERNS: Final = 100
"""Characters of one regular expression in a schema, and different regular expressions of a release."""


def values_in(value: Json) -> int:
    """Counts the values in a JSON value: itself, and those of every list and object in it."""
    count = 0
    pending = [value]
    while pending:
        item = pending.pop()
        count += 1
        if isinstance(item, str):  # most values are text, and the other checks take longer
            continue
        if isinstance(item, OBJECTS):
            pending += item.values()
        elif isinstance(item, LISTS):
            pending += item
    return count
