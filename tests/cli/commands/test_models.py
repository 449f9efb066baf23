"""`promptops models outlook` is for a scheduled job: its exit code says whether a model ends in the time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from promptops.wire.schemas import schemas
from tests.cli.conftest import Promptops
from tests.support import factory

WORKSPACE = """\
registry: test
apps: [bot]
channels: {prod: {}}
models:
  azure/prod-2024: {reason: "The platform team announced it.", pinned: true, ends: 2001-01-01, successor: prod-2002}
"""
ENDED = factory.PROMPT.replace("openai/gpt-4o-2024-08-06", "azure/prod-2024")
LASTS = factory.PROMPT.replace("openai/gpt-4o-2024-08-06", "openai/gpt-5.2-2025-12-11")


def commit(root: Path, prompt: str) -> None:
    factory.write(root, {"promptops.yml": WORKSPACE, "bot/prompts/greet.prompt.yml": prompt})
    factory.git(root, "add", "--all")
    factory.git(root, "commit", "--quiet", "-m", "Change it")


@pytest.fixture
def ended(workspace: Path, promptops: Promptops) -> Path:
    """A release is live whose model ended, as its workspace says; the files name another one by now."""
    commit(workspace, ENDED)
    promptops("channels", "apply", "--loosen", "--reason", "a test")
    promptops("release")
    promptops("promote", "bot@0.1.0", "--channel", "prod")
    commit(workspace, LASTS)
    return workspace


def test_a_model_that_ended_is_named_with_what_uses_it(ended: Path, promptops: Promptops) -> None:
    shown = promptops("models", "outlook", exits=5).out
    assert "1 model ends within 60d." in shown
    assert "azure/prod-2024" in shown and "prod-2002" in shown and "bot@0.1.0 on prod" in shown
    assert "No end is known of openai/gpt-5.2-2025-12-11." in shown


def test_the_document_fits_its_schema_and_has_the_workspace_beside_it(ended: Path, promptops: Promptops) -> None:
    answer: Any = promptops("models", "outlook", "--json", exits=5).json
    Draft202012Validator(dict(schemas()["outlook"])).validate(answer)
    assert [(each["app"], each["ends"]) for each in answer["models"]] == [("bot", "2001-01-01")]
    assert [(each["model"], each["ends"]) for each in answer["workspace"]] == [("openai/gpt-5.2-2025-12-11", None)]
    assert (answer["within_days"], answer["ending"]) == (60, 1)


def test_the_files_alone_need_no_registry(ended: Path, promptops: Promptops, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMPTOPS_REGISTRY", "sqlite:////nowhere/registry.db")
    assert "No model ends within 90d." in promptops("models", "outlook", "--here", "--within", "90d").out
    promptops("models", "outlook", exits=6)


def test_outside_of_a_workspace_here_is_nowhere(promptops: Promptops) -> None:
    promptops("models", "outlook", "--here", exits=3)


def test_a_time_is_a_length(ended: Path, promptops: Promptops) -> None:
    assert "soon" in promptops("models", "outlook", "--within", "soon", exits=2).err


def test_a_gate_refuses_a_release_whose_model_ends(ended: Path, promptops: Promptops) -> None:
    gated = WORKSPACE.replace("prod: {}", "prod: {gate: {model_ends: {within: 30d}}}")
    factory.write(ended, {"promptops.yml": gated, "bot/prompts/greet.prompt.yml": ENDED.replace("hello", "good day")})
    factory.git(ended, "commit", "--quiet", "-am", "Say good day")
    promptops("channels", "apply")
    promptops("release")
    refused = promptops("promote", "bot@0.1.1", "--channel", "prod", exits=5).err
    assert "azure/prod-2024 ended on 2001-01-01" in refused
    assert "model_ends" in promptops("gate", "bot@0.1.1", "--channel", "prod", exits=5).out
