"""What a run costs, by the list of prices. What is not known is unknown, and never 0."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from threading import Lock
from typing import Final

from promptops.core.outcomes.call_outcome import Count
from promptops.core.parameters import provider_of
from promptops.core.suite.suite import Check
from promptops.evals.plan import Plan
from promptops.evals.price_list import PriceList, package_version
from promptops.evals.request import Request
from promptops.evals.response import Response

_CHARACTERS = 4.0  # of a token, in English text
_ANSWER_TOKENS = 300  # of an answer whose length has no limit: half a page
_JUDGE_TOKENS = (400, 8)  # of a judge's question beside the answer, and of its choice

_PRICES: Final = PriceList()
_CAPS: Final = ("maxTokens", "maxCompletionTokens", "maxOutputTokens")


def snapshot() -> str:
    """Returns which prices are used, as evidence names them; empty if the package is not installed."""
    return package_version()


def price(provider: str, model: str, tokens: tuple[int | None, int | None]) -> float | None:
    """Returns what a call costs in US dollars for these input and output tokens; None if anything is not known."""
    known = _PRICES.rates(f"{provider}/{model}")
    if known is None or tokens[0] is None or tokens[1] is None:
        return None
    rates = known.of(known.tier_of(tokens[0]), tokens[0])
    counts = {Count.CALLS: 1, Count.INPUT_TOKENS: tokens[0], Count.OUTPUT_TOKENS: tokens[1]}
    return None if rates is None else float(rates.cost(counts))


def cost(request: Request, response: Response) -> float | None:
    """Returns what an answer cost; None if that is not known."""
    return price(request.provider, request.model, (response.input_tokens, response.output_tokens))


class Meter:
    """Adds up what a run costs. Safe for several threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self.spent = 0.0
        self.unknown = 0

    def add(self, cost_usd: float | None) -> None:
        """Adds a call; ``unknown`` counts those whose price is not known."""
        with self._lock:
            if cost_usd is None:
                self.unknown += 1
            else:
                self.spent += cost_usd


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What a run will cost at about. ``unpriced`` are the models whose price is not known, which count as nothing."""

    cost_usd: float
    unpriced: tuple[str, ...]


def estimate(plan: Plan) -> Estimate:
    """Returns the estimated cost of a run, from the length of its requests."""
    total = 0.0
    unpriced: set[str] = set()
    for asked in plan.asked:
        for arm, request in {r.digest: (a, r) for a, r in asked.requests.items()}.values():
            definition = plan.side(arm).prompts[asked.prompt].definition
            cap = next((definition.parameters[name] for name in _CAPS if name in definition.parameters), None)
            out = min(cap, _ANSWER_TOKENS) if isinstance(cap, int) else _ANSWER_TOKENS
            tokens = (int(len(request.body) / _CHARACTERS), out)
            calls = [(request.provider, request.model, tokens)]
            calls += [(*_split(model), (_JUDGE_TOKENS[0] + out, _JUDGE_TOKENS[1])) for model in _judges(asked.checks)]
            for provider, model, needed in calls:
                costs = price(provider, model, needed)
                total += (costs or 0.0) * asked.repeats
                if costs is None:
                    unpriced.add(f"{provider}/{model}")
    return Estimate(cost_usd=total, unpriced=tuple(sorted(unpriced)))


def _judges(checks: Iterable[Check]) -> list[str]:
    return [check.judge.model for check in checks if check.judge is not None]


def _split(model: str) -> tuple[str, str]:
    provider, name = provider_of(model)
    return provider or "openai", name
