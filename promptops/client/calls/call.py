"""One call of a model: from the prompt that is drawn for it to what became of it. Nothing here raises or waits.

::

    with client.call("support-bot/answer", key=user) as call:
        response = openai.chat.completions.create(**call.prompt.to_openai(question=question))
        call.record(response)

A call ends with the block if its answer was recorded, else when it is: a stream may be read after the block. A block
that an exception leaves is an error, or cancelled where the caller went away before the answer was there.
"""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import Token
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, Self, TypeVar, overload

from promptops.client.calls.capturing import CapturingTemplate, Renders
from promptops.client.calls.endings import error_class, is_cancelled
from promptops.client.calls.exposure import Exposure
from promptops.client.calls.judging import Ended
from promptops.client.calls.keeping import UsedTools, as_line, kept_call
from promptops.client.calls.ledger import Ledger, ledger_at
from promptops.client.calls.line import Line, Tags, line_of
from promptops.client.calls.seen import Seen
from promptops.client.calls.streams import StreamReader, watched
from promptops.client.current_call import CURRENT, TRACERS, CalledPrompt, CurrentCall, Observed
from promptops.core.answers.reader import read
from promptops.core.outcomes.call_id import RANDOM_BYTES, make_call_id
from promptops.core.outcomes.report import Dropped
from promptops.core.outcomes.series import Arm

if TYPE_CHECKING:
    from promptops.core.answers.reading import Reading
    from promptops.core.model import Prompt as Definition
    from promptops.core.outcomes.kept_call import Kept, KeptCall
    from promptops.core.outcomes.units import Unit

_LOST: Final = {Dropped.CALLS.value: 1}


class Called(CalledPrompt, Protocol):
    """A prompt that calls are opened of."""

    @property
    def definition(self) -> Definition: ...
    @property
    def exposure(self) -> Exposure | None: ...
    @property
    def source(self) -> str: ...
    @property
    def template(self) -> Renders: ...


P = TypeVar("P", bound=Called, covariant=True)
T = TypeVar("T")


class Call(Generic[P]):
    """A call of a model, for one ``with`` or ``async with``. ``prompt`` is the prompt that was drawn for it."""

    __slots__ = (
        "_began",
        "_capturing",
        "_error",
        "_id",
        "_is_cancelled",
        "_is_ended",
        "_is_left",
        "_key",
        "_ledger",
        "_line",
        "_observed",
        "_prompt",
        "_running",
        "_seen",
        "_tags",
        "_token",
        "_tools",
        "_trace",
        "_unit",
    )

    def __init__(
        self, prompt: P, *, key: str | None = None, tags: Mapping[str, str] | None = None, trace_id: str = ""
    ) -> None:
        self._prompt = prompt
        self._trace = as_line(trace_id)
        self._tools: UsedTools | None = None
        self._capturing: CapturingTemplate | None = None
        self._key = key
        self._tags: Tags = ()
        self._began = 0.0
        self._id = self._error = ""
        self._is_cancelled = self._is_ended = self._is_left = False
        self._ledger: Ledger | None = None
        self._unit: Unit | None = None
        self._seen: Seen | None = None
        self._observed: list[Observed] | None = None
        self._running: list[StreamReader] | None = None
        self._token: Token[CurrentCall | None] | None = None
        exposure = prompt.exposure.for_key(key) if prompt.exposure is not None else None
        self._line: Line | None = line_of(exposure, prompt.definition) if exposure is not None else None
        if tags and exposure is not None:
            self._tags = exposure.tags_of(tags)
        if exposure is not None and exposure.captures and prompt.version:
            self._capturing = CapturingTemplate(prompt.template)
            self._prompt = replace(prompt, template=self._capturing)  # type: ignore[type-var]

    @property
    def prompt(self) -> P:
        """The prompt that was drawn for the call."""
        return self._prompt

    @property
    def id(self) -> str:
        """What the call is of, for :meth:`Client.outcome` and :meth:`Client.score`, from any process: at most 260
        characters. Empty for a prompt that is of no client.
        """
        if not self._id and self._line is not None:
            self._id = make_call_id(
                self._line.head, random=os.urandom(RANDOM_BYTES), secret=self._line.secret, unit=self._unit
            )
        return self._id

    @property
    def epoch(self) -> int:
        """The epoch in which the prompt's revision is counted."""
        return self._line.assignment.epoch if self._line else 0

    @property
    def is_reported(self) -> bool:
        """True where the client reports the call."""
        return self._ledger is not None

    def __repr__(self) -> str:
        return f"<Call of {self._prompt.name}>"

    # --- the block ----------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        self._began = time.perf_counter()
        self._token = CURRENT.set(self)
        try:
            for trace_of in TRACERS:
                self.in_trace(trace_of())
            self._open()
        except Exception:  # noqa: BLE001 an application's call goes on, whatever happens to its counting
            self._lose()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        token, self._token = self._token, None
        try:
            if token is not None:
                CURRENT.reset(token)
        except ValueError:  # a generator that another task or thread closes
            pass
        if kind is None:
            self._is_left = True
            self._try_to_end()
            return
        for reader in self._running or ():  # each ends here, before the block is left
            self._streamed(reader, kind)
        self._is_left = True
        if is_cancelled(kind):
            self._end(cancelled=not self._is_answered)
        else:
            self._end(error=error_class(kind))

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)

    def _open(self) -> None:
        line, exposure = self._line, self._prompt.exposure
        if line is None or exposure is None:
            return
        if self._key is not None:
            self._unit = line.unit(self._key)
        exposure.desk.is_used = True
        if not exposure.desk.is_off:
            self._ledger = ledger_at(exposure.desk)
            self._ledger.opened(self, line, line.series("", self._tags), self._unit)

    # --- the answer ---------------------------------------------------------------------------------

    def record(self, answer: object) -> None:
        """Take the answer of a provider: of OpenAI (chat or responses), Anthropic, Gemini or Bedrock, as an object of
        the SDK or as a dict. It reads tokens, the end, the model, and how long it took. An answer of another shape
        counts as unread. Several answers of one call add up. Never raises.
        """
        if self._ledger is None or self._is_ended:
            return
        self._take(read(answer), None)
        self._error, self._is_cancelled = "", False  # of a stream that broke before this answer
        if self._is_left:
            self._try_to_end()

    @overload
    def stream(self, chunks: AsyncIterable[T]) -> AsyncIterator[T]: ...
    @overload
    def stream(self, chunks: Iterable[T]) -> Iterator[T]: ...
    def stream(self, chunks: Any) -> Any:
        """Returns the chunks of an answer while they come, for ``for`` or ``async for``, and records the answer at
        their end. The block may be over by then.
        """
        reader = StreamReader(time.perf_counter, self._streamed)
        self._running = [*(self._running or ()), reader]
        return watched(chunks, reader)

    def observe(self, seen: Observed) -> None:
        """Take a call of a model as a tracer saw it. It counts if the application itself records nothing."""
        observed = self._observed = self._observed if self._observed is not None else []
        observed.append(seen)
        if self._is_left and not self._running:
            self._try_to_end()

    def in_trace(self, trace_id: str) -> None:
        """Take the id of the trace that the call is in; the first one counts."""
        self._trace = self._trace or as_line(trace_id)

    @contextmanager
    def tool(self, name: str) -> Iterator[None]:
        """Measure a tool that the application runs for the call, for ``promptops why``: its name, how long it takes,
        and the class of an exception that leaves the block.
        """
        began = time.perf_counter()
        error = ""
        try:
            yield
        except BaseException as raised:
            error = error_class(type(raised))
            raise
        finally:
            self.used_tool(name, latency_ms=(time.perf_counter() - began) * 1e3, error=error)

    def used_tool(self, name: str, *, latency_ms: float | None = None, error: str = "") -> None:
        """Take a tool that was used for the call. Nothing of what went in or came out is kept."""
        if self._ledger is not None:
            self._tools = self._tools or UsedTools()
            self._tools.add(name, latency_ms, error)

    def _take(self, reading: Reading | None, first_at: float | None) -> None:
        if self._seen is None:
            self._seen = Seen()
        try:
            self._seen.read(
                reading,
                latency_ms=(time.perf_counter() - self._began) * 1e3,
                first_token_ms=None if first_at is None else (first_at - self._began) * 1e3,
            )
        except Exception:  # noqa: BLE001 numbers that no provider counts
            self._seen.is_unread = True

    def _streamed(self, reader: StreamReader, kind: type[BaseException] | None) -> None:
        """A stream is over. One that the application leaves before its end was cut by a caller that went away."""
        self._running = [each for each in self._running or () if each is not reader]
        if self._is_ended:
            return
        reading = reader.stream.reading()
        self._take(reading, reader.first_at)
        is_answered = reading is not None and reading.finish is not None
        self._is_cancelled = kind is not None and is_cancelled(kind) and not is_answered
        self._error = error_class(kind) if kind is not None and not is_cancelled(kind) else ""
        if self._is_left:
            self._try_to_end()

    # --- the end ------------------------------------------------------------------------------------

    @property
    def _is_answered(self) -> bool:
        """True where the answer came whole."""
        return self._seen is not None and not self._is_cancelled and not self._error

    def _try_to_end(self) -> None:
        """End, unless the answer is still to come."""
        if not self._running and (self._seen is not None or self._observed):
            self._end(error=self._error, cancelled=self._is_cancelled)

    def _end(self, *, error: str = "", cancelled: bool = False) -> None:
        ledger, line = self._ledger, self._line
        if self._is_ended or ledger is None or line is None:
            return
        self._is_ended = True
        if not ledger.is_current:  # a forked child leaves the calls of its parent to the parent
            return
        try:
            ledger.ended(self, self._ending(line, ledger.minute, error=error, cancelled=cancelled))
        except Exception:  # noqa: BLE001 as above
            self._lose()

    def _ending(self, line: Line, minute: int, *, error: str, cancelled: bool) -> Ended:
        is_observed = self._seen is None
        seen = self._seen = self._seen or Seen()
        if is_observed and self._observed:
            seen.observe(self._observed)
        outcome = seen.outcome(pinned=line.pinned, has_unit=self._unit is not None, error=error, cancelled=cancelled)
        is_known = bool(seen.model) or (seen.tokens is not None and not seen.is_unread)
        model = (seen.model if is_observed else line.model_of(seen.model)) if is_known else ""
        cost = line.cost(model, seen.tokens)
        if line.is_held or line.is_mismatched or cost is not None:
            outcome = replace(outcome, held=line.is_held, mismatch=line.is_mismatched, cost_usd=cost)
        is_whole = line.is_checked and not outcome.error and not cancelled
        return Ended(
            line=line,
            series=line.series(model, self._tags, seen.tokens.input if seen.tokens is not None else None),
            minute=minute,
            unit=self._unit,
            outcome=outcome,
            text=seen.text if is_whole else None,
            kept=self._kept,
            room=self._capturing.room if self._capturing else 0,
        )

    def _kept(self, ended: Ended, kept: Kept) -> KeptCall:
        """What is kept of the call by itself. Nothing of it is content, unless the app declares that variables are."""
        prompt, line = self._prompt, ended.line
        is_fixed = line.assignment.arm is Arm.FIXED
        held = "held" if line.is_held else ""
        fixed = "fallback" if not prompt.version else "override" if prompt.source == "override" else "fixed"
        return kept_call(
            self.id,
            line,
            self._seen or Seen(),
            ended.outcome,
            kept,
            at=int(time.time() - (time.perf_counter() - self._began)),
            version=prompt.version,
            reason=held or (fixed if is_fixed else "split" if line.weight else "stable"),
            model=ended.series.model,
            trace=self._trace,
            tools=self._tools,
            capturing=self._capturing,
        )

    def _lose(self) -> None:
        exposure = self._prompt.exposure
        if exposure is not None:
            exposure.desk.lose(_LOST)
