"""A judge: a model that answers with one of several choices, each worth a score.

The answer is matched exactly, without regard to case; else it is the only choice that occurs in it as a whole word. An
answer that names no choice, or two, is an error of the judge and not a score of 0. (GitHub's tools took the first
choice that the answer contained anywhere: with A, B and C, "The answer is C" was an A.)
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from promptops.core.digest import canonical, digest
from promptops.core.model import Json
from promptops.core.suite.result import Result, unscored

_JOINED = "[-./,'’]"
"""What makes one word of two where nothing else is between them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One of the answers that a judge may give, and the score that it stands for, 0 to 1."""

    text: str
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """A model as ``provider/model`` with its parameters, what it is asked, and how its answer is read."""

    model: str
    prompt: str
    choices: tuple[Choice, ...]
    system_prompt: str = ""
    parameters: Mapping[str, Json] = field(default_factory=dict)


def is_judged(kind: str) -> bool:
    """Returns whether a model decides a check of this kind."""
    return kind == "llm" or kind.startswith("github/")


def judge_digest(judge: Judge) -> str:
    """Returns the digest of all that decides what a judge says, its wording included."""
    return digest(
        canonical(
            {
                "model": judge.model,
                "parameters": judge.parameters,
                "systemPrompt": judge.system_prompt,
                "prompt": judge.prompt,
                "choices": [[choice.text, choice.score] for choice in judge.choices],
            }
        )
    )


def judged(answer: str, choices: Sequence[Choice]) -> Result:
    """Returns the score of the one choice that a judge's answer names; an error if it names none, or two."""
    said = answer.strip().casefold()
    exact = [choice for choice in choices if choice.text.strip().casefold() == said]
    named = exact or [choice for choice in choices if _has_word(said, choice.text)]
    if len(named) == 1:
        return Result(score=named[0].score)
    if not named:
        return unscored("the judge's answer names none of the choices")
    return unscored(f"the judge's answer names {len(named)} choices: {', '.join(choice.text for choice in named)}")


def ambiguities(choices: Sequence[Choice]) -> Iterator[str]:
    """Yields why an answer may name another choice than the judge means, in words; nothing for choices that are clear.

    A single letter is found in sentences about something else: "a", "I", "plan B".
    """
    texts = [choice.text.strip() for choice in choices]
    for index, text in enumerate(texts):
        before = texts[:index]
        if not text:
            yield "a choice is empty"
        elif text.casefold() in (other.casefold() for other in before):
            yield f"'{text}' is there twice"
        elif len(text) == 1 and text.isalpha():
            yield f"'{text}' is a letter, which sentences contain"
        yield from (
            f"'{other}' is a word of '{text}'"
            for other in texts
            if other and other.casefold() != text.casefold() and _has_word(text.casefold(), other)
        )


def _has_word(text: str, choice: str) -> bool:
    """Returns whether a casefolded text has a choice as a whole word: not in ``non-relevant``, ``1.5`` or ``4/5``."""
    word = re.escape(choice.strip().casefold())
    return bool(word) and re.search(rf"(?<!\w)(?<!\w{_JOINED}){word}(?!\w)(?!{_JOINED}\w)", text) is not None
