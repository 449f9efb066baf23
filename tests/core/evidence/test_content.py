"""What is new content to a comparison, and what is not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptops.core.errors import PromptNotFound
from promptops.core.evidence.content import case_key, normalised, prompt_content
from promptops.core.model import AnswerCheck, Content, Json, Message, Prompt, Role, Tool

PROMPT = Prompt(
    name="answer",
    model="openai/gpt-4o-2024-08-06",
    messages=(Message(role=Role.SYSTEM, content="You answer.\nBriefly."), Message(role=Role.USER, content="{{q}}")),
    tools=(Tool(name="search", description="Search the rules"),),
)


def _of(prompt: Prompt, *others: Prompt) -> str:
    return prompt_content(Content(app="bot", prompts=(prompt, *others)), prompt.name)


def test_a_blank_is_no_new_content() -> None:
    spaced = replace(
        PROMPT, messages=(replace(PROMPT.written[0], content=" You  answer. Briefly.\n"), PROMPT.written[1])
    )
    assert _of(spaced) == _of(PROMPT)


def test_another_prompt_of_the_app_is_none_of_it() -> None:
    assert _of(PROMPT, replace(PROMPT, name="other")) == _of(PROMPT)
    assert _of(replace(PROMPT, name="answer-2")) == _of(PROMPT)


def test_a_check_of_answers_is_not_sent_so_another_one_opens_no_new_looks() -> None:
    assert _of(replace(PROMPT, checks=(AnswerCheck(kind="contains", wanted="[1]"),))) == _of(PROMPT)


@pytest.mark.parametrize(
    "changed",
    [
        replace(PROMPT, model="openai/gpt-4o-2024-11-20"),
        replace(PROMPT, parameters={"temperature": 0}),
        replace(PROMPT, messages=PROMPT.messages[:1]),
        replace(PROMPT, messages=PROMPT.messages[::-1]),
        replace(PROMPT, tools=()),
        replace(PROMPT, json_schema={"type": "object"}),
    ],
)
def test_all_that_is_sent_is_content(changed: Prompt) -> None:
    assert _of(changed) != _of(PROMPT)


def test_a_prompt_that_is_not_there_is_named() -> None:
    with pytest.raises(PromptNotFound, match="'other'") as error:
        prompt_content(Content(app="bot", prompts=(PROMPT,)), "other")
    assert error.value.known == ("answer",)


values = st.recursive(
    st.none() | st.booleans() | st.integers(-1000, 1000) | st.text("ab \n\t", max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("xy", min_size=1), inner, max_size=3),
)


@given(st.dictionaries(st.text("xy", min_size=1, max_size=3), values, max_size=3))
def test_a_case_is_known_by_its_variables(variables: dict[str, Json]) -> None:
    assert case_key(variables) == case_key(normalised(variables))  # type: ignore[arg-type]
    assert normalised(normalised(variables)) == normalised(variables)


def test_different_variables_are_different_cases() -> None:
    assert case_key({"q": "a b"}) == case_key({"q": "a  b "}) != case_key({"q": "ab"})
