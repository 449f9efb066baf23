"""The server's log: a line for each change and refusal, none for a read that went well, and lines of JSON."""

from __future__ import annotations

import json
import logging
import sys

import pytest

from promptops.core.model import Json
from promptops.core.token import Scope
from promptops.server.app import create_app
from promptops.server.http.log_lines import JsonLines
from promptops.server.settings import Settings
from promptops.store import Registry
from tests.server.conftest import mint
from tests.server.running import Talking, inside

ACCESS = "promptops.server.live.access"


def ask_a_little(server: Talking, secret: str) -> None:
    assert server.get("/v1/status", secret).status == 200
    assert server.get("/v1/channels/prod/snapshot", secret).status == 200
    assert server.get("/healthz").status == 200
    assert server.get("/v1/tokens", secret).status == 403
    change: dict[str, Json] = {"apps": ["bot"], "dry_run": True}
    rolled_back = server.ask(
        "POST", "/v1/channels/prod/rollback", token=secret, body=change, headers={"Idempotency-Key": "k"}
    )
    assert rolled_back.status == 200


@pytest.mark.parametrize("level", [logging.INFO, logging.DEBUG, logging.WARNING])
def test_what_went_well_and_changed_nothing_has_a_line_only_where_it_is_asked_for(
    lasting: Registry, caplog: pytest.LogCaptureFixture, level: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    secret = mint(lasting, f"asker-{level}", Scope.ROLLBACK)
    logging.getLogger(ACCESS).setLevel(level)
    try:
        with inside(create_app(Settings(registry=f"sqlite:///{lasting.url}"))) as server:
            caplog.set_level(level, logger=ACCESS)
            ask_a_little(server, secret)
    finally:
        logging.getLogger(ACCESS).setLevel(logging.NOTSET)
    lines = [(record.levelno, record.__dict__["fields"]) for record in caplog.records if record.name == ACCESS]
    paths = [(found, fields["path"], fields["status"]) for found, fields in lines]
    lasting_lines = [
        (logging.INFO, "/v1/tokens", 403),
        (logging.INFO, "/v1/channels/prod/rollback", 200),
    ]
    assert [each for each in paths if each[0] == logging.INFO] == (lasting_lines if level <= logging.INFO else [])
    reads = [path for found, path, _ in paths if found == logging.DEBUG]
    assert set(reads) == ({"/v1/status", "/v1/channels/prod/snapshot", "/healthz"} if level == logging.DEBUG else set())
    assert secret not in caplog.text


def test_a_line_of_json_has_what_the_text_has_and_its_parts_by_name() -> None:
    fields = {"client": "10.0.0.7", "path": "/v1/status", "status": 403, "ms": 1.5}
    record = logging.LogRecord("promptops.server", logging.WARNING, "", 0, "refused %s", ("it",), None)
    record.fields = fields
    line = JsonLines().format(record)
    assert "\n" not in line
    found = json.loads(line)
    assert found.pop("at").endswith("Z")
    assert found == {"level": "warning", "message": "refused it", **fields}


def test_an_error_is_one_line_of_json_too() -> None:
    try:
        raise ValueError("first\nsecond")
    except ValueError:
        record = logging.LogRecord("promptops.server", logging.ERROR, "", 0, "it broke", (), sys.exc_info())
    line = JsonLines().format(record)
    assert "\n" not in line
    assert "ValueError: first\nsecond" in json.loads(line)["traceback"]
