"""Whether each call of a tool is answered right after it, which every API requires of a conversation.

- OpenAI: https://developers.openai.com/api/docs/guides/function-calling
- Anthropic: https://platform.claude.com/docs/en/agents-and-tools/tool-use/handle-tool-calls
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from promptops.core.message import Role
from promptops.core.models.refusal import Messages, Refusal

OPENAI_CALLS: Final = "https://developers.openai.com/api/docs/guides/function-calling"
CLAUDE_CALLS: Final = "https://platform.claude.com/docs/en/agents-and-tools/tool-use/handle-tool-calls"
_HINT: Final = "The messages of role tool, one for each call, stand right after the message that calls."


def tool_turns(messages: Messages, source: str, *, sure: bool) -> Iterator[Refusal]:
    """Yields the calls that the next messages do not answer, and the answers that stand elsewhere. Calls of the last
    message may be answered by messages that the application adds, so they are never sure. An answer to a call that
    there is not has a finding of its own.
    """
    caller, is_open, known = 0, list[str](), set[str]()
    for at, message in enumerate(messages):
        if message["role"] == Role.TOOL:
            answered = str(message.get("tool_call_id", ""))
            if answered in known and answered not in is_open:
                problem = f"the answer of the call '{answered[:80]}' does not stand right after the message that calls"
                yield Refusal(place=("messages", at), message=problem, source=source, hint=_HINT, sure=sure)
            elif answered in is_open:
                is_open.remove(answered)
            continue
        if is_open:
            yield _unanswered(caller, is_open, source, sure=sure)
        caller, is_open = at, _calls(message)
        known.update(is_open)
    if is_open and caller:
        yield _unanswered(caller, is_open, source, sure=False)


def _unanswered(at: int, calls: list[str], source: str, *, sure: bool) -> Refusal:
    problem = f"the next messages do not answer the call {', '.join(repr(call[:80]) for call in calls[:3])}"
    return Refusal(place=("messages", at), message=problem, source=source, hint=_HINT, sure=sure)


def _calls(message: Mapping[str, object]) -> list[str]:
    calls = message.get("tool_calls", ())
    return [str(call["id"]) for call in calls if isinstance(call, Mapping)] if isinstance(calls, list) else []
