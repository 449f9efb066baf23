"""What a release says of models is read strictly: it decides where the release may go live."""

from __future__ import annotations

from typing import Any

import pytest

from promptops.core.contract import compare, compare_release
from promptops.core.digest import canonical
from promptops.core.errors import Invalid
from promptops.core.floating_models import floating_models
from promptops.core.model import Bump, Content, Message, OwnFacts, Prompt, Role
from promptops.core.provider_arguments import anthropic_messages
from promptops.core.release_bytes import content_from_bytes, encode

MODEL = "azure/prod-2024"


def released(**changes: Any) -> bytes:
    prompts = {"a": {"model": MODEL, "messages": [{"role": "user", "content": "hi"}]}}
    document: dict[str, Any] = {
        "schema": "promptops.release/1",
        "app": "bot",
        "prompts": prompts,
        "requires": ["models"],
    }
    return canonical({**document, "models": {MODEL: {"reason": "r", "pinned": True}}, **changes})


def said(reason: str = "r", **facts: Any) -> Content:
    own = OwnFacts(model=MODEL, reason=reason, facts=facts)
    prompt = Prompt(name="a", model=MODEL, messages=(Message(role=Role.USER, content="hi"),), own_facts=own)
    return Content(app="bot", prompts=(prompt,), requires=("models",), models=(own,))


def test_it_is_read_as_it_was_written() -> None:
    assert content_from_bytes(released()) == said(pinned=True)
    assert encode(said(pinned=True)) == released()


@pytest.mark.parametrize(
    "changes",
    [
        {"models": {}},
        {"models": {MODEL: {"pinned": True}}},
        {"models": {MODEL: {"reason": " ", "pinned": True}}},
        {"models": {MODEL: {"reason": "r", "pinned": 1}}},
        {"models": {MODEL: {"reason": "r", "later": True}}},
        {"models": {"openai/other": {"reason": "r", "pinned": True}}},
        {"models": [MODEL]},
        {"requires": ["escapes"]},
    ],
)
def test_what_is_not_known_or_not_announced_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        content_from_bytes(released(**changes))


def test_a_word_of_a_release_makes_no_pin_of_a_name_that_floats_by_itself() -> None:
    own = OwnFacts(model="openai/gpt-4o-latest", reason="r", facts={"pinned": True})
    prompt = Prompt(name="a", model=own.model, messages=(), own_facts=own)
    assert floating_models(Content(app="bot", prompts=(prompt,), models=(own,))) == (own.model,)
    assert floating_models(said(pinned=True)) == ()
    assert floating_models(said(ends="never")) == (MODEL,)


def test_another_word_is_a_patch_that_names_the_model() -> None:
    for changes in (
        compare(said(pinned=True), said("another", pinned=True)),
        compare_release(encode(said(pinned=True)), said("another", pinned=True)),
    ):
        [change] = changes
        assert (change.bump, change.field, change.summary) == (
            Bump.PATCH, f"models.{MODEL}", f"what the workspace says of {MODEL}",
        )  # fmt: skip
        assert change.after == '{"pinned":true,"reason":"another"}'


def test_a_parameter_that_a_new_model_takes_is_sent() -> None:
    model = "anthropic/claude-opus-9-9"
    own = OwnFacts(model=model, reason="r", facts={"takes": ["temperature"]})
    ask = [{"role": "user", "content": "hi"}]
    prompt = Prompt(name="a", model=model, messages=(), parameters={"maxTokens": 9, "temperature": 0.5}, own_facts=own)
    assert anthropic_messages(prompt, ask)["extra_body"] == {"temperature": 0.5}
