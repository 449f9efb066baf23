"""Every number that a request may have: what is none, or is out of its range, is a 422 that names it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import quote

import pytest

from promptops.core.model import Json
from promptops.core.token import Scope
from promptops.server.app import create_app
from promptops.server.settings import Limits, Rate, Settings
from promptops.store import Registry
from tests.server.conftest import mint
from tests.server.running import Talking, inside

FREE = Rate(a_second=0, burst=1)
HOSTILE = [
    "99999999999999999999",
    "-99999999999999999999",
    "9" * 5000,
    "nan",
    "inf",
    "1e400",
    "٣",
    "１",
    "1_0",
    "",
    "-1",
    "1.5",
]
NAMES = {"app": "bot", "channel": "prod", "digest": "sha256:" + "0" * 64, "version": "0.1.0", "token": "t", "id": "x"}


@dataclass(frozen=True)
class Asked:
    """A server, a token that may do everything, and what takes a number: method, path, name, where."""

    talking: Talking
    token: str
    numbers: list[tuple[str, str, str, str]]


@pytest.fixture(scope="module")
def asked(lasting: Registry) -> Iterator[Asked]:
    app = create_app(
        Settings(registry=f"sqlite:///{lasting.url}", limits=Limits(reads=FREE, others=FREE, failures=FREE))
    )
    with inside(app) as talking:
        document = json.loads(app.state.documentation)
        yield Asked(talking, mint(lasting, "numbers", Scope.ADMIN), list(_numbers(document)))


def test_a_number_that_is_none_is_unprocessable(asked: Asked) -> None:
    assert {name for _, _, name, _ in asked.numbers} >= {"limit", "before", "after"}
    for method, path, name, where in asked.numbers:
        for value in HOSTILE:
            if where == "query":
                reply = asked.talking.ask(method, f"{path}?{name}={quote(value)}", token=asked.token)
            else:
                reply = asked.talking.ask(
                    method, path, token=asked.token, headers={"Idempotency-Key": "k"}, body={name: _typed(value)}
                )
            assert reply.status == 422, (method, path, name, value[:30], reply.status, reply.body[:200])
            assert len(reply.body) < 20_000


def _typed(value: str) -> Json:
    """As a number where JSON has one of this size, else as the text."""
    try:
        return int(value) if value.lstrip("-").isascii() and value.lstrip("-").isdigit() and len(value) < 100 else value
    except ValueError:
        return value


def _numbers(document: Mapping[str, Json]) -> Iterator[tuple[str, str, str, str]]:
    paths = document["paths"]
    assert isinstance(paths, dict)
    for path, operations in paths.items():
        assert isinstance(operations, dict)
        for method, operation in operations.items():
            assert isinstance(operation, dict)
            parameters = operation.get("parameters", [])
            assert isinstance(parameters, list)
            for parameter in parameters:
                assert isinstance(parameter, dict)
                if parameter["in"] == "query" and '"integer"' in json.dumps(parameter["schema"]):
                    yield method.upper(), path.format_map(NAMES), str(parameter["name"]), "query"
            body = json.dumps(operation.get("requestBody", {}))
            for name in ("seconds", "expected_revision", "revision", "epoch"):
                if f'"{name}"' in body or _has(document, body, name):
                    yield method.upper(), path.format_map(NAMES), name, "body"


def _has(document: Mapping[str, Json], body: str, name: str) -> bool:
    components = document.get("components", {})
    assert isinstance(components, dict)
    schemas = components.get("schemas", {})
    assert isinstance(schemas, dict)
    return any(
        f'#/components/schemas/{title}"' in body and f'"{name}"' in json.dumps(schema)
        for title, schema in schemas.items()
    )
