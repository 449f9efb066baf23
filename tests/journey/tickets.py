"""The chapter of the demo about outcomes: two releases answer the same tickets, and what each ticket cost that was
resolved.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from tests.journey.model_server import ModelServer
from tests.journey.terminal import Terminal, copy, expect

TICKETS: Final = 300
_APPLICATION: Final = "application/tickets.py"


def settings_of(terminal: Terminal, url: str, model: ModelServer) -> dict[str, str]:
    """The environment of an application that asks the model there, and may report its calls to the registry."""
    minted = terminal.ask("token create tickets --channel prod")
    return {
        **local_settings(terminal, model),
        "PROMPTOPS_REGISTRY": url,
        "PROMPTOPS_TOKEN": str(minted["secret"]),
    }


def local_settings(terminal: Terminal, model: ModelServer) -> dict[str, str]:
    """The environment of one that reads the registry's file."""
    folder = terminal.directory / ".promptops"
    return {
        "PROMPTOPS_REGISTRY": f"sqlite:///{folder / 'registry.db'}",
        "PROMPTOPS_CHANNEL": "prod",
        "PROMPTOPS_CACHE": str(folder / "cache"),
        "OPENAI_BASE_URL": model.url,
    }


def answer_tickets(terminal: Terminal, settings: Mapping[str, str], number: int) -> str:
    """Let what is live answer so many tickets; returns the id of a call that was refused."""
    copy(terminal, _APPLICATION)
    said = terminal.python(f"{_APPLICATION} 1-{number}", settings)
    refused = re.search(r"refused: (pc1:\S+)", said)
    expect(refused is not None, "a ticket was refused")
    return refused[1] if refused else ""


def compare(terminal: Terminal) -> None:
    """Which of the two releases is the cheaper one, by call and by ticket."""
    terminal.tell("Was it the right one to go back to? What both did, from sums that the application reported:")
    terminal.promptops("outcomes support-bot --channel prod")
    terminal.tell("0.2.0 costs more a call, and less for a ticket that is resolved. With 4,000 tickets a day:")
    terminal.promptops("cost support-bot --channel prod --calls-per-day 4000")
    found = terminal.ask("outcomes support-bot --channel prod")
    groups = {group["key"]: group for group in found["groups"]}
    dear, cheap = groups["0.2.0"], groups["0.1.0"]
    for group in (dear, cheap):
        expect(group["calls"] == TICKETS, f"each ticket is one call, not {group['calls']}")
        expect(group["refused"]["count"] > 0, "a few tickets were refused")
    expect(_usd(dear["cost_a_call_usd"]) > _usd(cheap["cost_a_call_usd"]), "0.2.0 costs more a call")
    expect(_resolved(dear) < _resolved(cheap), "0.2.0 costs less for each resolved ticket")


def _usd(amount: object) -> Decimal:
    return Decimal(str(amount))


def _resolved(group: Mapping[str, Any]) -> Decimal:
    """US dollars for a ticket that was resolved."""
    [found] = group["outcomes"]
    return _usd(found["cost_usd"])
