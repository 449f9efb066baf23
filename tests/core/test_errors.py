"""What errors say. That the drawn tree is the real one is proved in tests/house."""

from __future__ import annotations

import pytest

from promptops.core.advice import Action
from promptops.core.errors import (
    AppNotFound,
    ConcurrentDeployment,
    Conflict,
    DirtyTree,
    Invalid,
    MissingVariable,
    NothingToRollBackTo,
    PromptopsError,
    ReleaseNotFound,
    SourceInvalid,
    UnknownVariable,
    VariableInvalid,
)
from promptops.core.finding import Finding, Severity


@pytest.mark.parametrize(
    ("error", "code", "kind"),
    [
        (NothingToRollBackTo("x"), "nothing-to-roll-back-to", "Conflict"),
        (MissingVariable("a"), "missing-variable", "Invalid"),
        (AppNotFound("x"), "app-not-found", "NotFound"),
        (PromptopsError("x"), "promptops-error", "Error"),
    ],
)
def test_an_error_has_a_stable_code_and_kind(error: PromptopsError, code: str, kind: str) -> None:
    assert (error.code, error.kind) == (code, kind)


def test_what_is_not_found_lists_what_there_is() -> None:
    assert AppNotFound("no app 'x'", known=["a", "b"]).hint == "There are: a, b."
    assert ReleaseNotFound("none", known=[str(n) for n in range(23)]).hint.endswith("18, 19 and 3 more.")
    assert AppNotFound("none", known=["a"], hint="Look elsewhere.").hint == "Look elsewhere."
    assert AppNotFound("none").hint == ""


def test_a_variables_error_names_the_variable_and_the_prompt() -> None:
    assert str(MissingVariable("name", prompt="answer")) == "variable 'name' of prompt 'answer' has no value"
    assert MissingVariable("name").hint == "Give it one: name=…"  # applications render too
    assert str(UnknownVariable("x", prompt="answer")) == "'x' is not a variable of prompt 'answer'"
    assert UnknownVariable("x", known=["a", "b"]).hint == "It takes: a, b."
    assert UnknownVariable("x").hint == "It takes no variables."
    assert str(VariableInvalid("n", "3 is too small")) == "variable 'n': 3 is too small"


def test_invalid_source_says_where_the_first_finding_is_and_how_many_follow() -> None:
    first = Finding(
        code="secret", severity=Severity.ERROR, path="a.yml", line=3, column=7, message="a key", hint="Remove it."
    )
    second = Finding(code="yaml", severity=Severity.ERROR, path="b.yml", line=1, column=1, message="no")
    assert str(SourceInvalid([first])) == "a.yml:3:7: a key"
    error = SourceInvalid([first, second])
    assert (str(error), error.hint) == ("a.yml:3:7: a key (and 1 more)", "Remove it.")
    assert error.findings == (first, second)
    assert SourceInvalid([second]).hint == "A check of the files lists every finding."
    assert [advice.action for advice in SourceInvalid([second]).advice] == [Action.CHECK]


def test_facts_are_attributes() -> None:
    moved = ConcurrentDeployment("bot", "prod", expected=3, actual=4)
    assert (moved.expected, moved.actual) == (3, 4)
    assert str(moved) == "bot:prod is at revision 4, expected 3; nothing was changed"
    dirty = DirtyTree([f"{n}.yml" for n in range(12)])
    assert str(dirty).endswith("9.yml and 2 more")
    assert isinstance(dirty, Conflict)
    assert not isinstance(dirty, Invalid)
