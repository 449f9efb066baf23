"""What clients report over HTTP: their secret, their documents, and what their calls led to."""

from __future__ import annotations

from promptops.core.token import Scope
from promptops.operations.outcomes import report_key
from promptops.wire import codec
from promptops.wire.documents.outcomes import ReportKeyDocument
from tests.server.conftest import Place, mint

KEY = "/v1/channels/prod/report-key"


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
