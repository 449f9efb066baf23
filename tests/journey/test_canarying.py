"""The chapter of canaries fails in one of a million demos at most, whatever salts are drawn, on machines however slow.

Which tickets a release fails follows from their text; which release a customer has follows from the salt, so it is as
if drawn with the canary's weight for each. Nothing else of the chapter is random.
"""

from __future__ import annotations

import json
import runpy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count, takewhile
from pathlib import Path
from typing import Any

import pytest

from promptops import Client
from promptops.core.canary.advance import Advance, SampledKeys, judge_step
from promptops.core.canary.rollout_policy import CANARY_KEYS
from promptops.core.canary.state import RolloutState
from promptops.core.deployment_parts import WHOLE as ALL
from promptops.core.statistics.bounds import binomial_tail
from tests.journey import canarying
from tests.journey.canarying import ASKS, BRIEF, FIRST, GUARDRAILS, HOURS, ROUND, SECOND, TOLERANCE, WEIGHTS, WHOLE
from tests.journey.model_server import ModelServer
from tests.journey.terminal import EXAMPLE, Terminal

ONCE_IN_A_MILLION = 1e-6


@pytest.fixture(scope="module")
def requests() -> Iterator[list[dict[str, Any]]]:
    """What the application asks the model, ticket by ticket."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
        application = runpy.run_path(str(EXAMPLE / "application/tickets.py"), run_name="tickets")
    with Client(f"repo:{EXAMPLE}", channel="prod", cache_dir=False) as client:
        prompt = client.get_prompt("support-bot/triage")
        yield [prompt.to_openai(ticket=application["ticket"](number)[0]) for number in range(1, HOURS * ROUND + 1)]


def failing(requests: list[dict[str, Any]], asks: str) -> int:
    """How many of these tickets a release fails that asks so."""
    model = ModelServer(1)

    def answer(request: dict[str, Any]) -> dict[str, Any]:
        system, user = request["messages"]
        changed = {**system, "content": system["content"].replace(ASKS, asks)}
        body = json.dumps({**request, "messages": [changed, user]}).encode()
        found = json.loads(model.answer(body)["choices"][0]["message"]["content"])
        assert isinstance(found, dict)
        return found

    return sum("reason" not in answer(request) for request in requests)


def at_most(number: int, of: int, share: float) -> float:
    """How likely at most so many of these are drawn."""
    return binomial_tail(of - number, of, 1 - share)


def test_the_bad_release_fails_eight_of_a_hundred_and_the_good_one_none(requests: list[dict[str, Any]]) -> None:
    shares = [failing(requests, asks) / len(requests) for asks in (BRIEF, ASKS, WHOLE)]
    assert shares[0] == pytest.approx(0.08, abs=0.01)
    assert shares[1] == pytest.approx(0.005, abs=0.002)
    assert shares[2] == 0, "no coin counts a key of the good canary, so nothing can abort it"


def test_the_bad_release_is_aborted_within_its_hours(requests: list[dict[str, Any]]) -> None:
    weight = WEIGHTS[0]
    # As if every ticket that the stable release fails were its: each speaks for the canary.
    stable = failing(requests, ASKS)

    def shows(bad: int) -> bool:
        document = RolloutState([weight], GUARDRAILS).to_json()
        rows: Any = document["guardrails"]
        rows["schema"]["once"] = [[0, 0, bad, stable]]
        state = RolloutState.of_json(document, [weight])
        return state.evidence()["schema"] >= state.limit

    too_few = max(takewhile(lambda bad: not shows(bad), count()))
    assert at_most(too_few, failing(requests, BRIEF), weight / ALL) < ONCE_IN_A_MILLION / 3


@pytest.mark.parametrize(("tickets", "weight"), [(FIRST, WEIGHTS[0]), (SECOND, WEIGHTS[1])])
def test_the_good_release_is_shown_not_to_be_worse_at_each_step(tickets: int, weight: int) -> None:
    def is_enough(keys: int) -> bool:
        sampled = SampledKeys(canary=keys, canary_bad=0, stable=0, stable_bad=0)
        shown = judge_step(sampled, 1.0, tolerance=TOLERANCE) is Advance.BELOW_TOLERANCE
        return shown and keys >= CANARY_KEYS

    too_few = max(takewhile(lambda keys: not is_enough(keys), count()))
    # The first worker's calls have no key, if it ends before it has the secret by which keys are hidden.
    application = (EXAMPLE / "application/tickets.py").read_text(encoding="utf-8")
    assert "\nWORKER = 200\n" in application
    assert at_most(too_few, tickets - 200, weight / ALL) < ONCE_IN_A_MILLION / 3


@dataclass(slots=True)
class Scripted(Terminal):
    """A terminal whose commands say what a test wrote down."""

    said: list[str] = field(default_factory=list)
    typed: list[str] = field(default_factory=list)

    def promptops(self, command: str, *, exits: int = 0, later: str = "") -> str:
        self.typed.append(f"{later}: {command.partition(' --')[0]}")
        return self.said.pop(0)

    def ask(self, command: str, *, exits: int = 0, later: str = "") -> Mapping[str, Any]:
        raise AssertionError(command)


def test_a_person_lets_a_canary_go_on_that_is_paused_for_its_split_by_chance() -> None:
    paused = "paused: the keys are not split as they should be: 260 to 5,940, of the sample"
    terminal = Scripted(Path(), Path(), False, said=[paused, "", "advanced to 25 %"])
    assert canarying.look(terminal, "4h") == "advanced to 25 %"
    assert terminal.typed == ["4h: canary tick", "4h: canary resume support-bot", "4h: canary tick"]
