"""Stock instrumentations below a call: what they say of a request reaches the registry, once and for the right side.

Each instruments OpenAI's SDK by itself and knows nothing of promptops. A real server of models on this machine answers.
"""

from __future__ import annotations

import json
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import reduce
from importlib import import_module
from pathlib import Path
from typing import Any

import openai
import pytest
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from promptops import Client
from promptops.core.deployment_parts import Kind
from promptops.core.model import Policy
from promptops.core.outcomes.call_outcome import Count
from promptops.core.outcomes.series import Arm
from promptops.core.outcomes.sums import Sums
from promptops.core.token import Scope
from promptops.gateway.local import Direct
from promptops.operations.export_snapshot import export
from promptops.otel import ReleaseProcessor
from promptops.server.app import create_app
from promptops.server.settings import Settings
from promptops.store import Registry
from promptops.store.setup import create
from tests.server.running import inside, until
from tests.support import factory
from tests.support.model_server import Body, Reply, model_server

MODEL = "gpt-4o-2024-08-06"
INSTRUMENTATIONS = {
    "OpenTelemetry": "opentelemetry.instrumentation.genai.openai:OpenAIInstrumentor",
    "OpenLLMetry": "opentelemetry.instrumentation.openai:OpenAIInstrumentor",
    "OpenInference": "openinference.instrumentation.openai:OpenAIInstrumentor",
}
USAGE = {
    "prompt_tokens": 1000,
    "completion_tokens": 50,
    "total_tokens": 1050,
    "prompt_tokens_details": {"cached_tokens": 400},
    "completion_tokens_details": {"reasoning_tokens": 20},
}
FAILING = "user-3"


def answer(body: Body, _: int) -> Reply:
    """One completion, as OpenAI sends it; an error for one of the users."""
    if FAILING in json.dumps(body["messages"]):
        return Reply(status=400, body=b'{"error": {"message": "no", "type": "invalid_request_error"}}')
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hello"}}
    document = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": MODEL, "choices": [choice]}
    headers = {"content-type": "application/json"}
    return Reply(body=json.dumps({**document, "usage": USAGE}).encode(), headers=headers)


@dataclass
class World:
    """A registry with a canary at half of the keys, and a server for it."""

    registry: Registry
    url: str

    def token(self, name: str, *scopes: Scope) -> str:
        return factory.make_token(self.registry, name, now=datetime.now(UTC), scopes=scopes).text

    def sums(self) -> dict[Arm, Sums]:
        """What is counted, by side."""
        at, found = datetime.now(UTC), dict[Arm, Sums]()
        with self.registry.read() as reader:
            for row in reader.outcome_rows("bot", since=at - timedelta(days=1), now=at):
                arm = row.series.assignment.arm
                found[arm] = found[arm].merged(row.sums) if arm in found else row.sums
        return found


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    url = f"sqlite:///{tmp_path / 'registry.db'}"
    create(url, name="test", now=factory.START, actor=factory.ACTOR)
    registry = Registry.open(url)
    factory.make_channels(registry, prod=Policy())
    stable, canary = (
        factory.make_release(
            registry, factory.content("bot", f"Hello {{{{name}}}}, take {take}", model=f"openai/{MODEL}")
        )
        for take in (1, 2)
    )
    factory.go_live(registry, f"bot@{stable.version}")
    factory.by_hand(
        registry,
        "bot",
        kind=Kind.CANARY,
        canary=factory.canary_of(canary, weight=5_000),
        now=factory.minutes(1),
    )
    with inside(create_app(Settings(registry=url))) as talking:
        yield World(registry, f"http://127.0.0.1:{talking.port}")
    registry.close()


@contextmanager
def traced(world: World, instrumentation: str, token: str) -> Iterator[InMemorySpanExporter]:
    """OpenAI's SDK is instrumented, and its spans go to the registry; the exporter in memory has a copy of each."""
    module, _, name = INSTRUMENTATIONS[instrumentation].partition(":")
    copies = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(ReleaseProcessor(also=["langfuse", "openinference"]))
    provider.add_span_processor(SimpleSpanProcessor(copies))
    sent = OTLPSpanExporter(
        f"{world.url}/v1/traces", headers={"Authorization": f"Bearer {token}"}, compression=Compression.Gzip
    )
    provider.add_span_processor(BatchSpanProcessor(sent))
    instrumentor = getattr(import_module(module), name)()
    with warnings.catch_warnings():  # of the instrumentation's own code
        warnings.simplefilter("ignore")
        instrumentor.instrument(tracer_provider=provider)
    try:
        yield copies
        assert provider.force_flush()
    finally:
        instrumentor.uninstrument()
        provider.shutdown()


def ask_all(client: Client, model: str) -> Counter[Arm]:
    """Makes ten calls that record nothing; returns how many were on each side."""
    sdk = openai.OpenAI(base_url=f"{model}/v1", api_key="none", max_retries=0)
    drawn: Counter[Arm] = Counter()
    for number in range(10):
        user = f"user-{number}"
        try:
            with client.call("bot/answer", key=user) as call:
                drawn[Arm(call.prompt.variant.value)] += 1
                sdk.chat.completions.create(**call.prompt.to_openai(name=user))
        except openai.BadRequestError:
            assert user == FAILING
    return drawn


def check(sums: Mapping[Arm, Sums], drawn: Counter[Arm]) -> None:
    assert {arm: each[Count.CALLS] for arm, each in sums.items() if each[Count.CALLS]} == dict(drawn)
    assert set(drawn) == {Arm.STABLE, Arm.CANARY}
    total = reduce(Sums.merged, sums.values())
    assert (total[Count.INPUT_TOKENS], total[Count.OUTPUT_TOKENS]) == (9_000, 450)
    assert total.failed == 1 and total[Count.UNREAD] == 0
    assert total.latency().count == 9


@pytest.mark.parametrize("instrumentation", INSTRUMENTATIONS)
def test_spans_of_an_application_that_reports_nothing_itself_count_for_their_side(
    world: World, tmp_path: Path, instrumentation: str
) -> None:
    export(Direct(world.registry, now=datetime.now(UTC)), "prod", tmp_path / "served")
    token = world.token("reporter", Scope.REPORT)
    with (
        model_server(answer) as model,
        Client(f"file:{tmp_path / 'served'}", channel="prod", cache_dir=False) as client,
        traced(world, instrumentation, token),
    ):
        drawn = ask_all(client, model.url)
    check(world.sums(), drawn)


@pytest.mark.parametrize("instrumentation", INSTRUMENTATIONS)
def test_an_application_that_reports_itself_and_sends_its_spans_is_counted_once(
    world: World, instrumentation: str
) -> None:
    token = world.token("app", Scope.READ, Scope.REPORT)
    with model_server(answer) as model:
        with Client(world.url, token=token, channel="prod", cache_dir=False) as client:
            until(lambda: client.status().revisions, "the client follows")
            until(lambda: reports(client), "the client reports")
            with traced(world, instrumentation, token):
                drawn = ask_all(client, model.url)
        until(lambda: sum(each[Count.CALLS] for each in world.sums().values()) >= 10, "the report arrived")
    check(world.sums(), drawn)


def reports(client: Client) -> bool:
    with client.call("bot/answer", key="somebody", fallback="Hello") as call:
        return call.is_reported


# --- what other systems make of these spans --------------------------------------------------------------

Attributes = Mapping[str, Any]
Group = Callable[[Attributes, Attributes], object]
"""By what a system groups a span, of its attributes and those of its resource."""


def langfuse(span: Attributes, resource: Attributes) -> object:
    """``version`` of an observation: packages/shared/src/server/otel/OtelIngestionProcessor.ts at 6275144, 2026."""
    return span.get("langfuse.version", resource.get("service.version"))


def phoenix(span: Attributes, resource: Attributes) -> object:
    """``llm.prompt_template.version``, a dimension of OpenInference: openinference.semconv.trace, 0.1.42. What Phoenix
    makes of ``gen_ai.*`` (src/phoenix/trace/gen_ai/conversion.py at 9478f95) has no version of a prompt."""
    return span.get("llm.prompt_template.version")


PHOENIX_USAGE = {
    "gen_ai.usage.input_tokens": "llm.token_count.prompt",
    "gen_ai.usage.output_tokens": "llm.token_count.completion",
    "gen_ai.usage.cache_read.input_tokens": "llm.token_count.prompt_details.cache_read",
    "gen_ai.usage.cache_creation.input_tokens": "llm.token_count.prompt_details.cache_write",
}
"""What Phoenix reads of OpenTelemetry's numbers (the same file), and under which names it shows them."""


@pytest.mark.parametrize("instrumentation", INSTRUMENTATIONS)
@pytest.mark.parametrize("group", [langfuse, phoenix])
def test_langfuse_and_phoenix_group_these_spans_by_release(
    world: World, tmp_path: Path, instrumentation: str, group: Group
) -> None:
    export(Direct(world.registry, now=datetime.now(UTC)), "prod", tmp_path / "served")
    token = world.token("reporter", Scope.REPORT)
    with (
        model_server(answer) as model,
        Client(f"file:{tmp_path / 'served'}", channel="prod", cache_dir=False) as client,
        traced(world, instrumentation, token) as copies,
    ):
        drawn = ask_all(client, model.url)
        spans: tuple[ReadableSpan, ...] = copies.get_finished_spans()
    groups = Counter(group(span.attributes or {}, span.resource.attributes) for span in spans)
    assert groups == {"bot@0.1.0": drawn[Arm.STABLE], "bot@0.1.1": drawn[Arm.CANARY]}


def test_phoenix_shows_the_tokens_of_spans_with_the_conventions(world: World, tmp_path: Path) -> None:
    """Not those written to a cache: it reads the name of before August 2026, and instrumentations write the new one."""
    assert "gen_ai.usage.cache_write.input_tokens" not in PHOENIX_USAGE
    export(Direct(world.registry, now=datetime.now(UTC)), "prod", tmp_path / "served")
    token = world.token("reporter", Scope.REPORT)
    with (
        model_server(answer) as model,
        Client(f"file:{tmp_path / 'served'}", channel="prod", cache_dir=False) as client,
        traced(world, "OpenTelemetry", token) as copies,
    ):
        ask_all(client, model.url)
        spans: tuple[ReadableSpan, ...] = copies.get_finished_spans()
    shown = [
        {to: (span.attributes or {})[name] for name, to in PHOENIX_USAGE.items() if name in (span.attributes or {})}
        for span in spans
    ]
    assert {"llm.token_count.prompt": 1000, "llm.token_count.completion": 50}.items() <= shown[0].items()
