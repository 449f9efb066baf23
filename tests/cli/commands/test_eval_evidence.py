"""`eval` with a registry: opened before its first call, evidence at its end, and no way to take a row back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from promptops.core.evidence.run import Purpose, Source
from promptops.core.token import Scope
from promptops.store import Registry
from tests.cli.commands.test_eval import PROMPT, answering
from tests.cli.conftest import Answer, Promptops
from tests.gateway.serving import mint, serving
from tests.support.model_server import MODEL, ModelServer, model_server, said, spoken

GATE = "{required: {agree: 2 of 3}, not_worse: {margin: 5%}}"


@pytest.fixture
def provider(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModelServer]:
    """The provider `local`, and a prompt with a suite whose second case fails."""
    (workspace / "bot/prompts/greet.prompt.yml").write_text(PROMPT)
    with model_server(answering) as server:
        monkeypatch.setenv("LOCAL_BASE_URL", server.url)
        yield server


@pytest.fixture
def store(workspace: Path) -> Iterator[Registry]:
    """The workspace's registry."""
    registry = Registry.open(f"sqlite:///{workspace / '.promptops/registry.db'}")
    yield registry
    registry.close()


def loaded(answer: Answer) -> Any:
    """The JSON that a command printed."""
    return answer.json


def test_a_run_becomes_evidence_of_the_files_before_they_are_released(
    provider: ModelServer, promptops: Promptops, store: Registry
) -> None:
    answer = promptops("eval", "bot")
    assert "evidence " in answer.out and "no evidence" not in answer.out
    with store.read() as reader:
        [run] = reader.runs("bot")
        [evidence] = reader.evidence(app="bot", tables=True)
    assert evidence.complete and evidence.run == run.id and evidence.source is Source.RUN
    assert evidence.digest == loaded(promptops("release", "bot", "--allow-dirty", "--json"))["digest"]
    assert [count.passed for count in evidence.counts] == [1, 1] and evidence.hosts == (provider.url.split("/")[2],)
    assert b"Hello" not in evidence.table


def test_for_a_channel_it_asks_what_is_live_there_as_often_as_the_gate_wants(
    provider: ModelServer, workspace: Path, promptops: Promptops, store: Registry
) -> None:
    (workspace / "bot/evals").mkdir()
    suite = "prompts: [greet]\nkind: required\ncases: [{name: Ada}]\nchecks: [{contains: Ada}]\n"
    (workspace / "bot/evals/must.suite.yml").write_text(suite)
    marker = workspace / "promptops.yml"
    marker.write_text(marker.read_text().replace("{promote_from: staging", f"{{gate: {GATE}, promote_from: staging"))
    promptops("channels", "apply")
    promptops("release", "bot", "--allow-dirty")
    first = promptops("eval", "bot", "--channel", "dev", "--json")
    assert "nothing of bot is live on dev" in first.err and len(loaded(first)["arms"]) == 1
    promptops("promote", "bot@0.1.0", "--channel", "dev")
    (workspace / "bot/prompts/greet.prompt.yml").write_text(PROMPT.replace("Greet", "Greet kindly:"))
    report = loaded(promptops("eval", "bot", "--channel", "dev", "--json"))
    assert [arm["arm"] for arm in report["arms"]] == ["candidate", "live"]
    gated = loaded(promptops("eval", "bot", "--channel", "prod", "--json"))
    assert {suite["name"]: suite["repeats"] for suite in gated["suites"]} == {"greet": 1, "must": 3}
    assert report["evidence"] and gated["evidence"] != report["evidence"]


def test_after_a_run_of_a_release_the_gate_says_what_it_makes_of_it(
    provider: ModelServer, workspace: Path, promptops: Promptops
) -> None:
    (workspace / "bot/evals").mkdir()
    suite = "prompts: [greet]\nkind: required\ncases: [{name: Grace}]\nchecks: [{contains: Grace}]\n"
    (workspace / "bot/evals/must.suite.yml").write_text(suite)
    marker = workspace / "promptops.yml"
    marker.write_text(marker.read_text().replace("{promote_from: staging", f"{{gate: {GATE}, promote_from: staging"))
    promptops("channels", "apply")
    promptops("release", "bot", "--allow-dirty")
    shown = promptops("eval", "bot@0.1.0", "--channel", "prod", exits=5)
    assert "the gate of prod: ✗ it does not open" in shown.out
    assert "promptops gate bot@0.1.0 --channel prod" in shown.out
    again = loaded(promptops("eval", "bot@0.1.0", "--channel", "prod", "--json", exits=5))
    assert again["gate"]["channel"] == "prod"


def test_a_prompt_that_was_renamed_is_compared_with_what_it_was(
    provider: ModelServer, workspace: Path, promptops: Promptops
) -> None:
    marker, prompts = workspace / "promptops.yml", workspace / "bot/prompts"
    free, gate = "{allow_dirty: true", "{gate: {not_worse: {margin: 5%}, renames: {greet: hail}}, allow_dirty: true"
    marker.write_text(marker.read_text().replace("{promote_from: staging", free))
    promptops("channels", "apply", "--loosen")
    promptops("release", "bot", "--allow-dirty")
    promptops("promote", "bot@0.1.0", "--channel", "prod")
    marker.write_text(marker.read_text().replace(free, gate))
    promptops("channels", "apply", "--loosen")
    (prompts / "greet.prompt.yml").unlink()
    (prompts / "hail.prompt.yml").write_text(PROMPT.replace("name: greet", "name: hail").replace("Greet", "Hail"))
    version = loaded(promptops("release", "bot", "--allow-dirty", "--json"))["version"]
    report = loaded(promptops("eval", f"bot@{version}", "--channel", "prod", "--json"))
    assert [arm["arm"] for arm in report["arms"]] == ["candidate", "live"]
    assert {row["arm"] for row in report["rows"]} == {"candidate", "live"}
    [compared] = report["comparisons"]
    assert (compared["prompt"], compared["compared"], compared["lost"]) == ("hail", 2, 0)
    [verdict] = [each for each in report["gate"]["checks"] if each["name"] == "not_worse"]
    assert verdict["prompt"] == "hail" and verdict["reason"].startswith("the suite is not the one")  # it has a new name
    assert loaded(promptops("eval", "--continue", report["run"][:8], "--json"))["evidence"] == report["evidence"]


@pytest.mark.parametrize("part", [("--local",), ("--limit", "1"), ("--tag", "short")])
def test_a_local_or_partial_run_is_never_known_to_the_registry(
    part: tuple[str, ...], provider: ModelServer, promptops: Promptops, store: Registry
) -> None:
    assert loaded(promptops("eval", "bot", *part, "--json"))["evidence"] is None
    with store.read() as reader:
        assert reader.runs("bot") == ()


def test_an_edited_journal_changes_nothing(
    provider: ModelServer, workspace: Path, promptops: Promptops, store: Registry
) -> None:
    report = loaded(promptops("eval", "bot", "--json"))
    journal = workspace / report["folder"] / "answers.jsonl"
    journal.write_text(journal.read_text().replace("<script>", "Grace"))
    refused = promptops("eval", "--continue", report["run"][:8], exits=4)
    assert "the first one stands" in refused.err
    with store.read() as reader:
        assert [row.outcome.value for row in reader.run_rows(report["run"])] == ["passed", "failed"]


def test_a_function_of_the_workspace_is_no_evidence(
    provider: ModelServer, workspace: Path, promptops: Promptops, store: Registry
) -> None:
    prompt = workspace / "bot/prompts/greet.prompt.yml"
    prompt.write_text(PROMPT.replace('string: {contains: "{{expected}}"}', "python: own_checks:shouts"))
    refused = promptops("eval", "bot", exits=2)
    assert "--local" in refused.err and provider.asked == []
    with store.read() as reader:
        assert reader.runs("bot") == ()


def test_without_a_registry_nothing_is_asked(
    provider: ModelServer, workspace: Path, promptops: Promptops, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMPTOPS_REGISTRY", str(workspace / "nowhere/registry.db"))
    promptops("eval", "bot", exits=6)
    assert provider.asked == []


def test_through_a_server_a_token_for_evidence_is_enough(
    provider: ModelServer, workspace: Path, promptops: Promptops, store: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = mint(store, "ci", Scope.EVIDENCE)
    with serving(f"sqlite:///{workspace / '.promptops/registry.db'}") as url:
        monkeypatch.setenv("PROMPTOPS_REGISTRY", url)
        monkeypatch.setenv("PROMPTOPS_TOKEN", held.secret)
        report = loaded(promptops("eval", "bot", "--json"))
        again = loaded(promptops("eval", "--continue", report["run"][:8], "--json"))
    assert again["evidence"] == report["evidence"], "nothing came since"
    with store.read() as reader:
        [evidence] = reader.evidence(app="bot")
    assert (evidence.id, evidence.token_name, evidence.complete) == (report["evidence"], "ci", True)


def test_a_run_of_a_channel_goes_on_after_the_channel_moved(
    provider: ModelServer, workspace: Path, promptops: Promptops
) -> None:
    promptops("channels", "apply")
    promptops("release", "bot", "--allow-dirty")
    promptops("promote", "bot@0.1.0", "--channel", "dev")
    run = loaded(promptops("eval", "bot:dev", "--json"))["run"]
    (workspace / "bot/prompts/greet.prompt.yml").write_text(PROMPT.replace("Greet", "Hail"))
    promptops("release", "bot", "--allow-dirty")
    promptops("promote", "bot@0.1.1", "--channel", "dev")
    again = loaded(promptops("eval", "--continue", run[:8], "--json"))
    assert again["arms"][0]["version"] == "0.1.0" and len(provider.asked) == 2


def test_what_is_live_is_compared_with_its_first_three_runs(
    provider: ModelServer, workspace: Path, promptops: Promptops, store: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    cases = "".join(f"  - {{name: n{number}, expected: n{number}}}\n" for number in range(40))
    text = PROMPT.replace(PROMPT[PROMPT.index("  - {name: Ada") : PROMPT.index("evaluators")], cases)
    (workspace / "bot/prompts/greet.prompt.yml").write_text(text)
    promptops("channels", "apply")
    promptops("release", "bot", "--allow-dirty")
    promptops("promote", "bot@0.1.0", "--channel", "dev")
    with model_server(lambda body, times: said(spoken(body), fingerprint="fp-1")) as server:
        monkeypatch.setenv("LOCAL_BASE_URL", server.url)
        assert "0 of 3 runs came before" in promptops("eval", "bot:dev", "--drift").out
        for _ in range(2):
            promptops("eval", "bot:dev", "--drift")
        same = loaded(promptops("eval", "bot:dev", "--drift", "--json"))
        assert (same["drift"]["worse"], same["drift"]["cases"]) == (False, 40)
        assert "fingerprint" not in promptops("eval", "bot:dev", "--drift").out
    with model_server(lambda body, times: said("no", fingerprint="fp-2")) as server:
        monkeypatch.setenv("LOCAL_BASE_URL", server.url)
        worse = promptops("eval", "bot:dev", "--drift", exits=5)
        report = loaded(promptops("eval", "bot:dev", "--drift", "--json", exits=5))
    assert "drift: ✗ it is worse: 100.0% passed in the first three runs, 0.0% now" in worse.out
    model = MODEL.partition("/")[2]
    assert f"the fingerprint fp-1 of {model} is gone: 120 answers in the first runs, none now" in worse.out
    assert f"the fingerprint fp-2 of {model} is new: 40 answers now, none in the first runs" in worse.out
    assert [(each["fingerprint"], each["before"], each["now"]) for each in report["drift"]["changed"]] == [
        ("fp-1", 120, 0),
        ("fp-2", 0, 40),
    ]
    with store.read() as reader:
        assert {run.purpose for run in reader.runs("bot")} == {Purpose.DRIFT}
    for words in (("bot", "--drift"), ("bot:dev", "--drift", "--local"), ("bot:dev", "--drift", "--limit", "1")):
        promptops("eval", *words, exits=2)
