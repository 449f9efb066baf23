"""An error shows its hint wherever Python shows an error."""

from __future__ import annotations

import pickle
import traceback

import pytest

from promptops.core.advice import Action, Advice, Sentence
from promptops.core.errors import AppNotFound, Invalid, MissingVariable, PromptNotFound, UnknownVariable


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        (PromptNotFound("no such prompt", known=["bot/answer", "bot/ask"]), "There are: bot/answer, bot/ask."),
        (AppNotFound("no such app", known=["bot"]), "There are: bot."),
        (MissingVariable("question", prompt="answer"), "Give it one: question=…"),
        (UnknownVariable("qestion", known=["question"]), "It takes: question."),
        (Invalid("wrong", hint=Sentence("Run ", Advice(Action.INIT, words="the initialisation"), ".")), "Run the init"),
    ],
)
def test_a_traceback_shows_the_hint(error: Exception, shown: str) -> None:
    lines = traceback.format_exception(error)
    assert shown in lines[-1] and shown not in str(error)
    assert shown in "".join(traceback.format_exception(pickle.loads(pickle.dumps(error))))


def test_the_note_is_the_hint_as_it_is_now_and_no_other_note_is_lost() -> None:
    error = Invalid("wrong", hint="Do this.")
    error.add_note("mine")
    error.hint = "Do that."
    assert (error.hint, error.__notes__) == ("Do that.", ["mine", "Do that."])
    error.hint = ""
    assert error.__notes__ == ["mine"]
    assert not hasattr(Invalid("wrong"), "__notes__")
