"""Prompt files by chance from a seed: providers, parameters, tools, shapes of answers and of messages, with the values
that their messages take. Most are what an API takes; of the others `check` has a finding.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from promptops.core.parameters import TABLE

GPT = ("openai/gpt-5.2-2025-12-11", "openai/gpt-4.1-2025-04-14", "openai/gpt-6-luna", "azure/gpt-5.2-2025-12-11")
CLAUDE = ("anthropic/claude-sonnet-4-5-20250929", "anthropic/claude-opus-4-6", "anthropic/claude-opus-5")
GEMINI = ("google/gemini-2.5-pro-002", "gemini/gemini-2.5-flash-preview-09-2025")
BEDROCK = ("bedrock/us.anthropic.claude-opus-4-5-20251101-v1:0", "bedrock/amazon.nova-pro-v1:0")
MISTRAL = ("mistral/mistral-large-2411", "mistral/magistral-medium-2509")
OTHERS = ("mistral/mistral-large-2411", "deepseek/deepseek-v3-0324", "ollama/llama3@4f2a91c")

_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {"spam": {"type": "boolean"}, "why": {"type": ["string", "null"]}},
    "required": ["spam", "why"],
    "additionalProperties": False,
}
_PARAMETERS: Mapping[str, tuple[Any, ...]] = {
    "maxTokens": (1, 500, 4000),
    "temperature": (0, 0.5, 1, 1.5),
    "topP": (0.1, 1),
    "topK": (5,),
    "frequencyPenalty": (-0.5, 0),
    "presencePenalty": (0.5,),
    "stop": (["END"], ["a", "b"]),
    "seed": (7,),
    "n": (1, 2),
    "reasoningEffort": ("low", "high"),
    "verbosity": ("low",),
    "thinking": ({"type": "adaptive"}, {"type": "enabled", "budget_tokens": 1024}),
    "logprobs": (True, False),
    "logitBias": ({"50256": -100},),
    "parallelToolCalls": (True, False),
    "toolChoice": ("auto", "required", "none", "lookup"),
    "serviceTier": ("auto", "default", "standard_only"),
    "user": ("u-1",),
    "metadata": ({"team": "desk"},),
    "store": (True,),
    "safetyIdentifier": ("u-1",),
    "promptCacheKey": ("k",),
    "reasoningSummary": ("auto",),
    "betas": (["interleaved-thinking-2025-05-14"],),
    "extra": ({"later": True},),
    "safePrompt": (True,),
    "minTokens": (1,),
}
_TOOLS: tuple[Mapping[str, Any], ...] = (
    {"name": "lookup", "description": "Looks a parcel up.", "parameters": _SCHEMA, "strict": True},
    {"name": "lookup", "parameters": {"type": "object", "properties": {"q": {"type": "string"}}}},
    {"name": "now"},
    {"type": "custom", "name": "shell_line", "description": "A line of shell."},
    {"type": "web_search"},
    {"type": "web_search_20250305", "name": "web_search", "max_uses": 2},
    {"type": "code_interpreter", "container": {"type": "auto"}},
)
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
PICTURE = f"data:image/png;base64,{PIXEL}"
PAGE = "data:application/pdf;base64,JVBERi0xLjQKJSVFT0YK"
_TEXTS = (
    "Is {{mail}} spam? Answer with JSON.",
    "Kurz: {{mail}}\n\n„{{mail}}“ 🙂",
    "Sort it.\tAs JSON: {{ mail }}",
    "Hi",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A prompt file and what its messages are rendered with."""

    text: str
    model: str
    shape: str
    values: Mapping[str, Any] = field(default_factory=dict)


def _plain(rng: random.Random) -> list[dict[str, Any]]:
    system = {"role": rng.choice(("system", "system", "developer")), "content": rng.choice(_TEXTS)}
    user = {"role": "user", "content": rng.choice(_TEXTS)}
    return rng.choice(([system, user], [user], [system, system, user]))


def _turns(rng: random.Random) -> list[dict[str, Any]]:
    spoken = [{"role": "user", "content": rng.choice(_TEXTS)}, {"role": "assistant", "content": "Yes: {{mail}}"}]
    return [*_plain(rng)[:1], *spoken, {"role": "user", "content": "And now?", "name": "ann"}]


def _example(rng: random.Random) -> list[dict[str, Any]]:
    """An example in which one or two tools are called, with text beside the calls or without."""
    calls = [
        {"id": f"call_{n}", "name": "lookup", "arguments": {"q": f"{{{{mail}}}} {n}"}} for n in range(rng.randint(1, 2))
    ]
    said: dict[str, Any] = rng.choice(({}, {"content": "I look."}))
    answers = [{"role": "tool", "tool_call_id": call["id"], "content": "in Bern since {{mail}}"} for call in calls]
    return [
        *_plain(rng),
        {"role": "assistant", **said, "tool_calls": calls},
        *answers,
        {"role": "user", "content": "So?"},
    ]


def _conversation(rng: random.Random) -> list[dict[str, Any]]:
    placeholder = {"role": "placeholder", "name": "history", **rng.choice(({}, {"optional": True}, {"max": 20}))}
    return [*_plain(rng)[:1], placeholder, {"role": "user", "content": rng.choice(_TEXTS)}]


def _said(rng: random.Random) -> list[dict[str, Any]]:
    """What an application has of a conversation: turns, calls of tools with their answers, pictures, braces."""
    call = {"id": "c1", "type": "function", "function": {"name": "lookup", "arguments": '{"q": "{{mail}}"}'}}
    turns: list[list[dict[str, Any]]] = [
        [{"role": "user", "content": "Is {{mail}} there?"}, {"role": "assistant", "content": "No {it} is not."}],
        [
            {"role": "user", "content": "Look it up."},
            {"role": "assistant", "content": rng.choice(("", "I look.")), "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c1", "content": "in Bern 🙂"},
            {"role": "assistant", "content": "In Bern."},
        ],
        [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "And this?"},
                    {"type": "image_url", "image_url": {"url": PICTURE}},
                ],
            },
            {"role": "assistant", "content": "A pixel."},
        ],
    ]
    return [message for turn in rng.sample(turns, rng.randint(0, len(turns))) for message in turn]


def _pictured(rng: random.Random) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = [
        {"type": "text", "text": rng.choice(_TEXTS)},
        {"type": "image", "data": PICTURE},
        {"type": "image", "url": "https://img.example.com/{{mail}}.png"},
        {"type": "image", "input": "photo"},
        {"type": "file", "data": PAGE, "filename": "terms.pdf"},
    ]
    return [
        *_plain(rng)[:1],
        {"role": "user", "content": [parts[0], *rng.sample(parts[1:], rng.randint(1, 3)), parts[0]]},
    ]


SHAPES: Mapping[str, Callable[[random.Random], list[dict[str, Any]]]] = {
    "text": _plain,
    "turns": _turns,
    "example with tools": _example,
    "conversation": _conversation,
    "parts": _pictured,
}


_COMMON = ("maxTokens", "temperature", "topP", "stop", "toolChoice")
_NAMED: Mapping[str, frozenset[str]] = {
    "google": frozenset((*_COMMON, "topK", "frequencyPenalty", "seed", "n")),
    "bedrock": frozenset((*_COMMON, "topK", "thinking", "serviceTier", "metadata", "extra")),
    "mistral": frozenset(
        (*_COMMON, "topK", "frequencyPenalty", "presencePenalty", "seed", "n", "parallelToolCalls", "serviceTier",
         "metadata", "promptCacheKey", "safePrompt", "minTokens")
    ),
}  # fmt: skip
"""What these take, by provider; of the others it is in the table of parameters."""
_OTHER_NAME = {"gemini": "google"}


def _is_taken(name: str, model: str) -> bool:
    provider = model.partition("/")[0]
    if named := _NAMED.get(_OTHER_NAME.get(provider, provider)):
        return name in named
    fields = TABLE.get(name)
    return fields is None or bool(fields.anthropic if model in CLAUDE else fields.chat or fields.responses)


def _mark(rng: random.Random, messages: list[dict[str, Any]], tools: list[dict[str, Any]]) -> None:
    """Puts cache marks on some messages, parts and tools: now and then more than an API takes."""
    parts = [part for message in messages if isinstance(message.get("content"), list) for part in message["content"]]
    markable = [message for message in messages if not isinstance(message.get("content"), list)]
    places = [*markable, *parts, *tools]
    for place in rng.sample(places, min(len(places), rng.choice((1, 1, 2, 3, 5)))):
        place["cache"] = True


def made(seed: int, models: tuple[str, ...], shape: str) -> Made:
    """Returns a prompt file of one of the models, with messages of this shape."""
    rng = random.Random(f"{seed} {shape}")
    model = rng.choice(models)
    messages = SHAPES[shape](rng)
    known = [name for name in _PARAMETERS if rng.random() < 0.05 or _is_taken(name, model)]  # now and then another's
    parameters = {name: rng.choice(_PARAMETERS[name]) for name in rng.sample(known, rng.randint(0, 4))}
    if model in CLAUDE:
        parameters.setdefault("maxTokens", 4000)
    if model in MISTRAL and "extra" in parameters:
        parameters["extra"] = {"prompt_mode": "reasoning"}  # its package has arguments for what it knows alone
    offered = _TOOLS[:3] if model in BEDROCK else _TOOLS  # Converse takes functions
    tools = rng.sample(offered, rng.randint(0, 2)) if rng.random() < 0.6 else []
    if shape == "example with tools":
        tools = [_TOOLS[rng.randint(0, 1)], *(tool for tool in tools if tool.get("name") != "lookup")]
    entries = [dict(tool) for tool in tools]
    marking = random.Random(f"{seed} {shape} cache")
    if marking.random() < 0.4:
        _mark(marking, messages, entries)
    answer: dict[str, Any] = rng.choice(
        (
            {},
            {},
            {"responseFormat": "json_object"},
            {"responseFormat": "json_schema", "jsonSchema": {"name": "spam", "strict": True, "schema": _SCHEMA}},
            {"responseFormat": "json_schema", "jsonSchema": json.dumps(_SCHEMA)},
        )
    )
    file = {"model": model, "modelParameters": parameters, "messages": messages, "tools": entries, **answer}
    written = json.dumps(messages)
    values: dict[str, Any] = {"mail": "„x“ {{mail}} 🙂\t\n"} if "mail" in written else {}
    if "img.example.com" in written:
        values["mail"] = "a-b"  # which stands in a URL too
    if '"placeholder"' in written:
        values["history"] = _said(rng)
    if '"input": "photo"' in written:
        file["inputs"] = {"photo": {"type": "image"}}
        values["photo"] = {"data": PIXEL}
    return Made(text=json.dumps(file, ensure_ascii=False), model=model, shape=shape, values=values)
