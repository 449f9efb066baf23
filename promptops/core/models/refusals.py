"""What the API of a prompt's provider would refuse of the request, or of what it cannot be known whether it does.

Each rule has the address of the page it is from: of a model, it is in the table; of a whole API, it stands with the
rule. A prompt of another provider, and of an unknown model, is judged by no rule that needs to know it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

from promptops.core.cache_marks import FEWER, PAGE, marks_of, takes_cache_points, too_many
from promptops.core.model import Json, Message, Prompt, ResponseFormat
from promptops.core.models.claude import CLAUDE_MESSAGES, anthropic, claude_of_others
from promptops.core.models.refusal import CAPS, Messages, Refusal, refused, text_of
from promptops.core.models.strict_schemas import strict_schemas
from promptops.core.models.table import Facts, claude_elsewhere, facts_of
from promptops.core.models.tool_choice import tool_choice
from promptops.core.models.tool_turns import CLAUDE_CALLS, OPENAI_CALLS, tool_turns
from promptops.core.models.tool_types import tool_types
from promptops.core.parameters import ANTHROPIC, OPENAI, provider_of
from promptops.core.parts import PartType
from promptops.core.tools import CUSTOM, FUNCTION

_OPENAI_CHAT: Final = (
    "https://developers.openai.com/api/reference/resources/chat/subresources/completions/methods/create"
)
_OPENAI_SHAPES: Final = "https://developers.openai.com/api/docs/guides/structured-outputs"
_CLAUDE_SHAPES: Final = "https://platform.claude.com/docs/en/build-with-claude/structured-outputs"
_DEEPSEEK: Final = "https://platform.deepseek.com/api-docs/api/create-chat-completion/"

_OPENAI_TIERS: Final = ("auto", "default", "flex", "scale", "priority", "fast", "ultrafast")
_CLAUDE_TIERS: Final = ("auto", "standard_only")
_NEUTRAL: Final[Mapping[str, Json]] = {"temperature": 1, "topP": 1, "presencePenalty": 0, "frequencyPenalty": 0}
"""Values that are the default of every API: sent or not, the request is the same."""


def refusals(prompt: Prompt, messages: Messages) -> Iterator[Refusal]:
    """Yields what is refused of a prompt's request; ``messages`` are rendered with sample values."""
    if prompt.model is None:
        return
    facts = facts_of(prompt.model, prompt.own_facts)
    provider = provider_of(prompt.model)[0]
    yield from _of_model(prompt, facts)
    if provider in ANTHROPIC or takes_cache_points(prompt.model):
        yield from _cache_marks(prompt)
    if facts.roles:
        yield from _roles(messages, facts, provider)
    calls = CLAUDE_CALLS if provider in ANTHROPIC else OPENAI_CALLS
    yield from tool_turns(messages, calls, sure=provider in OPENAI or provider in ANTHROPIC)
    if provider in OPENAI:
        yield from tool_choice(prompt, _OPENAI_CHAT, is_openai=True)
        yield from tool_types(prompt, is_openai=True)
        yield from _tier(prompt, _OPENAI_TIERS, _OPENAI_CHAT)
        yield from strict_schemas(prompt, _OPENAI_SHAPES, every=False, all_required=True)
        yield from _json_mode(prompt, messages, f"{_OPENAI_SHAPES}#json-mode", refuses=True)
    elif provider in ANTHROPIC:
        yield from tool_choice(prompt, CLAUDE_MESSAGES, is_openai=False)
        yield from tool_types(prompt, is_openai=False)
        yield from _tier(prompt, _CLAUDE_TIERS, CLAUDE_MESSAGES)
        yield from strict_schemas(prompt, _CLAUDE_SHAPES, every=True, all_required=False)
        yield from anthropic(prompt, messages, facts)
    else:
        yield from _of_another(prompt, messages, facts)


def _of_another(prompt: Prompt, messages: Messages, facts: Facts) -> Iterator[Refusal]:
    """What is likely of other providers: their references do not say what they refuse."""
    provider, name = provider_of(prompt.model)
    if prompt.tools:
        for refusal in tool_choice(prompt, "", is_openai=False):
            yield replace(refusal, sure=False)
    if claude_elsewhere(provider, name):
        yield from claude_of_others(prompt, messages, facts)
    if provider == "deepseek":
        yield from _json_mode(prompt, messages, _DEEPSEEK, refuses=False)


def _cache_marks(prompt: Prompt) -> Iterator[Refusal]:
    if problem := too_many(prompt):
        *_, last = marks_of(prompt)
        yield Refusal(place=last, message=problem, source=PAGE, hint=FEWER)


def _of_model(prompt: Prompt, facts: Facts) -> Iterator[Refusal]:
    for name, value in prompt.parameters.items():
        if name in facts.refuses and not _is_neutral(name, value):
            yield refused(name, f"{prompt.model} refuses '{name}'", facts.source(f"refuses.{name}"), "Remove it.")
    yield from _while_reasoning(prompt, facts)
    effort = prompt.parameters.get("reasoningEffort")
    if facts.efforts and effort is not None and effort not in facts.efforts:
        hint = f"It takes {', '.join(facts.efforts)}."
        yield refused(
            "reasoningEffort", f"{prompt.model} refuses 'reasoningEffort: {effort}'", facts.source("efforts"), hint
        )
    yield from _out_of_bounds(prompt, facts)
    yield from _tools_in_chat(prompt, facts)
    yield from _images(prompt, facts)
    for name in CAPS:
        cap = prompt.parameters.get(name)
        if facts.output is not None and isinstance(cap, int) and cap > facts.output:
            problem = f"'{name}' is {cap:,}, and {prompt.model} answers with {facts.output:,} tokens at most"
            yield refused(name, problem, facts.source("output"))


def _out_of_bounds(prompt: Prompt, facts: Facts) -> Iterator[Refusal]:
    for name, (low, high) in facts.bounds.items():
        value = prompt.parameters.get(name)
        if isinstance(value, int | float) and not _is_within(value, low, high):
            words = " to ".join(f"{bound:,}" for bound in (low, high) if bound is not None)
            side = "" if None not in (low, high) else "at most " if low is None else "at least "
            problem = f"'{name}' is {value:,}, and {prompt.model} takes {side}{words}"
            yield refused(name, problem, facts.source("bounds"))


def _is_within(value: float, low: float | None, high: float | None) -> bool:
    return (low is None or value >= low) and (high is None or value <= high)


def _while_reasoning(prompt: Prompt, facts: Facts) -> Iterator[Refusal]:
    set_ = [
        name
        for name, value in prompt.parameters.items()
        if name in facts.refuses_while_reasoning and not _is_neutral(name, value)
    ]
    effort = prompt.parameters.get("reasoningEffort", facts.default_effort)
    if not set_ or effort == "none":
        return
    reasons = effort is not None or facts.always_reasons_by_default is True
    can_stop = not facts.efforts or "none" in facts.efforts
    hint = "Set `reasoningEffort: none`, or remove it." if can_stop else "Remove it."
    for name in set_:
        problem = f"{prompt.model} refuses '{name}' while it reasons"
        if not reasons:
            problem += ", and whether it does by default is not known here"
        source = facts.source(f"refuses_while_reasoning.{name}")
        yield Refusal(place=(name,), message=problem, source=source, hint=hint, sure=reasons)


def _tools_in_chat(prompt: Prompt, facts: Facts) -> Iterator[Refusal]:
    """Functions beside reasoning, which only the other API of a provider takes: the call chooses between them."""
    effort = prompt.parameters.get("reasoningEffort", facts.default_effort)
    reasons = effort != "none" if effort is not None else facts.always_reasons_by_default is True
    if facts.tools_in_chat is False and reasons and any(tool.type in (FUNCTION, CUSTOM) for tool in prompt.tools):
        yield Refusal(
            place=("reasoningEffort",) if "reasoningEffort" in prompt.parameters else ("tools",),
            message=f"chat completions refuse functions of {prompt.model} while it reasons",
            source=facts.source("tools_in_chat"),
            hint="Use to_openai_responses(), or set `reasoningEffort: none`.",
            sure=False,
        )


def _images(prompt: Prompt, facts: Facts) -> Iterator[Refusal]:
    places = (
        ("messages", at, "content", index)
        for at, message in enumerate(prompt.messages)
        if isinstance(message, Message)
        for index, part in enumerate(message.parts)
        if part.type is PartType.IMAGE
    )
    for place in places if facts.images is False else ():
        problem = f"{prompt.model} is listed as a model that takes no images"
        yield Refusal(place=place, message=problem, source=facts.source("images"), sure=False)


def _roles(messages: Messages, facts: Facts, provider: str) -> Iterator[Refusal]:
    for at, message in enumerate(messages):
        if message["role"] not in facts.roles:
            problem = f"{provider} has no role '{message['role']}'"
            hint = f"Its roles are {', '.join(facts.roles)}."
            yield Refusal(place=("messages", at), message=problem, source=facts.source("roles"), hint=hint)


def _json_mode(prompt: Prompt, messages: Messages, source: str, *, refuses: bool) -> Iterator[Refusal]:
    """JSON without a schema, and without the word: an API that does not refuse it may answer with blanks."""
    if prompt.response_format is ResponseFormat.JSON_OBJECT and not any("json" in text_of(m).lower() for m in messages):
        yield Refusal(
            place=("responseFormat",),
            message="`responseFormat: json_object` needs the word JSON in a message, and none has it",
            source=source,
            hint="Say in a message that the answer is JSON, or use `json_schema`.",
            sure=refuses and not prompt.variables,
        )


def _tier(prompt: Prompt, tiers: tuple[str, ...], source: str) -> Iterator[Refusal]:
    tier = prompt.parameters.get("serviceTier")
    if tier is not None and tier not in tiers:
        hint = f"It takes {', '.join(tiers)}."
        yield refused("serviceTier", f"there is no 'serviceTier: {str(tier)[:80]}'", source, hint)


def _is_neutral(name: str, value: Json) -> bool:
    return name in _NEUTRAL and value == _NEUTRAL[name]
