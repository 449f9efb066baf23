"""Where the answer to a request comes from: the run's journal, a recording, or the provider."""

from __future__ import annotations

from dataclasses import dataclass

from promptops.core.errors import Unavailable
from promptops.core.floating_models import is_floating
from promptops.evals.caller import Caller
from promptops.evals.journal import Journal, Key
from promptops.evals.pricing import Meter, cost
from promptops.evals.recordings import Recordings
from promptops.evals.request import Request
from promptops.evals.response import Response, Trouble

_AWAY = (Trouble.UNAVAILABLE.value, Trouble.RATE_LIMITED.value)
JUDGED = 0
"""The repeat of a judge's answer: equal answers to one case are judged once."""


class OverBudget(Exception):
    """The run has cost as much as it may."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """An answer, and whether it was there before this run: then its latency is not a new one."""

    response: Response
    reused: bool = False


class Answers:
    """Finds answers, for all workers of a run."""

    def __init__(
        self,
        journal: Journal,
        *,
        recorded: Recordings | None = None,
        offline: bool = False,
        again: bool = True,
        max_cost: float | None = None,
    ) -> None:
        """``recorded`` are answers that are taken as they are, and ``offline`` asks no provider at all.

        With ``recorded`` and not ``offline``, judges may be asked and prompts may not: a run whose recorded answers get
        new checks. ``again`` asks anew where the journal has an error. ``max_cost`` is in US dollars.
        """
        self.journal = journal
        self.meter = Meter()
        self._recorded = recorded
        self._offline = offline
        self._again = again
        self._max_cost = max_cost
        self._counted: set[Key] = set()
        self._answering: set[str] = set()

    def find(self, key: Key, request: Request, caller: Caller | None) -> Found:
        """Returns the answer to a request.

        Raises:
            NotFound: it should have been recorded, and was not.
            Unavailable: the provider served another model, or answers no request.
            OverBudget: another call may cost too much. Stopped: the run ends.
        """
        recorded = None if self._recorded is None else self._recorded.get(request, key[3])
        known = self.journal.get(key)
        if known is not None and not (known.error and self._again):
            if recorded is None:
                self._count(key, request, known)
            return Found(response=known, reused=recorded is not None)
        if recorded is not None:
            return Found(response=self.journal.put(key, recorded), reused=True)
        if self._recorded is not None and (self._offline or key[3] != JUDGED):
            self._recorded.refuse(request, key[3])
        if self._max_cost is not None and self.meter.spent >= self._max_cost:
            raise OverBudget
        assert caller is not None
        response = caller.ask(request)
        self._require_alive(request, response)
        self._count(key, request, response)
        require_pin(request, response)
        return Found(response=self.journal.put(key, response))

    def _require_alive(self, request: Request, response: Response) -> None:
        """Does nothing once a provider has answered a request.

        Raises:
            Unavailable: it has answered none so far, and after all tries not this one: others would wait as long.
        """
        if not response.error:
            self._answering.add(request.provider)
        elif request.provider not in self._answering and response.error in _AWAY:
            raise Unavailable(
                f"{request.provider} at {response.host} gave no answer in {response.attempts} tries: {response.why}",
                hint="Is it running, and is that its address?",
            )

    def _count(self, key: Key, request: Request, response: Response) -> None:
        """Adds what an answer of this run cost, once; also of the part of it before it was continued."""
        if key not in self._counted and not response.error:
            self._counted.add(key)
            self.meter.add(cost(request, response))


def require_pin(request: Request, response: Response) -> None:
    """Does nothing where the provider served the pinned model, or does not say what it served.

    Raises:
        Unavailable: it served another one.
    """
    served, pin = response.served_model.lower(), request.model.lower()
    if not served or served in (pin, f"{request.provider}/{pin}") or served.endswith(f"/{pin}"):
        return
    if pin.rpartition("/")[2] == served or (is_floating(f"{request.provider}/{pin}") and served.startswith(pin)):
        return
    raise Unavailable(
        f"{request.provider} served '{response.served_model}' where '{request.model}' is pinned, so the run ended: "
        "it would say nothing about the pin",
        hint="Pin what is served, or use a provider that serves the pin.",
    )
