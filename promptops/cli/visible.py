"""Untrusted text on a terminal: see :mod:`promptops.core.visible`."""

from __future__ import annotations

from promptops.core.visible import visible as visible
from promptops.core.visible import visible_json as visible_json
