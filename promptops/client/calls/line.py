"""What all calls of one prompt of a served release have in common, worked out at the first of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Final

from promptops.client.calls.exposure import Exposure
from promptops.core.errors import Invalid, PromptopsError
from promptops.core.outcomes.call_id import call_head
from promptops.core.outcomes.report import Guardrail, guardrails_of
from promptops.core.outcomes.series import Arm, Assignment, Series
from promptops.core.outcomes.units import Sample, Unit
from promptops.core.trial import Limits

if TYPE_CHECKING:
    from promptops.core.model import Prompt
    from promptops.core.outcomes.call_outcome import CallOutcome, Tokens

Tags = tuple[tuple[str, str], ...]

_SERIES: Final = 1_000
"""Series of a prompt that are kept: its models with its tags. Of more of them, each call makes its own."""
_NO_LIMITS: Final = Limits()
_UNKNOWN: Final = "00000000"
"""The lineage in ids of calls of which no registry is known. No registry takes such an id."""


class Line:
    """A prompt's calls of one revision and arm. ``could`` are the guardrails at which they can be bad."""

    def __init__(self, exposure: Exposure, definition: Prompt) -> None:
        """Take a prompt of a release.

        Raises:
            Invalid: no registry has such a name of a prompt or an app.
        """
        self.definition = definition
        self.pinned = definition.model or ""
        self.weight = exposure.weight
        self.is_held = exposure.is_held
        self.is_mismatched = exposure.is_mismatched
        trial = exposure.trial
        self.sample = Sample(canary=trial.sample[0], stable=trial.sample[1]) if trial and trial.sample else None
        self.limits = (trial.limits.get(definition.name) if trial is not None else None) or _NO_LIMITS
        self.assignment = Assignment(
            app=exposure.app,
            channel=exposure.channel,
            epoch=exposure.epoch,
            revision=exposure.revision,
            arm=Arm(exposure.arm),
        )
        self.plain = Series(assignment=self.assignment, prompt=definition.name)
        could = {Guardrail.ERROR.value, Guardrail.REFUSAL.value}
        could |= {Guardrail.SCHEMA.value} if definition.json_schema is not None else set()
        could |= {Guardrail.CHECK.value} if definition.checks else set()
        could |= {Guardrail.SLOW.value} if self.limits.judges_time else set()
        could |= {Guardrail.DEAR.value} if self.limits.dear_micro_usd is not None else set()
        self.could = tuple(sorted(could))
        self._exposure = exposure
        self._series: dict[tuple[str, Tags, int | None], Series] = {("", (), None): self.plain}

    @property
    def is_checked(self) -> bool:
        """True where an answer's text has to be looked at."""
        return self.definition.json_schema is not None or bool(self.definition.checks)

    @cached_property
    def head(self) -> str:
        """The beginning of the ids of its calls."""
        try:
            return call_head(self.assignment, self.definition.name, lineage=self._exposure.lineage)
        except Invalid:  # a working tree, or nothing was ever held
            return call_head(self.assignment, self.definition.name, lineage=_UNKNOWN)

    @property
    def secret(self) -> bytes:
        """The secret of reporting clients; empty while it is not known."""
        return self._exposure.desk.secret_of(self._exposure.lineage)

    @property
    def is_compared(self) -> bool:
        """True where units of its calls are reported."""
        return self.assignment.arm is not Arm.NAMED

    def cost(self, model: str, tokens: Tokens | None) -> float | None:
        """Returns what a call would cost in US dollars without a cache, as far as the registry named the rates."""
        tiers = self._exposure.desk.rates.get(model) if tokens is not None else None
        if not tiers or tokens is None:
            return None
        _, for_input, for_output = next((tier for tier in reversed(tiers) if tier[0] < tokens.input), tiers[0])
        return (tokens.input * for_input + tokens.output * for_output) / 1e6

    def guardrails(self, outcome: CallOutcome) -> tuple[str, ...]:
        """Returns the guardrails at which a call was bad, in the order of their names."""
        bad = guardrails_of(outcome)
        if self.limits is _NO_LIMITS or outcome.error or outcome.cancelled:
            return bad
        found = set(bad)
        is_cached = outcome.tokens is not None and outcome.tokens.cached > 0
        slow, dear = self.limits.cached_slow_ms if is_cached else self.limits.slow_ms, self.limits.dear_micro_usd
        if slow is not None and outcome.latency_ms is not None and outcome.latency_ms > slow:
            found.add(Guardrail.SLOW.value)
        if dear is not None and outcome.cost_usd is not None and outcome.cost_usd * 1e6 > dear:
            found.add(Guardrail.DEAR.value)
        return tuple(sorted(found))

    def unit(self, key: str) -> Unit | None:
        """Returns the unit of a key; None while the secret is not known."""
        secret = self.secret
        return Unit.of(secret, self.assignment.app, key, salt=self._exposure.salt) if secret else None

    def series(self, model: str, tags: Tags, tokens: int | None = None) -> Series:
        """Returns the series of a model, ``provider/model``, and tags; without what cannot be part of one. It is of the
        tier of a call of so many input tokens, if the registry named the tiers of the model.
        """
        starts = self._exposure.desk.tiers.get(model) if tokens is not None else None
        tier = None if starts is None else max((start for start in starts if start < (tokens or 0)), default=0)
        found = self._series.get((model, tags, tier))
        if found is None:
            found = self._made(model, tags, tier)
            if len(self._series) < _SERIES:
                self._series[model, tags, tier] = found
        return found

    def _made(self, model: str, tags: Tags, tier: int | None) -> Series:
        for name, kept in ((model, tags), (model, ()), ("", tags)):
            try:
                return replace(self.plain, model=name, tags=kept, tier=tier if name else None)
            except Invalid:
                continue
        return self.plain

    def model_of(self, answered: str) -> str:
        """Returns the name of a model that answered, ``provider/model``. The pin says what the provider is, and where
        an answer names no model also which one it was.
        """
        provider, slash, _ = self.pinned.partition("/")
        return self.pinned if not answered else f"{provider}/{answered}" if slash else answered

    def check_flaw(self, text: str) -> str:
        """Returns the first check of the prompt that a text fails; empty if all hold."""
        if not self.definition.checks:
            return ""
        from promptops.core.checks.table import first_failure

        return first_failure(self.definition.checks, text)

    @cached_property
    def schema_flaw(self) -> Callable[[str], str]:
        """Returns why a text does not fit the prompt's schema; empty where it fits. Compiled at the first call."""
        from promptops.core.checks.json_text import parse
        from promptops.core.schema.input_schema import compile_check

        schema = self.definition.json_schema
        envelope = schema.get("schema", schema) if schema is not None else None
        if not isinstance(envelope, Mapping):
            return lambda text: ""
        try:
            check = compile_check(envelope)
        except PromptopsError:  # a fallback of the application: a release's schema was compiled before it was served
            return lambda text: ""

        def flaw(text: str) -> str:
            try:
                return check(parse(text))
            except ValueError as error:
                return f"it is not JSON: {error}"

        return flaw


def line_of(exposure: Exposure, definition: Prompt) -> Line | None:
    """Returns the line of a prompt; None where no registry has such a name."""
    found = exposure.lines.get(definition.name)
    if found is None:
        try:
            found = exposure.lines.setdefault(definition.name, Line(exposure, definition))
        except Invalid:
            return None
    return found if isinstance(found, Line) else None
