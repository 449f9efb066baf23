"""The tables of canaries: two of facts, what a canary began with and what decided its steps, and two of measurements,
what is known of its keys.

A part of :mod:`promptops.store.schema.tables`, through which the other modules of ``store`` reach them.
"""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index, Table

from promptops.store.schema.columns import CLUSTERED, Flag, Moment, Number, Words, column, metadata

COUNTED = ("rollout_state", "rollout_unit")
"""The tables of measurements, which follow from what clients reported: not guarded, and a backup may leave them out."""

rollout = Table(
    "rollout",
    metadata,
    column("app", Words, ForeignKey("app.name"), primary_key=True),
    column("channel", Words, primary_key=True),
    column("rollout", Words, primary_key=True),
    column("settings", Words),
    column("limits", Words),
    column("off", Words),
    column("keys", Words),
    column("keys_a_day", Number),
    column("blind", Flag),
    column("actor", Words),
    column("at", Moment),
    **CLUSTERED,
)
"""What holds for a canary from its start to its end, by the name that its deployments give it: the policy as it was
then, the limits by prompt, and why guardrails are off, each as JSON; and the hashes of the keys that come first.
"""

canary_decision = Table(
    "canary_decision",
    metadata,
    column("app", Words, ForeignKey("app.name"), primary_key=True),
    column("channel", Words, primary_key=True),
    column("revision", Number, primary_key=True, autoincrement=False),
    column("rollout", Words),
    column("verb", Words),
    column("cause", Words),
    column("guardrail", Words),
    column("shown", Words),
    column("numbers", Words),
    column("actor", Words),
    column("at", Moment),
    **CLUSTERED,
)
"""Why the policy took a step of a canary, by the revision that it made; ``numbers`` are JSON."""

rollout_state = Table(
    "rollout_state",
    metadata,
    column("app", Words, primary_key=True),
    column("channel", Words, primary_key=True),
    column("rollout", Words, primary_key=True),
    column("state", Words),
    column("at", Moment),
    Index(None, "at"),
    **CLUSTERED,
)
"""What the evidence of a canary is, as JSON."""

rollout_unit = Table(
    "rollout_unit",
    metadata,
    column("app", Words, primary_key=True),
    column("channel", Words, primary_key=True),
    column("rollout", Words, primary_key=True),
    column("unit", Words, primary_key=True),
    column("counted", Words),
    **CLUSTERED,
)
"""As what a unit was counted in a canary, by coin, as JSON."""
