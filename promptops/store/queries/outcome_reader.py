"""What clients reported, as a part of what one transaction sees of a registry."""

from __future__ import annotations

from sqlalchemy import Connection


class OutcomeReader:
    """Reads measurements, and the secret that they are reported with."""

    _connection: Connection

    def report_secret(self, lineage: str) -> str:
        """The secret of reporting clients in hex, empty before it was made."""
        from promptops.store.queries.report_keys import find_secret

        return find_secret(self._connection, lineage)
