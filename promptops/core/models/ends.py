"""When the models of a content end, as their providers announced it, and what to say of that on a day."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from promptops.core.models.table import Facts, facts_of
from promptops.core.own_facts import OwnFacts

MODEL_ENDS: Final = "model-ends"
"""The code of a finding, and of a look, at a model that ends."""

NOTICE: Final = timedelta(days=60)
"""How long before the end `check` and a promotion warn: Anthropic announces the end of a model 60 days before, OpenAI
earlier, and a change of model takes an evaluation and a rollout."""
SOON: Final = timedelta(days=30)
"""How long before the end `status` names what is live."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """A model that ends: from ``ends`` on, calls of it fail. ``successor`` is what its provider proposes."""

    model: str
    ends: date
    successor: str
    source: str

    def words(self, today: date) -> str:
        """Says when it ends, seen from a day, and what to use then."""
        days = (self.ends - today).days
        if days > 0:
            when = f"ends on {self.ends}, in {days} {'day' if days == 1 else 'days'}"
        else:
            when = f"ended on {self.ends}" if days else "ends today"
        instead = f"; its provider proposes {self.successor}" if self.successor else ""
        return f"{self.model} {when}{instead}"


def ending(
    models: Collection[str],
    today: date,
    *,
    within: timedelta | None = NOTICE,
    own: Mapping[str, OwnFacts] | None = None,
) -> tuple[Ending, ...]:
    """Returns the models that end within a time, or have ended, the first end first; for None, all.

    ``own`` is what a workspace says of models, by their names.
    """
    return soon(endings({model: facts_of(model, (own or {}).get(model)) for model in models}), today, within=within)


def soon(known: Iterable[Ending], today: date, *, within: timedelta | None = NOTICE) -> tuple[Ending, ...]:
    """Returns those that end within a time, or have ended, each once, the first end first; for None, all."""
    chosen = {each for each in known if within is None or each.ends <= today + within}
    return tuple(sorted(chosen, key=lambda each: (each.ends, each.model, each.successor, each.source)))


def endings(facts: Mapping[str, Facts]) -> tuple[Ending, ...]:
    """Returns the ends of models of which this is known."""
    return tuple(
        Ending(model=model, ends=known.ends, successor=known.successor, source=known.source("ends"))
        for model, known in facts.items()
        if known.ends is not None
    )
