"""Keeps the secret with which clients report: in the database alone, made at the first request for it."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from promptops.core.outcomes.report_key import SECRET_BYTES, ReportKey

if TYPE_CHECKING:
    from promptops.store import Registry


def report_key(registry: Registry, channel: str = "") -> ReportKey:
    """Returns the secret of the registry's reporting clients, the same for every channel; the first call makes it.

    Raises:
        ChannelNotFound: listing the channels that exist.
    """
    with registry.read() as reader:
        if channel:
            reader.channel(channel)
        secret = reader.report_secret(registry.lineage)
    if not secret:
        made = secrets.token_bytes(SECRET_BYTES).hex()
        secret = registry.write(lambda writer: writer.keep_report_secret(registry.lineage, made))
    return ReportKey(registry=registry.name, lineage=registry.lineage, secret=bytes.fromhex(secret))
