"""What an app declares of its calls, in ``app.yml``: outcomes, tags, scores, capture, and the traffic that is planned.

No part of a release: a digest does not change with it. All of it but the plan reaches clients beside the app's pointer.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from promptops.core.errors import Invalid
from promptops.core.names import WORD, AppName

MAX_NAMES: Final = 50
"""Outcomes, and scores, that an app may declare: each has a counter in every row of sums."""
MAX_TAGS: Final = 3
MAX_VALUES: Final = 20
"""Values of one tag: each combination of values is a row of sums of its own."""
LONGEST_TAG: Final = 64
"""Characters of a tag's value. Its name is a :data:`WORD`."""
MAX_LIMITS: Final = 50
UNDECLARED: Final = "undeclared"
"""What is counted under a name that is not declared."""
WHOLE: Final = 10_000
MAX_NUMBER: Final = 1_000_000_000_000


class Capture(StrEnum):
    """What of a call's content is kept with bad and sampled calls."""

    OFF = "off"
    VARIABLES = "variables"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag:
    """A tag of calls and the values that it may have, at most :data:`MAX_VALUES`, in order.

    Raises:
        Invalid: a name or a value is not one, or there are none or too many.
    """

    name: str
    values: tuple[str, ...]

    def __post_init__(self) -> None:
        _require_word(self.name, "a tag")
        if not 1 <= len(self.values) <= MAX_VALUES or list(self.values) != sorted(set(self.values)):
            raise Invalid(f"the tag '{self.name}' has 1 to {MAX_VALUES} values, each once and in order")
        for value in self.values:
            if not is_tag_value(value):
                raise Invalid(f"{value[:80]!r} is not a value of the tag '{self.name}'")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredScore:
    """A score and the least value that passes, in basis points (of 10,000); None where no value is bad.

    Raises:
        Invalid: the name is not one, or the value is not from 1 to 10,000.
    """

    name: str
    passes_from: int | None = None

    def __post_init__(self) -> None:
        _require_word(self.name, "a score")
        if self.passes_from is not None and not 1 <= self.passes_from <= WHOLE:
            raise Invalid(f"the score '{self.name}' passes from a value above 0 and up to 1")

    @property
    def pass_at(self) -> float | None:
        """The least score that passes, above 0 and up to 1."""
        return None if self.passes_from is None else self.passes_from / WHOLE


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """What a provider allows for a model, or for all models of a provider: calls and tokens in a minute.

    ``of`` is ``provider/model`` or a provider. Tokens are those of inputs and outputs together.

    Raises:
        Invalid: it limits nothing, or a number is not above 0.
    """

    of: str
    calls_a_minute: int | None = None
    tokens_a_minute: int | None = None

    def __post_init__(self) -> None:
        if not self.of or len(self.of) > 200 or not self.of.isprintable():
            raise Invalid(f"{self.of[:80]!r} is neither a provider nor provider/model")
        _require_numbers(f"the limit of {self.of}", self.calls_a_minute, self.tokens_a_minute)
        if self.calls_a_minute is None and self.tokens_a_minute is None:
            raise Invalid(f"the limit of {self.of} limits neither calls nor tokens")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The traffic that an app is made for: calls a day, what a month may cost in US cents, limits of providers.

    Raises:
        Invalid: a number is not above 0, or a limit is there twice.
    """

    calls_a_day: int | None = None
    monthly_cents: int | None = None
    limits: tuple[Limit, ...] = ()

    def __post_init__(self) -> None:
        _require_numbers("the plan", self.calls_a_day, self.monthly_cents)
        _require_each_once("limits", [limit.of for limit in self.limits], MAX_LIMITS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Declarations:
    """All that an app declares of its calls, each part in the order of its names.

    ``outcomes`` are what calls lead to, such as ``ticket_resolved``.

    Raises:
        Invalid: a name is not one, is there twice, or there are too many.
    """

    outcomes: tuple[str, ...] = ()
    tags: tuple[Tag, ...] = ()
    scores: tuple[DeclaredScore, ...] = ()
    capture: Capture = Capture.OFF
    plan: Plan | None = None

    def __post_init__(self) -> None:
        for name in self.outcomes:
            _require_word(name, "an outcome")
        _require_each_once("outcomes", self.outcomes, MAX_NAMES)
        _require_each_once("scores", [score.name for score in self.scores], MAX_NAMES)
        _require_each_once("tags", [tag.name for tag in self.tags], MAX_TAGS)

    @property
    def reported(self) -> Declarations:
        """What clients have to know: all but the plan."""
        return self if self.plan is None else replace(self, plan=None)

    def score(self, name: str) -> DeclaredScore | None:
        """Returns the declared score of this name."""
        return next((score for score in self.scores if score.name == name), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclarationsVersion:
    """What the declarations of an app became. ``number`` counts those of the app, from 1."""

    app: AppName
    number: int
    declared: Declarations
    actor: str
    at: datetime


def _require_word(name: str, what: str) -> None:
    """Checks the name of an outcome, a score or a tag.

    Raises:
        Invalid: it has other characters than letters, digits, ``_``, ``.`` and ``-``, more than 64 of them, or is the
            name under which undeclared ones are counted.
    """
    if not WORD.fullmatch(name):
        raise Invalid(
            f"{name[:80]!r} is not the name of {what}",
            hint="Letters, digits, '_', '.' and '-', up to 64, beginning with a letter or a digit: ticket_resolved.",
        )
    if name == UNDECLARED:
        raise Invalid(f"'{UNDECLARED}' is the name of all that is not declared")


def is_tag_value(value: str) -> bool:
    """Returns True for a printable line of 1 to :data:`LONGEST_TAG` characters."""
    return 0 < len(value) <= LONGEST_TAG and value.isprintable()


def _require_each_once(what: str, names: Iterable[str], most: int) -> None:
    listed = list(names)
    if listed != sorted(set(listed)) or len(listed) > most:
        raise Invalid(f"there are at most {most} {what}, each once and in order")


def _require_numbers(what: str, *numbers: int | None) -> None:
    if not all(number is None or 1 <= number <= MAX_NUMBER for number in numbers):
        raise Invalid(f"{what} has numbers from 1 to {MAX_NUMBER:,}")


NOTHING: Final = Declarations()
"""The declarations of an app that declares nothing."""
