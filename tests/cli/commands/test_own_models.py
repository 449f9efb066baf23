"""A model that promptops does not know goes to a protected channel with a word of the workspace, and its reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.cli.conftest import Promptops
from tests.support import factory

PROMPT = factory.PROMPT.replace("openai/gpt-4o-2024-08-06", "azure/prod-2024")
MODELS = 'models:\n  azure/prod-2024: {reason: "Moves by change request alone.", pinned: true}\n'
WORKSPACE = "registry: test\napps: [bot]\nchannels:\n  prod: {protected: true}\n"


def commit(root: Path, models: str, author: str) -> None:
    factory.write(root, {"promptops.yml": WORKSPACE + models, "bot/prompts/greet.prompt.yml": PROMPT})
    factory.git(root, "add", "--all")
    factory.git(root, "commit", "--quiet", f"--author={author}", "-m", "Change it")


def test_a_protected_channel_takes_a_model_that_the_workspace_says_is_pinned(
    workspace: Path, promptops: Promptops
) -> None:
    commit(workspace, "", "Bob <bob@example.org>")
    promptops("channels", "apply", "--loosen", "--reason", "a test")
    promptops("release")
    assert "floating" in promptops("promote", "bot@0.1.0", "--channel", "prod", exits=5).err
    commit(workspace, MODELS, "Cleo <cleo@example.org>")
    assert "floating-model" not in promptops("check").out
    released: Any = promptops("release", "--json").json
    assert "Cleo <cleo@example.org>" in released["provenance"]["authors"]
    promptops("promote", "bot@0.2.0", "--channel", "prod")
    shown = promptops("diff", "bot@0.1.0", "bot@0.2.0").out
    assert "azure/prod-2024" in shown
