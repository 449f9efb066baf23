"""What is published through a server loads in a client; what does not is refused, stored nowhere, and stops nothing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from promptops.client.state.release_set import compile_release
from promptops.core.release_bytes import encode
from promptops.core.token import Scope
from promptops.store import Registry
from tests.harness.faults import neighbours, strangers
from tests.harness.faults.town import FLOORS
from tests.operations.test_unloadable import CANNOT_BE_LOADED
from tests.server.conftest import UNLIMITED, Serve, mint
from tests.server.http.test_bodies import publication, sent, told
from tests.support import factory


def test_what_is_published_loads_and_a_second_app_is_followed_all_along(world: Registry, serve: Serve) -> None:
    token = mint(world, "neighbour", Scope.RELEASE, Scope.PROMOTE, Scope.ROLLBACK, Scope.READ)
    server = serve(*UNLIMITED)
    contents = [*strangers.contents(50, "bot", seed=12), *(encode(each).decode() for each in CANNOT_BE_LOADED)]
    others = iter(factory.make_releases(world, "second", 8))
    refused = 0
    for number, content in enumerate(contents):
        found = sent(server, "/v1/releases", token, publication(told(content)))
        refused += found.status == 422
        assert found.status in (200, 422)
        assert found.status == 200 or found.code in ("unloadable", "request-invalid")
        assert found.status == 422 or number < 50
        if number % 20 == 0:
            first, then = next(others), next(others)
            for release in (first, then):
                body = json.dumps({"release": f"second@{release.version}"}).encode()
                assert sent(server, "/v1/channels/prod/promote", token, body).status == 200
            assert sent(server, "/v1/channels/prod/rollback", token, b'{"apps":["second"]}').status == 200
            assert factory.live_version(world, "second") == first.version
    assert len(CANNOT_BE_LOADED) <= refused < len(contents)
    with world.read() as reader:
        made = [reader.find_release("bot", version=each.version) for each in reader.releases("bot")]
    assert len(made) >= len(contents) - refused
    for each in made:
        assert compile_release("bot", each.digest, each.content).prompts


def test_a_rollback_beside_strangers_arrives_over_each_source(tmp_path: Path, sqlite_template: Path) -> None:
    """The large one, on both databases, is `make faults`."""
    url = f"sqlite:///{shutil.copy(sqlite_template, tmp_path / 'registry.db')}"
    found = neighbours.run(url, tmp_path, contents=50, batches=3)
    assert found.problems == [], str(found)
    assert found.slowest.keys() == FLOORS.keys()
    assert min(found.published, found.refused) > 10
