"""Sentences with advice in them: plain words for everybody, and the actions for the faces."""

from __future__ import annotations

import pytest

from promptops.core.advice import _WORDS, Action, Advice, Sentence, advice_in, option, worded
from promptops.core.errors import ConcurrentDeployment, Conflict

HISTORY = Advice(Action.HISTORY, app="bot", channel="prod")


def test_a_sentence_is_its_plain_words() -> None:
    said = Sentence("Look first: ", HISTORY, ".")
    assert said == "Look first: read the history of bot on prod."
    assert isinstance(said, str)
    assert advice_in(said) == (HISTORY,)
    assert advice_in("a plain text") == ()


def test_words_of_its_own_and_several_names() -> None:
    assert Advice(Action.RELEASE, words="the release").words == "the release"
    assert Advice(Action.ROLLBACK, app=("bot", "faq"), channel="prod").words == "roll back bot, faq on prod"
    assert option("expect_revision", "expect revision 4", value="4").words == "expect revision 4"


def test_braces_in_a_name_are_no_template() -> None:
    assert Advice(Action.PROMOTE, release="{app}", channel="{0}").words == "promote {app} to {0}"


def test_a_sentence_in_a_sentence_keeps_its_advice() -> None:
    said = Sentence("First. ", Sentence("Look: ", HISTORY), " Then go on.")
    assert said == "First. Look: read the history of bot on prod Then go on."
    assert advice_in(said) == (HISTORY,)


def test_a_face_words_each_advice_with_what_stands_around_it() -> None:
    said = Sentence("a ", HISTORY, " b ", Advice(Action.FSCK, words="c"), " d")
    seen: list[tuple[str, str]] = []

    def words(advice: Advice, before: str, after: str) -> str:
        seen.append((before, after))
        return advice.action.value.upper()

    assert worded(said, words) == "a HISTORY b FSCK d"
    assert seen == [("a ", " b c d"), ("a HISTORY b ", " d")]


def test_an_error_has_the_advice_of_its_hint() -> None:
    assert ConcurrentDeployment("bot", "prod", expected=1, actual=2).advice == (HISTORY,)
    assert Conflict("no", hint="Think.").advice == ()


@pytest.mark.parametrize("action", [action for action in Action if action is not Action.OPTION])
def test_every_action_has_plain_words(action: Action) -> None:
    assert not any(spelled in _WORDS[action] for spelled in ("promptops", "--", "`"))
