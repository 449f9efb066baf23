"""The root of the tree of errors and its five kinds; the leaves are in :mod:`promptops.core.errors`, drawn there."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import ClassVar

from promptops.core.advice import Advice, advice_in


class PromptopsError(Exception):
    """The root. ``str(error)`` is the message alone; ``hint`` is what to do next in plain words, or an empty string.

    The hint is also a note of the exception (https://peps.python.org/pep-0678/), so a traceback shows it. Where the
    next step is an action, the hint is a :class:`~promptops.core.advice.Sentence` that holds the ``advice``.
    """

    kind: ClassVar[str] = "Error"

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    @property
    def hint(self) -> str:
        """What to do next; a :class:`~promptops.core.advice.Sentence` where that is an action."""
        found: str = self.__dict__.get("hint", "")  # among the error's facts, as every attribute
        return found

    @hint.setter
    def hint(self, hint: str) -> None:
        notes = getattr(self, "__notes__", [])
        if str(self.hint) in notes:
            notes.remove(str(self.hint))
        self.__dict__["hint"] = hint
        if hint:
            self.add_note(str(hint))

    @property
    def advice(self) -> tuple[Advice, ...]:
        """What the hint says can be done, as actions with their arguments."""
        return advice_in(self.hint)

    @property
    def code(self) -> str:
        """The class's name in kebab case, ``nothing-to-roll-back-to``: stable on the wire."""
        return re.sub(r"(?<!^)(?=[A-Z])", "-", type(self).__name__).lower()


class Invalid(PromptopsError):
    """The input is malformed."""

    kind = "Invalid"


class NotFound(PromptopsError):
    """It is not there. ``known`` holds what exists, and the hint lists it."""

    kind = "NotFound"

    def __init__(self, message: str, *, known: Iterable[str] = (), hint: str = "") -> None:
        self.known = tuple(known)
        if not hint and self.known:
            shown = ", ".join(self.known[:20])
            more = f" and {len(self.known) - 20} more" if len(self.known) > 20 else ""
            hint = f"There are: {shown}{more}."
        super().__init__(message, hint=hint)


class Conflict(PromptopsError):
    """The request is valid but does not fit the current state. Nothing was changed."""

    kind = "Conflict"


class Refused(PromptopsError):
    """A rule of the registry or of a channel forbids the request. Nothing was changed."""

    kind = "Refused"


class Unavailable(PromptopsError):
    """The registry cannot answer."""

    kind = "Unavailable"
