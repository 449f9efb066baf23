"""What sums are of: the release and the side that a call was assigned to, the prompt, the model, and declared tags."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import Final

from promptops.core.declarations import LONGEST_TAG as LONGEST_TAG
from promptops.core.declarations import MAX_TAGS as MAX_TAGS
from promptops.core.errors import Invalid
from promptops.core.model import is_name, is_segment
from promptops.core.names import WORD as WORD
from promptops.core.snapshot import MAX_EPOCH, MAX_REVISION

LONGEST_PROMPT: Final = 500
LONGEST_LINE: Final = 200
"""Characters of a model, a lineage, and what names a client: one printable line."""

MAX_MINUTE: Final = 2**31 - 1
"""A minute is the number of whole minutes since 1970-01-01T00:00Z."""


class Arm(StrEnum):
    """The side of a canary that a call was assigned to; ``fixed`` for a call that takes no part in one: its release was
    chosen by version or by an override, or is the application's fallback. ``named`` is the canary for a key that its
    start names, which no comparison counts.
    """

    STABLE = "stable"
    CANARY = "canary"
    FIXED = "fixed"
    NAMED = "named"


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """What decided which release a call got: the app's revision on a channel, counted in an epoch, and the arm.

    Raises:
        Invalid: a name is not one, or a number is out of its range.
    """

    app: str
    channel: str
    epoch: int
    revision: int
    arm: Arm

    def __post_init__(self) -> None:
        if not _is_name(self.app):
            raise Invalid(f"{self.app[:80]!r} is not an app's name")
        if not _is_name(self.channel):
            raise Invalid(f"{self.channel[:80]!r} is not a channel's name")
        if not 0 <= self.epoch <= MAX_EPOCH or not 0 <= self.revision <= MAX_REVISION:
            raise Invalid(f"{self.epoch}.{self.revision} is not a revision in an epoch")

    @property
    def counted(self) -> str:
        """The revision with its epoch: ``3.17``."""
        return f"{self.epoch}.{self.revision}"

    def order(self) -> tuple[str, int, int, str]:
        """Returns its place among others of the channel."""
        return self.app, self.epoch, self.revision, self.arm.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """What sums are of, beside the minute.

    ``prompt`` is the prompt's name within the app; ``model`` the one that answered, ``provider/model``, empty where it
    is not known. ``tier`` is the number of input tokens from which on the provider prices the call as it did: 0 below
    the first such boundary, None where the process did not know the boundaries yet. ``tags`` are in the order of their
    names.

    Raises:
        Invalid: a name or a value is not one or too long, or there are too many tags.
    """

    assignment: Assignment
    prompt: str
    model: str = ""
    tier: int | None = None
    tags: tuple[tuple[str, str], ...] = ()
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Each call looks its series up several times.
        hashed = hash((self.assignment, self.prompt, self.model, self.tier, self.tags))
        object.__setattr__(self, "_hash", hashed)
        if len(self.prompt) > LONGEST_PROMPT or not _is_prompt(self.prompt):
            raise Invalid(f"{self.prompt[:80]!r} is not a prompt's name of at most {LONGEST_PROMPT} characters")
        require_line(self.model, "a model", LONGEST_LINE)
        if self.tier is not None and not 0 <= self.tier <= MAX_REVISION:
            raise Invalid(f"{self.tier} is not a number of tokens")
        if self.tags:
            _require_tags(self.tags)

    def __hash__(self) -> int:
        return self._hash

    def order(self) -> tuple[object, ...]:
        """Returns its place among others of the channel."""
        tier = -1 if self.tier is None else self.tier
        return *self.assignment.order(), self.prompt, self.model, tier, self.tags


def require_line(text: str, what: str, longest: int) -> None:
    """Checks that a text is one line.

    Raises:
        Invalid: it is too long, or has characters that are not printable.
    """
    if len(text) > longest or not text.isprintable():
        raise Invalid(f"{what} is one line of at most {longest} printable characters, not {text[:80]!r}")


def require_minute(minute: int) -> None:
    """Checks the number of a minute.

    Raises:
        Invalid: it is out of its range.
    """
    if not 0 <= minute <= MAX_MINUTE:
        raise Invalid(f"{minute} is not a number of minutes since 1970")


def _require_tags(tags: tuple[tuple[str, str], ...]) -> None:
    names = [name for name, _ in tags]
    if len(names) > MAX_TAGS or names != sorted(set(names)):
        raise Invalid(f"there are at most {MAX_TAGS} tags, each once, in the order of their names")
    for name, value in tags:
        if not WORD.fullmatch(name):
            raise Invalid(f"{name[:80]!r} is not a tag's name")
        require_line(value, f"the tag '{name}'", LONGEST_TAG)


_is_name = lru_cache(maxsize=10_000)(is_name)
"""A fleet reports about the same apps and prompts, in every document."""


@lru_cache(maxsize=10_000)
def _is_prompt(name: str) -> bool:
    return all(map(is_segment, name.split("/")))
