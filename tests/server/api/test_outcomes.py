"""What clients report over HTTP: their secret, their documents, and what their calls led to."""

from __future__ import annotations

import secrets
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from promptops.core.model import Json
from promptops.core.outcomes.call_outcome import Count
from promptops.core.token import Scope
from promptops.evals.price_list import MOST
from promptops.operations.outcomes import report_key
from promptops.wire import codec
from promptops.wire.documents.outcomes import ReportKeyDocument
from promptops.wire.outcomes import report_to_json
from tests.server.conftest import Place, mint
from tests.support.reports import assignment, call_id, calls, report, series

KEY = "/v1/channels/prod/report-key"
OUTCOMES = "/v1/channels/prod/outcomes"
FEEDBACK = "/v1/outcomes"


def test_a_client_that_reports_gets_the_secret_and_one_that_reads_does_not(place: Place) -> None:
    reporter = mint(place.registry, "reporter", Scope.READ, Scope.REPORT)
    found = place.server.get(KEY, reporter)
    assert (found.status, found.headers["cache-control"]) == (200, "no-store")
    key = codec.from_json(ReportKeyDocument, found.json).key()
    assert key == report_key(place.registry)
    assert place.server.get("/v1/channels/dev/report-key", reporter).json == found.json
    refused = place.server.get(KEY, place.reader)
    assert (refused.status, refused.code) == (403, "not-allowed")
    assert "report" in str(refused.json["detail"])
    limited = mint(place.registry, "limited", Scope.REPORT, channels=("dev",))
    assert place.server.get(KEY, limited).code == "channel-not-found"
    assert place.server.get("/v1/channels/nowhere/report-key", reporter).code == "channel-not-found"
    assert key.secret.hex() not in place.server.said()


# --- documents ---------------------------------------------------------------------------------------


@pytest.fixture
def reporter(place: Place) -> Iterator[str]:
    """The secret of a token of the test alone that reports for everything."""
    name = f"reporter-{uuid.uuid4().hex[:8]}"
    yield mint(place.registry, name, Scope.REPORT)


def document(place: Place, number: int = 1, *, app: str = "bot", revision: int = 1, count: int = 1) -> dict[str, Json]:
    """A document of so many calls, of a client of its own."""
    sums = {(series(assignment(app, revision)), now()): calls(count)}
    return report_to_json(report(place.registry.lineage, number, sums, client=uuid.uuid4().hex))


def now() -> int:
    return int(time.time()) // 60


def counted(place: Place, app: str = "bot") -> int:
    """How many calls of an app are counted."""
    at = datetime.now(UTC)
    with place.registry.read() as reader:
        rows = reader.outcome_rows(app, since=at - timedelta(days=2), now=at)
        return sum(row.sums[Count.CALLS] for row in rows)


def test_a_document_is_counted_once_and_answered(place: Place, reporter: str) -> None:
    before, body = counted(place), document(place, count=7)
    first = place.server.ask("POST", OUTCOMES, token=reporter, body=body)
    assert (first.status, first.json) == (
        200,
        {
            "schema": "promptops.outcomes-answer/1",
            "number": 1,
            "counted": True,
            "sample": {"bot": 2**32},
            "left_out": {},
            "rates": {},
        },
    )
    again = place.server.ask("POST", OUTCOMES, token=reporter, body=body)
    assert again.json == first.json | {"counted": False}
    assert counted(place) == before + 7


def test_an_answer_has_the_rates_of_the_models_of_its_document(place: Place, reporter: str) -> None:
    """A price that depends on the size of a call needs sums by tier, so clients have to know the boundaries."""
    models = ("google/gemini-2.5-pro", "openai/no-such-model", *(f"acme/m{number}" for number in range(MOST)))
    sums = {(series(assignment(), model=model), now()): calls(1) for model in models}
    body = report_to_json(report(place.registry.lineage, 1, sums, client=uuid.uuid4().hex))
    assert place.server.ask("POST", OUTCOMES, token=reporter, body=body).json["rates"] == {}, "too many models"
    few = {place_of: done for place_of, done in sums.items() if not place_of[0].model.startswith("acme")}
    body = report_to_json(report(place.registry.lineage, 1, few, client=uuid.uuid4().hex))
    rates = place.server.ask("POST", OUTCOMES, token=reporter, body=body).json["rates"]
    assert rates == {
        "google/gemini-2.5-pro": [[0, "1.25", "0.125", "1.25", "10"], [200000, "2.5", "0.25", "2.5", "15"]]
    }


def test_a_token_that_only_reads_moves_nothing(place: Place) -> None:
    before = counted(place)
    for path, body in ((OUTCOMES, document(place)), (FEEDBACK, {"call_id": "pc1:", "name": "a"})):
        refused = place.server.ask("POST", path, token=place.reader, body=body)
        assert (refused.status, refused.code) == (403, "not-allowed")
    assert counted(place) == before


def test_a_token_reports_for_its_own_apps_alone(place: Place) -> None:
    limited = mint(place.registry, f"limited-{uuid.uuid4().hex[:8]}", Scope.REPORT, apps=("other",))
    before = counted(place)
    answers = [
        place.server.ask("POST", OUTCOMES, token=limited, body=document(place, app=app)).json
        for app in ("bot", "nobody")
    ]
    assert [answer | {"number": 1} for answer in answers] == [answers[0]] * 2
    assert answers[0]["left_out"] == {"unknown": 1}
    assert counted(place) == before
    assert place.server.ask("POST", OUTCOMES.replace("prod", "nowhere"), token=limited, body={}).status == 404


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"schema": "promptops.outcomes/9"}, "not a report of outcomes"),
        ({"number": 0}, "count from 1"),
        ({"number": -1}, "count from 1"),
        ({"client": "web-1"}, "32 lower-case hex digits"),
        ({"sums": {}}, "is not a list"),
        ({"later": 1}, "unknown key"),
        ({"dropped": {"calls": -5}}, "count is from 1"),
        ({"sums": [{"app": "bot"}]}, r"$.sums[0]"),
    ],
)
def test_a_document_that_is_malformed_is_refused_and_says_where(
    place: Place, reporter: str, change: dict[str, Json], says: str
) -> None:
    refused = place.server.ask("POST", OUTCOMES, token=reporter, body=document(place) | change)
    assert (refused.status, refused.code) == (422, "request-invalid")
    assert says in str(refused.json["detail"])


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"schema": "promptops.outcomes/1", "number": NaN}',
        b'{"schema": "promptops.outcomes/1", "number": 1e999}',
        b'{"number": 1, "number": 2}',
        b'{"schema": "promptops.outcomes/1", "sums": [' + b"1," * 300_000 + b"1]}",
        b'"' + b"x" * (3 << 20) + b'"',
        b"\xff\xfe",
        b"",
    ],
    ids=["deep", "NaN", "infinite", "twice", "many values", "large", "not text", "empty"],
)
def test_bytes_that_are_no_document_are_refused_and_the_server_goes_on(
    place: Place, reporter: str, body: bytes
) -> None:
    refused = place.server.ask("POST", OUTCOMES, token=reporter, body=body)
    assert 400 <= refused.status < 500
    assert place.server.ask("POST", OUTCOMES, token=reporter, body=document(place)).json["counted"] is True


def test_numbers_that_no_calls_have_are_refused(place: Place, reporter: str) -> None:
    wrong = (("counts", {"calls": -1}), ("counts", {"calls": 2**53}), ("histograms", {"latency_ms": [5, -1]}))
    for path, value in wrong:
        body = document(place)
        body["sums"][0][path] = value  # type: ignore[index]
        assert place.server.ask("POST", OUTCOMES, token=reporter, body=body).status == 422


def test_a_large_document_waits_its_turn_and_counts(place: Place, reporter: str) -> None:
    rows = {(series(assignment(), model=f"acme/{number}"), now()): calls(1) for number in range(5_000)}
    body = report_to_json(report(place.registry.lineage, 1, rows, client=uuid.uuid4().hex))
    before = counted(place)
    assert place.server.ask("POST", OUTCOMES, token=reporter, body=body).json["counted"] is True
    assert counted(place) == before + 5_000


def test_another_registry_is_refused_by_name(place: Place, reporter: str) -> None:
    refused = place.server.ask("POST", OUTCOMES, token=reporter, body=document(place) | {"lineage": "00000000-0"})
    assert (refused.status, refused.code) == (403, "registry-mismatch")


def test_metrics_have_what_was_reported_by_release(place: Place, reporter: str) -> None:
    def counted_by_metrics(*labels: str) -> float:
        lines = place.server.get("/metrics", place.reader).body.decode().splitlines()
        found = [
            line for line in lines if line.startswith("promptops_outcomes") and all(each in line for each in labels)
        ]
        return sum(float(line.rpartition(" ")[2]) for line in found)

    wanted = ("promptops_outcomes_total", 'release="0.1.1"', 'arm="stable"', 'count="calls"')
    before, left_out = counted_by_metrics(*wanted), counted_by_metrics("left_out_total", "unknown")
    place.server.ask("POST", OUTCOMES, token=reporter, body=document(place, revision=2, count=7))
    place.server.ask("POST", OUTCOMES, token=reporter, body=document(place, app="nobody"))
    assert counted_by_metrics(*wanted) == before + 7
    assert counted_by_metrics("left_out_total", "unknown") == left_out + 1
    assert counted_by_metrics("nobody") == 0


# --- feedback ----------------------------------------------------------------------------------------


def test_what_a_call_led_to_counts_once(place: Place, reporter: str) -> None:
    secret = report_key(place.registry).secret
    call = call_id(place.registry.lineage, secret, random=secrets.randbits(48))

    def feed(call: str, **more: Json) -> dict[str, Json]:
        found = place.server.ask("POST", FEEDBACK, token=reporter, body={"call_id": call, "name": "resolved", **more})
        assert found.status == 200, found
        return found.json

    assert feed(call) == {"counted": True, "reason": "undeclared"}
    assert feed(call) == {"counted": False, "reason": "again"}
    assert feed(call, value=1) == {"counted": True, "reason": "undeclared"}
    assert feed(call[:-1] + ("A" if call[-1] != "A" else "B")) == {"counted": False, "reason": "forged"}
    old = call_id(place.registry.lineage, secret, random=secrets.randbits(48))
    assert feed(old, at="2020-01-01T00:00:00Z") == {"counted": False, "reason": "old"}
    assert feed(old, at=datetime.now(UTC).isoformat()) == {"counted": True, "reason": "undeclared"}


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"value": 1.5}, 422),
        ({"value": "1"}, 422),
        ({"name": "a b"}, 422),
        ({"call_id": "pc1:nothing"}, 422),
        ({"call_id": "x" * 300}, 422),
        ({"at": "yesterday"}, 422),
        ({"later": 1}, 422),
        ({"call_id": call_id("00000000")}, 403),
    ],
    ids=str,
)
def test_feedback_that_cannot_be_is_refused(place: Place, reporter: str, change: dict[str, Json], status: int) -> None:
    body = {"call_id": call_id(place.registry.lineage, random=secrets.randbits(48)), "name": "resolved"} | change
    assert place.server.ask("POST", FEEDBACK, token=reporter, body=body).status == status
