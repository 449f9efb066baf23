"""Approvals, withdrawals, verdicts, ends of runs, promotions, rollbacks and policies at once, from eight processes.

The audit log is one order of all that was done: in it, no promotion lacks what the policy demanded at that moment. And
all that each process was told, refusals and questions too, has an order that is true to the time of each answer.
"""

from __future__ import annotations

import pytest

from promptops.store import Registry
from tests.operations.gate_contenders import GATES, Replay, acted, prepare
from tests.operations.gate_model import Gate
from tests.store.contenders import together
from tests.store.facts import ask, do
from tests.store.linearizability import explained

pytestmark = pytest.mark.slow


def test_no_promotion_lacks_what_its_policy_demanded_at_that_moment(registry: Registry, registry_url: str) -> None:
    do(registry, prepare)
    history = [asked for each in together(acted, registry_url) for asked in each]

    replay = Replay()
    assert list(replay.wrong(ask(registry, lambda reader: reader.facts(reader.journal())))) == []
    assert replay.promotions > 2 and len(replay.approvals) > 10
    assert explained(history, Gate(gates=tuple(GATES)))
    refused = [asked for asked in history if asked.what == "promote" and not asked.told]
    assert refused and {asked.what for asked in history if asked.told} >= {"approve", "withdraw", "promote", "policy"}
