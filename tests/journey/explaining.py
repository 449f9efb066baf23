"""The chapter of the demo about one bad call: why it came out as it did, three weeks and two releases later."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, Final

from tests.journey.model_server import ModelServer
from tests.journey.terminal import Terminal, edit, expect

_LATER: Final = "21d"
_PROMPT: Final = "apps/support-bot/prompts/answer.prompt.yml"
_SENTENCES: Final = (
    "Always give a complete answer.",
    "Give a complete answer where the articles have one.",
    "Give a complete answer where the articles have one, and a short one elsewhere.",
)


def explain(terminal: Terminal, model: ModelServer, call: str) -> None:
    """Release twice, and ask 21 days later what a refused call was."""
    terminal.tell("Two more releases, and three weeks. Then a customer asks why a ticket was never answered:")
    for old, new in pairwise(_SENTENCES):
        edit(terminal, _PROMPT, old, new)
        terminal.quietly("git", "commit", "--quiet", "--all", "--message", "support-bot: say when to be complete")
        version = terminal.ask("release support-bot")["releases"][0]["version"]
        for channel in ("staging", "prod"):
            terminal.promptops(f"promote support-bot@{version} --channel {channel}")
    terminal.promptops(f"why {call}", later=_LATER)
    found = terminal.ask(f"why {call}", later=_LATER)
    expect(found["release"]["version"] == "0.2.0", f"the call was of 0.2.0, not {found['release']['version']}")
    expect(found["until"] is not None, "0.2.0 is not live any more")
    _hold(found["kept"], model)


def _hold(kept: Mapping[str, Any], model: ModelServer) -> None:
    """What was kept of the call is what the server of models saw."""
    expect("refused" in kept["flags"], "the call was refused")
    expect(kept["sent"]["exact"], "the request is what was sent")
    received = model.received[kept["response"]]
    expect(kept["sent"]["body"].encode() == received, "the request is, byte for byte, what the model received")
