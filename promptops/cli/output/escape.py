"""Untrusted text on a terminal: see :mod:`promptops.core.escape`."""

from __future__ import annotations

from promptops.core.escape import visible as visible
from promptops.core.escape import visible_json as visible_json
