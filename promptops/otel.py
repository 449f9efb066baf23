"""Stamps the spans of an application with the release that its calls are of, and reads the answers back from them.

::

    from promptops.otel import ReleaseProcessor

    provider.add_span_processor(ReleaseProcessor())     # before the processor that exports

Below ``with prompt.call():`` every span then has the app, the release and the call (:mod:`promptops.core.spans.names`).
When the span of a request to a model ends, as stock instrumentations make it, its tokens, error and duration go to the
call: the application need not record the answer. So do the name, the time and the error of a tool, and the trace's id.
Needs the extra ``otel``.

Only names, numbers and the class of an error are read; no text of a request or an answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from opentelemetry import trace
from opentelemetry._logs import LoggerProvider, get_logger
from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.trace import StatusCode

from promptops._version import __version__
from promptops.client.current_call import CURRENT, TRACERS, CurrentCall, Observed
from promptops.client.settings import OTEL_ALSO, variable
from promptops.core.errors import Invalid
from promptops.core.spans import names
from promptops.core.spans.names import SPELLINGS, Fact
from promptops.core.spans.span import Facts, Value, error_of, facts_of, is_model, read_model_span, tool_of

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import ReadableSpan, Span
    from opentelemetry.util.types import AttributeValue

_ALSO: Final[Mapping[str, str]] = {"langfuse": names.LANGFUSE_VERSION, "openinference": names.TEMPLATE_VERSION}
_ARMS: Final[Mapping[str, str]] = {"s": "stable", "c": "canary", "f": "fixed", "n": "named"}
_MOST_OPEN: Final = 10_000  # spans that are open at a time; more of them are stamped, and not read back


class _Open:
    """A span that began below a call, until it ends. ``repeats`` is True once a request to a model ended within it."""

    __slots__ = ("call", "parent", "repeats")

    def __init__(self, call: CurrentCall, parent: int) -> None:
        self.call = call
        self.parent = parent
        self.repeats = False


class ReleaseProcessor(SpanProcessor):
    """Stamps every span below a call, and tells the call what requests to models below it did.

    ``also`` adds the names by which other systems group: ``langfuse``, ``openinference``; without it,
    ``PROMPTOPS_OTEL_ALSO`` says them, with commas. The event ``feature_flag.evaluation`` goes to ``logger_provider``,
    or to the global one. Safe for several threads; nothing raises into the application.

    Raises:
        Invalid: there is no such system.
    """

    def __init__(self, also: Sequence[str] | None = None, *, logger_provider: LoggerProvider | None = None) -> None:
        self._also = _attributes_of(variable(OTEL_ALSO).split(",") if also is None else also)
        self._open: dict[int, _Open] = {}
        self._is_over = False
        self._logger = get_logger("promptops", __version__, logger_provider, names.SCHEMA_URL)
        if _trace_here not in TRACERS:
            TRACERS.append(_trace_here)

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Stamps a span that begins: with the call that is open here, or with that of the span that it lies in."""
        try:
            parent = trace.get_current_span(parent_context).get_span_context().span_id
            outer = self._open.get(parent)
            call = CURRENT.get() or (outer.call if outer else None)
            if call is None or self._is_over:
                return
            stamp = self._stamp(call)
            span.set_attributes(stamp)
            call.in_trace(trace.format_trace_id(span.get_span_context().trace_id))
            if outer is None or outer.call is not call:
                self._log_evaluation(call, stamp, span)
            if len(self._open) < _MOST_OPEN:
                self._open[span.get_span_context().span_id] = _Open(call, parent)
        except Exception:  # noqa: BLE001  # an application's span goes on, whatever happens to its stamp
            return

    def on_end(self, span: ReadableSpan) -> None:
        """Tells the call of a request to a model that ended. One that repeats what another span said is left out."""
        try:
            context = span.get_span_context()
            opened = self._open.pop(context.span_id, None) if context else None
            if opened is None or context is None:
                return
            facts = _facts_of(span)
            if tool := tool_of(facts):
                opened.call.used_tool(tool, latency_ms=_taken(span), error=_error_of(span, facts))
            if not is_model(facts):
                return
            self._note_repeating(opened.parent)
            if not opened.repeats:
                opened.call.observe(_observed(span, facts))
        except Exception:  # noqa: BLE001  # as above
            return

    def shutdown(self) -> None:
        """Ends the work: spans that begin from here on are not stamped."""
        self._is_over = True

    def _note_repeating(self, parent: int) -> None:
        """The spans around a request to a model repeat what it says, if they are such requests themselves."""
        while (outer := self._open.get(parent)) is not None and not outer.repeats:
            outer.repeats = True
            parent = outer.parent

    def _stamp(self, call: CurrentCall) -> dict[str, AttributeValue]:
        prompt = call.prompt
        release = f"{prompt.app}@{prompt.version or 'fallback'}"
        stamp = {
            names.APP: prompt.app,
            names.RELEASE: prompt.version,
            names.DIGEST: prompt.digest,
            names.CHANNEL: prompt.channel,
            names.CALL_ID: call.id,
            names.PROMPT_NAME: prompt.name,
            names.PROMPT_VERSION: prompt.version,
            **dict.fromkeys(self._also, release),
            **_assigned(call),
        }
        said: dict[str, AttributeValue] = {name: value for name, value in stamp.items() if value}
        return said | ({names.REPORTED: True} if call.is_reported else {})

    def _log_evaluation(self, call: CurrentCall, stamp: Mapping[str, AttributeValue], span: Span) -> None:
        """The event of OpenTelemetry that a feature flag was evaluated: here, which release a call got and why."""
        attributes = {
            names.FLAG_KEY: call.prompt.name,
            names.FLAG_PROVIDER: "promptops",
            names.FLAG_VARIANT: call.prompt.version or "fallback",
            names.FLAG_SET: call.prompt.channel,
            names.FLAG_VERSION: str(stamp.get(names.REVISION, "")),
            names.FLAG_REASON: str(getattr(call.prompt, "reason", "")).lower(),
        }
        self._logger.emit(
            event_name=names.FLAG_EVENT,
            attributes={name: value for name, value in attributes.items() if value},
            context=trace.set_span_in_context(span),
        )


def _attributes_of(systems: Sequence[str]) -> tuple[str, ...]:
    """The attributes that these systems group by."""
    given = [name.strip().lower() for name in systems if name.strip()]
    if unknown := [name for name in given if name not in _ALSO]:
        raise Invalid(f"{OTEL_ALSO}: there is no '{unknown[0][:80]}'", hint=f"It takes {' and '.join(_ALSO)}.")
    return tuple(_ALSO[name] for name in given)


def _assigned(call: CurrentCall) -> Mapping[str, str]:
    """What the call was assigned to, as its id says it; nothing for a prompt of no client."""
    parts = call.id.split(":")
    if len(parts) < 5:
        return {}
    return {names.REVISION: parts[4][:-1], names.VARIANT: _ARMS[parts[4][-1]]}


def _facts_of(span: ReadableSpan) -> Facts:
    facts = facts_of(span.attributes or {})
    if span.status.status_code is StatusCode.ERROR and Fact.ERROR not in facts:
        return {**facts, **_exception(span)}
    return facts


def _exception(span: ReadableSpan) -> Mapping[Fact, Value]:
    """The class of the error in the event that the SDK adds where an exception leaves a span."""
    for event in span.events[-1:]:
        for name, value in (event.attributes or {}).items():
            if name in SPELLINGS[Fact.ERROR]:
                return {Fact.ERROR: value}
    return {}


def _trace_here() -> str:
    """The id of the trace that runs here; empty without one."""
    context = trace.get_current_span().get_span_context()
    return trace.format_trace_id(context.trace_id) if context.is_valid else ""


def _taken(span: ReadableSpan) -> float:
    return max(0, (span.end_time or 0) - (span.start_time or 0)) / 1e6


def _error_of(span: ReadableSpan, facts: Facts) -> str:
    return error_of(facts, failed=span.status.status_code is StatusCode.ERROR)


def _observed(span: ReadableSpan, facts: Facts) -> Observed:
    seen = read_model_span(
        facts,
        trace=b"",
        id=b"",
        parent=b"",
        start=span.start_time or 0,
        end=span.end_time or 0,
        failed=span.status.status_code is StatusCode.ERROR,
    )
    return Observed(
        model=seen.model,
        response_id=seen.response_id,
        tokens=seen.tokens,
        finish=seen.finish,
        error=seen.error,
        latency_ms=seen.latency_ms,
        first_token_ms=seen.first_token_ms,
    )
