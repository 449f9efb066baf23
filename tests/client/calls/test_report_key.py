"""The secret of reporting clients: kept for the next process, and in nothing that is sent, logged or shown."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from promptops.core.outcomes.call_id import Standing, read_call_id
from tests.client.calls.conftest import ask, with_secret
from tests.client.calls.said import LINEAGE, answer, counts
from tests.client.clients import Maker
from tests.client.fake_server import SECRET, FakeServer, Reply
from tests.client.waiting import until


@pytest.mark.usefixtures("at_the_end")
def test_the_secret_is_kept_for_the_next_process_and_for_this_user_alone(
    client_of: Maker, counting: FakeServer, tmp_path: Path
) -> None:
    folder = tmp_path / "cache"
    with_secret(client_of(counting.url, cache_dir=folder)).close()
    until(lambda: list(folder.glob("report-*.key")))
    [file] = folder.glob("report-*.key")
    assert stat.S_IMODE(os.stat(file).st_mode) == 0o600
    assert SECRET.hex() in file.read_text()
    until(lambda: list(folder.glob("*.lkg")))
    counting.stop()
    client = client_of(counting.url, cache_dir=folder, start_timeout=0.0)
    with client.call("bot/answer", key="ada") as call:
        assert read_call_id(call.id, lineage=LINEAGE).standing(SECRET) is Standing.SEALED
    file.chmod(0o666)
    client = client_of(counting.url, cache_dir=folder, start_timeout=0.0)
    with client.call("bot/answer", key="ada") as call:
        assert read_call_id(call.id, lineage=LINEAGE).standing(SECRET) is Standing.UNSEALED


@pytest.mark.usefixtures("at_the_end")
def test_a_disk_that_takes_no_secret_stops_no_report(
    client_of: Maker, counting: FakeServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    client = with_secret(client_of(counting.url, cache_dir=tmp_path / "file" / "cache"))
    ask(client, "ada")
    client.close(60)
    assert counts(counting.reports()) == {"opened": 1, "calls": 1}
    assert any(".key could not be written" in record.message for record in caplog.records)


@pytest.mark.parametrize(
    "document", [b"{}", b'{"schema": "promptops.report-key/1", "lineage": "x", "secret": "short"}', b"<html>"]
)
@pytest.mark.usefixtures("often")
def test_what_is_no_secret_is_not_taken(client_of: Maker, counting: FakeServer, document: bytes) -> None:
    json = {"Content-Type": "application/json"}
    counting.script = lambda asked: Reply(headers=json, body=document) if asked.kind == "report-key" else None
    client = client_of(counting.url)
    until(lambda: "the report key" in client.status().outcomes)
    assert client.state == "READY"


@pytest.mark.usefixtures("at_the_end")
def test_no_content_and_no_key_is_in_what_is_sent(
    client_of: Maker, counting: FakeServer, caplog: pytest.LogCaptureFixture
) -> None:
    client = with_secret(client_of(counting.url))
    marked = "marked-0f3a"
    with pytest.raises(ValueError), client.call("bot/answer", key=f"{marked}@example.org") as call:
        call.prompt.to_openai(question=marked)
        call.record(answer(marked))
        raise ValueError(marked)
    with client.call("bot/answer", key=marked, tags={"language": marked}) as call:
        call.record(answer(refusal=marked))
    with client.call("bot/answer", key=marked) as call:
        call.record({"choices": marked})
    with client.call("bot/answer", key=marked) as call:
        list(call.stream(iter([marked])))
    client.close(60)
    assert counts(counting.reports())["calls"] == 4
    said = [asked.body + repr(asked).encode() for asked in counting.asked] + [
        _log(caplog.records),
        repr(client.status()).encode(),
    ]
    assert not [text for text in said if marked.encode() in text or SECRET.hex().encode() in text]


def _log(records: Iterable[Any]) -> bytes:
    return "\n".join(f"{record.getMessage()} {vars(record)}" for record in records).encode()
