"""Deployments: the log of an app on a channel."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, select

from promptops.core.bucketing import percent
from promptops.core.model import Deployment, ReleaseRef
from promptops.store.facts.kind import KeyedKind, Line, label
from promptops.store.schema import tables
from promptops.store.schema.rows import AnyRow, Values, deployment_columns, deployment_of, deployment_values


class _Deployments(KeyedKind[Deployment]):
    name = "channels"
    noun = Deployment
    table = tables.deployment
    key = ("channel", "app", "revision")

    def line(self, fact: Deployment) -> Line:
        where = {"app": fact.app, "channel": fact.channel, "before": label(fact.before)}
        who = {"actor": fact.actor, "at": fact.at, "reason": fact.reason}
        return {"action": fact.kind.value, **where, "after": _served(fact), **who}

    def values(self, fact: Deployment) -> Values:
        return deployment_values(fact)

    def query(self) -> Select[*tuple[Any, ...]]:
        return select(*deployment_columns(self.table))

    def fact(self, row: AnyRow) -> Deployment:
        return deployment_of(row)

    def release(self, fact: Deployment) -> ReleaseRef | None:
        return fact.stable


def _served(deployment: Deployment) -> str:
    """What a deployment makes live, as the audit log says it. Frozen: every line is sealed with it."""
    if deployment.stable is None:
        return deployment.kind.value
    trial = deployment.canary
    if trial is None:
        return label(deployment.stable)
    step = f"{trial.action.value}, step {trial.step} of {trial.rollout}"
    return f"{label(deployment.stable)}; canary {label(trial.release)} at {percent(trial.weight)} ({step})"


KIND = _Deployments()
