"""`promptops erase` removes what was captured, and says of how many calls."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import pytest

from promptops import clock
from promptops.core.declarations import Capture
from promptops.core.outcomes.kept_call import Kept, KeptCall
from promptops.core.outcomes.units import Unit
from promptops.operations.outcomes import report, report_key
from promptops.store import Registry
from promptops.wire.outcomes import encode
from tests.cli.conftest import Promptops
from tests.support import factory
from tests.support.reports import assignment, call_id
from tests.support.reports import report as a_report


@pytest.fixture
def calls(told: Registry) -> list[KeptCall]:
    """Two calls of ada and one of ben, with what was captured."""
    factory.declare(told, capture=Capture.VARIABLES)
    secret, now = report_key(told).secret, clock.now()
    kept = [
        KeptCall(
            call=call_id(
                told.lineage, secret, place=assignment(revision=3), random=number, unit=Unit.of(secret, "bot", key)
            ),
            prompt="answer",
            at=int(now.timestamp()) - 60,
            kept=Kept.BAD,
            variables={"name": key},
        )
        for number, key in enumerate(("ada", "ada", "ben"))
    ]
    report(told, "prod", encode(replace(a_report(told.lineage), calls=tuple(kept))), now=now)
    return kept


def captured(promptops: Promptops, call: KeptCall) -> bool:
    found: Any = promptops("why", call.call, "--json").json
    return bool(found["kept"]["captured"])


def test_the_calls_of_a_key_from_stdin_and_one_call(
    calls: list[KeptCall], promptops: Promptops, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("ada\n"))
    assert "what was captured of 2 calls" in promptops("erase", "--key", "-", "--reason", "asked").out
    assert [captured(promptops, call) for call in calls] == [False, False, True]
    done = promptops("erase", "--call", calls[2].call, "--json").json
    assert (done["calls"], done["number"], done["app"]) == (1, 2, "bot")
    assert not captured(promptops, calls[2])
    out = promptops("audit").out
    assert "erase" in out and "ada" not in out.replace("ada@example.org", "")


def test_without_a_key_or_with_two_questions_nothing_is_erased(
    calls: list[KeptCall], promptops: Promptops, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("\n"))
    assert "stdin has no key" in promptops("erase", "--key", "-", exits=2).err
    for typed in ((), ("--key", "ada", "--call", calls[0].call)):
        assert "an erasure is of a key or of a call" in promptops("erase", *typed, exits=2).err
    assert [captured(promptops, call) for call in calls] == [True, True, True]
