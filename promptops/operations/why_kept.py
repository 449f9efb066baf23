"""What was kept of a call by itself, and the request that it sent, made again from its release."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from promptops.core import provider_arguments
from promptops.core.errors import PromptopsError
from promptops.core.media_values import lacks_bytes
from promptops.core.model import Content, Input, Json, Message, Placeholder, Prompt, ReleaseRef, Role
from promptops.core.outcomes.call_outcome import Count
from promptops.core.outcomes.kept_call import KeptCall, messages_digest, rendering_digest
from promptops.core.outcomes.measured import Measured, Share
from promptops.core.template.template import Template
from promptops.operations.outcome_documents import share_document
from promptops.wire.documents.why import WhyBadnessDocument, WhyKeptDocument, WhySentDocument, WhyToolDocument

_ARGUMENTS: Final[Mapping[str, Callable[[Prompt, list[dict[str, Any]]], Json]]] = {
    "": lambda prompt, messages: list[Json](messages),
    "chat": provider_arguments.openai_chat,
    "responses": provider_arguments.openai_responses,
    "messages": provider_arguments.anthropic_messages,
}
_NOT_EXACT: Final = "rendered again, it differs from what was sent: kept as JSON, 1.0 is 1, and names are in order"
_PRIVATE: Final = "of private inputs only hashes are kept, which stand in their place"
_DESCRIBED: Final = "of images, files and audio only digests are kept, which stand in their place"


def kept_document(call: KeptCall, content: Content | None, secret: bytes, *, reads: bool) -> WhyKeptDocument:
    """Returns what was kept of a call; its variables and its request only for a caller that reads content."""
    tokens = call.tokens
    is_shown = reads and call.variables is not None
    return WhyKeptDocument(
        at=datetime.fromtimestamp(call.at, UTC),
        kept=call.kept.value,
        reason=call.reason,
        asked=call.asked,
        model=call.model,
        flags=tuple(flag.value for flag in call.flags),
        error=call.error,
        finish=call.finish,
        input_tokens=tokens.input if tokens else None,
        cached_tokens=tokens.cached if tokens else None,
        output_tokens=tokens.output if tokens else None,
        reasoning_tokens=tokens.reasoning if tokens else None,
        latency_ms=call.latency_ms,
        first_token_ms=call.first_token_ms,
        attempts=call.attempts,
        tools=tuple(WhyToolDocument(name=t.name, latency_ms=t.latency_ms, error=t.error) for t in call.tools),
        trace=call.trace,
        response=call.response,
        captured=call.variables is not None,
        variables=call.variables if is_shown else None,
        sent=_sent(call, content, secret) if is_shown else None,
    )


def _sent(call: KeptCall, content: Content | None, secret: bytes) -> WhySentDocument:
    """The request of a call, made again."""
    prompt = content.prompt(call.prompt) if content is not None else None
    if prompt is None:
        return WhySentDocument(api=call.api, body="", exact=False, problem="this registry does not have its release")
    private = {each.name for each in prompt.variables if each.private and each.name in (call.variables or {})}
    try:
        messages = Template.compile(_loose(prompt, private)).render(call.variables)  # type: ignore[arg-type]
        made = _ARGUMENTS[call.api](prompt, messages)
    except PromptopsError as error:
        lacks = any(map(lacks_bytes, (call.variables or {}).values()))
        problem = _PRIVATE if private else _DESCRIBED if lacks else error.message
        return WhySentDocument(api=call.api, body="", exact=False, problem=problem)
    exact = rendering_digest(messages_digest(messages), secret) == call.rendered
    return WhySentDocument(
        api=call.api,
        body=json.dumps(made, ensure_ascii=False, separators=(",", ":")),
        exact=exact,
        problem="" if exact else _PRIVATE if private else _NOT_EXACT,
    )


def _loose(prompt: Prompt, private: Collection[str]) -> Prompt:
    """The prompt so that hashes may stand in place of its private variables; of a placeholder, as one message."""
    inputs = [Input(name=each.name, schema={}) if each.name in private else each for each in prompt.inputs]
    messages: list[Message | Placeholder] = []
    for message in prompt.messages:
        if isinstance(message, Placeholder) and message.name in private:
            message = Message(role=Role.USER, content=f"{{{{{message.name}}}}}")
        messages.append(message)
    return replace(prompt, inputs=tuple(inputs), messages=tuple(messages))


def badness_documents(call: KeptCall, measured: Mapping[ReleaseRef, Measured]) -> tuple[WhyBadnessDocument, ...]:
    """Returns how often calls end as this one did, among those that were measured of each release."""
    found = []
    for release, each in measured.items():
        kinds = {flag.value: each.share(flag) for flag in call.flags if flag is not Count.BAD}
        if call.error:
            kinds[call.error] = Share.made(each.sums.errors.get(call.error, 0), each.answered)
        found += [
            WhyBadnessDocument(kind=kind, version=release.version, share=share_document(share))
            for kind, share in kinds.items()
        ]
    return tuple(found)
