"""A run that the registry knows: it is opened before its first call, rows follow while it runs, and its end is told."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from promptops.client.sources.trust import no_trust
from promptops.core.errors import Conflict, RegistryUnavailable, Unavailable
from promptops.core.evidence.case_table import Arm, Row, RowOutcome
from promptops.core.evidence.evidence import Count
from promptops.core.evidence.run import Run, Source, expected
from promptops.evals.plan import Selection
from promptops.evals.row_sender import RowSender
from promptops.evals.run_folder import Arguments
from promptops.operations.eval_plan import Prepared, prepare
from promptops.operations.evaluate import Asking, evaluate, record
from tests.evals.running import prompt, side, suite
from tests.support.model_server import Body, ModelServer, Reply, model_server, said, spoken

ID = "0123456789abcdef0123456789abcdef"


@dataclass
class Book:
    """A ledger as the registry keeps it: the first row for a place stands."""

    runs: list[Run] = field(default_factory=list)
    rows: dict[tuple[int, Arm, int], Row] = field(default_factory=dict)
    closed: list[str] = field(default_factory=list)
    counts: tuple[Count, ...] = ()
    away: int = 0
    asked_at_opening: int = -1
    server: ModelServer | None = None

    def open(self, run: Run) -> None:
        self.runs.append(run)
        self.asked_at_opening = len(self.server.asked) if self.server else -1

    def report(self, run: str, rows: Sequence[Row]) -> None:
        if self.away:
            self.away -= 1
            raise RegistryUnavailable("away")
        for row in rows:
            if self.rows.setdefault(row.place, row) != row:
                raise Conflict(f"the {row} is there already")

    def close(
        self, run: str, *, counts: Sequence[Count], tools: Sequence[str], served_models: Sequence[str], prices: str
    ) -> None:
        self.closed.append(run)
        self.counts = tuple(counts)


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with model_server() as running:
        yield running


def prepared(root: Path, *, replay: Path | None = None) -> Prepared:
    arguments = Arguments(
        id=ID, app="bot", started_at="2026-11-29T10:00:00Z", reference="bot", digests={}, suite_digests={}
    )
    sides = [side(prompt()), side(prompt("P: {{question}}"), arm=Arm.LIVE)]
    return prepare(root, sides, {"answer": suite("cat", "dog", repeats=2)}, Selection(), arguments, replay=replay)


def asking(url: str) -> Asking:
    return Asking(
        setting=lambda provider: (url, ""),
        trust=lambda urls: no_trust(),
        concurrency=2,
        rpm=None,
        attempt=5.0,
        call=5.0,
        deadline=60.0,
    )


def test_a_run_is_opened_before_its_first_call_and_closed_after_its_last_row(
    server: ModelServer, tmp_path: Path
) -> None:
    book = Book(server=server)
    report, _ = evaluate(prepared(tmp_path), asking(server.url), ledger=book, actor="Ada")
    [run] = book.runs
    assert (run.id, run.actor, run.source, run.hosts) == (ID, "Ada", Source.RUN, (server.url.split("/")[2],))
    assert book.asked_at_opening == 0
    assert sorted(book.rows) == sorted(expected(run)) and len(report.rows) == len(book.rows) == 8
    assert book.closed == [ID] and not report.local
    assert book.counts == (Count(prompt="answer", check="echoes", passed=4),)


def test_a_continued_run_is_opened_once_and_its_rows_stand(server: ModelServer, tmp_path: Path) -> None:
    book = Book()
    evaluate(prepared(tmp_path), asking(server.url), ledger=book)
    before = dict(book.rows)
    evaluate(prepared(tmp_path), asking(server.url), ledger=book)
    assert len(book.runs) == 1 and book.rows == before and len(server.asked) == 8


def test_a_row_that_was_edited_afterwards_is_refused(server: ModelServer, tmp_path: Path) -> None:
    book = Book()
    evaluate(prepared(tmp_path), asking(server.url), ledger=book)
    answers = tmp_path / ".promptops/runs" / ID / "answers.jsonl"
    answers.write_text(answers.read_text().replace("echo Q: cat", "something else"))
    with pytest.raises(Conflict, match="is there already"):
        evaluate(prepared(tmp_path), asking(server.url), ledger=book)


def test_an_error_that_was_reported_is_not_asked_again(tmp_path: Path) -> None:
    def answering(body: Body, times: int) -> Reply:
        down = "dog" in spoken(body) and len(broken) < 20
        if down:
            broken.append(body)
        return Reply(status=503, headers={"retry-after": "0"}) if down else said(spoken(body))

    broken: list[Body] = []
    book = Book()
    with model_server(answering) as server:
        quick = replace(asking(server.url), call=0.5)
        evaluate(prepared(tmp_path), quick, ledger=book)
        asked = len(server.asked)
        report, _ = evaluate(prepared(tmp_path), quick, ledger=book)
        assert len(server.asked) == asked and any(row.error for row in report.rows)


def test_recorded_answers_are_a_replay_for_the_registry(server: ModelServer, tmp_path: Path) -> None:
    _, folder = evaluate(prepared(tmp_path / "a"), asking(server.url))
    record(folder, tmp_path / "recorded")
    book = Book()
    evaluate(prepared(tmp_path / "b", replay=tmp_path / "recorded"), asking("http://nowhere.invalid"), ledger=book)
    assert book.runs[0].source is Source.REPLAY and book.runs[0].hosts == ()
    assert all(row.latency_ms is None for row in book.rows.values())


def test_a_registry_that_is_away_gets_the_rows_later(server: ModelServer, tmp_path: Path) -> None:
    book = Book(away=1)
    evaluate(prepared(tmp_path), asking(server.url), ledger=book)
    assert len(book.rows) == 8 and book.closed == [ID]


def test_rows_are_sent_while_the_run_goes_on_and_a_refusal_ends_it() -> None:
    sent: list[int] = []
    ended = threading.Event()

    def send(rows: Sequence[Row]) -> None:
        sent.append(len(rows))
        if len(sent) > 1:
            raise Conflict("the row is there already")

    sender = RowSender(send, refused=ended.set, every=0.02)
    for number in range(2):
        sender.put(Row(case=number, arm=Arm.CANDIDATE, repeat=1, outcome=RowOutcome.PASSED, score=1.0))
        until = time.monotonic() + 10
        while len(sent) <= number and time.monotonic() < until:
            time.sleep(0.005)
    assert ended.wait(10)
    with pytest.raises(Conflict):
        sender.close()


def test_rows_that_never_arrive_are_an_error() -> None:
    def send(rows: Sequence[Row]) -> None:
        raise RegistryUnavailable("away")

    sender = RowSender(send, refused=lambda: None, every=10.0)
    sender.put(Row(case=0, arm=Arm.CANDIDATE, repeat=1, outcome=RowOutcome.PASSED, score=1.0))
    with pytest.raises(Unavailable):
        sender.close(seconds=0.0)
