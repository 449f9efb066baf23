"""The tables of what clients report: measurements and not facts, so none is guarded, in the audit log, or in git. And
two of facts: what apps declare of it, and what was erased of it.

Minutes, hours and days are numbers, counted from 1970 in UTC. What has no limit in the format has none here: names that
clients choose are bounded where documents are read and where rows are made.
"""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index, Table

from promptops.store.schema.canary_tables import COUNTED
from promptops.store.schema.columns import CLUSTERED, STRICT, Moment, Number, TextTuple, Words, column, metadata

MEASURED = ("outcome", "bad_unit", "sample_unit", "feedback", "outcome_client", "kept_call", *COUNTED)
"""The tables of measurements: not guarded, and a backup may leave them out."""
PRIVATE = ("kept_call",)
"""Those of them that may have what was captured: no backup has them, so nothing that was erased comes back."""

declaration = Table(
    "declaration",
    metadata,
    column("app", Words, ForeignKey("app.name"), primary_key=True),
    column("number", Number, primary_key=True, autoincrement=False),
    column("settings", Words),
    column("actor", Words),
    column("at", Moment),
    **CLUSTERED,
)
"""What an app declares of its calls, as JSON, each time it changed: outcomes, tags, scores, capture, plan."""

erasure = Table(
    "erasure",
    metadata,
    column("number", Number, primary_key=True, autoincrement=False),
    column("app", Words),
    column("call", Words),
    column("units", TextTuple),
    column("calls", Number),
    column("reason", Words),
    column("actor", Words),
    column("at", Moment),
    Index(None, "at"),
    **STRICT,
)
"""What was captured of a call, or of all calls of these units until then, was removed. A fact, as ``declaration``."""

report_key = Table(
    "report_key",
    metadata,
    column("lineage", Words, primary_key=True),
    column("secret", Words),
    **CLUSTERED,
)
"""The secret of reporting clients, 64 hex digits. It leaves the database in a backup and to them alone."""

outcome = Table(
    "outcome",
    metadata,
    column("app", Words, primary_key=True),
    column("channel", Words, primary_key=True),
    column("span", Number, primary_key=True, autoincrement=False),
    column("start", Number, primary_key=True, autoincrement=False),
    column("series", Words, primary_key=True),
    column("epoch", Number),
    column("revision", Number),
    column("arm", Words),
    column("prompt", Words),
    column("model", Words),
    column("tier", Number, nullable=True),
    column("tags", Words),
    column("sums", Words),
    Index(None, "span", "start"),
    **STRICT,
)
"""What the calls of a series did in the ``span`` minutes from the minute ``start``: 1, 60 or 1,440.

Each call is in a row of every span, so that a question reads few rows; rows of minutes are deleted first, those of days
last. ``series`` is a digest of the columns from ``epoch`` to ``tags``, ``tags`` a JSON object, ``sums`` JSON.
"""

bad_unit = Table(
    "bad_unit",
    metadata,
    column("app", Words, primary_key=True),
    column("channel", Words, primary_key=True),
    column("epoch", Number, primary_key=True, autoincrement=False),
    column("revision", Number, primary_key=True, autoincrement=False),
    column("arm", Words, primary_key=True),
    column("guardrail", Words, primary_key=True),
    column("unit", Words, primary_key=True),
    column("bucket", Number, nullable=True),
    column("minutes", Words),
    column("minute", Number),
    Index(None, "minute"),
    **CLUSTERED,
)
"""A unit that was bad at a guardrail: the first three minutes in which it was, as JSON, and the last one."""

sample_unit = Table(
    "sample_unit",
    metadata,
    column("app", Words, primary_key=True),
    column("channel", Words, primary_key=True),
    column("day", Number, primary_key=True, autoincrement=False),
    column("unit", Words, primary_key=True),
    column("epoch", Number, primary_key=True, autoincrement=False),
    column("revision", Number, primary_key=True, autoincrement=False),
    column("arm", Words, primary_key=True),
    column("bucket", Number, nullable=True),
    column("minute", Number),
    column("could", Words),
    column("bad", Words),
    Index(None, "day"),
    **CLUSTERED,
)
"""A unit of an app's sample that made a call on a day: its first minute there, and the guardrails at which it could be
bad and was, as JSON.
"""

feedback = Table(
    "feedback",
    metadata,
    column("mark", Number, primary_key=True, autoincrement=False),
    column("day", Number),
    Index(None, "day"),
    **STRICT,
)
"""Feedback that was counted, by 8 bytes of a digest of the call's id and the name, as a signed number."""

outcome_client = Table(
    "outcome_client",
    metadata,
    column("token", Words, primary_key=True),
    column("client", Words, primary_key=True),
    column("channel", Words, primary_key=True),
    column("number", Number),
    column("counted", Words),
    column("day", Number),
    Index(None, "day"),
    **CLUSTERED,
)
"""A client that reported, by its token and id: the largest number of a document that was counted, and in hex which of
the numbers before it were, bit 0 for itself.
"""

kept_call = Table(
    "kept_call",
    metadata,
    column("call", Words, primary_key=True),
    column("app", Words),
    column("channel", Words),
    column("minute", Number),
    column("unit", Words),
    column("trace", Words),
    column("response", Words),
    column("about", Words),
    column("variables", Words),
    Index(None, "app", "channel", "minute"),
    Index(None, "minute"),
    Index(None, "unit"),
    Index(None, "trace"),
    Index(None, "response"),
    **CLUSTERED,
)
"""A call that is kept by itself, by its id: JSON without and with what the application gave to the prompt.

``unit`` is the id of its key, ``trace`` and ``response`` those of its trace and of the provider's answer, empty without
one; ``variables`` has what was captured, as JSON with what was made of it, and is empty where nothing was, or erased.
"""
