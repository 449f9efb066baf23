"""What a registry answers to clients that report: the secret that they report with, and what was counted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Self

from promptops.core.errors import Invalid
from promptops.core.outcomes.report_key import ReportKey

REPORT_KEY: Final = "promptops.report-key/1"
REPORTED: Final = "promptops.outcomes-answer/1"


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


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomesAnswerDocument:
    """What came of a document of outcomes, by its number. ``counted`` is false if it was counted before.

    ``sample`` has for each app of the document the threshold of its sample while no canary runs. ``left_out`` has how
    many of its rows, units and lines of feedback do not count, by the reason: ``unknown``, ``old``, ``again``,
    ``forged``, ``foreign``, ``malformed``. ``rates`` has for each model of the document whose price is known a list of
    tiers: the number of input tokens above which the tier begins, and what a million input, cached, written and output
    tokens cost there, in US dollars as text.
    """

    schema_: str
    number: int
    counted: bool
    sample: Mapping[str, int]
    left_out: Mapping[str, int]
    rates: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackAnswerDocument:
    """Whether feedback on a call counts. ``reason`` is empty, or ``undeclared`` where it counts under that name; where
    it does not count, it is ``again``, ``old``, ``forged`` or ``unknown``.
    """

    counted: bool
    reason: str
