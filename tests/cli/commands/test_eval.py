"""`eval` as a user types it: a provider on this machine, suites of a workspace, and no registry."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import pytest

from tests.cli.conftest import Answer, Promptops
from tests.support import factory
from tests.support.model_server import Body, ModelServer, Reply, model_server, said, spoken

PROMPT = """\
name: greet
model: local/echo-2026-01-01
messages:
  - role: user
    content: "Greet {{name}}"
testData:
  - {name: Ada, expected: Ada, id: ada, tags: [short]}
  - {name: Grace, expected: Grace, id: grace}
evaluators:
  - name: names them
    string: {contains: "{{expected}}"}
"""
ATTACK = "</pre><script>alert(1)</script>{{ 7*7 }}"


def loaded(answer: Answer) -> Any:
    """The JSON that a command printed."""
    return answer.json


def answering(body: Body, times: int) -> Reply:
    """Greets everybody but Grace."""
    return said(ATTACK if "Grace" in spoken(body) else f"Hello, {spoken(body).removeprefix('Greet ')}!")


@pytest.fixture
def provider(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModelServer]:
    """The provider `local`, and a prompt with a suite whose second case fails."""
    (workspace / "bot/prompts/greet.prompt.yml").write_text(PROMPT)
    with model_server(answering) as server:
        monkeypatch.setenv("LOCAL_BASE_URL", server.url)
        yield server


def test_a_local_run_shows_the_worst_case_first_and_needs_no_registry(
    provider: ModelServer, workspace: Path, promptops: Promptops, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMPTOPS_REGISTRY", "postgresql://nowhere.invalid/none")
    answer = promptops("eval", "bot", "--local")
    assert "plan: 2 cases, 2 calls, the price of local/echo-2026-01-01 is not known" in answer.err
    assert "1 case did not pass" in answer.out and "failed  greet grace" in answer.out
    assert "names them: the answer does not fit 'contains'" in answer.out
    assert "1 of 2" in answer.out and "no evidence" in answer.out
    assert len(provider.asked) == 2


def test_the_exit_code_is_about_required_suites_or_with_strict_about_all(
    provider: ModelServer, workspace: Path, promptops: Promptops
) -> None:
    assert "1 of 2" in promptops("eval", "bot", "--local", "--strict", exits=5).out
    assert "1 of 1" in promptops("eval", "bot", "--local", "--strict", "--tag", "short").out
    suite = "prompts: [greet]\nkind: required\ncases: [{name: Grace}]\nchecks: [{contains: Grace}]\n"
    (workspace / "bot/evals").mkdir()
    (workspace / "bot/evals/must.suite.yml").write_text(suite)
    assert "must (required, 1 case)" in promptops("eval", "bot", "--local", exits=5).out
    assert "1 of 2" in promptops("eval", "bot", "--local", "--suite", "greet").out


def test_the_report_as_json_has_no_texts_and_says_where_they_are(
    provider: ModelServer, workspace: Path, promptops: Promptops
) -> None:
    answer = promptops("eval", "bot", "--local", "--json")
    report = loaded(answer)
    assert [row["outcome"] for row in report["rows"]] == ["passed", "failed"]
    assert "Hello" not in answer.out and "script" not in answer.out
    folder = workspace / str(report["folder"])
    assert "Hello, Ada!" in (folder / "report.json").read_text()
    assert factory.git(workspace, "status", "--porcelain", "--", ".promptops") == ""
    assert "Hello, Ada!" in promptops("eval", "diff", str(report["run"])[:8], "--case", "ada").out
    assert loaded(promptops("eval", "show", str(report["run"]), "--json"))["rows"] == report["rows"]


def test_files_of_a_run_are_safe_to_open(
    provider: ModelServer, workspace: Path, promptops: Promptops, tmp_path: Path
) -> None:
    page, junit = tmp_path / "run.html", tmp_path / "run.xml"
    promptops("eval", "bot", "--local", "--html", str(page), "--junit", str(junit))
    text = page.read_text()
    assert "<script" not in text and "&lt;script&gt;" in text and "{{ 7*7 }}" in text
    assert "default-src 'none'" in text and "http://" not in text and "https://" not in text
    suites = Xml.parse(junit).getroot()
    assert [(case.get("name"), len(case)) for case in suites.iter("testcase")] == [("ada", 0), ("grace", 1)]
    assert suites[0].get("failures") == "1"


def test_recorded_answers_are_replayed_without_a_provider(
    provider: ModelServer, workspace: Path, promptops: Promptops, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = loaded(promptops("eval", "bot", "--local", "--record", "recorded", "--json"))
    monkeypatch.delenv("LOCAL_BASE_URL")
    again = loaded(promptops("eval", "bot", "--local", "--replay", "recorded", "--json"))
    assert again["source"] == "replay" and len(provider.asked) == 2
    outcomes = [[row["outcome"] for row in report["rows"]] for report in (first, again)]
    assert outcomes[0] == outcomes[1]
    prompt = workspace / "bot/prompts/greet.prompt.yml"
    prompt.write_text(PROMPT.replace("Greet {{name}}", "Say hello to {{name}}"))
    failed = promptops("eval", "bot", "--local", "--replay", "recorded", exits=3)
    assert "has no answer to the request" in failed.err and "--record DIR" in failed.err
    missing = promptops("eval", "bot", "--local", exits=2)
    assert "LOCAL_BASE_URL" in missing.err


def test_new_checks_for_recorded_answers(provider: ModelServer, workspace: Path, promptops: Promptops) -> None:
    run = str(loaded(promptops("eval", "bot", "--local", "--json"))["run"])
    prompt = workspace / "bot/prompts/greet.prompt.yml"
    prompt.write_text(PROMPT.replace('string: {contains: "{{expected}}"}', "regex: ."))
    promptops("eval", "bot", "--local", "--rescore", run[:8], "--strict")
    assert len(provider.asked) == 2


def test_two_releases_are_asked_in_one_run_and_compared(
    provider: ModelServer, workspace: Path, promptops: Promptops
) -> None:
    promptops("channels", "apply")
    promptops("release", "bot", "--allow-dirty")
    promptops("promote", "bot@0.1.0", "--channel", "dev")
    prompt = workspace / "bot/prompts/greet.prompt.yml"
    prompt.write_text(PROMPT.replace("Greet {{name}}", "Greet {{name}} kindly"))
    report = loaded(promptops("eval", "bot", "--local", "--against", "live", "--channel", "dev", "--json"))
    [compared] = report["comparisons"]
    assert compared == {"prompt": "greet", "compared": 2, "unchanged": 0, "lost": 0, "gained": 0}
    again = loaded(promptops("eval", "bot:dev", "--local", "--against", "0.1.0", "--json"))
    assert again["comparisons"][0]["unchanged"] == 2
    shown = promptops("eval", "diff", str(report["run"])[:8])
    assert "No case came out differently." in shown.out


def test_a_limit_of_the_cost_needs_a_price(provider: ModelServer, promptops: Promptops) -> None:
    refused = promptops("eval", "bot", "--local", "--max-cost", "1", exits=5)
    assert "the price of local/echo-2026-01-01 is not known" in refused.err and "--max-cost" in refused.err
    assert provider.asked == []


def test_a_dear_run_is_refused_before_and_stopped_while_it_runs(
    provider: ModelServer, workspace: Path, promptops: Promptops, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", provider.url)
    prompt = workspace / "bot/prompts/greet.prompt.yml"
    prompt.write_text(PROMPT.replace("local/echo-2026-01-01", "openai/gpt-4o-2024-08-06"))
    refused = promptops("eval", "bot", "--local", "--max-cost", "0.0000001", exits=5)
    assert "over the limit" in refused.err and provider.asked == []


@pytest.mark.parametrize(
    ("arguments", "exits", "why"),
    [
        (["eval", "nope", "--local"], 3, "no app 'nope'"),
        (["eval", "bot/nope", "--local"], 3, "no prompt 'nope'"),
        (["eval", "bot", "--local", "--suite", "nope"], 3, "no suite 'nope'"),
        (["eval", "bot", "--local", "--tag", "nope"], 2, "no case of bot with tag nope"),
        (["eval", "bot", "--local", "--continue", "abcd"], 3, "no run 'abcd'"),
        (["eval", "bot", "--local", "--replay", "nowhere"], 3, "no recorded answers"),
        (["eval", "diff", "abcd"], 3, "no run 'abcd'"),
    ],
)
def test_what_is_wrong_is_said(
    arguments: list[str], exits: int, why: str, provider: ModelServer, promptops: Promptops
) -> None:
    assert why in promptops(*arguments, exits=exits).err
    assert provider.asked == []


def test_an_error_in_a_suite_is_listed_and_nothing_is_asked(
    provider: ModelServer, workspace: Path, promptops: Promptops
) -> None:
    (workspace / "bot/evals").mkdir()
    (workspace / "bot/evals/must.suite.yml").write_text("prompts: [greet]\ncases: []\n")
    failed = promptops("eval", "bot", "--local", exits=2)
    assert "bot/evals/must.suite.yml" in failed.err and provider.asked == []


def test_a_function_of_the_workspace_checks_answers(
    provider: ModelServer, workspace: Path, promptops: Promptops
) -> None:
    (workspace / "own_checks.py").write_text("def shouts(answer, case):\n    return answer.endswith('!')\n")
    prompt = workspace / "bot/prompts/greet.prompt.yml"
    prompt.write_text(PROMPT.replace('string: {contains: "{{expected}}"}', "python: own_checks:shouts"))
    report = loaded(promptops("eval", "bot", "--local", "--json"))
    assert [row["outcome"] for row in report["rows"]] == ["passed", "failed"]


def test_an_interrupted_run_is_continued(
    workspace: Path, promptops: Promptops, monkeypatch: pytest.MonkeyPatch
) -> None:
    cases = "".join(f"  - {{name: n{number}, expected: n{number}}}\n" for number in range(14))
    text = PROMPT.replace(PROMPT[PROMPT.index("  - {name: Ada") : PROMPT.index("evaluators")], cases)
    (workspace / "bot/prompts/greet.prompt.yml").write_text(text)

    def slow(body: Body, times: int) -> Reply:
        return Reply(body=answering(body, times).body, delay=1.0)

    with model_server(slow) as server:
        monkeypatch.setenv("LOCAL_BASE_URL", server.url)
        # A shell starts what it runs behind itself without interrupts, and the tests may be started like that.
        heard = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
        program = f"{heard}; from promptops.cli.main import main; main()"
        command = [sys.executable, "-c", program, "eval", "bot", "--local", "--concurrency", "2"]
        process = subprocess.Popen(command, cwd=workspace, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        until = time.monotonic() + 60
        while len(server.asked) < 4 and time.monotonic() < until:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, complaint = process.communicate(timeout=60)
        assert process.returncode == 130, complaint
        [folder] = [path for path in (workspace / ".promptops/runs").iterdir() if path.is_dir()]
        kept = (folder / "answers.jsonl").read_text().count("\n")
        assert kept == len(server.asked) and f"promptops eval --continue {folder.name[:8]}" in complaint
        report = loaded(promptops("eval", "--continue", folder.name[:8], "--json"))
    assert len(server.asked) == 14, "nothing is asked twice"
    assert report["run"] == folder.name and report["missing"] == 0
    assert {json.loads(line)["key"][2] for line in (folder / "answers.jsonl").read_text().splitlines()}
    (workspace / "bot/prompts/greet.prompt.yml").write_text(text.replace("Greet", "Hail"))
    assert "cannot go on" in promptops("eval", "--continue", folder.name[:8], exits=4).err


CHAT = """\
model: local/echo-2026-01-01
messages:
  - {role: system, content: Be brief.}
  - {role: placeholder, name: history, optional: true}
  - {role: user, content: "Greet {{name}}"}
tools: [{name: find}]
testData:
  - name: Ada
    id: ada
    history:
      - {role: user, content: "Who is {{name}}?"}
      - {role: assistant, tool_calls: [{id: c1, name: find, arguments: {name: Ada}}]}
      - {role: tool, tool_call_id: c1, content: A countess.}
      - {role: assistant, content: A countess.}
  - {name: Grace, id: grace}
evaluators:
  - {name: greets, string: {contains: Hello}}
"""


def test_a_case_bears_the_messages_of_a_conversation_and_what_its_tools_answered(
    provider: ModelServer, workspace: Path, promptops: Promptops
) -> None:
    (workspace / "bot/prompts/chat.prompt.yml").write_text(CHAT)
    answer = promptops("eval", "bot", "--local", "--suite", "chat", "--json")
    assert sorted(row["outcome"] for row in loaded(answer)["rows"]) == ["failed", "passed"]
    with_history, without = sorted(provider.asked, key=lambda body: -len(body["messages"]))
    assert without["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Greet Grace"},
    ]
    function = {"name": "find", "arguments": '{"name": "Ada"}'}
    assert with_history["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Who is {{name}}?"},
        {"role": "assistant", "content": "", "tool_calls": [{"id": "c1", "type": "function", "function": function}]},
        {"role": "tool", "content": "A countess.", "tool_call_id": "c1"},
        {"role": "assistant", "content": "A countess."},
        {"role": "user", "content": "Greet Ada"},
    ]


def test_a_case_without_a_conversation_that_can_be_sent_ends_the_run_before_its_first_call(
    provider: ModelServer, workspace: Path, promptops: Promptops
) -> None:
    (workspace / "bot/prompts/chat.prompt.yml").write_text(CHAT.replace("role: tool,", "role: tol,"))
    said_of = promptops("eval", "bot", "--local", "--suite", "chat", exits=2).err
    assert "case ada" in said_of and "[2].role is 'tol'; did you mean 'tool'?" in said_of
    assert provider.asked == []
