"""What Anthropic's Messages API refuses: by its roles, by how the messages end, and beside thinking."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from promptops.core.model import OBJECTS, Json, Prompt
from promptops.core.models.refusal import CAPS, Messages, Refusal, refused, text_of
from promptops.core.models.table import Facts
from promptops.core.models.tool_choice import is_forced

CLAUDE_MESSAGES: Final = "https://platform.claude.com/docs/en/api/messages/create"
_CLAUDE_THINKING: Final = "https://platform.claude.com/docs/en/build-with-claude/extended-thinking"
_CLAUDE_PREFILL: Final = (
    "https://platform.claude.com/docs/en/build-with-claude/prompt-engineering/prefill-claudes-response"
)
_KINDS: Final = ("enabled", "disabled", "adaptive")
_LEAST_BUDGET: Final = 1024
_LEAST_TOP_P: Final = 0.95  # of a Claude that thinks


def anthropic(prompt: Prompt, messages: Messages, facts: Facts) -> Iterator[Refusal]:
    """Yields what the Messages API refuses of a request."""
    yield from _of_model(prompt, messages, facts)
    spoken = _spoken(messages)
    if not spoken:
        problem = "all messages are the system's, and Anthropic needs one of the user"
        hint = "Make the last one `role: user`."
        yield Refusal(place=("messages",), message=problem, source=CLAUDE_MESSAGES, hint=hint)
        return
    for at, message in spoken:
        is_text = isinstance(message["content"], str) and not message.keys() & {"tool_calls", "tool_call_id"}
        if is_text and not text_of(message).strip():
            problem = "Anthropic refuses a message without text"
            yield Refusal(place=("messages", at), message=problem, source=CLAUDE_MESSAGES)


def claude_of_others(prompt: Prompt, messages: Messages, facts: Facts) -> Iterator[Refusal]:
    """Yields what Bedrock and Vertex AI refuse of a Claude where they take what Anthropic takes, which is documented of
    Anthropic's API alone.
    """
    for refusal in _of_model(prompt, messages, facts):
        yield replace(refusal, sure=False)


def _of_model(prompt: Prompt, messages: Messages, facts: Facts) -> Iterator[Refusal]:
    yield from _thinking(prompt, facts)
    if facts.one_sampler and {"temperature", "topP"} <= prompt.parameters.keys():
        problem = f"{prompt.model} takes 'temperature' or 'topP', and not both"
        yield refused("topP", problem, facts.source("one_sampler"), "Keep one of them.")
    for at, last in _spoken(messages)[-1:]:
        if last["role"] == "assistant":
            yield from _prefill(prompt, at, text_of(last), facts)


def _spoken(messages: Messages) -> Sequence[tuple[int, Mapping[str, object]]]:
    return [(at, message) for at, message in enumerate(messages) if message["role"] not in ("system", "developer")]


def _prefill(prompt: Prompt, at: int, text: str, facts: Facts) -> Iterator[Refusal]:
    """A last message of the assistant, which the answer goes on from."""
    place = ("messages", at)
    if facts.prefill is False:
        problem = f"{prompt.model} does not go on from a last message of the assistant"
        hint = "Say in a system message how the answer begins, or use `jsonSchema`."
        yield Refusal(place=place, message=problem, source=facts.source("prefill"), hint=hint)
    elif _thinks(prompt):
        problem = "a model that thinks does not go on from a last message of the assistant"
        yield Refusal(place=place, message=problem, source=_CLAUDE_THINKING)
    elif text != text.rstrip():
        problem = "a last message of the assistant must not end in white space"
        hint = "In YAML, `|-` keeps no line break at the end."
        yield Refusal(place=place, message=problem, source=_CLAUDE_PREFILL, hint=hint)


def _thinking(prompt: Prompt, facts: Facts) -> Iterator[Refusal]:
    thinking = prompt.parameters.get("thinking")
    forced = is_forced(prompt)
    if forced and facts.forced_tools is False:
        problem = f"{prompt.model} cannot be made to use a tool"
        yield refused("toolChoice", problem, facts.source("forced_tools"), "Use `auto`.")
    kind = thinking.get("type") if isinstance(thinking, OBJECTS) else None
    if kind == "disabled" and facts.always_thinks:
        problem = f"{prompt.model} always thinks, so 'thinking' cannot be off"
        yield refused("thinking", problem, facts.source("always_thinks"), "Remove it.")
    if isinstance(thinking, OBJECTS) and kind not in _KINDS:
        problem = f"'thinking' has no type that there is: {', '.join(_KINDS)}"
        yield refused("thinking", problem, _CLAUDE_THINKING, "thinking: {type: enabled, budget_tokens: 2048}")
    if kind == "adaptive":
        yield from _adaptive(prompt, facts, forced=forced)
    if kind != "enabled":
        return
    if facts.thinking_budget is False:
        problem = f"{prompt.model} takes no budget for its thinking"
        hint = "Use `thinking: {type: adaptive}`, and `reasoningEffort` for how much."
        yield refused("thinking", problem, facts.source("thinking_budget"), hint)
        return
    assert isinstance(thinking, OBJECTS)
    if problem := _budget_problem(thinking.get("budget_tokens"), _cap(prompt)):
        yield refused("thinking", problem, _CLAUDE_THINKING, "thinking: {type: enabled, budget_tokens: 2048}")
    yield from _beside_thinking(prompt, forced=forced)


def _adaptive(prompt: Prompt, facts: Facts, *, forced: bool) -> Iterator[Refusal]:
    """Thinking as much as the model sees fit. Of what stands beside it, only `temperature` is known to be refused."""
    if facts.adaptive_thinking is False:
        problem = f"{prompt.model} has no adaptive thinking"
        hint = "Use `thinking: {type: enabled, budget_tokens: 2048}`."
        yield refused("thinking", problem, facts.source("adaptive_thinking"), hint)
        return
    for refusal in _beside_thinking(prompt, forced=forced):
        yield replace(refusal, sure=refusal.place == ("temperature",))


def _budget_problem(budget: Json, cap: int | None) -> str:
    if type(budget) is not int:
        return "'thinking' that is enabled needs `budget_tokens`"
    if budget < _LEAST_BUDGET:
        return f"the budget for thinking is {budget:,}, and {_LEAST_BUDGET:,} is the least"
    return (
        f"the budget for thinking is {budget:,}, which leaves nothing of 'maxTokens'" if cap and budget >= cap else ""
    )


def _beside_thinking(prompt: Prompt, *, forced: bool) -> Iterator[Refusal]:
    parameters = prompt.parameters
    top_p = parameters.get("topP")
    wrong: Mapping[str, Callable[[], bool]] = {
        "temperature": lambda: parameters["temperature"] != 1,
        "topK": lambda: True,
        "topP": lambda: isinstance(top_p, int | float) and top_p < _LEAST_TOP_P,
        "toolChoice": lambda: forced,
    }
    for name, is_wrong in wrong.items():
        if name in parameters and is_wrong():
            problem = f"a model that thinks refuses this '{name}'"
            yield refused(name, problem, _CLAUDE_THINKING, "Remove it, or `thinking`.")


def _thinks(prompt: Prompt) -> bool:
    thinking = prompt.parameters.get("thinking")
    return isinstance(thinking, OBJECTS) and thinking.get("type") in ("enabled", "adaptive")


def _cap(prompt: Prompt) -> int | None:
    caps = [prompt.parameters[name] for name in CAPS if name in prompt.parameters]
    return caps[0] if caps and isinstance(caps[0], int) else None
