"""Answers to held cases are labelled where these can be read, and a gate takes the judge; nothing writes them."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Promptops
from tests.gateway.serving import rows
from tests.support.model_server import Body, Reply, model_server, said, spoken

SECRET = "Zanzibar"
NAMES = [f"{SECRET} {number}" for number in range(12)]
BAD = NAMES[:4]
PROMPT = """\
model: local/echo-2026-01-01
messages:
  - role: user
    content: "Greet {{name}}"
"""
SUITE = """\
prompts: [greet]
held: {from: cases.jsonlDIGEST}
checks:
  - name: is polite
    llm:
      modelId: local/judge-2026-01-01
      prompt: "Is this polite? {{completion}}"
      choices: [{choice: polite, score: 1}, {choice: rude, score: 0}]
"""
GATE = "{judges: {labels: 9, youden: 0.05}, bar: {suite: tone, at_least: 10%}}"


def answering(body: Body, times: int) -> Reply:
    text = spoken(body)
    if str(body["model"]).startswith("judge"):
        return said("rude" if "Oi" in text else "polite", model="judge-2026-01-01")
    name = text.removeprefix("Greet ")
    return said(f"Oi, {name}" if name in BAD else f"Hello, {name}")


@pytest.fixture
def run(workspace: Path, tmp_path: Path, promptops: Promptops, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A run of a release with a suite whose cases are held, and whose judge a gate wants measured."""
    held = tmp_path / "held"
    held.mkdir()
    cases = [json.dumps({"name": name, "id": f"h{number}"}) for number, name in enumerate(NAMES)]
    (held / "cases.jsonl").write_text("\n".join(cases))
    monkeypatch.setenv("PROMPTOPS_HELD", str(held))
    (workspace / "bot/prompts/greet.prompt.yml").write_text(PROMPT)
    file = workspace / "bot/evals/tone.suite.yml"
    file.parent.mkdir(exist_ok=True)
    file.write_text(SUITE.replace("DIGEST", ""))
    digest = str(promptops("eval", "hold", "bot", "tone", "--json").json["digest"])
    file.write_text(SUITE.replace("DIGEST", f", digest: '{digest}'"))
    marker = workspace / "promptops.yml"
    marker.write_text(marker.read_text().replace("{promote_from: staging", f"{{gate: {GATE}, promote_from: staging"))
    promptops("channels", "apply")
    promptops("release", "bot", "--allow-dirty")
    with model_server(answering) as server:
        monkeypatch.setenv("LOCAL_BASE_URL", server.url)
        yield str(promptops("eval", "bot@0.1.0", "--channel", "prod", "--json").json["run"])


def labelled(promptops: Promptops, run: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """An honest person at the terminal: one answer is looked at, then its word is typed, until none is left."""
    monkeypatch.setenv("PROMPTOPS_ACTOR", "Eve <eve@example.org>")
    pages = []
    for _ in NAMES:
        monkeypatch.setattr("sys.stdin", io.StringIO("q\n"))
        page = promptops("judge", "label", run[:8], "--held").out
        monkeypatch.setattr("sys.stdin", io.StringIO("f\nq\n" if "Oi, " in page else "p\nq\n"))
        pages += [page, promptops("judge", "label", run[:8], "--held").out]
    return "".join(pages)


def test_answers_to_held_cases_are_labelled_and_the_gate_takes_their_judge(
    run: str, workspace: Path, promptops: Promptops, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = promptops("gate", "bot@0.1.0", "--channel", "prod", exits=5).out
    assert "9 labels are missing" in closed
    assert "no judge decided about an answer" in promptops("judge", "label", run[:8], exits=3).err
    pages = labelled(promptops, run, monkeypatch)
    assert all(name in pages for name in NAMES), "a person sees what is to be labelled"
    assert "whose cases are held: --held" in promptops("judge", "calibrate", "bot", exits=3).err
    measured = promptops("judge", "calibrate", "bot", "--held")
    [judge] = rows(promptops("judge", "calibrate", "bot", "--held", "--json"), "judges")
    assert (judge["labels"], judge["good_passed"], judge["bad_failed"]) == (12, 8, 4), judge
    opened = promptops("gate", "bot@0.1.0", "--channel", "prod", "--json").json
    assert opened["opens"] is True
    folder = workspace / ".promptops/runs" / run
    texts = [measured.out, measured.err, (folder / "labels.jsonl").read_text(), (folder / "report.json").read_text()]
    assert not [text for text in texts if SECRET in text]
    assert len(rows(promptops("evidence", "list", "bot", "--json"), "evidence")) == 2
    assert SECRET.encode() not in (workspace / ".promptops/registry.db").read_bytes()


def test_what_would_write_held_cases_is_refused(
    run: str, workspace: Path, promptops: Promptops, monkeypatch: pytest.MonkeyPatch
) -> None:
    for words in (("label", run[:8], "--held", "--write", "sheet.csv"), ("label", run[:8], "--held", "--read", "x")):
        assert "written nowhere" in promptops("judge", *words, exits=2).err
    assert "a recording would show" in promptops("judge", "calibrate", "bot", "--held", "--record", "r", exits=2).err
    monkeypatch.delenv("PROMPTOPS_HELD")
    refused = promptops("judge", "label", run[:8], "--held", exits=2).err
    assert SECRET not in refused and "PROMPTOPS_HELD" in refused
