"""docs/outcomes.md works: its code, its commands and its requests do here what the page says, against a real server.
And docs/cost.md has prices that are read.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from promptops.core.declarations import DeclaredScore
from promptops.core.outcomes.call_outcome import Count
from promptops.core.outcomes.sums import Sums
from promptops.evals.price_list import PriceList
from promptops.server.app import create_app
from promptops.server.settings import Settings
from promptops.source.tree import WorkingTree
from promptops.source.workspace import read_workspace
from promptops.store import Registry
from tests.cli.conftest import Promptops, promptops, registry
from tests.client.calls.said import answer
from tests.client.waiting import until
from tests.server.running import inside
from tests.support import factory
from tests.support.checkout import ROOT
from tests.support.reports import total

__all__ = ["promptops", "registry"]

GUIDE = (ROOT / "docs" / "outcomes.md").read_text(encoding="utf-8")


BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)


def blocks(language: str) -> list[str]:
    return [text for named, text in BLOCKS if named == language]


CALLED, FED_BACK = blocks("python")[:2]
[FETCH] = blocks("javascript")
[CURL] = [block for block in blocks("") if block.startswith("curl ")]
[MINT] = [block for block in blocks("") if block.startswith("promptops token create")]


@pytest.fixture
def address(registry: Registry) -> Iterator[str]:
    """A server whose channel prod serves the page's app, which declares what the page reports."""
    factory.make_channels(registry)
    for release in factory.make_releases(registry, "support-bot"):
        factory.go_live(registry, f"support-bot@{release.version}")
    scores = (DeclaredScore(name="helpful", passes_from=5_000),)
    factory.declare(registry, "support-bot", outcomes=("ticket_resolved",), scores=scores)
    with inside(create_app(Settings(registry=f"sqlite:///{registry.url}"))) as talking:
        yield f"http://127.0.0.1:{talking.port}"


@pytest.fixture
def token(registry: Registry, promptops: Promptops) -> str:
    """The secret of the token that the page makes."""
    words = shlex.split(MINT)[1:]
    return str(promptops("--json", *words, "--registry", f"sqlite:///{registry.url}").json["secret"])


@pytest.fixture
def call_id(address: str, token: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """The id of a call that was made as the page makes one, with a client that is at its end."""
    monkeypatch.setenv("PROMPTOPS_TOKEN", token)
    monkeypatch.setenv("PROMPTOPS_CACHE", str(tmp_path / "cache"))
    create = SimpleNamespace(create=lambda **request: answer())
    known: dict[str, Any] = {
        "openai": SimpleNamespace(chat=SimpleNamespace(completions=create)),
        "user_id": "ada",
        "question": "Where is my parcel?",
    }
    begin, _, call = CALLED.partition("\nwith ")
    exec(begin.replace("https://registry.internal", address), known)
    client = known["client"]
    until(lambda: client._own.desk.secret_of(client.status().lineage))
    exec(f"with {call.replace('question=question', 'name=question')}", known)
    known["call_id"] = known["call"].id
    exec(FED_BACK, known)
    client.close(60)
    assert client.status().dropped == {}
    return str(known["call_id"])


def counted(registry: Registry) -> Sums:
    now = datetime.now(UTC)
    with registry.read() as reader:
        rows = reader.outcome_rows("support-bot", since=now - timedelta(hours=1), now=now + timedelta(minutes=1))
        return total([row.sums for row in rows])


def test_the_code_of_the_page_counts_a_call_and_what_it_led_to(registry: Registry, call_id: str) -> None:
    sums = counted(registry)
    assert (sums[Count.OPENED], sums[Count.CALLS], sums[Count.NO_UNIT]) == (1, 1, 0)
    assert (sums.outcomes, sums.scores["helpful"].mean) == ({"ticket_resolved": 1}, 1.0)
    assert call_id.startswith(f"pc1:{registry.lineage[:8]}:support-bot:prod:")


@pytest.mark.parametrize("tool", ["curl", "node"])
def test_the_requests_of_the_page_count_from_any_language(
    registry: Registry, address: str, token: str, promptops: Promptops, tool: str, tmp_path: Path
) -> None:
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed")
    from promptops.operations.outcomes import report_key
    from tests.support.reports import assignment, call_id

    call = call_id(registry.lineage, report_key(registry).secret, place=assignment("support-bot"))
    if tool == "curl":
        command = ["sh", "-c", CURL.replace("https://registry.internal", address)]
    else:
        script = FETCH.replace("https://registry.internal", address).replace("await fetch", "const said = await fetch")
        (tmp_path / "page.mjs").write_text(
            f"const callId = process.env.CALL_ID;\n{script}\nconsole.log(await said.text())"
        )
        command = ["node", str(tmp_path / "page.mjs")]
    environment = {**os.environ, "PROMPTOPS_TOKEN": token, "CALL_ID": call}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=True)
    assert json.loads(done.stdout) == {"counted": True, "reason": ""}
    sums = counted(registry)
    assert (sums.outcomes, set(sums.scores)) == (
        ({"ticket_resolved": 1}, set()) if tool == "curl" else ({}, {"helpful"})
    )


def test_the_commands_of_the_page_show_what_the_code_did(
    registry: Registry, promptops: Promptops, call_id: str
) -> None:
    for command in ("outcomes", "cost"):
        assert f"promptops {command} APP" in GUIDE
        said = promptops(command, "support-bot", "--registry", f"sqlite:///{registry.url}").out
        assert "gpt-4o" in said or "ticket_resolved" in said
    said = promptops("why", call_id, "--registry", f"sqlite:///{registry.url}").out
    assert said.splitlines()[0].startswith("A call of support-bot/answer on prod, revision ")


def test_the_prices_of_the_page_about_cost_are_read_and_win(
    registry: Registry, promptops: Promptops, tmp_path: Path
) -> None:
    page = (ROOT / "docs" / "cost.md").read_text(encoding="utf-8")
    [prices] = re.findall(r"^```yaml\n(prices:.*?)^```$", page, re.MULTILINE | re.DOTALL)
    files = {"promptops.yml": factory.WORKSPACE + prices, "bot/prompts/greet.prompt.yml": factory.PROMPT}
    root = factory.make_workspace(tmp_path / "prompts", files)
    promptops("-C", str(root), "check")
    found = read_workspace(WorkingTree(root)).prices
    assert found["acme/llama-3-70b"].tiers[0][1].cached == Decimal("0.05")
    assert [start for start, _ in found["acme/large"].tiers] == [0, 128_000]
    assert PriceList(found).rates("acme/large") is found["acme/large"]
