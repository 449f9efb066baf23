"""A client that reads a working tree: every edit shows, and a broken file keeps what was good."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from promptops import Client, State
from tests.client.clients import RARELY, InLoop, Maker, makers
from tests.client.waiting import until
from tests.support import factory

GREET = "bot/prompts/greet.prompt.yml"


@pytest.fixture(params=[Client, InLoop], ids=["threads", "tasks"])
def client_of(request: pytest.FixtureRequest) -> Iterator[Maker]:
    with makers(request.param) as maker:
        yield maker


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return factory.make_workspace(tmp_path / "my prompts")


def _edit(root: Path, text: str, path: str = GREET) -> None:
    factory.write(root, {path: text})


def test_an_edit_shows_without_a_commit(client_of: Maker, root: Path) -> None:
    client = client_of(f"repo:{root}", channel="dev", poll=60.0)
    assert client.get_prompt("bot/greet").render(name="Ada")[0]["content"] == "You greet people."
    _edit(root, factory.PROMPT.replace("greet people", "love people"))
    until(lambda: client.get_prompt("bot/greet").render(name="Ada")[0]["content"] == "You love people.")
    assert client.get_prompt("bot/greet").revision == 2
    assert client.get_prompt("bot/greet").to_openai(name="Ada")["temperature"] == 0.2


def test_a_prompt_and_an_app_that_are_new_show(client_of: Maker, root: Path) -> None:
    client = client_of(f"repo:{root}", channel="dev", poll=60.0)
    _edit(root, factory.PROMPT, "bot/prompts/part.prompt.yml")
    until(lambda: client.get_prompt("bot/part", fallback="x").source == "server")
    _edit(root, factory.PROMPT, "helper/prompts/part.prompt.yml")
    _edit(root, factory.WORKSPACE.replace("[bot]", "[bot, helper]"), "promptops.yml")
    until(lambda: client.get_prompt("helper/part", fallback="x").source == "server")


def test_a_broken_file_keeps_the_last_good_and_is_told(
    client_of: Maker, root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    client = client_of(f"repo:{root}", channel="dev", poll=60.0)
    _edit(root, "model: [")
    until(lambda: [record for record in caplog.records if getattr(record, "event", "") == "source-invalid"])
    assert client.status().problem.startswith(f"{GREET}:1:9: ")
    assert client.state is State.READY
    assert client.get_prompt("bot/greet").revision == 1
    client.refresh()
    assert client.status().problem.startswith(f"{GREET}:1:9: "), "it is shown until it is mended"
    _edit(root, factory.PROMPT.replace("greet", "love"))
    until(lambda: client.get_prompt("bot/greet").revision == 2)
    assert client.status().problem == ""


def test_a_broken_app_does_not_hold_up_another(client_of: Maker, root: Path) -> None:
    _edit(root, factory.PROMPT, "helper/prompts/part.prompt.yml")
    _edit(root, factory.WORKSPACE.replace("[bot]", "[bot, helper]"), "promptops.yml")
    client = client_of(f"repo:{root}", channel="dev", poll=60.0)
    _edit(root, "model: [")
    until(lambda: client.status().problem)
    _edit(root, factory.PROMPT.replace("greet", "love"), "helper/prompts/part.prompt.yml")
    until(lambda: client.get_prompt("helper/part").revision == 2)
    assert client.get_prompt("bot/greet").revision == 1


@pytest.mark.parametrize("broken", ["no folder", "no workspace", "a broken workspace", "a broken app"])
def test_what_cannot_be_read_at_first_is_read_once_it_can(client_of: Maker, tmp_path: Path, broken: str) -> None:
    root = tmp_path / "ws"
    if broken != "no folder":
        factory.make_workspace(root)
    match broken:
        case "no workspace":
            (root / "promptops.yml").unlink()
        case "a broken workspace":
            _edit(root, "apps: {", "promptops.yml")
        case "a broken app":
            _edit(root, "model: [")
    client = client_of(f"repo:{root}", channel="dev", poll=0.3)
    assert client.state is State.COLD
    assert client.status().problem
    if broken == "no folder":
        factory.make_workspace(root)
    _edit(root, factory.WORKSPACE, "promptops.yml")
    _edit(root, factory.PROMPT)
    until(lambda: client.state is State.READY)
    until(lambda: client.get_prompt("bot/greet").source == "server")  # the contact comes first


def test_nothing_of_a_working_tree_is_kept_on_disk(root: Path, tmp_path: Path) -> None:
    with Client(f"repo:{root}", channel="dev", cache_dir=tmp_path / "cache") as client:
        until(lambda: client.state is State.READY)
        until(lambda: not client._followers["dev"].last_good.unsaved)
    assert not (tmp_path / "cache").exists()


def test_a_file_that_is_no_source_is_not_looked_at(client_of: Maker, root: Path) -> None:
    client = client_of(f"repo:{root}", channel="dev", poll=RARELY)
    polls = client.status().polls
    factory.write(root, {"notes.txt": "hello", "bot/test.py": "print()"})
    _edit(root, factory.PROMPT.replace("greet", "love"))
    until(lambda: client.get_prompt("bot/greet").revision == 2)
    assert client.status().polls == polls + 1


def test_an_example_with_a_tool_and_an_escape_reach_the_application(client_of: Maker, root: Path) -> None:
    _edit(
        root,
        """model: openai/gpt-4o-2024-08-06
messages:
  - {role: user, content: 'Write {{ "{{" }} x }} for ${{ secrets.A }} and {{name}}'}
  - {role: assistant, tool_calls: [{id: call_1, name: find, arguments: {q: x}}]}
  - {role: tool, tool_call_id: call_1, content: found}
tools: [{name: find}]
""",
        "bot/prompts/tool.prompt.yml",
    )
    client = client_of(f"repo:{root}", channel="dev", poll=60.0)
    user, assistant, tool = client.get_prompt("bot/tool").to_openai(name="{{x}}")["messages"]
    assert user == {"role": "user", "content": "Write {{ x }} for ${{ secrets.A }} and {{x}}"}
    assert assistant["tool_calls"][0]["function"] == {"name": "find", "arguments": '{"q": "x"}'}
    assert tool == {"role": "tool", "content": "found", "tool_call_id": "call_1"}
