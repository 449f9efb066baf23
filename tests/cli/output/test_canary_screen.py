"""A canary that is watched fits on a screen of 80 columns and 24 lines, and is understood without colours."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from promptops.cli.output.canary_screen import canary_screen
from promptops.cli.output.render import Line, Page, Span
from promptops.wire.documents.approvals import WaiverDocument
from promptops.wire.documents.canaries import (
    CanaryCoinDocument,
    CanaryDecidedDocument,
    CanarySideDocument,
    CanaryStatusDocument,
    CanaryStepDocument,
)

NOW = datetime(2026, 11, 21, 18, 30, 5, tzinfo=UTC)
HOUR = timedelta(hours=1)
GUARDRAILS = ("error", "refusal", "schema", "check", "slow", "dear", "unrecorded")
FOOT = Span("2026-11-21 18:30:05 UTC · asks again in 2 s · Ctrl-C ends", "quiet")


def coin(guardrail: str, kind: str = "once", evidence: float = 1.0, **more: Any) -> CanaryCoinDocument:
    given: dict[str, Any] = {"canary": 3, "stable": 4, "limit": 420.0, "off": ""} | more
    return CanaryCoinDocument(guardrail=guardrail, coin=kind, evidence=evidence, **given)


def side(arm: str, version: str, keys: int, calls: int, bad: int) -> CanarySideDocument:
    return CanarySideDocument(arm=arm, version=version, digest="sha256:0", keys=keys, calls=calls, bad=bad, held=0)


def found(**more: Any) -> CanaryStatusDocument:
    """A canary at its second step of three, with seven guardrails."""
    given: dict[str, Any] = {
        "app": "support-bot",
        "channel": "prod",
        "revision": 14,
        "rollout": "1.12",
        "weight": 2_500,
        "action": "advance",
        "paused": False,
        "by_policy": True,
        "began_at": NOW - 6 * HOUR,
        "step_began_at": NOW - 2 * HOUR,
        "sides": (side("canary", "1.5.0", 310, 1_204, 9), side("stable", "1.4.0", 930, 3_655, 12)),
        "steps": tuple(
            CanaryStepDocument(weight=weight, bake_seconds=14_400, begun=weight <= 2_500)
            for weight in (500, 2_500, 5_000)
        ),
        "coins": tuple(
            coin(name, kind, 4.2 if (name, kind) == ("error", "again") else 0.9)
            for name in GUARDRAILS
            for kind in ("once", "again", "often")
        ),
        "next_weight": 5_000,
        "next_look_at": NOW + 2 * HOUR,
        "canary_keys": 87,
        "keys_needed": 200,
        "nearest": "error again",
        "bad_keys_left": 5,
    }
    return CanaryStatusDocument(**given | more)


def full() -> CanaryStatusDocument:
    """Everything there is to say, and long names."""
    waiver = WaiverDocument(
        number=1,
        app="a" * 60,
        channel="c" * 60,
        version="1.5.0",
        digest="sha256:0",
        check="canary-abort",
        expires_at=NOW + 20 * HOUR,
        person="ada@example.org",
        actor="Ada Lovelace <ada@example.org>",
        at=NOW - 4 * HOUR,
        token="",
        reason="their outage, and not ours, as far as anybody knows by now: " + "so it goes " * 20,
    )
    decided = CanaryDecidedDocument(
        revision=13, verb="advance", why="not-worse", reason="advanced to 25 %: " + "shown " * 30, at=NOW - 2 * HOUR
    )
    return found(
        app="a" * 60,
        channel="c" * 60,
        paused=True,
        sides=(
            side("canary", "1.5.0-candidate.with.a.long.name.20261121", 1_234_567, 123_456_789, 12_345_678),
            side("stable", "1.4.0-candidate.with.a.long.name.20261101", 12_345_678, 1_234_567_890, 123_456_789),
        ),
        coins=tuple(
            coin(name, kind, 1e15, canary=1_234_567, stable=12_345_678, action="pause")
            for name in (*GUARDRAILS[:6], "score:" + "helpfulness" * 5)
            for kind in ("once", "again", "often")
        ),
        nearest="score:" + "helpfulness" * 5 + " often",
        first_keys=1_000,
        first_keys_bad=12_345,
        waiver=waiver,
        would_abort="the canary is worse at error: " + "1,234,567 keys " * 10,
        decisions=(decided,),
    )


def page(*, width: int | None = 80, color: bool = False) -> Page:
    return Page(now=NOW, zone=UTC, stream=io.StringIO(), color=color, width=width)


def drawn(document: CanaryStatusDocument, *, rows: int = 24, width: int | None = 80, foot: Line = FOOT) -> list[str]:
    shown = page(width=width)
    return shown.text(canary_screen(document, shown, rows=rows, foot=foot)).splitlines()


def test_the_fullest_canary_fits_and_all_seven_guardrails_are_there() -> None:
    lines = drawn(full())
    assert len(lines) == 24
    assert max(map(len, lines)) <= 80
    assert [line.split()[0].rstrip(",") for line in lines if "|" in line][:6] == list(GUARDRAILS[:6])
    assert sum("|" in line for line in lines) == 7
    for words in ("paused", "first", "next", "sample", "would abort", "held", "last", "Ctrl-C ends"):
        assert any(words in line for line in lines), words


def test_the_whole_screen() -> None:
    document = found(first_keys=12, first_keys_bad=1)
    assert "\n".join(drawn(document)) == SCREEN


SCREEN = """\
support-bot on prod: canary 1.5.0 beside 1.4.0
25 % of the keys; the policy takes its steps; began 6h ago
steps  5 % > [25 %] > 50 % > 100 %

  SIDE    RELEASE  KEYS  CALLS  CALLS A KEY  BAD CALLS
  canary  1.5.0    310   1,204  3.9          9 (0.75%)
  stable  1.4.0    930   3,655  3.9          12 (0.33%)
  first   12 keys have it first, outside the comparison: 1 bad call

  BAD KEYS OF                   CANARY          STABLE  EVIDENCE, limit 420
  error again                3 (0.97%)       4 (0.43%)  ###-----------| 4.2
  refusal                    3 (0.97%)       4 (0.43%)  --------------| 0.9
  schema                     3 (0.97%)       4 (0.43%)  --------------| 0.9
  check                      3 (0.97%)       4 (0.43%)  --------------| 0.9
  slow                       3 (0.97%)       4 (0.43%)  --------------| 0.9
  dear                       3 (0.97%)       4 (0.43%)  --------------| 0.9
  unrecorded                 3 (0.97%)       4 (0.43%)  --------------| 0.9

next         50 %: in 2h, if every guardrail shows it not to be worse
sample       87 keys of the canary in this step, of 200 needed
abort        5 further bad keys of the canary at error again
2026-11-21 18:30:05 UTC · asks again in 2 s · Ctrl-C ends"""


@pytest.mark.parametrize("rows", range(6, 25))
@pytest.mark.parametrize("width", [40, 80, 200, None])
def test_a_smaller_terminal_gets_what_fits_and_the_last_line(rows: int, width: int | None) -> None:
    for document in (found(), full()):
        lines = drawn(document, rows=rows, width=width)
        assert len(lines) <= rows
        assert max(map(len, lines)) <= min(width or 80, 80)
        assert lines[-1].startswith("2026-11-21 18:30:05 UTC")


def test_more_guardrails_than_fit_are_counted_and_the_nearest_stay() -> None:
    names = [f"score:s{number}" for number in range(20)]
    many = tuple(
        coin(name, evidence=100.0 if name == "score:s17" else 2.0 if name == "score:s3" else 0.5) for name in names
    )
    lines = drawn(found(coins=many))
    assert len(lines) <= 24
    kept = [line.split()[0] for line in lines if "|" in line]
    assert {"score:s3", "score:s17"} <= set(kept)
    assert f"  and {20 - len(kept)} more, 0% of the way to the limit at most" in lines


def test_the_strongest_coin_of_a_guardrail_is_shown_with_the_keys_that_were_bad_once() -> None:
    coins = (coin("error", canary=40, stable=7), coin("error", "often", 500.0, canary=2, stable=0))
    [line] = [line for line in drawn(found(coins=coins)) if "|" in line]
    assert line.split()[:2] == ["error", "often"]
    assert "40 (13%)" in line and "7 (0.75%)" in line
    assert line.endswith("##############| 500")


def test_a_bar_is_full_only_at_the_limit_and_says_what_happens_there() -> None:
    coins = (coin("error", evidence=419.0), coin("refusal", evidence=420.0, action="pause"))
    error, refusal = (line for line in drawn(found(coins=coins)) if "|" in line)
    assert "#############-|" in error
    assert "##############|" in refusal and "refusal, pauses" in refusal


def test_a_guardrail_that_is_off_says_why() -> None:
    coins = (coin("dear", off="too few calls for a limit"), coin("error"))
    assert "  dear                 off: too few calls for a limit" in drawn(found(coins=coins))


def test_a_canary_whose_steps_a_person_takes_has_its_sides() -> None:
    by_hand = found(by_policy=False, steps=(), coins=(), next_weight=None, next_look_at=None)
    lines = drawn(by_hand)
    assert lines[1] == "25 % of the keys; a person takes its steps; began 6h ago"
    assert any(line.startswith("  canary  1.5.0") for line in lines)
    assert not any("EVIDENCE" in line for line in lines)


def test_colours_add_nothing_that_the_words_do_not_say() -> None:
    import re

    shown = page(color=True)
    text = shown.text(canary_screen(full(), shown, foot=FOOT))
    assert "\x1b[" in text
    assert re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines() == drawn(full())


def test_what_another_person_wrote_cannot_draw_on_the_screen() -> None:
    evil = found(decisions=(replace(full().decisions[0], reason="\x1b[2J\n\nnothing"),))
    lines = drawn(evil)
    assert len(lines) <= 24
    assert not any("\x1b" in line for line in lines)
