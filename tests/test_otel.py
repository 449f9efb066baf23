"""Spans below a call have its release, and the call hears what requests to models below it did."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass, field, replace

import pytest
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Status, StatusCode, Tracer
from opentelemetry.util.types import AnyValue

from promptops.client.current_call import CURRENT, Observed
from promptops.client.prompt import Prompt, Reason, Source, Variant
from promptops.core.answers.reading import Finish
from promptops.core.errors import Invalid
from promptops.core.outcomes.call_outcome import Tokens
from promptops.otel import ReleaseProcessor

PROMPT = replace(
    Prompt.fallback("bot/answer", "Hello"),
    version="1.4.0",
    digest="sha256:" + "0" * 64,
    channel="prod",
    revision=17,
    variant=Variant.CANARY,
    source=Source.SERVER,
    reason=Reason.SPLIT,
)
CALL = "pc1:0b0e11aa:bot:prod:3.17c:0db52f40:akVfAJqcaBn_MQ:AAECAwQFAqGlXrJQ"
CHAT: dict[str, AnyValue] = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.response.model": "gpt-4o",
    "gen_ai.usage.input_tokens": 100,
    "gen_ai.usage.output_tokens": 10,
    "gen_ai.response.finish_reasons": ["stop"],
}


@dataclass
class Call:
    """A call that is open."""

    id: str = CALL
    prompt: Prompt = PROMPT
    epoch: int = 3
    is_reported: bool = False
    seen: list[Observed] = field(default_factory=list)
    traces: list[str] = field(default_factory=list)
    tools: list[tuple[str, bool, str]] = field(default_factory=list)

    def in_trace(self, trace_id: str) -> None:
        self.traces.append(trace_id)

    def used_tool(self, name: str, *, latency_ms: float | None = None, error: str = "") -> None:
        self.tools.append((name, latency_ms is not None and latency_ms >= 0, error))

    def observe(self, seen: Observed) -> None:
        self.seen.append(seen)


@contextmanager
def opened(call: Call) -> Iterator[Call]:
    token = CURRENT.set(call)
    try:
        yield call
    finally:
        CURRENT.reset(token)


class Traced:
    """A tracer with the processor, and what it exported."""

    def __init__(self, processor: ReleaseProcessor) -> None:
        self.exporter = InMemorySpanExporter()
        provider = TracerProvider()
        provider.add_span_processor(processor)
        provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracer: Tracer = provider.get_tracer("test")

    def attributes(self) -> list[Mapping[str, object]]:
        """Of every span, in the order of their ends, what we wrote."""
        ours = ("promptops.", "gen_ai.prompt.", "langfuse.", "llm.prompt_template.")
        spans = self.exporter.get_finished_spans()
        return [{n: v for n, v in (span.attributes or {}).items() if n.startswith(ours)} for span in spans]


@pytest.fixture
def traced() -> Traced:
    return Traced(ReleaseProcessor(also=()))


STAMP = {
    "promptops.app": "bot",
    "promptops.release": "1.4.0",
    "promptops.digest": "sha256:" + "0" * 64,
    "promptops.channel": "prod",
    "promptops.revision": "3.17",
    "promptops.variant": "canary",
    "promptops.call_id": CALL,
    "gen_ai.prompt.name": "bot/answer",
    "gen_ai.prompt.version": "1.4.0",
}


def test_every_span_below_a_call_has_its_release_and_no_other_span_has(traced: Traced) -> None:
    with traced.tracer.start_as_current_span("before"):
        with opened(Call()), traced.tracer.start_as_current_span("chat", attributes=CHAT):
            traced.tracer.start_span("POST").end()
        with traced.tracer.start_as_current_span("after"):
            pass
    assert traced.attributes() == [STAMP, STAMP, {}, {}]


def test_neither_the_unit_nor_its_bucket_is_an_attribute_and_no_text_is_read(traced: Traced) -> None:
    with opened(Call()) as call, traced.tracer.start_as_current_span("chat", attributes=CHAT) as span:
        span.set_attribute("gen_ai.input.messages", "a secret")
    assert not {"promptops.unit", "promptops.bucket"} & set(traced.attributes()[0])
    assert "secret" not in repr(call.seen)


def test_the_call_hears_tokens_model_end_and_times_of_a_request(traced: Traced) -> None:
    with opened(Call()) as call:
        span = traced.tracer.start_span("chat", attributes=CHAT, start_time=10**18)
        span.set_attribute("gen_ai.response.time_to_first_chunk", 0.5)
        span.set_attribute("gen_ai.response.id", "chatcmpl-1")
        span.end(10**18 + 2 * 10**9)
    assert call.seen == [
        Observed(
            model="openai/gpt-4o",
            response_id="chatcmpl-1",
            tokens=Tokens(input=100, output=10),
            finish=Finish.STOP,
            latency_ms=2000.0,
            first_token_ms=500.0,
        )
    ]


def test_an_error_is_heard_by_its_class_and_an_exception_that_leaves_a_span_too(traced: Traced) -> None:
    with opened(Call()) as call:
        with traced.tracer.start_as_current_span("chat", attributes={**CHAT, "error.type": "timeout"}):
            pass
        with (
            pytest.raises(ZeroDivisionError),
            traced.tracer.start_as_current_span("chat", attributes={"openinference.span.kind": "LLM"}),
        ):
            1 / 0  # noqa: B018
        with traced.tracer.start_as_current_span("chat", attributes={"openinference.span.kind": "LLM"}) as span:
            span.set_status(Status(StatusCode.ERROR, "Ada's card was declined"))
    assert [seen.error for seen in call.seen] == ["timeout", "ZeroDivisionError", "other"]


def test_a_wrapper_that_is_instrumented_too_is_heard_once(traced: Traced) -> None:
    with opened(Call()) as call, traced.tracer.start_as_current_span("litellm", attributes=CHAT):
        with traced.tracer.start_as_current_span("POST"):
            traced.tracer.start_span("openai", attributes=CHAT).end()
        traced.tracer.start_span("openai, the second", attributes=CHAT).end()
    assert len(call.seen) == 2


def test_a_call_inside_a_call_has_its_own_spans(traced: Traced) -> None:
    inner_prompt = replace(PROMPT, name="bot/sort", version="2.0.0")
    with opened(Call()) as outer, traced.tracer.start_as_current_span("chain"):
        with opened(Call(prompt=inner_prompt)) as inner:
            traced.tracer.start_span("chat", attributes=CHAT).end()
        traced.tracer.start_span("POST").end()
    assert [each["gen_ai.prompt.version"] for each in traced.attributes()] == ["2.0.0", "1.4.0", "1.4.0"]
    assert (len(outer.seen), len(inner.seen)) == (0, 1)


def test_a_thread_with_the_context_and_one_with_the_parent_alone_are_below_the_call(traced: Traced) -> None:
    with opened(Call()) as call, traced.tracer.start_as_current_span("chain") as parent:
        from opentelemetry.trace import set_span_in_context

        def with_context() -> None:
            traced.tracer.start_span("chat", attributes=CHAT).end()

        def with_parent() -> None:
            traced.tracer.start_span("chat", attributes=CHAT, context=set_span_in_context(parent)).end()

        for work in (
            threading.Thread(target=copy_context().run, args=(with_context,)),
            threading.Thread(target=with_parent),
        ):
            work.start()
            work.join()
    assert len(call.seen) == 2
    assert [each.get("promptops.revision") for each in traced.attributes()] == ["3.17"] * 3


def test_a_prompt_of_no_client_and_a_fallback_say_what_is_known(traced: Traced) -> None:
    fallback = Prompt.fallback("bot/answer", "Hello")
    with opened(Call(id="", prompt=fallback)), traced.tracer.start_as_current_span("chat"):
        pass
    assert traced.attributes() == [{"promptops.app": "bot", "gen_ai.prompt.name": "bot/answer"}]


def test_spans_of_a_call_that_is_reported_say_so(traced: Traced) -> None:
    with opened(Call(is_reported=True)), traced.tracer.start_as_current_span("chat"):
        pass
    assert traced.attributes() == [STAMP | {"promptops.reported": True}]


def test_other_systems_group_by_app_and_version_where_that_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMPTOPS_OTEL_ALSO", "langfuse, openinference")
    traced = Traced(ReleaseProcessor())
    with opened(Call()), traced.tracer.start_as_current_span("chat"):
        pass
    also = {"langfuse.version": "bot@1.4.0", "llm.prompt_template.version": "bot@1.4.0"}
    assert traced.attributes() == [STAMP | also]
    with pytest.raises(Invalid, match="PROMPTOPS_OTEL_ALSO: there is no 'phoenix'"):
        ReleaseProcessor(also=["phoenix"])


def test_a_provider_that_was_shut_down_stamps_nothing() -> None:
    processor = ReleaseProcessor(also=())
    traced = Traced(processor)
    processor.shutdown()
    with opened(Call()) as call:
        traced.tracer.start_span("chat", attributes=CHAT).end()
    assert (traced.attributes(), call.seen) == ([{}], [])


def test_nothing_raises_into_the_application(traced: Traced) -> None:
    class Broken(Call):
        def observe(self, seen: Observed) -> None:
            raise RuntimeError("never")

    with opened(Broken()), traced.tracer.start_as_current_span("chat", attributes=CHAT):
        pass
    with opened(Call(id="pc1:x:y:z:3.17?:b:c:d")), traced.tracer.start_as_current_span("chat", attributes=CHAT):
        pass
    assert len(traced.exporter.get_finished_spans()) == 2


def test_the_event_of_feature_flags_is_logged_once_a_call_within_its_first_span() -> None:
    logs = InMemoryLogRecordExporter()  # type: ignore[no-untyped-call]
    provider = LoggerProvider()
    provider.add_log_record_processor(SimpleLogRecordProcessor(logs))
    traced = Traced(ReleaseProcessor(also=(), logger_provider=provider))
    with opened(Call()), traced.tracer.start_as_current_span("chain") as first:
        traced.tracer.start_span("chat", attributes=CHAT).end()
    [log] = [each.log_record for each in logs.get_finished_logs()]
    assert log.event_name == "feature_flag.evaluation"
    assert log.span_id == first.get_span_context().span_id
    assert dict(log.attributes or {}) == {
        "feature_flag.key": "bot/answer",
        "feature_flag.provider.name": "promptops",
        "feature_flag.result.variant": "1.4.0",
        "feature_flag.result.reason": "split",
        "feature_flag.set.id": "prod",
        "feature_flag.version": "3.17",
    }


@pytest.mark.parametrize(
    "attributes",
    [
        {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "search"},
        {"openinference.span.kind": "TOOL", "tool.name": "search"},
        {"traceloop.span.kind": "tool", "traceloop.entity.name": "search"},
    ],
)
def test_a_call_hears_of_its_trace_and_of_tools_below_it(traced: Traced, attributes: Mapping[str, AnyValue]) -> None:
    with opened(Call()) as call:
        with traced.tracer.start_as_current_span("tool", attributes=attributes) as span:
            trace_id = format(span.get_span_context().trace_id, "032x")
        with pytest.raises(TimeoutError), traced.tracer.start_as_current_span("tool", attributes=attributes):
            raise TimeoutError("secret words")
    assert call.tools == [("search", True, ""), ("search", True, "TimeoutError")]
    assert call.traces[0] == trace_id
    assert call.seen == []


def test_what_runs_in_no_trace_and_what_is_no_tool_say_nothing(traced: Traced) -> None:
    from promptops.client.current_call import TRACERS

    with opened(Call()) as call, traced.tracer.start_as_current_span("agent", attributes={"gen_ai.tool.name": "x"}):
        here = [trace_of() for trace_of in TRACERS]
    assert call.tools == []
    assert here == call.traces
    assert [trace_of() for trace_of in TRACERS] == [""]
