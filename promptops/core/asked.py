"""Which prompts a process asks for, and the names of the variables that it passes. Names only, and never values."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from promptops.core.errors import Invalid
from promptops.core.json_value import Json
from promptops.core.names import is_name, is_segment

MAX_PROMPTS: Final = 500
"""Prompts in a report: far more than the code of one process names."""
MAX_CHARACTERS: Final = 16_000
"""Characters of all names in a report, which bounds its row in the registry."""
_LONGEST: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """The names that a process passes to a prompt: with each call, and with some calls; each in order."""

    always: tuple[str, ...] = ()
    sometimes: tuple[str, ...] = ()

    @classmethod
    def of(cls, calls: Iterable[Collection[str]], *, are_all: bool = True) -> Passed:
        """Returns what these calls passed; unless they ``are_all``, nothing is said to be passed with each call."""
        every = [frozenset(names) for names in calls]
        ever = frozenset[str]().union(*every)
        always = ever.intersection(*every) if are_all else frozenset()
        return cls(always=tuple(sorted(always)), sometimes=tuple(sorted(ever - always)))

    @property
    def ever(self) -> frozenset[str]:
        """Every name that it passes."""
        return frozenset((*self.always, *self.sometimes))


Asked: TypeAlias = Mapping[str, Passed]
"""What a process passes to each prompt that it asks for, by full name: ``support-bot/answer``."""


def require_few(asked: Asked) -> Asked:
    """Returns a report that a registry takes.

    Raises:
        Invalid: it has too many names, or a text that cannot be one.
    """
    names = [name for passed in asked.values() for name in (*passed.always, *passed.sometimes)]
    if len(asked) > MAX_PROMPTS or sum(map(len, (*asked, *names))) > MAX_CHARACTERS:
        raise Invalid(f"a client asks for at most {MAX_PROMPTS} prompts, with names of {MAX_CHARACTERS:,} characters")
    if not all(map(_is_prompt, asked)) or not all(0 < len(name) <= _LONGEST and name.isprintable() for name in names):
        raise Invalid("a client's asks are the full names of prompts, with the names of variables")
    return asked


def asked_to_json(asked: Asked) -> dict[str, Json]:
    """Returns the JSON of what a process asks for."""
    return {
        name: {"always": list(passed.always), **({"sometimes": list(passed.sometimes)} if passed.sometimes else {})}
        for name, passed in sorted(asked.items())
    }


def asked_from_json(document: Json) -> Asked | None:
    """Read what a process asks for; None where it cannot be read, or where it is nothing that a registry keeps."""
    if not isinstance(document, Mapping):
        return None
    try:
        return require_few({name: _passed(names) for name, names in document.items()})
    except Invalid:
        return None


def _passed(document: Json) -> Passed:
    """Returns the names passed to one prompt. One that cannot be read is taken for one that nothing is passed to."""
    if not isinstance(document, Mapping):
        return Passed()
    names = [document.get("always", []), document.get("sometimes", [])]
    always, sometimes = (tuple(str(name) for name in each) if isinstance(each, list) else () for each in names)
    return Passed(always=always, sometimes=sometimes)


def _is_prompt(name: str) -> bool:
    app, slash, prompt = name.partition("/")
    return bool(slash) and is_name(app) and len(name) <= _LONGEST and all(map(is_segment, prompt.split("/")))
