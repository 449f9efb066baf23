"""A provider in trouble, over real HTTP, and a run that is killed: nothing is lost, nothing is asked twice."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from email.utils import formatdate
from pathlib import Path

import pytest
from llmock.chaos import ChaosSettings
from llmock.simulation import MockResponseSettings
from llmock.testing import LLMockServer
from llmock.verdict import judge

from promptops.client.sources.trust import no_trust
from promptops.core.evidence.case_table import RowOutcome
from promptops.core.suite.suite import Check
from promptops.evals.caller import Pace
from promptops.evals.journal import Journal, read_lines
from promptops.evals.limiter import Limiter
from promptops.evals.providers import Endpoint
from promptops.evals.response import Response
from promptops.evals.runner import Workers
from tests.evals.killed import CASES, the_plan
from tests.evals.running import outcomes, planned, prompt, ran, side, suite
from tests.support.checkout import ROOT
from tests.support.model_server import Body, ModelServer, Reply, model_server, said, spoken

KILLS = 10


def test_a_provider_that_is_busy_and_away_costs_no_answer_and_is_not_pestered(tmp_path: Path) -> None:
    chaos = ChaosSettings(error_rates={429: 0.2, 503: 0.1}, latency_ms=5)
    checks = [Check(name="answers", kind="regex", wanted=".")]
    plan = planned(
        side(prompt(model="openai/gpt-4o-mini-2024-07-18")),
        suites=[suite(*(f"thing {number}" for number in range(60)), checks=checks)],
    )
    with LLMockServer(chaos=chaos, responses=MockResponseSettings(response_style="varied")) as server:
        url = server.base_url("openai")
        pace = Pace(limiters={"openai": Limiter()}, attempt=10.0, call=120.0, until=time.monotonic() + 120.0)
        found = {"openai": Endpoint(url=url, key="test", host="127.0.0.1")}
        settings = Workers(endpoints=found, pace=pace, trust=no_trust(), concurrency=16)
        finished = ran(plan, tmp_path, None, with_workers=settings)
        verdict = judge(server.state.journal.records())
    assert [row.graded.error for row in finished.rows if row.graded.error] == []
    assert len(finished.rows) == 60 and verdict.faults > 5
    verdict.assert_ok()


def test_truncated_slow_and_garbled_answers_cost_no_answer(tmp_path: Path) -> None:
    def answering(body: Body, times: int) -> Reply:
        good = said(f"echo {spoken(body)}")
        trouble = [
            Reply(status=429, headers={"retry-after": "0"}),
            Reply(status=503),
            Reply(body=good.body, only=50),
            Reply(body=good.body[:50]),
            Reply(delay=1.5),
            Reply(body=b"<html>proxy</html>", headers={"content-type": "text/html"}),
        ]
        number = int(spoken(body).rpartition(" ")[2])
        return trouble[number % 8] if times == 1 and number % 8 < len(trouble) else good

    plan = planned(side(prompt()), suites=[suite(*(f"thing {number}" for number in range(40)))])
    with model_server(answering) as server:
        pace = Pace(limiters={"local": Limiter()}, attempt=1.0, call=60.0, until=time.monotonic() + 120.0)
        found = {"local": Endpoint(url=server.url, key="", host="127.0.0.1")}
        settings = Workers(endpoints=found, pace=pace, trust=no_trust(), concurrency=16)
        finished = ran(plan, tmp_path, server, with_workers=settings)
    assert {row.graded.outcome for row in finished.rows} == {RowOutcome.PASSED}
    failed_first = {row.case for row in finished.rows if row.response.first_attempt_failed}
    lost_or_hung = {number for number in range(40) if number % 8 in (2, 4)}
    assert failed_first >= lost_or_hung, "on a busy machine an attempt of another case may also last a second"


@pytest.mark.parametrize("dated", [False, True])
def test_a_provider_says_how_long_to_wait_in_seconds_or_as_a_date(dated: bool, tmp_path: Path) -> None:
    came: list[float] = []

    def answering(body: Body, times: int) -> Reply:
        came.append(time.monotonic())
        if times > 1:
            return said(spoken(body))
        until = formatdate(time.time() + 2, usegmt=True) if dated else "1"
        return Reply(status=429, headers={"retry-after": until})

    with model_server(answering) as server:
        finished = ran(planned(side(prompt()), suites=[suite("cat")]), tmp_path, server)
    assert outcomes(finished) == [(0, "candidate", "passed")]
    assert came[1] - came[0] >= 1.0, "a lower bound is no measurement of speed"


def test_a_run_killed_ten_times_goes_on_and_gives_the_report_of_an_undisturbed_one(tmp_path: Path) -> None:
    def answering(body: Body, times: int) -> Reply:
        return Reply(body=said(f"echo {spoken(body)}").body, delay=0.02)

    with model_server(answering) as server:
        undisturbed = ran(the_plan(), tmp_path / "undisturbed", server)
        server.asked.clear()
        dice = random.Random(14)
        kills = 0
        for _ in range(KILLS * 3):
            target = len(server.asked) + dice.randint(1, CASES // KILLS)
            kills += _started_and_killed(server, tmp_path / "killed", target)
            if kills == KILLS:
                break
        asked = len(server.asked)
        resumed = ran(the_plan(), tmp_path / "killed", server)
    assert kills == KILLS
    assert asked <= CASES + 4 * KILLS, "only what was under way is asked again"
    assert outcomes(resumed) == outcomes(undisturbed)
    texts = [[row.response.text for row in finished.rows] for finished in (undisturbed, resumed)]
    assert texts[0] == texts[1]


def _started_and_killed(server: ModelServer, folder: Path, target: int) -> bool:
    """Starts a run in a process of its own, and kills it when so much was asked. Returns False if it ended before."""
    command = [sys.executable, "-m", "tests.evals.killed", server.url, str(folder)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    until = time.monotonic() + 60
    while process.poll() is None and len(server.asked) < target and time.monotonic() < until:
        time.sleep(0.005)
    ended = process.poll() is not None
    os.kill(process.pid, signal.SIGKILL)
    _, complaint = process.communicate()
    assert not ended or process.returncode == 0, complaint.decode()
    return not ended


def test_a_torn_line_is_cut_off_and_the_rest_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    keys = [("s", "p", str(number), 1, "sha256:0") for number in range(3)]
    journal = Journal(path)
    for key in keys[:2]:
        journal.put(key, Response(text="ü"))
    journal.close()
    whole = path.read_bytes()
    for cut in range(len(whole) // 2 + 1, len(whole), 7):
        path.write_bytes(whole[:cut])
        journal = Journal(path)
        assert journal.get(keys[0]) and not journal.get(keys[1])
        journal.put(keys[2], Response(text="c"))
        journal.close()
        assert [key for key, _ in read_lines(path)] == [keys[0], keys[2]]
        assert all(json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())
