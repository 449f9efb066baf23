"""Inputs that are an image, a file or audio: types of ours beside those of JSON Schema, ``{"type": "image"}``.

Their schema has annotations alone. ``default: null`` makes one optional: a part of a value that is not given is left
out.
"""

from __future__ import annotations

from collections.abc import Mapping

from promptops.core.json_value import Json
from promptops.core.schema.input_schema import ANNOTATIONS


def media_schema_flaw(schema: Mapping[str, Json]) -> str:
    """Returns why this is no schema of an image, a file or audio; empty if it is one."""
    kind = schema["type"]
    if unknown := sorted(schema.keys() - ANNOTATIONS - {"type"}):
        return f"an input of `type: {kind}` has no '{unknown[0][:80]}'"
    if schema.get("default") is not None:
        return f"an input of `type: {kind}` has no default but null, which makes it optional"
    return ""
