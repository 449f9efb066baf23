"""What is known of one call from its id alone: which release, who made it live, what it changed, how it does."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from promptops import clock
from promptops.core.declarations import Capture
from promptops.core.errors import NotFound
from promptops.core.outcomes.call_outcome import Count, Tokens
from promptops.core.outcomes.kept_call import Kept, KeptCall, ToolUse
from promptops.core.outcomes.series import Arm, Assignment
from promptops.operations.outcomes import report, report_key
from promptops.operations.why import WhyRequest
from promptops.store import Registry
from promptops.use_cases.use_case import Caller
from promptops.use_cases.why import WHY
from promptops.wire.outcomes import encode
from tests.cli.commands.test_outcomes import series, sums
from tests.cli.conftest import Promptops
from tests.support import factory
from tests.support.factory import ACTOR, go_live, rights
from tests.support.reports import call_id
from tests.support.reports import report as a_report


@pytest.fixture
def now() -> datetime:
    return clock.now()


def called(registry: Registry, revision: int, *, arm: Arm = Arm.STABLE, prompt: str = "answer") -> str:
    """The id of a call of a prompt at a revision."""
    place = Assignment(app="bot", channel="prod", epoch=1, revision=revision, arm=arm)
    return call_id(registry.lineage, report_key(registry).secret, place=place, prompt=prompt)


def test_a_call_is_explained_after_newer_releases(told: Registry, promptops: Promptops) -> None:
    """The call was of 0.1.1; 0.1.2 is live since."""
    out = promptops("why", called(told, 2)).out
    assert "A call of bot/answer on prod, revision 2" in out
    assert "bot@0.1.1, stable, from " in out
    assert "made live by Ada Lovelace: “take 1”" in out
    assert "1 change of this prompt since bot@0.1.0" in out
    found: Any = promptops("why", called(told, 2), "--json").json
    assert (found["release"]["version"], found["before"]["version"]) == ("0.1.1", "0.1.0")
    assert found["since"] < found["until"] and found["sealed"] is True
    assert [change["prompt"] for change in found["changes"]] == ["answer"]
    newest: Any = promptops("why", called(told, 3), "--json").json
    assert (newest["release"]["version"], newest["until"]) == ("0.1.2", None)
    first: Any = promptops("why", called(told, 1), "--json").json
    assert (first["before"], first["changes"]) == (None, [])


def test_a_release_is_live_from_its_first_revision_on(told: Registry, promptops: Promptops) -> None:
    go_live(told, "bot@0.1.1", reason="again")
    found: Any = promptops("why", called(told, 4), "--json").json
    assert (found["release"]["version"], found["before"]["version"], found["reason"]) == ("0.1.1", "0.1.2", "again")


def test_how_often_it_is_bad_on_this_release_and_on_the_one_before(
    told: Registry, promptops: Promptops, now: datetime
) -> None:
    minute = int(now.timestamp()) // 60 - 1
    rows = {
        (series(2), minute): sums(100, 10, counts={Count.REFUSED: 1, Count.BAD: 1}),
        (series(3), minute): sums(100, 10, counts={Count.REFUSED: 9, Count.BAD: 9}),
    }
    report(told, "prod", encode(a_report(told.lineage, sums=rows)), now=now)
    call = called(told, 3, prompt="greet")
    found: Any = promptops("why", call, "--json").json
    assert [(each["key"], each["refused"]["count"]) for each in found["rates"]] == [("0.1.2", 9), ("0.1.1", 1)]
    assert "9.0% (" in promptops("why", call).out


def test_a_call_whose_release_the_application_chose_says_so(told: Registry, promptops: Promptops) -> None:
    assert "the application chose its release" in promptops("why", called(told, 3, arm=Arm.FIXED)).out
    assert "the log does not say" in promptops("why", called(told, 9)).out
    assert promptops("why", called(told, 3, prompt="gone"), "--json").json["prompt"] is None


def test_an_id_is_not_believed_because_it_is_there(told: Registry, promptops: Promptops) -> None:
    made = called(told, 3)
    unsealed = call_id(told.lineage, place=Assignment(app="bot", channel="prod", epoch=1, revision=3, arm=Arm.STABLE))
    assert "anyone may have made it up" in promptops("why", unsealed).out
    forged = made[:-1] + ("A" if made[-1] != "A" else "B")
    assert "its seal is not right" in promptops("why", forged, exits=2).err
    assert "is not a call id" in promptops("why", "pc1:nothing", exits=2).err
    other = f"pc1:{'0' * 8}{made[12:]}"
    assert "of a registry whose lineage begins with 00000000" in promptops("why", other, exits=5).err


@pytest.mark.parametrize("narrow", [{"apps": ("other",)}, {"channels": ("dev",)}])
def test_a_token_learns_nothing_of_calls_elsewhere(told: Registry, now: datetime, narrow: dict[str, Any]) -> None:
    caller = Caller(actor=ACTOR, now=now, rights=rights(**narrow))
    for call in (called(told, 3), called(told, 3)[:-1] + "-"):
        with pytest.raises(NotFound, match="there is no"):
            WHY.answer_to(told, WhyRequest(id=call), caller)
    found = WHY.answer_to(told, WhyRequest(id=called(told, 3)), replace(caller, rights=rights()))
    assert found.document.app == "bot"


def test_what_was_kept_of_a_call_is_shown_with_the_address_of_its_trace(
    told: Registry, promptops: Promptops, now: datetime, tmp_path: Path
) -> None:
    factory.declare(told, capture=Capture.VARIABLES)
    call = called(told, 3)
    kept = KeptCall(
        call=call, prompt="answer", at=int(now.timestamp()), kept=Kept.BAD, version="0.1.2", reason="stable",
        asked="openai/gpt-4o-2024-08-06", model="openai/gpt-4o-mini", flags=(Count.BAD, Count.PIN_MISMATCH),
        error="openai.APITimeoutError", finish="length", tokens=Tokens(input=1200, cached=400, output=70, reasoning=9),
        latency_ms=1500, first_token_ms=90, attempts=2, trace="4bf92f35/77b3", response="chatcmpl-1", api="chat",
        tools=(ToolUse(name="search", latency_ms=40, error="TimeoutError"), ToolUse(name="pay")),
        variables={"name": "Ada"},
    )  # fmt: skip
    other = replace(kept, call=called(told, 2), at=kept.at + 1, version="0.1.1", trace="", variables=None, api="")
    report(told, "prod", encode(replace(a_report(told.lineage), calls=(kept, other))), now=now)
    (tmp_path / "promptops.yml").write_text(
        "registry: test\napps: []\ntraces: https://tempo.example.com/t/{trace_id}\n", encoding="utf-8"
    )
    out = promptops("why", "chatcmpl-1").out
    for line in (
        "It ended in: openai.APITimeoutError",
        "openai/gpt-4o-mini, openai/gpt-4o-2024-08-06 is pinned",
        "1,500 ms, first token after 90 ms",
        "1,200 in (400 cached), 70 out (9 of reasoning)",
        "tool search, 40 ms, TimeoutError",
        "https://tempo.example.com/t/4bf92f35%2F77b3",
        "1 other call of the same trace or answer",
        '"content":"Hello Ada, take 2"',
    ):
        assert line in out, line
    shown: Any = promptops("why", call, "--json").json
    assert shown["trace_url"] == "https://tempo.example.com/t/4bf92f35%2F77b3"
    assert json.loads(shown["kept"]["sent"]["body"])["messages"][0]["content"] == "Hello Ada, take 2"
    assert "trace_url" not in promptops("why", other.call, "--json").json
    assert "no call of the trace" in promptops("why", "chatcmpl-2", exits=3).err
