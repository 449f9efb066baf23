"""Errors about calls, runs, evidence and approvals. Imported from :mod:`promptops.core.errors`, as every error is."""

from __future__ import annotations

from promptops.core.kinds import Conflict, NotFound, Refused


class CallNotFound(NotFound):
    """No call is kept of this trace, or with this answer of a provider."""


class RunNotFound(NotFound):
    """No run of this id was opened."""


class EvidenceNotFound(NotFound):
    """No evidence of this id."""


class RunClosed(Conflict):
    """A run takes no more rows: it is complete, or was opened too long ago."""


class NotApproved(Conflict):
    """There is no approval of this person to take back."""


class NotIndependent(Refused):
    """The person released the release, or wrote a change in it, so their approval of it would not count."""
