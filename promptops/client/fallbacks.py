"""The fallbacks of an application: what it brings itself for when there is nothing to serve.

Each is read when the client is made, or when a call gives it for the first time, so that a mistake is an error then and
not in the outage.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy

from promptops.client.prompt import Fallback, Prompt
from promptops.client.settings import fallbacks_of

_MOST = 1_000
"""Fallbacks of calls that are remembered: names that an application makes up must not fill the memory."""


class Fallbacks:
    """Fallbacks by the full names of their prompts. Safe for threads."""

    __slots__ = ("_given", "_seen")

    def __init__(self, given: Mapping[str, Fallback] | None = None) -> None:
        """Reads those of the whole client.

        Raises:
            Invalid: one is no prompt, or what it is for is no name of a prompt.
        """
        self._seen: dict[str, tuple[Fallback, Prompt]] = {}
        self._given = {name: Prompt.fallback(name, value) for name, value in fallbacks_of(given).items()}

    def find(self, name: str, value: Fallback | None) -> Prompt | None:
        """Returns the fallback that a call gives, as a prompt, else that of the client; None where there is neither.

        Raises:
            Invalid: the one that the call gives is no prompt.
        """
        if value is None:
            return self._given.get(name)
        seen = self._seen.get(name)
        if seen is not None and (seen[0] is value or (type(seen[0]) is type(value) and seen[0] == value)):
            return seen[1]
        read = Prompt.fallback(name, value)
        if len(self._seen) >= _MOST:
            self._seen.clear()
        # A copy of what the caller may still change, which then has to be read again.
        self._seen[name] = (value if isinstance(value, str | Prompt) else deepcopy(value)), read
        return read
