"""`promptops ci` over the pull requests that there are: wording, model pin, a weaker suite, 600 findings, a merge."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from junitparser import JUnitXml
from sarif_pydantic import Sarif  # type: ignore[import-untyped]

from tests.cli.conftest import Answer, Promptops
from tests.support import factory
from tests.support.model_server import Body, Reply, model_server, said, spoken

PROMPT = "model: {model}\nmessages:\n- role: user\n  content: {text}\n"
SUITE = "prompts: answer\nkind: {kind}\nchecks: [{{contains: '{{{{expected}}}}'}}]\ncases:\n{cases}"


def loaded(answered: Answer) -> Any:
    """The JSON that a command printed."""
    return answered.json


def answering(body: Body, times: int) -> Reply:
    """Greets."""
    return said(f"Hello {spoken(body)}")


def prompt(text: str = "Hello {{name}}", model: str = "openai/gpt-4o-2024-08-06") -> str:
    return PROMPT.format(text=json.dumps(text), model=model)


def suite(*names: str, kind: str = "required", expected: str = "yes") -> str:
    cases = "".join(f"- {{id: {name}, name: {name}, expected: '{expected}'}}\n" for name in names)
    return SUITE.format(kind=kind, cases=cases)


@pytest.fixture
def place(tmp_path: Path, promptops: Promptops, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace below the root of its repository, with two apps."""
    root = tmp_path / "repository"
    files = {
        "promptops.yml": "registry: team\napps: [apps/*]\n",
        "apps/bot/prompts/answer.prompt.yml": prompt(),
        "apps/bot/evals/golden.suite.yml": suite("a", "b"),
        "apps/other/prompts/tell.prompt.yml": prompt("Other {{name}}"),
    }
    factory.make_workspace(root, {f"texts/{path}": text for path, text in files.items()})
    monkeypatch.chdir(root / "texts")
    return root


def change(place: Path, path: str, text: str) -> None:
    factory.commit(place, {f"texts/apps/bot/{path}": text})


def answer(promptops: Promptops, *arguments: str, exits: int = 0) -> dict[str, Any]:
    return promptops("ci", "--json", *arguments, exits=exits).json


def test_a_change_of_wording_is_a_patch_of_one_app(place: Path, promptops: Promptops) -> None:
    change(place, "prompts/answer.prompt.yml", prompt("Good day {{name}}"))
    made = answer(promptops)
    assert made["folder"] == "texts" and [(app["app"], app["bump"]) for app in made["apps"]] == [("bot", "patch")]
    assert made["apps"][0]["path"] == "texts/apps/bot" and made["findings"] == []


def test_a_pin_is_a_minor_change_and_a_floating_one_a_finding_at_its_line(place: Path, promptops: Promptops) -> None:
    change(place, "prompts/answer.prompt.yml", prompt(model="openai/gpt-4o"))
    made = answer(promptops)
    assert made["apps"][0]["bump"] == "minor"
    assert [(each["code"], each["path"], each["line"]) for each in made["findings"]] == [
        ("floating-model", "texts/apps/bot/prompts/answer.prompt.yml", 1)
    ]


def test_a_weaker_suite_is_named_though_the_content_is_the_same(place: Path, promptops: Promptops) -> None:
    change(place, "evals/golden.suite.yml", suite("a", "c", kind="sample", expected="y"))
    (app,) = answer(promptops)["apps"]
    assert app["digest"] == app["old_digest"] and app["bump"] == "none"
    (golden,) = app["suites"]
    kept = {key: golden[key] for key in ("added", "removed", "changed", "lowered", "weaker")}
    assert kept == {"added": 1, "removed": 1, "changed": 1, "lowered": True, "weaker": True}


def test_files_without_content_are_no_change(place: Path, promptops: Promptops) -> None:
    change(place, "prompts/answer.prompt.yml", "# a comment\n" + prompt())
    factory.commit(place, {"README.md": "x", "texts/apps/bot/notes.txt": "x"})
    assert answer(promptops, "--base", "HEAD~2")["apps"] == []


def test_what_the_base_went_on_with_is_no_change_of_the_branch(place: Path, promptops: Promptops) -> None:
    branch = factory.git(place, "branch", "--show-current").strip()
    factory.git(place, "checkout", "-q", "-b", "wording")
    change(place, "prompts/answer.prompt.yml", prompt("Good day {{name}}"))
    factory.git(place, "checkout", "-q", branch)
    factory.commit(place, {"texts/apps/other/prompts/tell.prompt.yml": prompt("Else {{name}}")})
    factory.git(place, "checkout", "-q", "wording")
    assert [app["app"] for app in answer(promptops, "--base", branch)["apps"]] == ["bot"]
    factory.git(place, "merge", "-q", "--no-edit", branch)
    assert [app["app"] for app in answer(promptops, "--base", branch)["apps"]] == ["bot"]


def test_errors_stop_with_the_code_of_invalid_files(place: Path, promptops: Promptops) -> None:
    change(place, "prompts/answer.prompt.yml", "messages: 1\n")
    made = answer(promptops, exits=2)
    assert made["apps"][0]["digest"] is None and made["errors"] == made["apps"][0]["errors"] > 0


def test_a_workspace_that_is_one_app(tmp_path: Path, promptops: Promptops, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {"promptops.yml": "registry: team\napps: [.]\n", "app.yml": "name: bot\n", "prompts/a.prompt.yml": prompt()}
    root = factory.make_workspace(tmp_path / "alone", files)
    monkeypatch.chdir(root)
    factory.commit(root, {"prompts/a.prompt.yml": "messages: 1\n"})
    (app,) = answer(promptops, exits=2)["apps"]
    assert (app["app"], app["digest"], app["errors"]) == ("bot", None, 1)


def test_apps_that_come_and_go(place: Path, promptops: Promptops) -> None:
    factory.git(place, "mv", "texts/apps/other", "texts/apps/another")
    factory.git(place, "commit", "-q", "-m", "Move")
    apps = {app["app"]: (app["new"], app["gone"]) for app in answer(promptops)["apps"]}
    assert apps == {"another": (True, False), "other": (False, True)}


def test_a_first_commit_and_a_branch_without_a_base_are_all_new(place: Path, promptops: Promptops) -> None:
    assert [app["new"] for app in answer(promptops)["apps"]] == [True, True]
    assert len(answer(promptops, "--base", "0" * 40)["apps"]) == 2


def test_a_shallow_clone_says_that_it_is_one(place: Path, promptops: Promptops, tmp_path: Path) -> None:
    factory.commit(place, {})
    factory.git(tmp_path, "clone", "-q", "--depth", "1", f"file://{place}", "shallow")
    made = promptops("-C", str(tmp_path / "shallow/texts"), "ci", "--json").json
    assert made["base"] == "" and "shallow" in str(made["notes"])


def test_branches_without_a_common_commit_are_compared_as_they_are(place: Path, promptops: Promptops) -> None:
    factory.git(place, "checkout", "-q", "--orphan", "other")
    change(place, "prompts/answer.prompt.yml", prompt("Good day {{name}}"))
    made = answer(promptops, "--base", "main")
    assert [app["app"] for app in made["apps"]] == ["bot"] and "no commit in common" in made["notes"][0]


def test_a_base_that_is_not_there_says_how_to_get_it(place: Path, promptops: Promptops) -> None:
    assert "there is no commit 'nowhere'" in promptops("ci", "--base", "nowhere", exits=2).err


def test_600_findings_fit_into_every_format(place: Path, promptops: Promptops) -> None:
    text = "x \u202e y"
    for number in range(30):
        lines = "\n".join(f"- role: user\n  content: {json.dumps(text)} # {n}" for n in range(20))
        path = place / f"texts/apps/bot/prompts/p{number}.prompt.yml"
        path.write_text(f"model: openai/gpt-4o\nmessages:\n{lines}\n")
    factory.commit(place, {})
    names = ("summary", "comment", "sarif", "junit", "code-quality")
    options = [word for name in names for word in (f"--{name}", f"../{name}")]
    out = promptops("ci", "--format", "github", *options, exits=2).out
    texts = {name: (place / name).read_text() for name in names}
    found = Sarif.model_validate_json(texts["sarif"]).runs[0].results
    assert len(found) >= 600 and len(json.loads(texts["code-quality"])) == len(found)
    assert len(texts["summary"].encode()) < 1_000_000 and len(texts["comment"]) < 65_536
    assert sum(suite.tests for suite in JUnitXml.fromstring(texts["junit"].encode())) == 1
    commands = [line for line in out.splitlines() if line.startswith(("::error", "::warning", "::notice"))]
    assert len(commands) == 11 and f"{len(found) - 10:,} more findings" in commands[-1]
    assert "\u202e" not in "".join((*texts.values(), out))


def test_a_finding_on_a_line_that_did_not_change_is_in_the_summary_and_no_annotation(
    place: Path, promptops: Promptops
) -> None:
    text = "inputs:\n  name: {{type: string}}\n  other: {{type: string}}\n" + PROMPT
    both = text.format(model="openai/gpt-4o-2024-08-06", text='"Hello {{name}} {{other}}"')
    change(place, "prompts/tell.prompt.yml", both)
    change(place, "prompts/tell.prompt.yml", both.replace(" {{other}}", "").replace("-2024-08-06", ""))
    answered = answer(promptops)
    assert [(each["code"], each["line"]) for each in answered["findings"]] == [
        ("unused-variable", 3),
        ("floating-model", 4),
    ]
    out = promptops("ci", "--format", "github", "--summary", "../summary").out
    commands = [line for line in out.splitlines() if line.startswith(("::error", "::warning", "::notice"))]
    assert len(commands) == 2 and ",line=4," in commands[0] and "::1 more finding is in the summary" in commands[1]
    assert "file=texts/apps/bot/prompts/tell.prompt.yml" in commands[0]
    assert "unused-variable" in (place / "summary").read_text()


@pytest.mark.parametrize("form", ["github", "gitlab", "plain"])
def test_lines_of_a_pull_request_are_no_commands_of_the_runner(
    form: str, place: Path, promptops: Promptops, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    change(place, "prompts/answer.prompt.yml", prompt("##[error]x ::set-output name=a::b {{name}}"))
    change(place, "prompts/##[error]x.prompt.yml", "messages: 1\n")
    lines = promptops("ci", "--format", form, "--base", "HEAD~2", exits=2).out.splitlines()
    assert lines[0].startswith("::stop-commands::") and "##[error]" in "".join(lines)
    end = f"::{lines[0].rpartition('::')[2]}::"
    outside = [
        line
        for line in lines[lines.index(end) + 1 :]
        if "##[" in line and not line.startswith(("::error ", "::warning "))
    ]
    assert lines.count(end) == 1 and outside == []


@pytest.mark.parametrize("form", ["gitlab", "plain"])
def test_elsewhere_nothing_is_printed_for_a_runner(form: str, place: Path, promptops: Promptops) -> None:
    assert not any(line.startswith("::") for line in promptops("ci", "--format", form).out.splitlines())


GATE = "channels:\n  dev: {}\n  prod: {protected: true, gate: {required: {agree: 1 of 1}, cost: {per_call_usd: 1}}}\n"
LOCAL = "local/echo-2026-01-01"


@pytest.fixture
def gated(place: Path, promptops: Promptops, monkeypatch: pytest.MonkeyPatch) -> str:
    """A registry with a channel that wants evidence, and a changed prompt whose model is on this machine."""
    url = f"sqlite:///{place}/registry.db"
    monkeypatch.setenv("PROMPTOPS_REGISTRY", url)
    monkeypatch.setenv("PROMPTOPS_SYNC", "off")
    factory.commit(place, {"texts/promptops.yml": f"registry: team\napps: [apps/*]\n{GATE}"})
    promptops("init")
    change(place, "evals/golden.suite.yml", suite("ada", "bob", expected="Hello"))
    change(place, "prompts/answer.prompt.yml", prompt("Greet {{name}}", model=LOCAL))
    return url


def test_run_makes_the_evidence_that_lacks_and_judges_what_is_not_released_yet(
    gated: str, place: Path, promptops: Promptops, monkeypatch: pytest.MonkeyPatch
) -> None:
    (closed, cost) = answer(promptops, "--channel", "prod", exits=5)["checks"]
    assert closed["outcome"] == cost["outcome"] == "inconclusive"
    assert "promptops eval run bot --channel prod" in closed["hint"]
    (place / "texts/apps/bot/prompts/answer.prompt.yml").write_text("not what was committed")
    with model_server(answering) as server:
        monkeypatch.setenv("LOCAL_BASE_URL", server.url)
        made = answer(promptops, "--channel", "prod", "--run", "--max-cost", "0", exits=5)
        assert server.asked == [] and "the price of" in made["checks"][0]["reason"]
        answered = promptops("ci", "--json", "--channel", "prod", "--run", exits=5)
        made = loaded(answered)
        promptops("ci", "--channel", "prod", "--run", exits=5)
        assert len(server.asked) == 2, "what was judged is not asked again: that is another look"
    assert "plan: 2 cases, 2 calls" in answered.err
    outcomes = {line["check"]: line["outcome"] for line in made["checks"]}
    assert outcomes == {"required of answer": "pass", "cost": "inconclusive"}, "an unknown price is not 0"
    (app,) = made["apps"]
    assert app["calls"]["cases"] == 2 and app["calls"]["live"] is None
    assert app["calls"]["now"]["cost_usd"] is None and app["calls"]["now"]["tokens"] == 15.0
    out = promptops("ci", "--channel", "prod", "--summary", "../summary", exits=5).out
    assert "a call has 15 tokens, over 2 cases" in out and "a call costs" not in out
    assert "half of the calls take at most" in (place / "summary").read_text()


def test_cost_and_time_are_compared_with_what_is_live(
    gated: str, place: Path, promptops: Promptops, monkeypatch: pytest.MonkeyPatch
) -> None:
    promptops("release", "bot")
    promptops("channels", "apply", "--json")
    promptops("promote", "bot@0.1.0", "--channel", "dev")
    change(place, "prompts/answer.prompt.yml", prompt("Greet kindly {{name}}", model=LOCAL))
    with model_server(answering) as server:
        monkeypatch.setenv("LOCAL_BASE_URL", server.url)
        promptops("eval", "bot", "--channel", "dev")
    (app,) = answer(promptops, "--channel", "dev")["apps"]
    calls = app["calls"]
    assert calls["cases"] == 2 and calls["now"]["tokens"] == calls["live"]["tokens"] == 15.0
    assert calls["live"]["latency_ms"] > 0 and calls["live"]["cost_usd"] is None
    assert "a call has 15 tokens, on live 15 tokens (+0.0%), over 2 cases" in promptops("ci", "--channel", "dev").out


def test_without_a_key_or_a_registry_nothing_is_green(
    gated: str, place: Path, promptops: Promptops, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pull request of a fork has no secrets; its gate is inconclusive, and every output is written all the same."""
    change(place, "prompts/answer.prompt.yml", prompt("Greet {{name}}", model="openai/gpt-4o-2024-08-06"))
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    made = answer(promptops, "--channel", "prod", "--run", "--base", "HEAD~3", exits=5)
    (run, *others) = made["checks"]
    assert (run["check"], run["outcome"]) == ("run", "inconclusive") and "no key for openai" in run["reason"]
    assert "docs/ci/github-evals.yml" in run["hint"] and {line["outcome"] for line in others} == {"inconclusive"}
    monkeypatch.setenv("PROMPTOPS_REGISTRY", f"sqlite:///{place}/nowhere.db")
    away = ("--channel", "prod", "--run", "--base", "HEAD~3", "--junit", "../junit")
    (line,) = answer(promptops, *away, exits=5)["checks"]
    assert line["outcome"] == "inconclusive" and "the registry cannot be asked" in line["reason"]
    assert JUnitXml.fromstring((place / "junit").read_bytes()).failures == 1
    assert "a gate lacks" in promptops("ci", "--run", exits=2).err


def test_a_floating_model_is_refused_by_a_protected_channel_whatever_it_answers(
    gated: str, place: Path, promptops: Promptops
) -> None:
    change(place, "prompts/answer.prompt.yml", prompt("Greet {{name}}", model="openai/gpt-4o"))
    lines = answer(promptops, "--channel", "prod", exits=5)["checks"]
    assert (lines[0]["check"], lines[0]["outcome"]) == ("protected", "fail") and "openai/gpt-4o" in lines[0]["reason"]
    assert "there is no channel 'prd'" in promptops("ci", "--channel", "prd", exits=3).err


def test_evidence_of_a_content_is_listed_and_people_approve_a_release(
    place: Path, promptops: Promptops, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{place}/registry.db"
    monkeypatch.setenv("PROMPTOPS_SYNC", "off")
    channels = "channels:\n  dev: {}\n  prod: {gate: {approvals: {count: 1, proven: false}}}\n"
    factory.commit(place, {"texts/promptops.yml": f"registry: team\napps: [apps/*]\n{channels}"})
    promptops("--registry", url, "init")
    change(place, "prompts/answer.prompt.yml", prompt("Good day {{name}}"))
    (asked,) = answer(promptops, "--registry", url, "--channel", "prod", exits=5)["checks"]
    assert "once it is released: promptops release bot" in asked["hint"]
    promptops("--registry", url, "release", "bot")
    verdicts = '{"schema": "promptops.results/1"}\n{"case": "a", "passed": true}\n{"case": "b", "error": "timeout"}\n'
    (place / "results.jsonl").write_text(verdicts)
    words = ("evidence", "import", "../results.jsonl", "--format", "jsonl", "--for", "bot@0.1.0")
    promptops("--registry", url, *words)
    made = answer(promptops, "--registry", url, "--channel", "prod", exits=5)
    asked = made["checks"]
    assert [line.rpartition(",")[0] for line in made["apps"][0]["evidence"]] == ["import: 1 passed, 0 failed, 1 errors"]
    assert made["apps"][0]["calls"] is None
    assert [(line["check"], line["outcome"]) for line in asked] == [("approvals", "inconclusive")]
    assert "promptops gate bot@0.1.0 --channel prod" in asked[0]["hint"]
    assert answer(promptops, "--registry", url, "--channel", "dev")["checks"] == []
