"""The client and the registry together, through a server and on the database itself: every call counts once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from promptops.core.declarations import Capture
from promptops.core.outcomes.call_outcome import Count
from promptops.core.outcomes.sums import Sums
from promptops.core.token import Scope
from promptops.operations.captured_calls import CapturedRequest, captured_calls
from promptops.server.app import create_app
from promptops.server.settings import Settings
from promptops.store import Registry
from tests.client.calls.said import answer
from tests.client.clients import AnyClient, Maker
from tests.client.waiting import until
from tests.server.conftest import mint
from tests.server.running import inside
from tests.support import factory


@pytest.fixture
def live(registry: Registry) -> Registry:
    factory.make_channels(registry)
    for release in factory.make_releases(registry):
        factory.go_live(registry, f"bot@{release.version}")
    return registry


@pytest.fixture
def served(live: Registry, registry_url: str) -> Iterator[str]:
    with inside(create_app(Settings(registry=registry_url))) as talking:
        yield f"http://127.0.0.1:{talking.port}"


def with_secret(client: AnyClient) -> AnyClient:
    following: Any = getattr(client, "client", client)
    until(lambda: following._own.desk.secret_of(client.status().lineage))
    return client


def counted(registry: Registry) -> dict[int, Sums]:
    """What the registry counted of `bot`, by revision."""
    now, found = datetime.now(UTC), dict[int, Sums]()
    with registry.read() as reader:
        for row in reader.outcome_rows("bot", since=now - timedelta(hours=1), now=now + timedelta(minutes=1)):
            revision = row.series.assignment.revision
            found[revision] = found.get(revision, Sums()).merged(row.sums)
    return found


def use(client: AnyClient) -> str:
    """Three calls, one of them an error, and what one of them led to."""
    for key in ("ada", "ben"):
        with client.call("bot/answer", key=key) as call:
            call.record(answer())
    with pytest.raises(TimeoutError), client.call("bot/answer", key="cyn"):
        raise TimeoutError
    client.outcome(call.id, "ticket_resolved")
    return call.id


def require_counted(live: Registry, revision: int) -> None:
    sums = counted(live)[revision]
    assert (sums[Count("opened")], sums[Count("calls")], dict(sums.errors)) == (3, 3, {"TimeoutError": 1})
    assert sums[Count("output_tokens")] == 4
    assert sum(sums.outcomes.values()) == 1


@pytest.mark.usefixtures("at_the_end")
def test_calls_through_a_server_count_for_their_release(client_of: Maker, live: Registry, served: str) -> None:
    client = with_secret(client_of(served, token=mint(live, "app", Scope.REPORT)))
    use(client)
    revision = client.status().revisions["bot"]
    client.close(60)
    assert client.status().dropped == {}
    require_counted(live, revision)


@pytest.mark.usefixtures("at_the_end")
def test_calls_on_the_database_itself_count_too(client_of: Maker, live: Registry, registry_url: str) -> None:
    client = client_of(registry_url)
    with client.call("bot/answer", key="first"):  # without a server, the first call has the secret fetched
        pass
    with_secret(client)
    use(client)
    revision = client.status().revisions["bot"]
    client.close(60)
    assert client.status().dropped == {}
    sums = counted(live)[revision]
    assert (sums[Count("opened")], sums[Count("calls")]) == (4, 3)


@pytest.mark.usefixtures("at_the_end")
def test_a_token_that_may_only_read_moves_nothing(client_of: Maker, live: Registry, served: str) -> None:
    client = client_of(served, token=mint(live, "reader", Scope.READ))
    until(lambda: "lacks the scope `report`" in client.status().outcomes)
    use(client)
    client.close(60)
    assert client.state == "READY"
    assert counted(live) == {}


@pytest.mark.usefixtures("at_the_end")
@pytest.mark.parametrize("way", ["server", "database"])
def test_what_a_client_captured_becomes_cases_for_another_release(
    way: str, client_of: Maker, live: Registry, request: pytest.FixtureRequest, registry_url: str
) -> None:
    factory.declare(live, capture=Capture.VARIABLES)
    url = str(request.getfixturevalue("served")) if way == "server" else registry_url
    client = client_of(url, token=mint(live, "app", Scope.READ, Scope.REPORT)) if way == "server" else client_of(url)
    with client.call("bot/answer", key="first"):
        pass
    with_secret(client)
    for key, name in (("ada", "Ada"), ("ada", "Grace"), ("ben", "Ben")):
        with pytest.raises(TimeoutError), client.call("bot/answer", key=key) as call:
            call.prompt.to_openai(name=name)
            raise TimeoutError
    client.close(60)
    wanted = CapturedRequest(app="bot", channel="prod", bad=True)
    cases = captured_calls(live, wanted, now=datetime.now(UTC) + timedelta(minutes=1)).cases
    by_name = {str(case.variables["name"]): case for case in cases}
    assert by_name.keys() == {"Ada", "Grace", "Ben"}
    assert by_name["Ada"].cluster == by_name["Grace"].cluster != by_name["Ben"].cluster
    assert {case.prompt for case in cases} == {"answer"} and {case.version for case in cases} == {"0.1.2"}
