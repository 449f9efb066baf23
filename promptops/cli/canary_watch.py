"""`promptops canary status --watch`: asks how a canary stands until it ends, and shows each answer.

In: a registry, by its database or a server. Out: a screen that is drawn anew; without a terminal a line for each
change, and with --json a document. It asks as :mod:`promptops.cli.watching` does, and the exit code says how the canary
ended.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from promptops.cli.watching import answers
from promptops.core.deployment_parts import Kind
from promptops.core.errors import NoCanary, Unavailable
from promptops.operations.canary_status import CanaryStatusRequest
from promptops.use_cases.canary_looks import CANARY_STATUS
from promptops.use_cases.status import HISTORY, HistoryRequest

if TYPE_CHECKING:
    from promptops.core.model import Deployment
    from promptops.gateway import Gateway
    from promptops.wire.documents.canaries import CanaryStatusDocument

_LOG: Final = 1_000
"""Newest deployments among which the end of a canary is looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a canary ended: ``by`` is the deployment after it; None where the registry does not know the canary."""

    last: CanaryStatusDocument
    by: Deployment | None

    @property
    def is_finished(self) -> bool:
        """Whether its release is the stable one now."""
        digests = [side.digest for side in self.last.sides if side.arm == "canary"]
        return self.by is not None and self.by.kind is Kind.PROMOTE and self.by.digest in digests

    @property
    def word(self) -> str:
        """How it ended, for scripts: ``finished``, the kind of the deployment that ended it, or ``unknown``."""
        if self.is_finished:
            return "finished"
        return self.by.kind.value if self.by is not None else "unknown"


class View(Protocol):
    """Where the answers go."""

    def show(self, found: CanaryStatusDocument, pause: float) -> None:
        """Show how it stands; the next question comes after so many seconds."""

    def away(self, error: Unavailable, pause: float) -> None:
        """Show that the registry does not answer."""


def watch(
    gateway: Gateway,
    app: str,
    channel: str,
    view: View,
    *,
    wait: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Ended:
    """Shows how the canary of an app stands, until it has ended, and returns how.

    Raises:
        PromptopsError: the first question has no answer; or a later one gets another error than that of a registry
            that is away.
    """
    last: CanaryStatusDocument | None = None

    def ask() -> CanaryStatusDocument | Ended:
        return _ask(gateway, app, channel, last)

    found = answers(ask, view.away, wait=wait, clock=clock, is_last=lambda answer: isinstance(answer, Ended))
    for answer, pause in found:
        if isinstance(answer, Ended):
            return answer
        last = answer
        view.show(answer, pause)
    raise AssertionError("the last answer is an end")


def _ask(gateway: Gateway, app: str, channel: str, last: CanaryStatusDocument | None) -> CanaryStatusDocument | Ended:
    try:
        found = gateway.run(CANARY_STATUS, CanaryStatusRequest(app=app, channel=channel)).document
    except NoCanary:
        if last is None:
            raise
        return _ended(gateway, last)
    return found if last is None or found.rollout == last.rollout else _ended(gateway, last)


def _ended(gateway: Gateway, last: CanaryStatusDocument) -> Ended:
    """How a canary ended that is not there any more, from the log."""
    log = gateway.run(HISTORY, HistoryRequest(app=last.app, channel=last.channel, limit=_LOG)).deployments
    later = [entry for entry in log if entry.revision > last.revision]
    after = [entry for entry in later if entry.canary is None or entry.canary.rollout != last.rollout]
    return Ended(last=last, by=min(after, key=lambda entry: entry.revision, default=None))
