"""The chapter of the demo about canaries: a release that is worse leaves by itself, and one that is not goes to all.

Everything runs as it is: clients that draw a side for each key, calls of a model, reports, looks. Only the hours that a
policy waits pass by the clock of :mod:`tests.journey.later`, since no server of this demo is up for a day. The salt of
each canary is random, so how often this chapter could fail is worked out, in ``test_canarying.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tests.journey.model_server import ModelServer
from tests.journey.terminal import Terminal, edit, expect
from tests.journey.tickets import local_settings

PROMPT: Final = "apps/support-bot/prompts/triage.prompt.yml"
ROUND: Final = 1_000
"""Tickets of an hour with the bad release. It is mostly over in the second one."""
HOURS: Final = 12
FIRST: Final = 6_200
SECOND: Final = 1_400
"""Tickets of the good release at 5 %, and at 25 %."""
WEIGHTS: Final = (500, 2_500)
GUARDRAILS: Final = ("error", "refusal", "schema")
TOLERANCE: Final = 0.02
_CHANNEL: Final = "  prod:\n    promote_from: staging\n    protected: true\n"
_ROLLOUT: Final = f"""\
    # First a few of the customers. The policy takes the steps, and ends what is worse.
    rollout:
      steps: [{{percent: {WEIGHTS[0] / 100:g}, bake: 4h}}, {{percent: {WEIGHTS[1] / 100:g}, bake: 24h}}]
      wait: 24h
      guardrails: [{", ".join(GUARDRAILS)}]
      tolerance: {TOLERANCE:.0%}
"""
ASKS: Final = "Choose exactly one category:"
BRIEF: Final = f"Be brief: leave out what is plain.\n\n      {ASKS}"
WHOLE: Final = f"Fill in every field, also where you are not sure.\n\n      {ASKS}"
_PLACE: Final = "support-bot --channel prod"
_STATUS: Final = f"canary status {_PLACE}"
_LOOK: Final = "canary tick --channel prod"
_HISTORY: Final = f"history {_PLACE}"


def abort_a_bad_one(terminal: Terminal, settings: Mapping[str, str]) -> None:
    """A release that fails its schema for 8 % of the tickets meets a few customers, and is gone."""
    terminal.tell("No more surprises: from now on prod takes a release in steps, and ends by itself what is worse.")
    edit(terminal, "promptops.yml", _CHANNEL, _CHANNEL + _ROLLOUT)
    terminal.type("git diff -U1 promptops.yml")
    terminal.quietly("git", "commit", "--quiet", "--all", "--message", "prod: take releases in steps")
    terminal.promptops("channels apply")
    terminal.tell("A prompt that sorts tickets, as JSON for the desk's program. Shorter answers would be cheaper:")
    bad = _release(terminal, ASKS, BRIEF, "support-bot: shorter answers")
    terminal.promptops(f"promote support-bot@{bad} --channel prod")
    expect(terminal.ask(_STATUS)["weight"] == 500, "the promotion started a canary at 5 %")
    terminal.tell("Customers go on writing. The application has not changed; the server looks at what it reports.")
    for hour in range(HOURS):
        terminal.python(f"application/tickets.py {hour * ROUND + 1}-{(hour + 1) * ROUND} triage", settings)
        if (ended := _entry(terminal, "abort")) is not None:
            break
    terminal.tell("It is gone, by itself, and stays out. How many met it, and by which evidence it went:")
    terminal.promptops(f"{_HISTORY} --limit 2")
    refusal = terminal.promptops(f"promote support-bot@{bad} --channel prod", exits=5)
    expect("quarantine" in refusal, "the release that was aborted is in quarantine")
    expect(ended is not None and ended["actor"] == "policy of prod", "the policy aborted the canary")
    expect(ended is not None and "worse at schema" in ended["reason"], "because more answers fail their schema")
    expect(ended is not None and "; the canary had " in ended["reason"], "and it says how many calls and keys it had")


def finish_a_good_one(terminal: Terminal, model: ModelServer) -> None:
    """A release that is no worse goes from 5 to 25 % and then to everyone, by the policy."""
    terminal.tell(
        "The next try. The policy takes 28 hours, so the demo moves the clock of each command on, and nothing else.\n"
        "# The server is gone: the application reads the registry's file, and a scheduler runs `canary tick`."
    )
    good = _release(terminal, BRIEF, WHOLE, "support-bot: every field")
    terminal.promptops(f"promote support-bot@{good} --channel prod")
    settings = local_settings(terminal, model)
    terminal.python(f"application/tickets.py 1-{FIRST} triage", settings, later="1h")
    look(terminal, "2h")
    terminal.promptops(_STATUS, later="2h")
    _advances(look(terminal, "4h"), "advanced to 25 %")
    terminal.python(f"application/tickets.py 1-{SECOND} triage", settings, later="5h")
    look(terminal, "16h")
    _advances(look(terminal, "28h"), "finished at 25 %")
    terminal.tell(
        "Of two reasons to go on it had the better one: not only did nothing look worse, it is shown not to be."
    )
    terminal.promptops(f"{_HISTORY} --limit 3", later="28h")
    newest = terminal.ask(_HISTORY)["deployments"][0]
    expect((newest["kind"], newest["actor"]) == ("promote", "policy of prod"), "the policy gave it to everyone")
    expect(newest["stable"]["version"] == good, f"everyone has {good}")


def look(terminal: Terminal, later: str) -> str:
    """What a scheduler's look says. If it pauses the canary for its split, a person lets it go on.

    A split is judged at 1 in 1,000, so a good one is paused now and then.
    """
    said = terminal.promptops(_LOOK, later=later)
    if "not split as they should be" not in said:
        return said
    terminal.tell("That happens by chance, in one rollout of a thousand at most. A person looks, and lets it go on:")
    terminal.promptops(f'canary resume {_PLACE} --reason "every client draws as it should"', later=later)
    return terminal.promptops(_LOOK, later=later)


def _advances(said: str, step: str) -> None:
    expect(f"{step}: every guardrail shows it not to be worse" in said, f"the look says that it {step}, and why")


def _release(terminal: Terminal, old: str, new: str, message: str) -> str:
    edit(terminal, PROMPT, old, new)
    terminal.type(f'git commit --quiet --all --message "{message}"')
    version = str(terminal.ask("release support-bot")["releases"][0]["version"])
    terminal.ask(f"promote support-bot@{version} --channel staging")
    return version


def _entry(terminal: Terminal, kind: str) -> Mapping[str, Any] | None:
    """The newest deployment of this kind on prod, if there is one."""
    found = terminal.ask(_HISTORY)["deployments"]
    return next((entry for entry in found if entry["kind"] == kind), None)
