"""The hash that chains the audit log: each line seals itself and the line before it.

``hash = sha256(seq | previous hash | canonical entry)`` in hex, the parts joined by ``|``, the entry as canonical JSON
of time, actor, action, app, channel, before, after, reason and key. A line that was edited, removed or moved breaks the
chain after it; a tail that was cut off is only seen by whoever kept an older hash.
"""

from __future__ import annotations

import hashlib
from datetime import UTC

from promptops.core.digest import canonical
from promptops.core.model import AuditEntry

GENESIS = "0" * 64
"""The hash before the first line."""

_SEALED = ["actor", "action", "app", "channel", "before", "after", "reason", "key"]


def seal(entry: AuditEntry) -> str:
    """The hash of the entry, worked out from everything else in it."""
    fields = {name: getattr(entry, name) for name in _SEALED}
    fields["at"] = entry.at.astimezone(UTC).isoformat(timespec="microseconds")
    return hashlib.sha256(f"{entry.seq}|{entry.previous}|".encode() + canonical(fields)).hexdigest()
