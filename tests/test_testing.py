"""`promptops.testing`: the real classes and errors out of memory, and what was asked of them."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import threading
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import promptops
from promptops import (
    AppNotFound,
    Invalid,
    MissingVariable,
    PromptNotFound,
    PromptUnavailable,
    ReleaseNotFound,
    State,
    testing,
)
from promptops.core.model import Json
from promptops.core.reference import Reference
from promptops.testing import Asked, AsyncClient, Client, Prompt, Rendered
from tests.support.checkout import ROOT, run_python

ANSWER: dict[str, Any] = {
    "model": "openai/gpt-4o-2024-08-06",
    "modelParameters": {"max_tokens": 9},
    "messages": [{"role": "system", "content": "Be {{tone}}."}, {"role": "user", "content": "{{question}}"}],
    "inputs": {"tone": {"enum": ["kind", "dry"], "default": "kind"}},
}


def application(client: promptops.Client | promptops.AsyncClient, question: str) -> Mapping[str, Any]:
    """An application's function: it knows the real classes alone."""
    prompt = client.get_prompt("support-bot/answer", key="ann", fallback="We will be back. {{question}}")
    return prompt.to_openai(question=question)


@pytest.fixture(params=[Client, AsyncClient])
def client(request: pytest.FixtureRequest) -> Client | AsyncClient:
    kind: type[Client | AsyncClient] = request.param
    return kind.of({"support-bot/answer": ANSWER, "support-bot/classify": "Which? {{text}}", "faq/ask": "{{q}}"})


def test_an_application_gets_its_prompts_and_the_test_sees_what_was_asked(client: Client | AsyncClient) -> None:
    sent = application(client, "Why?")
    assert (sent["model"], sent["max_completion_tokens"]) == ("gpt-4o-2024-08-06", 9)
    assert sent["messages"] == [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Why?"}]
    [asked], [rendered] = client.asked, client.rendered
    assert (asked.name, asked.key, asked.version, asked.error) == ("support-bot/answer", "ann", None, None)
    assert asked.prompt is not None and asked.prompt.model == "openai/gpt-4o-2024-08-06"
    assert (rendered.name, rendered.variables, rendered.api) == ("support-bot/answer", {"question": "Why?"}, "chat")
    assert rendered.messages == sent["messages"]
    client.get_prompt("faq/ask").render(q="x")
    assert [each.name for each in client.rendered] == ["support-bot/answer", "faq/ask"]
    client.forget()
    assert (client.asked, client.rendered) == ([], [])


def test_it_is_a_client_as_any_other(client: Client | AsyncClient) -> None:
    assert isinstance(client, promptops.Client if isinstance(client, Client) else promptops.AsyncClient)
    found = client.get_prompt("support-bot/answer")
    assert (found.version, found.revision, found.channel, found.source, found.reason) == (
        "1.0.0",
        1,
        "test",
        "server",
        "STATIC",
    )
    assert found.digest.startswith("sha256:") and client.state is promptops.State.READY
    status = client.status()
    assert (status.versions, status.problem, status.running) == ({"support-bot": "1.0.0", "faq": "1.0.0"}, "", True)
    with client.release("support-bot") as release:
        assert release.prompt("classify").render(text="a") == [{"role": "user", "content": "Which? a"}]
    with client.call("support-bot/answer", key="ann", tags={"a": "b"}) as call:
        call.prompt.render(question="Why?")
        call.record({"choices": [{"message": {"content": "Because."}, "finish_reason": "stop"}]})
    client.outcome(call.id, "solved")
    client.score(call.id, "good", 1.0)
    assert client.rendered[-1].variables == {"question": "Why?"}


@pytest.mark.parametrize(
    ("name", "error", "hint"),
    [
        ("support-bot/anser", PromptNotFound, "support-bot/answer, support-bot/classify"),
        ("suport-bot/answer", AppNotFound, "support-bot"),
        ("support-bot", PromptNotFound, "support-bot/answer"),
        ("support-bot/answer@9.9.9", ReleaseNotFound, "support-bot@1.0.0"),
        (None, Invalid, ""),
    ],
)
def test_it_has_the_errors_of_the_real_one_also_where_there_is_a_fallback(
    client: Client | AsyncClient, name: Any, error: type[promptops.PromptopsError], hint: str
) -> None:
    for fallback in (None, "We will be back."):
        with pytest.raises(error) as raised:
            client.get_prompt(name, fallback=fallback)
        assert hint in raised.value.hint
        assert (client.asked[-1].name, client.asked[-1].error) == (name, raised.value)


def test_variables_and_parameters_are_checked_as_in_production(client: Client | AsyncClient) -> None:
    found = client.get_prompt("support-bot/answer")
    wrong: list[tuple[dict[str, Json], type[Exception]]] = [
        ({}, MissingVariable),
        ({"question": "a", "qestion": "b"}, promptops.UnknownVariable),
        ({"question": 5}, promptops.VariableInvalid),
        ({"question": "a", "tone": "rude"}, promptops.VariableInvalid),
    ]
    for variables, error in wrong:
        with pytest.raises(error):
            found.render(**variables)
    assert client.rendered == []
    for described in ("Hi {{name}}", [{"role": "user", "content": "Hi {{name}}"}], {"messages": "Hi {{name}}"}):
        for value in (None, 5, ["Ann"], {"first": "Ann"}):
            with pytest.raises(promptops.VariableInvalid):
                Prompt.of(described).render(name=value)
    with pytest.raises(promptops.ParameterNotTaken):
        Prompt.of({"messages": "x", "modelParameters": {"topK": 3}}).to_openai_responses()


def _refreshed(client: Client | AsyncClient) -> bool:
    return client.refresh() if isinstance(client, Client) else asyncio.run(client.refresh())


def test_an_outage_shows_the_fallbacks(client: Client | AsyncClient) -> None:
    with client.outage():
        assert application(client, "Why?")["messages"][0]["content"] == "We will be back. Why?"
        assert client.rendered[-1].messages == [{"role": "user", "content": "We will be back. Why?"}]
        with pytest.raises(PromptUnavailable):
            client.get_prompt("support-bot/answer")
        with pytest.raises(PromptUnavailable):
            client.release("support-bot")
        with pytest.raises(PromptUnavailable, match="nothing to serve"):
            client._fetch(Reference(app="support-bot", version="1.0.0"), "test")
        with pytest.raises(PromptUnavailable):
            client.get_prompt("support-bot/answer")  # still
        assert _refreshed(client) is False
        status = client.status()  # which a health page of the application shows
        assert (client.state, status.state, status.age, status.versions) == (State.COLD, State.COLD, None, {})
    assert application(client, "Why?")["messages"][0]["content"] == "Be kind."
    assert _refreshed(client) is True
    assert (client.state, client.status().versions) == (State.READY, {"support-bot": "1.0.0", "faq": "1.0.0"})


def test_a_lenient_client_has_fallbacks_for_what_is_not_there() -> None:
    lenient = Client.of({"support-bot/classify": "x"}, lenient=True, fallbacks={"faq/ask": "Ask {{q}}"})
    assert application(lenient, "Why?")["messages"][0]["content"] == "We will be back. Why?"
    assert lenient.get_prompt("faq/ask").render(q="a")[0]["content"] == "Ask a"
    with pytest.raises(PromptNotFound):
        lenient.get_prompt("support-bot/other")
    strict = Client.of({"support-bot/classify": "x"}, fallbacks={"faq/ask": "Ask {{q}}"})
    with pytest.raises(AppNotFound):
        strict.get_prompt("faq/ask")


def test_more_prompts_are_the_next_release_of_their_apps(client: Client | AsyncClient) -> None:
    first = client.get_prompt("support-bot/answer")
    client.serve({"support-bot/answer": "New: {{question}}"})
    found = client.get_prompt("support-bot/answer")
    assert (found.version, found.revision, found.render(question="a")[0]["content"]) == ("1.0.1", 2, "New: a")
    assert client.get_prompt("support-bot/classify").version == "1.0.1"
    assert client.get_prompt("faq/ask").version == "1.0.0"
    assert client.get_prompt("support-bot/answer", version="1.0.0").digest == first.digest
    assert client.get_prompt("support-bot/answer", hold=first.hold).version == "1.0.0"
    client.serve({"support-bot/answer": ANSWER})
    assert client.get_prompt("support-bot/answer").revision == 3


@pytest.mark.parametrize(
    ("prompts", "problem"),
    [
        ({"support-bot": "x"}, "'support-bot' is not the name of a prompt"),
        ({"support-bot/answer:prod": "x"}, "is not the name of a prompt"),
        ({"Support Bot/answer": "x"}, "not an app's name"),
        ({"bot/answer": {}}, "'bot/answer' is no prompt: a prompt needs `messages`"),
        ({"bot/answer": {"messages": "x", "modelParameter": {}}}, "unknown key.*modelParameter"),
        ({"bot/answer": 7}, "'bot/answer' is no prompt"),
        ({None: "x"}, "None is not text"),
    ],
)
def test_what_is_no_prompt_is_an_error_at_once(prompts: Any, problem: str) -> None:
    with pytest.raises(Invalid, match=problem):
        Client.of(prompts)


def test_a_single_prompt_is_one_of_the_real_class() -> None:
    found = Prompt.of("Hi {{name}}")
    assert type(found) is promptops.Prompt
    assert found.render(name="Ann") == [{"role": "user", "content": "Hi Ann"}]
    with pytest.raises(promptops.UnknownVariable):
        found.render(name="Ann", more="x")
    again = Prompt.of(found, name="bot/greet")
    assert (again.app, again.name, again.definition.messages) == ("bot", "bot/greet", found.definition.messages)


def test_the_twin_is_awaited_as_the_real_one() -> None:
    async def work() -> tuple[str, bool, str]:
        async with AsyncClient.of({"bot/answer": "Hi {{name}}"}) as client:
            fetched = (await client.fetch("bot@1.0.0")).version
            with pytest.raises(ReleaseNotFound):
                await client.fetch("bot@9.9.9")
            return client.get_prompt("bot/answer").render(name="Ann")[0]["content"], await client.refresh(), fetched

    before = set(threading.enumerate())
    assert asyncio.run(work()) == ("Hi Ann", True, "1.0.0")
    assert set(threading.enumerate()) <= before
    with Client.of({"bot/answer": "Hi {{name}}"}) as client:
        assert client.refresh() and client.fetch("bot@1.0.0").version == "1.0.0"
        with pytest.raises(ReleaseNotFound):
            client.fetch("bot@9.9.9")


def test_a_working_tree_is_served_as_its_files_are(tmp_path: Path) -> None:
    prompts = tmp_path / "apps" / "bot" / "prompts"
    prompts.mkdir(parents=True)
    (tmp_path / "promptops.yml").write_text("registry: test\napps: [apps/*]\n")
    (tmp_path / "apps" / "bot" / "app.yml").write_text("owner: team@example.com\n")
    file = prompts / "answer.prompt.yml"
    file.write_text('model: openai/gpt-4o-2024-08-06\nmessages:\n  - {role: user, content: "Hi {{name}}"}\n')
    client = Client.of_workspace(tmp_path)
    assert client.get_prompt("bot/answer").render(name="Ann")[0]["content"] == "Hi Ann"
    assert client.rendered[-1].variables == {"name": "Ann"}
    file.write_text("messages: 7\n")
    with pytest.raises(Invalid, match=r"cannot be served: .*answer\.prompt\.yml:1"):
        Client.of_workspace(tmp_path)
    with pytest.raises(Invalid, match="cannot be served"):
        Client.of_workspace(tmp_path / "nowhere")


def test_neither_a_thread_nor_a_socket_nor_the_environment_is_used() -> None:
    code = """
import os, sys, threading
os.environ.update(PROMPTOPS_REGISTRY="https://registry.invalid", PROMPTOPS_TOKEN="x", PROMPTOPS_CHANNEL="prod",
                  PROMPTOPS_OVERRIDE="/nowhere", PROMPTOPS_BUNDLE="/nowhere", PROMPTOPS_CACHE="/nowhere",
                  PROMPTOPS_VERSION="bot@9.9.9", PROMPTOPS_PIN="no version")
seen = []
sys.addaudithook(lambda event, arguments: seen.append(event) if event.startswith(("socket.", "subprocess.")) else None)
from promptops.testing import AsyncClient, Client
for kind in (Client, AsyncClient):
    client = kind.of({"bot/answer": "Hi {{name}}"})
    with client.call("bot/answer") as call:
        call.prompt.to_openai(name="Ann")
print(seen, [thread.name for thread in threading.enumerate()], [name for name in ("httpx", "sqlalchemy", "pytest")
                                                               if name in sys.modules])
"""
    assert run_python(code).strip() == "[] ['MainThread'] []"


def test_pytest_finds_the_fixtures(tmp_path: Path) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["entry-points"]["pytest11"] == {"promptops": "promptops.pytest_plugin"}
    assert not [line for line in project["dependencies"] if line.startswith("pytest")]
    (tmp_path / "test_application.py").write_text(
        """
import promptops

def test_one(promptops_prompts):
    client = promptops_prompts({"bot/answer": "Hi {{name}}"})
    assert isinstance(client, promptops.Client) and client is promptops_prompts
    assert client.get_prompt("bot/answer").render(name="Ann")[0]["content"] == "Hi Ann"

def test_each_has_its_own(promptops_prompts, promptops_async_prompts):
    assert promptops_prompts.asked == []
    promptops_async_prompts({"bot/answer": "Hi"})
    assert isinstance(promptops_async_prompts, promptops.AsyncClient)
    promptops_prompts.get_prompt("bot/answer")
"""
    )
    printed = _pytest(tmp_path)
    assert "1 failed, 1 passed" in printed, printed
    assert "AppNotFound: channel 'test' serves no app 'bot'" in printed


def test_the_examples_of_the_guide_pass(tmp_path: Path) -> None:
    guide = (ROOT / "docs" / "testing.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", guide, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 2
    for number, block in enumerate(blocks):
        (tmp_path / f"test_block{number}.py").write_text(f"{block}\n\ndef ask_model(**call):\n    return 'Because.'\n")
    assert "3 passed" in _pytest(tmp_path)
    for name in ("asked", "rendered", "forget", "serve", "outage"):
        assert f"`client.{name}" in guide or f"`with client.{name}" in guide
    assert [part for part in Asked.__dataclass_fields__ if f"`{part}`" not in guide] == []
    assert [part for part in Rendered.__dataclass_fields__ if f"`{part}`" not in guide] == []


def _pytest(folder: Path) -> str:
    """What pytest prints of the tests of a folder, with our plugin as its entry point loads it."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "promptops.pytest_plugin", "-p", "no:cacheprovider", "."],
        cwd=folder,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(ROOT), "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        check=False,
    ).stdout


def test_every_name_of_the_module_is_there() -> None:
    assert all(hasattr(testing, name) for name in testing.__all__)
