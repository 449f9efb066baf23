"""The facts of canaries: rows that become what one began with, or a decision of the policy about it, and back."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, bindparam, select

from promptops.core.canary.decision import CanaryDecision
from promptops.core.canary.rollout_fact import Rollout
from promptops.core.errors import Invalid, RegistryDamaged
from promptops.store.schema import tables
from promptops.store.schema.rows import AnyRow, Values, settings_of, settings_text

_rollout, _decision = tables.rollout, tables.canary_decision
_ONE = select(_rollout).where(*(_rollout.c[name] == bindparam(f"of_{name}") for name in ("app", "channel", "rollout")))
_SETTINGS = ("settings", "limits", "off")
_OTHERS = ("app", "channel", "rollout", "keys", "keys_a_day", "blind", "actor", "at")


def find_rollout(connection: Connection, app: str, channel: str, rollout: str) -> Rollout | None:
    """What a canary began with; None where the channel had no ``rollout:`` then.

    Raises:
        RegistryDamaged: its row is not what was written.
    """
    row = connection.execute(_ONE, {"of_app": app, "of_channel": channel, "of_rollout": rollout}).first()
    try:
        return None if row is None else rollout_of(row)
    except ValueError as error:
        raise RegistryDamaged(f"the row of the canary {rollout} of {app} on {channel} is damaged: {error}") from error


def rollout_of(row: AnyRow) -> Rollout:
    """Raises ValueError: the row holds what promptops never writes."""
    settings: dict[str, Any] = {name: settings_of(row._mapping[name]) for name in _SETTINGS}
    if None in settings.values():
        raise ValueError("settings are missing")
    try:
        return Rollout(**settings, **{name: row._mapping[name] for name in _OTHERS})
    except Invalid as error:
        raise ValueError(error.message) from error


def rollout_values(rollout: Rollout) -> Values:
    settings = {name: settings_text(getattr(rollout, name)) for name in _SETTINGS}
    return {**settings, **{name: getattr(rollout, name) for name in _OTHERS}}


def decision_of(row: AnyRow) -> CanaryDecision:
    """Raises ValueError: the row holds what promptops never writes."""
    numbers = settings_of(row.numbers)
    if numbers is None:
        raise ValueError("numbers are missing")
    try:
        return CanaryDecision(**{**row._mapping, "numbers": numbers})
    except Invalid as error:
        raise ValueError(error.message) from error


def decision_values(decision: CanaryDecision) -> Values:
    values: Values = {column.name: getattr(decision, column.name) for column in _decision.c}
    return {**values, "numbers": settings_text(decision.numbers)}
