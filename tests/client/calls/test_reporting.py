"""How calls get to the registry: once, in the background, and without any harm where they do not."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from promptops import Client
from promptops.client.follow import outcome_reports, threads
from promptops.core.outcomes.call_id import Standing, read_call_id
from promptops.wire.snapshot import encode
from tests.client import made
from tests.client.calls.conftest import ask, with_secret
from tests.client.calls.said import LINEAGE, MODEL, answer, bodies, counts, serve
from tests.client.clients import Maker
from tests.client.fake_server import SECRET, Asked, FakeServer, Reply
from tests.client.waiting import until


def refusing(kind: str, status: int) -> Any:
    """Answers requests of a kind with a status."""

    def script(asked: Asked) -> Reply | None:
        return Reply(status=status) if asked.kind == kind else None

    return script


# --- when all is well -----------------------------------------------------------------------------


@pytest.mark.usefixtures("often")
def test_calls_are_reported_while_the_process_runs(client_of: Maker, counting: FakeServer) -> None:
    client = with_secret(client_of(counting.url))
    for number in range(3):
        ask(client, str(number))
        until(lambda: counts(counting.reports()).get("calls") == number + 1)  # noqa: B023 called at once
    reports = counting.reports()
    assert [report.number for report in reports] == list(range(1, len(reports) + 1))
    assert len({report.client for report in reports}) == 1
    assert client.status().outcomes == ""


@pytest.mark.usefixtures("often")
def test_a_client_without_calls_reports_nothing(client_of: Maker, counting: FakeServer) -> None:
    client = with_secret(client_of(counting.url))
    client.refresh()
    client.close(60)
    assert counting.kinds().count("report-key") == 1
    assert "outcomes" not in counting.kinds()


@pytest.mark.usefixtures("at_the_end")
def test_a_client_that_sends_no_heartbeats_asks_for_the_secret_with_its_first_call(
    client_of: Maker, counting: FakeServer
) -> None:
    client = client_of(counting.url, heartbeat=False)
    client.refresh()
    assert "report-key" not in counting.kinds()
    ask(client, "ada")
    with_secret(client)
    client.close(60)
    assert counts(counting.reports()) == {"opened": 1, "calls": 1, "no_unit": 1}


@pytest.mark.usefixtures("at_the_end")
def test_what_was_sent_at_the_end_is_not_sent_by_the_next_start(client_of: Maker, counting: FakeServer) -> None:
    for _ in range(2):
        client = with_secret(client_of(counting.url))
        ask(client, "ada")
        client.close(60)
        client.close(60)
    assert counts(counting.reports())["calls"] == 2
    assert {report.number for report in counting.reports()} == {1}


@pytest.mark.usefixtures("at_the_end")
def test_keys_of_the_sample_are_reported_once_with_all_that_they_could_show(
    client_of: Maker, counting: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outcome_reports, "EVERY", 0.01)
    monkeypatch.setattr(outcome_reports, "LOOK", 0.01)
    counting.samples = {"bot": 2**32}
    client = with_secret(client_of(counting.url))
    ask(client, "first")  # the answer to this has the sample
    following: Any = getattr(client, "client", client)
    until(lambda: following._own.desk.samples)
    ask(client, "ada", "ada", "ben")
    client.close(60)
    [sampled] = [report.sampled_units for report in counting.reports() if report.sampled_units]
    assert len(sampled) == 2
    assert {entry.could for entry in sampled} == {("error", "refusal")}


@pytest.mark.usefixtures("at_the_end")
def test_calls_are_summed_by_the_tiers_that_the_registry_names(
    client_of: Maker, counting: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call of 10 tokens is over a boundary of 9, and not over one of 10. What is malformed is not believed."""
    monkeypatch.setattr(outcome_reports, "EVERY", 0.01)
    monkeypatch.setattr(outcome_reports, "LOOK", 0.01)
    known, other = f"openai/{MODEL}", "openai/gpt-4o-mini-2024-07-18"
    rates: dict[str, object] = {known: [[0, "1"], [9, "2"], [10, "3"]], other: [[5, "1"]], "a/b": "x", "c/d": [[]]}
    counting.rates = rates
    client = with_secret(client_of(counting.url))
    ask(client, "first")  # the answer to this has the rates
    following: Any = getattr(client, "client", client)
    until(lambda: following._own.desk.tiers)
    assert following._own.desk.tiers == {known: (9, 10)}
    ask(client, "ada")
    client.close(60)
    sums = {series.tier for report in counting.reports() for series, _ in report.sums if series.model}
    assert sums == {None, 9}


# --- exactly once ---------------------------------------------------------------------------------


@pytest.mark.usefixtures("often")
def test_a_report_whose_answer_is_lost_is_sent_again_under_its_number(client_of: Maker, counting: FakeServer) -> None:
    client = with_secret(client_of(counting.url))
    lost = list[Asked]()

    def script(asked: Asked) -> Reply | None:
        if asked.kind != "outcomes" or len(lost) == 2:
            return None
        lost.append(asked)
        counting.answer(asked)  # it is counted
        return Reply(status=502)

    counting.script = script
    ask(client, "ada", "ben")
    until(lambda: len(lost) == 2)
    until(lambda: not client.status().outcomes)
    ask(client, "cyn")
    until(lambda: counts(counting.reports()).get("calls") == 3)
    assert len({asked.body for asked in lost}) == 1
    assert len(bodies(counting)) > len(counting.reports())


@pytest.mark.usefixtures("often")
def test_a_report_that_the_registry_never_takes_is_dropped_and_counted(
    client_of: Maker, counting: FakeServer, caplog: pytest.LogCaptureFixture
) -> None:
    client = with_secret(client_of(counting.url))
    counting.script = refusing("outcomes", 422)
    ask(client, "ada")
    until(lambda: client.status().dropped == {"reports": 1})
    counting.script = None
    ask(client, "ben")
    until(lambda: counting.reports())
    assert [report.number for report in counting.reports()] == [2]
    assert [record.event for record in caplog.records if "refused" in record.message] == ["outcomes-failed"]  # type: ignore[attr-defined]


# --- when something is down -----------------------------------------------------------------------


@pytest.mark.usefixtures("often")
@pytest.mark.parametrize(
    ("kind", "status", "said"),
    [
        ("report-key", 403, "lacks the scope `report`"),
        ("report-key", 404, "0.5.0 or older"),
        ("outcomes", 403, "lacks the scope `report`"),
    ],
)
def test_a_registry_that_takes_no_reports_is_named_once_and_served_on(
    client_of: Maker, counting: FakeServer, caplog: pytest.LogCaptureFixture, kind: str, status: int, said: str
) -> None:
    counting.script = refusing(kind, status)
    client = client_of(counting.url, poll=0.05)
    until(lambda: client.status().outcomes or kind == "outcomes")
    ask(client, "ada", "ben")
    until(lambda: said in client.status().outcomes)
    before = counting.kinds().count("snapshot")
    until(lambda: counting.kinds().count("snapshot") > before + 3)
    ask(client, "cyn")
    assert client.state == "READY"
    assert client.get_prompt("bot/answer").version == "1.0.0"
    assert [record.levelname for record in caplog.records if getattr(record, "event", "") == "outcomes-off"] == [
        "WARNING"
    ]
    assert counting.kinds().count(kind) == 1


def test_a_client_without_calls_says_nothing_of_them_in_its_log(
    client_of: Maker, counting: FakeServer, caplog: pytest.LogCaptureFixture
) -> None:
    counting.script = refusing("report-key", 403)
    client = client_of(counting.url)
    until(lambda: "lacks the scope" in client.status().outcomes)
    client.close(60)
    assert not [record for record in caplog.records if getattr(record, "event", "").startswith("outcomes")]


def test_the_first_call_of_a_client_of_a_folder_is_not_taken_for_a_reported_one(
    client_of: Maker, counting: FakeServer, tmp_path: Path
) -> None:
    with client_of(f"file:{tmp_path}", start_timeout=0).call("bot/answer", fallback="Hello") as call:
        assert not call.is_reported
    client = client_of(counting.url)
    until(lambda: client.status().revisions)
    with client.call("bot/answer") as call:
        assert call.is_reported


@pytest.mark.parametrize("plain", [False, True])
def test_a_folder_and_a_plain_web_server_take_no_reports(
    client_of: Maker, plain_server: FakeServer, tmp_path: Path, plain: bool
) -> None:
    source = plain_server.url
    if not plain:
        serve(plain_server, made.pointer(17, made.release("bot", "1.0.0")))
        (tmp_path / "v1/channels/prod").mkdir(parents=True)
        (tmp_path / "v1/channels/prod/snapshot").write_bytes(encode(plain_server.snapshot)[0])
        (tmp_path / "v1/releases").mkdir()
        for digest, content in made.CONTENTS.items():
            (tmp_path / "v1/releases" / digest.removeprefix("sha256:")).write_bytes(content)
        source = f"file:{tmp_path}"
    client = client_of(source)
    until(lambda: "takes no reports of calls" in client.status().outcomes)
    ask(client, "ada")
    client.outcome("pc1:x", "ticket_resolved")
    client.close(60)
    assert not {"report-key", "outcomes"} & set(plain_server.kinds())


def hold_reports(server: FakeServer, seconds: float = 40.0) -> tuple[threading.Event, threading.Event]:
    """Keeps each report without an answer. Returns what is set when one came, and what lets them go when it is set."""
    came, go = threading.Event(), threading.Event()

    def script(asked: Asked) -> Reply | None:
        if asked.kind == "outcomes":
            came.set()
            go.wait(seconds)
        return None

    server.script = script
    return came, go


@pytest.mark.usefixtures("often")
def test_a_sender_that_hangs_holds_no_call_up(client_of: Maker, counting: FakeServer) -> None:
    client = with_secret(client_of(counting.url, timeout=600.0, poll=0.5))
    came, go = hold_reports(counting, 600.0)

    def call() -> None:
        for number in range(100):  # each adds three entries, and 100 wait at most
            ask(client, str(number))
            client.outcome("pc1:x", "ticket_resolved")

    try:
        ask(client, "ada")
        assert came.wait(40)
        callers = [threading.Thread(target=call, daemon=True) for _ in range(2)]
        for caller in callers:
            caller.start()
        until(lambda: not any(caller.is_alive() for caller in callers))
        assert client.state == "READY"
        assert client.get_prompt("bot/answer").version == "1.0.0"
    finally:
        go.set()
    until(lambda: counts(counting.reports()).get("calls") == 201)


@pytest.mark.usefixtures("often")
def test_a_client_that_closes_sends_what_came_after_the_report_that_is_on_its_way(
    client_of: Maker, counting: FakeServer
) -> None:
    client = with_secret(client_of(counting.url, timeout=30.0))
    came, go = hold_reports(counting)
    ask(client, "ada")
    assert came.wait(40)
    ask(client, "ben")
    closing = threading.Thread(target=client.close)
    closing.start()
    until(lambda: not client.status().running)
    go.set()
    closing.join()
    assert counts(counting.reports())["calls"] == 2


@pytest.mark.usefixtures("at_the_end")
def test_a_job_gives_its_last_report_more_time_than_its_goodbye(
    counting: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threads, "GOODBYE", 0.05)
    client = with_secret(Client(counting.url, channel="prod", cache_dir=False, start_timeout=20.0, timeout=30.0))
    came, go = hold_reports(counting)
    ask(client, "ada")
    closing = threading.Thread(target=client.close, args=(40.0,))
    closing.start()
    assert came.wait(40)
    closing.join(1.0)
    assert closing.is_alive(), "it waits"
    go.set()
    closing.join()
    assert counts(counting.reports())["calls"] == 1


@pytest.mark.usefixtures("at_the_end")
def test_a_client_that_leaves_asks_nothing_more_that_would_be_cut_off(counting: FakeServer) -> None:
    with Client(counting.url, channel="prod", cache_dir=False, start_timeout=20.0) as client:
        with_secret(client)
        ask(client, "ada")
        following = client._channel_threads["prod"]
        assert following.report_outcomes(40.0).wait(40.0)
        following._turns.outcomes._key_at = 0.0  # as if only now the first answer had come
        asked = counting.kinds().count("report-key")
        following._turns.outcomes.turn().wait(40.0)
        assert counting.kinds().count("report-key") == asked
    assert counts(counting.reports())["calls"] == 1


@pytest.mark.usefixtures("often")
def test_what_came_while_the_server_was_down_is_reported_when_it_is_back(
    client_of: Maker, counting: FakeServer
) -> None:
    client = with_secret(client_of(counting.url, poll=0.2))
    counting.stop()
    ask(client, "ada")
    until(lambda: "could not be reported" in client.status().outcomes)
    ask(client, "ben")
    counting.start()
    until(lambda: counts(counting.reports()).get("calls") == 2)
    until(lambda: client.status().outcomes == "")
    assert client.status().dropped == {}


@pytest.mark.usefixtures("often")
def test_calls_before_anything_answered_have_no_unit_and_count(client_of: Maker, counting: FakeServer) -> None:
    counting.script = lambda asked: Reply(status=503) if asked.kind == "report-key" else None
    client = client_of(counting.url)
    with client.call("bot/answer", key="ada") as call:
        call.record(answer())
    made_id = read_call_id(call.id, lineage=LINEAGE)
    assert made_id.standing(SECRET) is Standing.UNSEALED
    counting.script = None
    until(lambda: counts(counting.reports()) == {"opened": 1, "calls": 1, "no_unit": 1})


@pytest.mark.usefixtures("often")
def test_what_has_no_room_is_counted(client_of: Maker, counting: FakeServer) -> None:
    client = with_secret(client_of(counting.url))
    counting.script = refusing("outcomes", 503)
    for number in range(2_500):
        client.outcome(f"pc1:{number}:" + "x" * 200, "ticket_resolved")
    until(lambda: client.status().dropped.get("feedback", 0) > 1_000)
    counting.script = None
    until(
        lambda: (
            sum(len(report.feedback) for report in counting.reports()) + client.status().dropped["feedback"] == 2_500
        )
    )
