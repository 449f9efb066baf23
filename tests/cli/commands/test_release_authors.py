"""`promptops release` records who wrote what is new: those who may not be the second pair of eyes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.cli.conftest import Promptops
from tests.support import factory

PROMPT = "bot/prompts/greet.prompt.yml"


def authors(promptops: Promptops, *words: str) -> list[str]:
    released: Any = promptops("release", *words, "--json").json
    found: list[str] = released["provenance"]["authors"]
    return found


def change(root: Path, text: str, message: str, author: str) -> None:
    factory.write(root, {PROMPT: factory.PROMPT.replace("hello", text)})
    factory.git(root, "add", "--all")
    factory.git(root, "commit", "--quiet", f"--author={author}", "-m", message)


def test_a_release_names_who_wrote_what_is_new(workspace: Path, promptops: Promptops) -> None:
    assert authors(promptops) == ["Ada Lovelace <ada@example.org>"]
    change(workspace, "good day", "One\n\nCo-authored-by: Cleo <cleo@example.org>", "Bob <bob@example.org>")
    change(workspace, "good morning", "Two", "Dora <dora@example.org>")
    new = ["Bob <bob@example.org>", "Ada Lovelace <ada@example.org>", "Cleo <cleo@example.org>"]
    assert sorted(authors(promptops)) == sorted(["Dora <dora@example.org>", *new])
    change(workspace, "good night", "Three", "Eve <eve@example.org>")
    assert authors(promptops) == ["Eve <eve@example.org>", "Ada Lovelace <ada@example.org>"]
    again: Any = promptops("release", "--json").json
    assert not again["created"] and again["provenance"]["authors"][0] == "Eve <eve@example.org>"


def test_a_release_that_a_commit_confirms_has_its_authors(workspace: Path, promptops: Promptops) -> None:
    factory.write(workspace, {PROMPT: factory.PROMPT.replace("hello", "good day")})
    assert authors(promptops, "--allow-dirty") == ["Ada Lovelace <ada@example.org>"]
    change(workspace, "good day", "Commit it", "Bob <bob@example.org>")
    assert authors(promptops) == ["Bob <bob@example.org>", "Ada Lovelace <ada@example.org>"]


def test_who_changed_an_app_before_it_moved_is_named_too(workspace: Path, promptops: Promptops) -> None:
    authors(promptops)
    change(workspace, "good day", "Change it", "Bob <bob@example.org>")
    factory.write(workspace, {"promptops.yml": factory.WORKSPACE.replace("[bot]", "[apps/bot]")})
    (workspace / "apps").mkdir()
    factory.git(workspace, "mv", "bot", "apps/bot")
    factory.git(workspace, "commit", "--quiet", "-am", "Move it")
    promptops("app", "transfer", "bot", "--reason", "moved")
    assert authors(promptops) == ["Ada Lovelace <ada@example.org>", "Bob <bob@example.org>"]
