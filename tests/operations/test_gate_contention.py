"""Approvals, withdrawals, verdicts, promotions, rollbacks and new policies at once, from eight processes.

The audit log is one order of all that was done. In it, no promotion lacks what the policy demanded at that moment.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from promptops.core.model import Policy
from promptops.store import Registry, Writer
from tests.operations.gate_contenders import RELEASES, Replay, acted
from tests.store.contenders import together
from tests.store.facts import ACTOR, START, ask, do, release

pytestmark = pytest.mark.slow


def test_no_promotion_lacks_what_its_policy_demanded_at_that_moment(registry: Registry, registry_url: str) -> None:
    def begin(writer: Writer) -> None:
        writer.set_policy("prod", Policy(), actor=ACTOR, at=START)
        writer.lock_app("bot")
        for number in range(1, RELEASES + 1):
            made = release(number)
            writer.record(replace(made, created_by="Maker <maker@example.org>"))

    do(registry, begin)
    done = together(acted, registry_url)

    replay = Replay()
    assert list(replay.wrong(ask(registry, lambda reader: reader.facts(reader.journal())))) == []
    assert sum(done) > 50 and replay.promotions > 2 and len(replay.approvals) > 10
