"""The OpenAPI document: it describes every route, and the server does what it says, whoever asks whatever."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable

from promptops.core.model import Json
from promptops.core.token import Scope
from promptops.server.app import create_app, routes
from promptops.server.http.routing import OPEN
from promptops.server.settings import Limits, Rate, Settings
from promptops.store import Registry
from promptops.wire.schemas import schemas
from tests.server.conftest import mint
from tests.server.running import Talking, inside

FREE = Rate(a_second=0, burst=1)
EXAMPLES = 4


@dataclass(frozen=True)
class Described:
    """A server, its document, and who asks."""

    talking: Talking
    document: dict[str, Json]
    tokens: dict[str, str]


@pytest.fixture(scope="module")
def described(lasting: Registry) -> Iterator[Described]:
    app = create_app(
        Settings(registry=f"sqlite:///{lasting.url}", limits=Limits(reads=FREE, others=FREE, failures=FREE))
    )
    tokens = {"admin": mint(lasting, "admin", Scope.ADMIN), "read": mint(lasting, "read", Scope.READ), "none": ""}
    with inside(app) as talking:
        yield Described(talking, json.loads(app.state.documentation), tokens)


@pytest.mark.parametrize("mode", ["positive", "negative"])
@pytest.mark.parametrize("who", ["admin", "read", "none"])
def test_the_server_does_what_its_document_says(who: str, mode: str, described: Described) -> None:
    import schemathesis  # in here, because it takes a second in every process that collects tests
    from schemathesis.core.result import Ok
    from schemathesis.generation import GenerationMode
    from schemathesis.specs.openapi.checks import positive_data_acceptance

    paths = described.document["paths"]
    assert isinstance(paths, dict)
    # A stream does not end, and no schema describes protobuf: tests/server/http/test_otlp.py has hostile bodies.
    left_out = ("/events", "/v1/traces")
    ending = {path: methods for path, methods in paths.items() if not path.endswith(left_out)}
    schema = schemathesis.openapi.from_dict({**described.document, "paths": ending})
    schema.config.update(base_url=f"http://127.0.0.1:{described.talking.port}")
    headers = {"Authorization": f"Bearer {described.tokens[who]}"} if who != "none" else {}
    asked: set[str] = set()
    for found in schema.get_all_operations():
        assert isinstance(found, Ok)
        operation = found.ok()

        @settings(
            max_examples=EXAMPLES,
            derandomize=True,
            deadline=None,
            database=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=GenerationMode(mode)))
        def ask(case: schemathesis.Case[Any]) -> None:
            response = case.call(headers=headers)
            # What is wrong may be more than a schema says: a digest that is not that of the content.
            case.validate_response(response, headers=headers, excluded_checks=[positive_data_acceptance])
            asked.add(case.operation.label)
            if who == "none":
                assert response.status_code == 401 or case.operation.path in ("/healthz", "/readyz")

        with suppress(Unsatisfiable):  # where nothing is taken, nothing can be wrong
            ask()
    assert len(asked) > 20


def test_every_route_is_in_the_document_with_who_may_use_it_and_an_example(described: Described) -> None:
    paths = described.document["paths"]
    assert isinstance(paths, dict)
    for route in routes():
        operation = paths[route.path][route.method.lower()]
        assert operation["summary"]
        assert operation["security"] == ([] if route.scope is OPEN else [{"token": []}])
        assert operation["x-promptops-scope"] == ("" if route.scope is OPEN else route.scope.value)
        assert all(len(answer["description"]) > 0 for answer in operation["responses"].values())
        for status, answer in operation["responses"].items():
            for media in answer.get("content", {}).values():
                assert "example" in media or "examples" in media, (route.path, status)
        body = operation.get("requestBody")
        assert body is None or "schema" in body["content"][route.media.value]
    assert sum(len(methods) for methods in paths.values()) == len(routes())


def test_the_document_is_for_whoever_has_a_token(described: Described) -> None:
    assert described.talking.get("/openapi.json", described.tokens["read"]).json == described.document
    assert described.talking.get("/openapi.json").status == 401


def test_the_schemas_of_all_formats_are_served(described: Described) -> None:
    served = described.talking.get("/v1/schemas", described.tokens["read"]).json
    assert served == {"schemas": schemas()}
    assert described.talking.get("/v1/schemas").status == 401
