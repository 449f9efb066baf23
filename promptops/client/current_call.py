"""The call that a task or a thread is in, for what watches the application beside it, such as a tracer.

``with client.call(…)`` sets it. What runs below and sees an answer that the application does not record, such as the
instrumentation of a framework, hands it over with :meth:`CurrentCall.observe`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from promptops.core.answers.reading import Finish
    from promptops.core.outcomes.call_outcome import Tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """One call of a model, as something else than the application saw it; None and empty texts for what is not known.

    ``model`` is ``provider/model``, ``error`` the class of the error that ended it, and times are milliseconds.
    """

    tokens: Tokens | None = None
    model: str = ""
    finish: Finish | None = None
    error: str = ""
    latency_ms: float | None = None
    first_token_ms: float | None = None
    response_id: str = ""


class CalledPrompt(Protocol):
    """The prompt of a call: :class:`promptops.Prompt`."""

    @property
    def app(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def digest(self) -> str: ...
    @property
    def channel(self) -> str: ...
    @property
    def revision(self) -> int: ...
    @property
    def variant(self) -> str: ...


class CurrentCall(Protocol):
    """A call that began, and did not end yet."""

    @property
    def id(self) -> str:
        """The id of the call; empty where it has none."""

    @property
    def prompt(self) -> CalledPrompt:
        """The prompt that was drawn for the call."""

    @property
    def epoch(self) -> int:
        """The epoch in which the prompt's revision is counted."""

    @property
    def is_reported(self) -> bool:
        """True where this client reports the call, so that no other report of it may count."""

    def observe(self, seen: Observed) -> None:
        """Take one call of a model that ended. Several add up. Never raises; any thread may call it."""

    def in_trace(self, trace_id: str) -> None:
        """Take the id of the trace that the call is in. The first one counts. Never raises; any thread may call it."""

    def used_tool(self, name: str, *, latency_ms: float | None = None, error: str = "") -> None:
        """Take a tool that was used for the call. Never raises; any thread may call it."""


TRACERS: list[Callable[[], str]] = []
"""Where a tracer is in use, what returns the id of the trace that runs here; empty without one."""

CURRENT: ContextVar[CurrentCall | None] = ContextVar("promptops_call", default=None)
"""The innermost call that is open here."""
