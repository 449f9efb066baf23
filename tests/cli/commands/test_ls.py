"""`promptops ls`, and `promptops diff` without references: what is there, and what of it is not released."""

from __future__ import annotations

from pathlib import Path

from promptops.store import Registry
from tests.cli.conftest import Promptops
from tests.support import factory

PROMPT = """\
inputs:
  language: {type: string, enum: [de, en]}
  tone: {type: string, default: kind}
messages:
  - role: system
    content: Answer in {{language}}, {{tone}}.
  - {role: placeholder, name: history, optional: true}
  - role: user
    content: "{{question}} {{customer.name}}"
"""


def test_apps_prompts_and_variables_are_listed_with_their_types(workspace: Path, promptops: Promptops) -> None:
    factory.write(workspace, {"bot/prompts/answer.prompt.yml": PROMPT})
    said = promptops("ls").out
    assert "bot/answer" in said and "bot/greet" in said
    assert "language: de | en" in said and "tone?: string" in said
    assert "history?: messages" in said and "customer: object" in said
    app = promptops("ls", "--json").json["apps"][0]  # type: ignore[index]
    greet = next(prompt for prompt in app["prompts"] if prompt["prompt"] == "greet")  # type: ignore[index,call-overload,union-attr]
    assert greet["variables"] == [{"name": "name", "type": "string", "required": True}]  # type: ignore[index,call-overload]
    assert "there is no app 'nobody'" in promptops("ls", "nobody", exits=3).err


def test_without_a_workspace_it_lists_releases_or_what_is_live(told: Registry, promptops: Promptops) -> None:
    factory.make_release(told, factory.content("idle"))
    assert [app["app"] for app in promptops("ls", "--json").json["apps"]] == ["bot", "idle"]  # type: ignore[index,call-overload,union-attr]
    assert [app["app"] for app in promptops("ls", "--channel", "prod", "--json").json["apps"]] == ["bot"]  # type: ignore[index,call-overload,union-attr]
    assert "bot/answer" in promptops("ls", "bot").out
    assert "there is no channel 'pord'" in promptops("ls", "bot", "--channel", "pord", exits=3).err
    factory.go_live(told, "idle@0.1.0")
    promptops("retire", "bot", "--channel", "prod", "-m", "over")
    assert [app["app"] for app in promptops("ls", "--channel", "prod", "--json").json["apps"]] == ["idle"]  # type: ignore[index,call-overload,union-attr]
    assert "bot is off on prod" in promptops("ls", "bot", "--channel", "prod", exits=4).err


def test_a_bare_diff_is_all_that_is_not_released(workspace: Path, promptops: Promptops) -> None:
    assert "Never released: bot" in promptops("diff").out
    promptops("release")
    assert "All of it is released" in promptops("diff").out
    factory.write(workspace, {"bot/prompts/greet.prompt.yml": factory.PROMPT.replace("Say hello", "Say goodbye")})
    said = promptops("diff").out
    assert "Say [-hello-]{+goodbye+} to {{name}}." in said
    assert "would be released as 0.1.1" in said
    found = promptops("diff", "--json").json
    assert found["never_released"] == []
    assert [each["next_version"] for each in found["differences"]] == ["0.1.1"]  # type: ignore[index,call-overload,union-attr]
