"""What a registry answers to clients that report: the secret that they report with, and what was counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

from promptops.core.errors import Invalid
from promptops.core.outcomes.report_key import ReportKey

REPORT_KEY: Final = "promptops.report-key/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportKeyDocument:
    """The secret with which clients make units and call ids, 64 hex digits, one for all channels of the registry."""

    schema_: str
    registry: str
    lineage: str
    secret: str

    @classmethod
    def of(cls, key: ReportKey) -> Self:
        return cls(schema_=REPORT_KEY, registry=key.registry, lineage=key.lineage, secret=key.secret.hex())

    def key(self) -> ReportKey:
        """Returns the key.

        Raises:
            Invalid: it is another document, or the secret is not one.
        """
        if self.schema_ != REPORT_KEY:
            raise Invalid(f"not a report key: its schema is not {REPORT_KEY!r}")
        try:
            secret = bytes.fromhex(self.secret)
        except ValueError:
            raise Invalid("the secret of a report key has hex digits only") from None
        return ReportKey(registry=self.registry, lineage=self.lineage, secret=secret)
