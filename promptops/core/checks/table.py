"""The checks that a prompt may have: those of a suite that need nothing but the text of an answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

from promptops.core.checks import json_path, text
from promptops.core.model import AnswerCheck, Json

MOST: Final = 20
"""Checks of one prompt: a client runs all of them on each answer."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of check: what is wrong with what it wants, and why an answer does not fulfil it; empty if nothing."""

    problem: Callable[[Json], str]
    flaw: Callable[[Json, str], str]


KINDS: Final[Mapping[str, Kind]] = {
    **{name: Kind(partial(text.problem_of, name), partial(text.flaw_of, name)) for name in text.OPERATORS},
    "json_path": Kind(json_path.problem, json_path.flaw_of),
}


def first_failure(checks: Iterable[AnswerCheck], answer: str) -> str:
    """Returns why an answer does not fulfil one of the checks; empty where it fulfils all. Never raises.

    ``answer`` is the whole text: a check of a text that was cut says nothing.
    """
    return next((flaw for check in checks if (flaw := KINDS[check.kind].flaw(check.wanted, answer))), "")
