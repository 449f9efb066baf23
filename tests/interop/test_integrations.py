"""The code on the pages of docs/integrations/ works: it is run as it is printed, against a model on this machine.

Two want an older `openai` or `websockets` than `make interop` installs; their pages are run where they are installed:
`pip install llama-index-llms-openai openai-agents`, then this file with `--noconftest -p tests.interop.conftest`.
"""

from __future__ import annotations

import ast
import asyncio
import json
import os
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import pytest

from promptops import Prompt
from promptops.testing import Client
from tests.support.checkout import ROOT
from tests.support.model_server import ModelServer, Reply, model_server

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

PAGES = {path.stem: path.read_text(encoding="utf-8") for path in (ROOT / "docs" / "integrations").glob("[a-z]*.md")}
PACKAGES = {
    "fastapi": "fastapi",
    "litellm": "litellm",
    "langchain": "langchain_openai",
    "llamaindex": "llama_index",
    "pydantic-ai": "pydantic_ai",
    "openai-agents": "agents",
}
FILE: Mapping[str, Any] = {
    "model": "openai/gpt-4.1-2025-04-14",
    "modelParameters": {"temperature": 0.2, "maxTokens": 50},
    "messages": [
        {"role": "system", "content": 'Answer {kindly}, as {"a": 1}.'},
        {"role": "user", "content": "{{question}}"},
    ],
}
QUESTION = "Why {x}, and {{ y }}?"


def code_of(page: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", PAGES[page], re.MULTILINE | re.DOTALL)


def answer(body: Mapping[str, Any], _: int) -> Reply:
    """An answer of chat completions and of the Responses API in one."""
    details = {"input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0}}
    counts = dict.fromkeys(("prompt_tokens", "completion_tokens", "input_tokens", "output_tokens"), 1)
    text = {"type": "output_text", "text": "ok", "annotations": []}
    document = {
        "id": "x",
        "object": "response" if "input" in body else "chat.completion",
        "created": 1,
        "created_at": 1,
        "model": body["model"],
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "ok"}}],
        "output": [{"type": "message", "id": "m", "role": "assistant", "status": "completed", "content": [text]}],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "status": "completed",
        "usage": {**counts, **details, "total_tokens": 2},
    }
    return Reply(body=json.dumps(document).encode(), headers={"content-type": "application/json"})


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModelServer]:
    with model_server(answer) as running:
        for name in ("OPENAI_BASE_URL", "OPENAI_API_BASE"):
            monkeypatch.setenv(name, running.url)
        monkeypatch.setenv("OPENAI_API_KEY", "k")
        monkeypatch.setenv("OPENAI_AGENTS_DISABLE_TRACING", "1")
        yield running


def run(page: str, client: Client) -> dict[str, Any]:
    """Runs the code of a page; returns its names."""
    if find_spec(PACKAGES[page]) is None:
        pytest.skip(f"{PACKAGES[page]} is not installed: see the head of this file")
    names: dict[str, Any] = {"client": client}
    for code in code_of(page):
        exec(compile(code, f"{page}.md", "exec"), names)
    return names


def test_every_page_is_run() -> None:
    assert PAGES.keys() == PACKAGES.keys()


@pytest.mark.parametrize("page", PAGES)
def test_the_code_calls_what_a_prompt_and_a_client_have(page: str) -> None:
    owners = {"client": Client.of({}), "prompt": Prompt}
    for code in code_of(page):
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("promptops"):
                assert all(hasattr(import_module(str(node.module)), alias.name) for alias in node.names)
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in owners:
                assert hasattr(owners[node.value.id], node.attr)


@pytest.mark.parametrize("page", [page for page in PACKAGES if page != "fastapi"])
def test_the_answer_of_a_page_is_to_the_prompt_with_its_parameters(
    page: str, server: ModelServer, closed_loop: asyncio.AbstractEventLoop
) -> None:
    client = Client.of({"support-bot/answer": FILE})
    with warnings.catch_warnings(action="ignore"):
        names = run(page, client)
        asked: Callable[[str, str], str] = names["answer"]
        assert asked(QUESTION, "ann") == "ok"
    if "provider" in names:  # of pydantic-ai, with connections of this loop
        closed_loop.run_until_complete(names["provider"].client.close())
    body = server.asked[-1]
    said = body.get("messages") or [{"role": "system", "content": body["instructions"]}, *body["input"]]
    assert [(each["role"], each["content"]) for each in said] == [
        ("system", FILE["messages"][0]["content"]),
        ("user", QUESTION),
    ]
    assert (body["model"], body["temperature"]) == ("gpt-4.1-2025-04-14", 0.2)
    assert body.get("max_completion_tokens", body.get("max_output_tokens")) == 50
    assert [each.key for each in client.asked] == ["ann"]


def test_a_chain_of_langchain_begins_with_the_prompt(server: ModelServer) -> None:
    client = Client.of({"support-bot/answer": FILE})
    with warnings.catch_warnings(action="ignore"):
        assert run("langchain", client)["in_a_chain"](QUESTION, "ann").text == "ok"
    assert [each["content"] for each in server.asked[-1]["messages"]] == [FILE["messages"][0]["content"], QUESTION]


def test_the_test_on_the_page_of_fastapi_passes(server: ModelServer) -> None:
    with warnings.catch_warnings(action="ignore"):
        names = run("fastapi", Client.of({}))
        names["test_the_question_reaches_the_model"](names["AsyncOpenAI"](max_retries=0))
    assert server.asked[-1]["messages"] == [{"role": "user", "content": "Answer: Why?"}]
