"""What a workspace says of a model by itself: ``models`` of ``promptops.yml``, for what the table does not know yet.

A release carries what is said of the models that its prompts name, with the reason: whether a model counts as pinned
decides where the release may go live, and what its API takes decides what is sent. One table says what can be known.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from collections.abc import Sequence as Sequence  # `Json` names it, where the types of fields are read
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from promptops.core.json_value import LISTS, OBJECTS, Json

NEVER: Final = "never"
"""The value of ``ends`` for a model whose end, which its provider announced, is not yours."""

ROLES: Final = ("system", "developer", "user", "assistant", "tool")
MOST_MODELS: Final = 200
"""Models that a workspace or a release may say something of."""
LONGEST_REASON: Final = 300
_MOST_NAMES: Final = 50
_NAME: Final = re.compile(r"[a-z][A-Za-z0-9]{0,63}")
BOUNDS: Final = ("min", "max")
"""The keys of a parameter's bounds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnFacts:
    """What is said of ``provider/model``, and why. ``facts`` are those of :data:`KINDS`, each valid."""

    model: str
    reason: str
    facts: Mapping[str, Json] = field(default_factory=dict)

    @property
    def pinned(self) -> bool | None:
        """Whether the model counts as pinned; None where nothing is said of it."""
        said = self.facts.get("pinned")
        return said if isinstance(said, bool) else None

    @property
    def ends(self) -> date | None:
        """The day on which the model ends; None where nothing is said of it, or that it does not."""
        said = self.facts.get("ends")
        return None if not isinstance(said, str) or said == NEVER else date.fromisoformat(said)

    @property
    def source(self) -> str:
        """Where it is from: an address, or the reason."""
        return str(self.facts.get("source", "")) or f"`models` of promptops.yml: {self.reason}"

    def names(self, fact: str) -> frozenset[str]:
        """Returns the parameters that a fact lists: ``takes``, ``refuses``, ``refuses_while_reasoning``."""
        said = self.facts.get(fact)
        return frozenset(map(str, said)) if isinstance(said, LISTS) else frozenset()


def _is_day(value: Json) -> bool:
    if value == NEVER:
        return True
    try:
        return isinstance(value, str) and date.fromisoformat(value).isoformat() == value
    except ValueError:
        return False


def _is_address(value: Json) -> bool:
    return isinstance(value, str) and bool(re.fullmatch(r"https?://[^\s\x00-\x1f]{1,1000}", value))


def _is_short(value: Json) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 200 and value.isprintable()


def _is_count(value: Json) -> bool:
    return type(value) is int and 0 < value <= 1_000_000_000


def _is_flag(value: Json) -> bool:
    return type(value) is bool


def _are(right: Callable[[str], bool]) -> Callable[[Json], bool]:
    """Returns whether a value is a list of some such words, each once."""

    def check(value: Json) -> bool:
        if not isinstance(value, LISTS) or not 0 < len(value) <= _MOST_NAMES:
            return False
        words = [word for word in value if isinstance(word, str) and right(word)]
        return len(words) == len(value) == len(set(words))

    return check


def _are_bounds(value: Json) -> bool:
    if not isinstance(value, OBJECTS) or not 0 < len(value) <= _MOST_NAMES:
        return False
    return all(_NAME.fullmatch(name) and _is_range(bounds) for name, bounds in value.items())


def _is_range(bounds: Json) -> bool:
    if not isinstance(bounds, OBJECTS) or not bounds or not set(BOUNDS).issuperset(bounds):
        return False
    if not all(type(value) in (int, float) for value in bounds.values()):
        return False
    low, high = bounds.get("min"), bounds.get("max")
    return not (isinstance(low, int | float) and isinstance(high, int | float) and low > high)


def _is_role(word: str) -> bool:
    return word in ROLES


def _is_name(word: str) -> bool:
    return _NAME.fullmatch(word) is not None


_NAMES: Final = ("a list of parameters, each once", _are(_is_name))
_TRUE_OR_FALSE: Final = ("true or false", _is_flag)

KINDS: Final[Mapping[str, tuple[str, Callable[[Json], bool]]]] = {
    "adaptive_thinking": _TRUE_OR_FALSE,
    "always_thinks": _TRUE_OR_FALSE,
    "bounds": ("{temperature: {min: 0, max: 1}}: of each parameter the least or the most, or both", _are_bounds),
    "context": ("a number of tokens", _is_count),
    "default_effort": ("a word", _is_short),
    "efforts": ("a list of words, each once", _are(_is_short)),
    "ends": (f"a day, such as 2027-06-30, or {NEVER}", _is_day),
    "forced_tools": _TRUE_OR_FALSE,
    "one_sampler": _TRUE_OR_FALSE,
    "output": ("a number of tokens", _is_count),
    "pinned": _TRUE_OR_FALSE,
    "prefill": _TRUE_OR_FALSE,
    "refuses": _NAMES,
    "refuses_while_reasoning": _NAMES,
    "roles": (f"a list of {', '.join(ROLES)}, each once", _are(_is_role)),
    "source": ("an address that begins with https://", _is_address),
    "successor": ("a model's name", _is_short),
    "takes": _NAMES,
    "thinking_budget": _TRUE_OR_FALSE,
}
"""What can be said of a model -> the values that are right, in words, and the test of them."""


def is_reason(value: Json) -> bool:
    """Returns whether a value is a reason: a text, in one line of at most 300 characters."""
    return isinstance(value, str) and len(value.strip()) > 0 and len(value) <= LONGEST_REASON and value.isprintable()
