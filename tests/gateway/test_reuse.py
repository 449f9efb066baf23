"""Cases that need not be asked again, and what is asked after another release went live: a database, and a server."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from promptops.core.evidence.evidence import table_of
from promptops.core.token import Scope
from promptops.store import Registry
from tests.cli.conftest import Answer, Promptops
from tests.gateway.serving import Serve, mint, work_with
from tests.support import factory
from tests.support.model_server import Body, ModelServer, Reply, model_server, said, spoken

CASES = 20
"""As few as a margin of 20 points can be shown with."""
WORKSPACE = """\
registry: test
apps: [bot]
channels:
  dev: {allow_dirty: true}
  prod:
    allow_dirty: true
    gate:
      evidence: {max_age: 14d}
      required: {agree: 2 of 3}
      not_worse: {margin: 20%}
"""
PROMPT = """\
name: NAME
model: local/echo-2026-01-01
messages:
  - role: user
    content: "TEXT {{name}}"
testData:
CASES
evaluators:
  - name: names them
    string: {contains: "{{name}}"}
"""
MUST = """\
prompts: [greet, part]
kind: required
cases: [{name: Ada}, {name: Grace}]
checks: [{contains: "{{name}}"}]
"""
FIRST = 2 * CASES + 2 * 2 * 3
"""Calls of a first run: the own suites of both prompts, and two cases of each of them three times."""


def written(root: Path, **texts: str) -> None:
    """Writes the prompts `greet` and `part` with these texts in front of a name."""
    cases = "\n".join(f"  - {{name: n{number}}}" for number in range(CASES))
    for name, text in texts.items():
        file = root / f"bot/prompts/{name}.prompt.yml"
        file.write_text(PROMPT.replace("NAME", name).replace("TEXT", text).replace("CASES", cases))


def loaded(answer: Answer) -> Any:
    """The JSON that a command printed."""
    return answer.json


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModelServer]:
    """The provider `local`, which repeats what it is asked."""
    with model_server() as server:
        monkeypatch.setenv("LOCAL_BASE_URL", server.url)
        yield server


@pytest.fixture(params=["database", "server"])
def place(
    request: pytest.FixtureRequest,
    registry: Registry,
    registry_url: str,
    serve: Serve,
    provider: ModelServer,
    promptops: Promptops,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """A workspace whose 0.1.0 is live on prod with a gate, by a run that asked all."""
    root = factory.make_workspace(tmp_path / "prompts", {"promptops.yml": WORKSPACE, "bot/evals/must.suite.yml": MUST,
                                                         "bot/prompts/.keep": ""})  # fmt: skip
    monkeypatch.chdir(root)
    work_with(request.param, registry_url, mint(registry, "ops", Scope.ADMIN).secret, serve, monkeypatch)
    promptops("channels", "apply")
    written(root, greet="Greet", part="Part from")
    promptops("release", "bot", "--allow-dirty")
    promptops("eval", "bot@0.1.0", "--channel", "prod")
    promptops("promote", "bot@0.1.0", "--channel", "prod")
    assert len(provider.asked) == FIRST
    provider.asked.clear()
    return root


def test_what_did_not_change_is_not_asked_again_and_the_gate_opens(
    place: Path, provider: ModelServer, promptops: Promptops, registry: Registry
) -> None:
    written(place, part="Take leave of")
    promptops("release", "bot", "--allow-dirty")
    plan = loaded(promptops("eval", "bot@0.1.1", "--channel", "prod", "--dry-run", "--json"))
    assert (plan["cases"], plan["calls"], plan["earlier"]) == (2 * CASES + 4, 2 * CASES + 2 * 2 * 3, CASES + 2)
    shown = promptops("eval", "bot@0.1.1", "--channel", "prod")
    assert f"{CASES + 2} cases with answers of earlier runs" in shown.err
    assert f"{CASES + 2} cases were not asked: earlier runs have the answers" in shown.out
    assert len(provider.asked) == plan["calls"] and not [body for body in provider.asked if "Greet" in spoken(body)]
    assert "the gate of prod: ✓ it opens" in shown.out
    with registry.read() as reader:
        run = reader.runs("bot")[-1]
        [evidence] = reader.evidence(run=run.id, tables=True)
    table = table_of(evidence, run)
    assert evidence.complete and sum(case.reused for case in run.cases) == CASES + 2
    assert not [row for row in table.rows if table.cases[row.case].reused], (
        "no latency and no cost of what was not asked"
    )
    promptops("evidence", "verify", evidence.id)
    promptops("promote", "bot@0.1.1", "--channel", "prod")


def test_all_of_a_release_may_be_known_and_a_fresh_run_asks_all_the_same(
    place: Path, provider: ModelServer, promptops: Promptops
) -> None:
    (place / "bot/app.yml").write_text("description: the same prompts\n")
    report = loaded(promptops("eval", "bot", "--channel", "prod", "--json"))
    assert provider.asked == [] and report["rows"] == [] and report["evidence"]
    assert {(case["passed"], case["answers"]) for case in report["cases"]} == {(1, 1), (3, 3)}
    promptops("eval", "bot", "--channel", "prod", "--fresh")
    assert len(provider.asked) == FIRST


def test_a_failure_of_the_run_that_is_leaned_on_is_one_of_this(
    place: Path, provider: ModelServer, promptops: Promptops, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forgetful(body: Body, times: int) -> Reply:
        return said("who?" if spoken(body) == "Greet Grace" else spoken(body))

    with model_server(forgetful) as server:
        monkeypatch.setenv("LOCAL_BASE_URL", server.url)
        promptops("eval", "bot@0.1.0", "--channel", "prod", "--fresh", exits=5)
    written(place, part="Take leave of")
    promptops("release", "bot", "--allow-dirty")
    monkeypatch.setenv("LOCAL_BASE_URL", provider.url)
    shown = promptops("eval", "bot@0.1.1", "--channel", "prod", exits=5)
    assert "failed 0 of 3" in shown.out and "which asked it" in shown.out, "nothing of greet was asked a second time"
    assert not [body for body in provider.asked if "Greet" in spoken(body)]
    assert "required of greet: " in promptops("promote", "bot@0.1.1", "--channel", "prod", exits=5).err


def test_a_case_that_was_added_is_the_only_one_that_is_asked(
    place: Path, provider: ModelServer, promptops: Promptops
) -> None:
    must = place / "bot/evals/must.suite.yml"
    must.write_text(MUST.replace("{name: Grace}]", "{name: Grace}, {name: Edsger}]"))
    written(place, part="Take leave of")
    promptops("release", "bot", "--allow-dirty")
    promptops("eval", "bot@0.1.1", "--channel", "prod")
    assert [spoken(body) for body in provider.asked if "Greet" in spoken(body)] == 3 * ["Greet Edsger"]
    checks = loaded(promptops("gate", "bot@0.1.1", "--channel", "prod", "--json"))["checks"]
    assert {check["outcome"] for check in checks if check["name"] == "required"} == {"pass"}


def test_after_another_release_went_live_just_what_is_lacking_is_asked(
    place: Path, provider: ModelServer, promptops: Promptops
) -> None:
    written(place, part="Take leave of")
    promptops("release", "bot", "--allow-dirty")
    promptops("eval", "bot@0.1.1", "--channel", "prod")
    written(place, greet="Hail", part="Part from")
    promptops("release", "bot", "--allow-dirty")
    promptops("eval", "bot@0.1.2", "--channel", "prod")
    rebase = ("eval", "bot@0.1.1", "--channel", "prod", "--rebase")
    provider.asked.clear()
    nothing = promptops(*rebase)
    assert "bot@0.1.1 has every run that the gate of prod asks for; nothing was asked" in nothing.out
    assert loaded(promptops(*rebase, "--json"))["lacks"] == [] and provider.asked == []

    promptops("promote", "bot@0.1.2", "--channel", "prod")
    assert "its runs did not put greet to live" in promptops("promote", "bot@0.1.1", "--channel", "prod", exits=5).err
    plan = loaded(promptops(*rebase, "--dry-run", "--json"))
    assert (plan["cases"], plan["calls"]) == (CASES, 2 * CASES) and provider.asked == []
    shown = promptops(*rebase)
    assert "asked: not_worse of greet (greet): its runs did not put greet to live" in shown.err
    assert (
        "not asked, its runs are there: required of greet (must), required of part (must), not_worse of part (part)"
        in (shown.err)
    )
    texts = sorted({spoken(body).split()[0] for body in provider.asked})
    assert (texts, len(provider.asked)) == (["Greet", "Hail"], 2 * CASES)
    assert "the gate of prod: ✓ it opens" in shown.out
    assert "nothing was asked" in promptops(*rebase).out and len(provider.asked) == 2 * CASES
    promptops("promote", "bot@0.1.1", "--channel", "prod")


def test_ci_asks_just_what_the_gate_lacks(place: Path, provider: ModelServer, promptops: Promptops) -> None:
    base = factory.commit(place, {}, "What is live")
    written(place, part="Take leave of")
    factory.commit(place, {}, "Another wording of one prompt")
    ci = ("ci", "--base", base, "--channel", "prod", "--run")
    promptops(*ci)
    assert len(provider.asked) == 2 * CASES + 2 * 2 * 3 and not [b for b in provider.asked if "Greet" in spoken(b)]
    head = factory.git(place, "rev-parse", "HEAD")
    written(place, greet="Hail", part="Part from")
    promptops("release", "bot", "--allow-dirty")
    promptops("eval", "bot@0.1.1", "--channel", "prod")
    promptops("promote", "bot@0.1.1", "--channel", "prod")
    provider.asked.clear()
    shown = promptops(*ci, "--head", head)
    assert "asked: not_worse of greet (greet)" in shown.err
    texts = sorted({spoken(body).split()[0] for body in provider.asked})
    assert (texts, len(provider.asked)) == (["Greet", "Hail"], 2 * CASES), "what live moved away from, and no more"
    provider.asked.clear()
    promptops(*ci, "--head", head)
    assert provider.asked == []


def test_a_prompt_that_has_a_new_name_is_not_asked_again(
    place: Path, provider: ModelServer, promptops: Promptops
) -> None:
    renamed = WORKSPACE.replace("not_worse:", "renames: {part: leave}\n      not_worse:")
    (place / "promptops.yml").write_text(renamed)
    promptops("channels", "apply", "--loosen")
    (place / "bot/prompts/part.prompt.yml").unlink()
    written(place, leave="Part from")
    (place / "bot/evals/must.suite.yml").write_text(MUST.replace("part", "leave"))
    plan = loaded(promptops("eval", "bot", "--channel", "prod", "--dry-run", "--json"))
    assert (plan["cases"], plan["earlier"], plan["calls"]) == (2 * CASES + 4, 2 * CASES + 4, 0)
    version = loaded(promptops("release", "bot", "--allow-dirty", "--json"))["version"]
    shown = loaded(promptops("eval", f"bot@{version}", "--channel", "prod", "--json"))
    assert provider.asked == []
    [required] = [one for one in shown["gate"]["checks"] if one["name"] == "required" and one["prompt"] == "leave"]
    assert required["outcome"] == "pass", required


def test_a_rebase_says_what_it_cannot_be_asked_for(place: Path, provider: ModelServer, promptops: Promptops) -> None:
    for words in (("bot",), ("bot@0.1.0",), ("bot/greet@0.1.0", "--channel", "prod")):
        assert "--channel NAME --rebase" in promptops("eval", *words, "--rebase", exits=2).err
    for more in (("--limit", "1"), ("--suite", "must"), ("--against", "0.1.0"), ("--local",)):
        refused = promptops("eval", "bot@0.1.0", "--channel", "prod", "--rebase", *more, exits=2)
        assert f"and {more[0]} asks something else" in refused.err
    written(place, greet="Hail")
    promptops("release", "bot", "--allow-dirty")
    (place / "bot/evals/must.suite.yml").write_text(MUST.replace("[{name: Ada}, ", "["))
    refused = promptops("eval", "bot@0.1.1", "--channel", "prod", "--rebase", exits=4)
    assert "the suite 'must' here is not the one that bot@0.1.1 was released with" in refused.err
    assert "--commit REF" in refused.err and provider.asked == []


def test_a_run_that_leaves_cases_out_is_killed_and_goes_on_with_what_it_has(
    place: Path, provider: ModelServer, promptops: Promptops, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(place, part="Take leave of")
    promptops("release", "bot", "--allow-dirty")
    provider.asked.clear()
    with model_server(lambda body, times: Reply(body=said(spoken(body)).body, delay=0.1)) as slow:
        monkeypatch.setenv("LOCAL_BASE_URL", slow.url)
        process = subprocess.Popen(
            [sys.executable, "-m", "promptops", "eval", "bot@0.1.1", "--channel", "prod", "--concurrency", "1"],
            env=os.environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        while len(slow.asked) < 5:
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        asked = len(slow.asked)
    monkeypatch.setenv("LOCAL_BASE_URL", provider.url)
    with registry.read() as reader:
        run = reader.runs("bot")[-1]
    report = loaded(promptops("eval", "--continue", run.id[:8], "--json"))
    total = 2 * CASES + 2 * 2 * 3
    assert total - asked <= len(provider.asked) <= total - asked + 1, "at most the call under way is asked again"
    assert not [body for body in provider.asked if "Greet" in spoken(body)]
    assert sum(bool(case["earlier"]) for case in report["cases"]) == CASES + 2
    assert report["evidence"] and loaded(promptops("gate", "bot@0.1.1", "--channel", "prod", "--json"))["opens"]
