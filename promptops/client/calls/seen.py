"""What is known of a call's answers: of one, or of several that add up, as an application or a tracer saw them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from promptops.client.calls.endings import printable
from promptops.client.current_call import Observed
from promptops.core.answers.reading import Finish, Reading, Usage
from promptops.core.outcomes.call_outcome import CallOutcome, Tokens
from promptops.core.outcomes.kept_call import MAX_TOOLS
from promptops.core.outcomes.pinned import is_pinned_model

_REFUSED: Final = frozenset({Finish.REFUSAL, Finish.CONTENT_FILTER})


class Seen:
    """The answers of one call. Tokens add up; of the rest the last answer counts."""

    __slots__ = (
        *("answers", "error", "finish", "first_token_ms", "is_unread", "latency_ms", "model", "response", "text"),
        *("tokens", "tools"),
    )

    def __init__(self) -> None:
        self.tokens: Tokens | None = None
        self.model = self.error = self.response = ""
        self.answers = 0
        self.tools: tuple[str, ...] = ()
        self.finish: Finish | None = None
        self.is_unread = False
        self.latency_ms: float | None = None
        self.first_token_ms: float | None = None
        self.text: str | None = None

    def read(self, reading: Reading | None, *, latency_ms: float, first_token_ms: float | None) -> None:
        """Take an answer that the application recorded; None if it is unread. ``text`` is what can be checked of it."""
        self.latency_ms = latency_ms
        self.answers += 1
        if first_token_ms is not None and self.first_token_ms is None:
            self.first_token_ms = first_token_ms
        self.text, self.error, self.is_unread = None, "", self.is_unread or reading is None
        if reading is None:
            return
        self.finish, self.model = reading.finish, reading.model or self.model
        self.response = reading.response_id
        self.tools = (*self.tools, *(call.name for call in reading.tool_calls))[:MAX_TOOLS]
        self._add(_tokens(reading.usage))
        if reading.finish is Finish.ERROR:
            self.error = printable(f"answer.{reading.finish_word}")
        elif reading.finish not in _REFUSED and reading.finish is not Finish.TOOL_CALLS and not reading.cut:
            self.text = reading.text

    def observe(self, observed: Iterable[Observed]) -> None:
        """Take what a tracer saw. An error counts only if no answer came."""
        answers, errors = list[Observed](), list[Observed]()
        for each in observed:
            (errors if each.error else answers).append(each)
        self.answers = len(answers) + len(errors)
        for each in answers or errors[-1:]:
            self._add(each.tokens)
            self.model, self.finish = each.model or self.model, each.finish
            self.error, self.response = printable(each.error), each.response_id
            if each.latency_ms is not None:
                self.latency_ms = (self.latency_ms or 0.0) + each.latency_ms
            if self.first_token_ms is None:
                self.first_token_ms = each.first_token_ms
        self.is_unread = bool(answers) and self.tokens is None

    def outcome(self, *, pinned: str, has_unit: bool, error: str = "", cancelled: bool = False) -> CallOutcome:
        """Returns what became of the call. ``error`` is what ended it, if something other than an answer did.

        Raises:
            Invalid: a tracer gave what is no number.
        """
        finish = self.finish
        return CallOutcome(
            error=error or self.error,
            has_unit=has_unit,
            refused=finish in _REFUSED,
            cancelled=cancelled,
            unread=self.is_unread,
            pin_mismatch=bool(self.model) and not is_pinned_model(pinned, self.model),
            truncated=finish is Finish.LENGTH,
            tokens=self.tokens,
            latency_ms=self.latency_ms,
            first_token_ms=self.first_token_ms,
        )

    def _add(self, tokens: Tokens | None) -> None:
        if tokens is None or self.tokens is None:
            self.tokens = tokens or self.tokens
            return
        before = self.tokens
        self.tokens = Tokens(
            input=before.input + tokens.input,
            cached=before.cached + tokens.cached,
            cache_written=before.cache_written + tokens.cache_written,
            output=before.output + tokens.output,
            reasoning=before.reasoning + tokens.reasoning,
        )


def _tokens(usage: Usage) -> Tokens | None:
    if usage.input_tokens is None and usage.output_tokens is None:
        return None
    return Tokens(
        input=usage.input_tokens or 0,
        cached=usage.cached_tokens or 0,
        cache_written=usage.cache_written_tokens or 0,
        output=usage.output_tokens or 0,
        reasoning=usage.reasoning_tokens or 0,
    )
