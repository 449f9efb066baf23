"""What is recorded while a promotion decides comes after it in the log: a promotion holds the log from then on."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from promptops.core.model import Deployment, Policy
from promptops.core.reference import parse_reference
from promptops.core.verdict import Outcome
from promptops.operations import admission
from promptops.operations.evidence import AddRequest, add
from promptops.operations.promote import PromoteRequest, promote
from promptops.store import Registry
from tests.support.factory import ACTOR, key, make_channels, make_release, minutes


def _policy(registry: Registry) -> None:
    make_channels(registry, prod=Policy(gate={"approvals": {"count": 1}}))


def _verdict(registry: Registry) -> None:
    reference = parse_reference("bot@0.1.0")
    said = AddRequest(reference=reference, check="legal", verdict=Outcome.FAIL, note="no", key=key())
    add(registry, said, actor=ACTOR, now=minutes(1))


@pytest.mark.parametrize("between", [_policy, _verdict], ids=["a policy", "a verdict"])
def test_a_promotion_holds_the_log_while_it_decides(
    registry: Registry, monkeypatch: pytest.MonkeyPatch, between: Callable[[Registry], None]
) -> None:
    make_channels(registry, prod=Policy())  # no head of the app is there, which a new policy would wait for
    make_release(registry)
    decide, others = admission._admission, list[threading.Thread]()

    def decide_and_be_overtaken(*given: Any) -> Any:
        decision = decide(*given)
        others.append(threading.Thread(target=between, args=(registry,)))
        others[-1].start()
        others[-1].join(timedelta(seconds=2).total_seconds())  # it waits for the log, or has been recorded
        return decision

    monkeypatch.setattr(admission, "_admission", decide_and_be_overtaken)
    request = PromoteRequest(reference=parse_reference("bot@0.1.0"), channel="prod", key=key())
    assert promote(registry, request, actor=ACTOR, now=minutes(1)).deployments
    for other in others:
        other.join()
    with registry.read() as reader:
        last, newest = reader.facts(reader.journal())[-2:]
    assert isinstance(last.fact, Deployment) and not isinstance(newest.fact, Deployment)
