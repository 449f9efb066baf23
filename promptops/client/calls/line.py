"""What all calls of one prompt of a served release have in common, worked out at the first of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Final

from promptops.client.calls.exposure import Exposure
from promptops.core.errors import Invalid, PromptopsError
from promptops.core.outcomes.call_id import call_head
from promptops.core.outcomes.report import Guardrail
from promptops.core.outcomes.series import Arm, Assignment, Series
from promptops.core.outcomes.units import Unit

if TYPE_CHECKING:
    from promptops.core.model import Prompt

Tags = tuple[tuple[str, str], ...]

_SERIES: Final = 1_000
"""Series of a prompt that are kept: its models with its tags. Of more of them, each call makes its own."""
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
