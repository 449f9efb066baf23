"""Questions as requests, and what came back as answers. No I/O."""

from __future__ import annotations

import json

import pytest

from promptops.client.sources import http_messages
from promptops.client.sources.source import (
    AskContents,
    AskSnapshot,
    AskVersion,
    Failed,
    Question,
    SourceAnswer,
    SourcePlace,
    TellBeat,
)

PLACE = SourcePlace(kind="http", url="https://registry.internal/base", label="")
DIGESTS = tuple(f"sha256:{number:064x}" for number in range(http_messages.BATCH))
JSON = {"content-type": "application/json", "promptops-api": "1"}
SNAPSHOT = AskSnapshot(channel="prod", etag='"sha256:1"')


@pytest.mark.parametrize(
    ("what", "url"),
    [
        (AskSnapshot(channel="prod"), "/v1/channels/prod/snapshot"),
        (AskSnapshot(channel="prod", apps=("a", "b.c")), "/v1/channels/prod/snapshot?app=a&app=b.c"),
        (AskContents(digests=("sha256:aa",)), "/v1/releases/aa"),
        (AskContents(digests=("sha256:aa", "sha256:bb")), "/v1/releases?digest=sha256:aa&digest=sha256:bb"),
        (AskVersion(app="bot", version="1.0.0-rc.1"), "/v1/apps/bot/releases/1.0.0-rc.1/content"),
        (TellBeat(channel="prod", body=b"{}"), "/v1/channels/prod/clients"),
    ],
)
def test_a_question_has_its_address(what: Question, url: str) -> None:
    request = http_messages.request_of(PLACE, what, "")
    assert request.url == f"https://registry.internal/base{url}"
    assert request.method == ("POST" if isinstance(what, TellBeat) else "GET")


def test_a_full_batch_fits_into_what_every_proxy_takes() -> None:
    assert len(http_messages.request_of(PLACE, AskContents(digests=DIGESTS), "").url) < 4_096


def test_the_token_is_sent_and_shown_nowhere() -> None:
    for request in (
        http_messages.request_of(PLACE, SNAPSHOT, "pops_rt_secret"),
        http_messages.stream_request(PLACE, "prod", (), "7", "pops_rt_secret"),
    ):
        assert request.headers["Authorization"] == "Bearer pops_rt_secret"
        assert "secret" not in repr(request)
        assert "secret" not in request.url
    assert "Authorization" not in http_messages.request_of(PLACE, SNAPSHOT, "").headers


def test_an_event_stream_is_resumed_where_it_ended() -> None:
    request = http_messages.stream_request(PLACE, "prod", ("bot",), "7", "")
    assert request.url.endswith("/v1/channels/prod/events?app=bot")
    assert (request.headers["Last-Event-ID"], request.headers["Accept"]) == ("7", "text/event-stream")
    assert "Last-Event-ID" not in http_messages.stream_request(PLACE, "prod", (), "", "").headers


def test_nothing_new_is_an_answer_only_to_who_has_something() -> None:
    found = http_messages.answer_of(SNAPSHOT, 304, JSON, b"")
    assert found == SourceAnswer(unchanged=True, etag='"sha256:1"', api=True)
    refused = http_messages.answer_of(AskSnapshot(channel="prod"), 304, JSON, b"")
    assert isinstance(refused, Failed)


@pytest.mark.parametrize(
    "media", ["application/json; charset=utf-8", "application/octet-stream", "binary/octet-stream"]
)
def test_types_that_web_servers_give_to_files_are_taken(media: str) -> None:
    found = http_messages.answer_of(SNAPSHOT, 200, {"content-type": media, "etag": '"e"'}, b"{}")
    assert found == SourceAnswer(body=b"{}", etag='"e"', api=False)


@pytest.mark.parametrize(
    ("document", "found"),
    [
        ({"schema": "promptops.releases/1", "releases": {"sha256:aa": "{}", "sha256:bb": 1}}, {"sha256:aa": b"{}"}),
        ({"schema": "promptops.releases/1", "releases": {}}, {}),
        ({"schema": "promptops.releases/2", "releases": {}}, None),
        ({"schema": "promptops.releases/1", "releases": []}, None),
        ([], None),
        ("{", None),
    ],
)
def test_several_releases_come_in_one_document(document: object, found: dict[str, bytes] | None) -> None:
    body = document.encode() if isinstance(document, str) else json.dumps(document).encode()
    answer = http_messages.answer_of(AskContents(digests=DIGESTS), 200, JSON, body)
    if found is None:
        assert isinstance(answer, Failed)
        assert answer.reason == "malformed"
    else:
        assert isinstance(answer, SourceAnswer)
        assert answer.contents == found


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "120"}, 120.0),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "9" * 5000}, 999_999_999.0),
        ({}, None),
        # Of two dates of the same server only the difference counts, whatever the time is here.
        ({"retry-after": "Sun, 06 Nov 1994 08:50:37 GMT", "date": "Sun, 06 Nov 1994 08:49:37 GMT"}, 60.0),
        ({"retry-after": "Sun, 06 Nov 1994 08:50:37 GMT"}, None),
    ],
)
def test_a_server_says_when_to_come_again(headers: dict[str, str], seconds: float | None) -> None:
    found = http_messages.answer_of(SNAPSHOT, 503, headers, b"")
    assert isinstance(found, Failed)
    assert found.retry_after == seconds


def test_a_problem_says_what_the_server_said_on_one_line() -> None:
    body = json.dumps({"detail": "there is no channel\n'prod'\x1b[31m" + "!" * 500}).encode()
    found = http_messages.answer_of(SNAPSHOT, 404, {"content-type": "application/problem+json"}, body)
    assert isinstance(found, Failed)
    assert found.message.startswith("the server answered 404: there is no channel 'prod' [31m!!")
    assert len(found.message) < 300
    assert found.message.isprintable()


@pytest.mark.parametrize(
    ("status", "headers", "reason"),
    [
        (302, {"location": "https://elsewhere"}, "redirect"),
        (200, {"content-encoding": "gzip"}, "encoding"),
        (200, {"content-encoding": "br"}, "encoding"),
        (200, {"content-length": str(http_messages.MAX_SNAPSHOT + 1)}, "too-large"),
        (404, {"content-length": str(http_messages.MAX_PROBLEM + 1)}, "too-large"),
        (200, {"content-length": "9" * 5000}, "too-large"),
    ],
)
def test_a_body_that_is_not_worth_it_is_not_read(status: int, headers: dict[str, str], reason: str) -> None:
    refused = http_messages.refuse(http_messages.request_of(PLACE, SNAPSHOT, ""), status, headers)
    assert refused is not None
    assert refused.reason == reason


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (200, {"content-type": "application/json"}),
        (200, {"content-type": "text/event-stream", "content-encoding": "gzip"}),
        (204, {"content-type": "text/event-stream"}),
        (302, {"content-type": "text/event-stream"}),
    ],
)
def test_what_is_no_stream_of_events_is_not_listened_to(status: int, headers: dict[str, str]) -> None:
    assert http_messages.refuse_stream(status, headers) is not None
    assert http_messages.refuse_stream(200, {"content-type": "text/event-stream; charset=utf-8"}) is None


@pytest.mark.parametrize(
    ("etag", "api", "kept"),
    [
        ('"sha256:1"', "1", '"sha256:1"'),
        ('W/"sha256:1"', "1", 'W/"sha256:1"'),  # a proxy may weaken it
        ('"sha256:2"', "1", ""),  # of another document: a 304 for it would be about that one
        ('"5f3-abc"', "", '"5f3-abc"'),  # any other web server has etags of its own
        ('"\x7f"', "", ""),
        ("", "1", ""),
    ],
)
def test_an_etag_of_a_server_is_kept_only_with_the_document_that_it_names(etag: str, api: str, kept: str) -> None:
    headers = {"content-type": "application/json", "etag": etag, "promptops-api": api}
    answer = http_messages.answer_of(SNAPSHOT, 200, headers, b'{"digest":"sha256:1"}')
    assert isinstance(answer, SourceAnswer)
    assert answer.etag == kept
