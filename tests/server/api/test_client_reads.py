"""What applications read: snapshots and releases, as bytes that prove themselves, and only what is theirs."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta

import pytest

from promptops.core.asked import Passed
from promptops.core.digest import digest
from promptops.core.heartbeat import LiveClient
from promptops.core.model import Json
from promptops.core.reference import parse_reference
from promptops.core.token import Scope
from promptops.operations import heartbeats, snapshots
from promptops.operations.quarantine import WithholdRequest, yank
from promptops.store import Registry
from promptops.wire.snapshot import decode
from tests.server.conftest import Place, Serve, mint
from tests.server.running import Running, until
from tests.store.vandal import vandalise
from tests.support import factory

PATH = "/v1/channels/prod/snapshot"


def test_a_snapshot_is_what_the_registry_says_and_304_as_long_as_it_is(place: Place) -> None:
    server = place.server
    found = server.get(PATH, place.reader)
    assert (found.status, found.headers["content-type"]) == (200, "application/json")
    assert decode(found.body) == snapshots.snapshot(place.registry, "prod")
    assert found.headers["etag"] == f'"{json.loads(found.body)["digest"]}"'
    assert found.headers["cache-control"] == "no-cache"
    assert found.headers["promptops-api"] == "1"
    for given in (found.headers["etag"], f'W/{found.headers["etag"]}, "x"', "*"):
        again = server.get(PATH, place.reader, If_None_Match=given)
        assert (again.status, again.body, again.headers["etag"]) == (304, b"", found.headers["etag"])
    assert server.get(PATH, place.reader, If_None_Match='"sha256:0"').status == 200
    factory.go_live(place.registry, "bot@0.1.0", now=factory.minutes(10))
    until(lambda: server.get(PATH, place.reader, If_None_Match=found.headers["etag"]).status == 200)
    assert decode(server.get(PATH, place.reader).body) == snapshots.snapshot(place.registry, "prod")
    factory.go_live(place.registry, "bot@0.1.2", now=factory.minutes(11))


def test_only_the_apps_that_were_asked_for_and_may_be_seen_are_in_a_snapshot(place: Place) -> None:
    limited = mint(place.registry, "patterns", Scope.READ, apps=("bot", "b?t-*"))
    server = place.server

    def apps(query: str, token: str) -> list[str]:
        found = server.get(f"{PATH}{query}", token)
        assert found.headers["etag"] == f'"{found.json["digest"]}"'
        return sorted(decode(found.body).apps)

    assert apps("", place.reader) == ["bot", "other"]
    assert apps("?app=other&app=nobody", place.reader) == ["other"]
    assert apps("?app=nobody", place.reader) == []
    assert apps("", limited) == ["bot"]
    assert apps("?app=other&app=bot", limited) == ["bot"]
    assert apps("?app=other", limited) == []
    assert server.get(f"{PATH}?app=Bot", place.reader).code == "request-invalid"
    assert server.get(f"{PATH}?apps=bot", place.reader).code == "request-invalid"


def test_a_client_that_would_refuse_extensions_gets_none(place: Place) -> None:
    yank(place.registry, _yanked("bot@0.1.0"), actor=factory.ACTOR, now=factory.minutes(12))
    until(lambda: b'"withdrawn"' in place.server.get(PATH, place.reader).body)
    for query in ("", "?app=bot"):
        for agent, has in (("0.1.0", False), ("0.2.9", False), ("0.3.0", True), ("0.10.0", True), ("1.2.0", True)):
            found = place.server.get(f"{PATH}{query}", place.reader, User_Agent=f"promptops/{agent} python/3.11.7")
            now = snapshots.snapshot(place.registry, "prod").apps["bot"]
            assert (b'"extensions"' in found.body) is has
            assert decode(found.body).apps["bot"].decided == now.decided


def _yanked(reference: str) -> WithholdRequest:
    return WithholdRequest(reference=parse_reference(reference), reason="leaks data", key=factory.key())


def test_a_release_is_served_by_digest_and_by_version_for_ever(place: Place) -> None:
    server = place.server
    pointer = snapshots.snapshot(place.registry, "prod").apps["bot"]
    by_digest = server.get(f"/v1/releases/{pointer.digest}", place.reader)
    assert digest(by_digest.body) == pointer.digest
    assert by_digest.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert server.get(f"/v1/releases/{pointer.digest[7:]}", place.reader).body == by_digest.body
    again = server.get(f"/v1/releases/{pointer.digest}", place.reader, If_None_Match=by_digest.headers["etag"])
    assert again.status == 304
    by_version = server.get(f"/v1/apps/bot/releases/{pointer.version}/content", place.reader)
    assert (by_version.body, by_version.headers["promptops-digest"]) == (by_digest.body, pointer.digest)
    assert server.get("/v1/apps/bot/releases/9.9.9/content", place.reader).code == "release-not-found"
    assert server.get("/v1/apps/nobody/releases/9.9.9/content", place.reader).code == "app-not-found"


def test_several_releases_come_as_text_and_what_is_not_there_is_left_out(place: Place) -> None:
    server = place.server
    pointers = snapshots.snapshot(place.registry, "prod").apps
    digests = [ref.digest for pointer in pointers.values() for ref in pointer.releases()]
    query = "&".join(f"digest={each}" for each in (*digests, f"sha256:{'0' * 64}"))
    found = server.get(f"/v1/releases?{query}", place.reader).json
    assert found["schema"] == "promptops.releases/1"
    releases = found["releases"]
    assert isinstance(releases, dict)
    assert sorted(releases) == sorted(digests)
    assert all(digest(str(text).encode()) == name for name, text in releases.items())
    for wrong in ("", "?digest=", "?digest=sha256:12", "?" + "&".join(["digest=" + "0" * 64] * 101)):
        assert server.get(f"/v1/releases{wrong}", place.reader).code == "request-invalid"


def test_a_release_of_many_bytes_does_not_keep_the_others_from_coming(registry: Registry, serve: Serve) -> None:
    token = mint(registry, "reader", Scope.READ)
    made = [
        factory.make_release(registry, factory.content(f"bot-{place}", f"{{{{name}}}} {place} " + "x" * 900_000))
        for place in range(6)
    ]
    server = serve()
    missing = {release.digest for release in made}
    rounds = 0
    while missing:
        found = server.get("/v1/releases?" + "&".join(f"digest={each}" for each in sorted(missing)), token).json
        releases = found["releases"]
        assert isinstance(releases, dict) and releases
        assert sum(len(str(text)) for text in releases.values()) <= 4 << 20
        missing -= set(releases)
        rounds += 1
    assert rounds == 2


def test_what_is_unknown_and_what_is_forbidden_is_answered_with_the_same_words(place: Place) -> None:
    limited = mint(place.registry, "elsewhere", Scope.READ, channels=("prod",), apps=("other",))
    server = place.server
    stable = snapshots.snapshot(place.registry, "prod").apps["bot"]
    unknown = f"sha256:{'0' * 64}"
    pairs = [
        ("/v1/channels/dev/snapshot", "/v1/channels/xyz/snapshot", "dev", "xyz"),
        ("/v1/channels/dev/events", "/v1/channels/xyz/events", "dev", "xyz"),
        (f"/v1/releases/{stable.digest}", f"/v1/releases/{unknown}", stable.digest, unknown),
        (f"/v1/apps/bot/releases/{stable.version}/content", "/v1/apps/xyz/releases/0.1.0/content", "bot", "xyz"),
        ("/v1/clients?channel=dev", "/v1/clients?channel=xyz", "dev", "xyz"),
    ]
    for forbidden, missing, name, other in pairs:
        one, two = server.get(forbidden, limited), server.get(missing, limited)
        assert (one.status, one.body) == (404, two.body.replace(other.encode(), name.encode())), forbidden
        assert two.status == 404
        assert b"prod" not in one.body
    batch = server.get(f"/v1/releases?digest={stable.digest}&digest={unknown}", limited).json
    assert batch["releases"] == {}
    beat = {**BEAT, "revisions": {}}
    one = server.ask("POST", "/v1/channels/dev/clients", token=limited, body=beat)
    two = server.ask("POST", "/v1/channels/xyz/clients", token=limited, body=beat)
    assert (one.status, one.body) == (404, two.body.replace(b"xyz", b"dev"))


def test_who_sees_everything_is_told_what_there_is(place: Place) -> None:
    found = place.server.get("/v1/channels/xyz/snapshot", place.reader)
    assert found.status == 404
    assert found.json["facts"] == {"known": ["dev", "prod"]}


def test_a_damaged_release_is_not_served_and_the_others_are(
    database: str, world: Registry, registry_url: str, reader: str, serve: Serve
) -> None:
    damaged, whole = (snapshots.snapshot(world, "prod").apps[app].digest for app in ("bot", "other"))
    bytes_of_x = "x'78'" if database == "sqlite" else "'x'"
    vandalise(registry_url, f"UPDATE release SET content = {bytes_of_x} WHERE digest = '{damaged}'")
    server = serve()
    found = server.get(f"/v1/releases/{damaged}", reader)
    assert (found.status, found.code, found.headers["retry-after"]) == (503, "registry-damaged", "2")
    assert server.get(f"/v1/releases/{whole}", reader).status == 200
    batch = server.get(f"/v1/releases?digest={damaged}&digest={whole}", reader).json
    assert list(batch["releases"]) == [whole]  # type: ignore[arg-type]


BEAT: dict[str, Json] = {
    "schema": "promptops.heartbeat/1",
    "id": "4bf92f3577b34da6a3ce929d0e0e4736",
    "name": "web-3:4711",
    "sdk": "promptops/0.1.0 python/3.11.7",
    "state": "READY",
    "lineage": "",
    "epoch": 1,
    "revisions": {"bot": 2, "other": 1},
}


def test_a_heartbeat_is_seen_by_whoever_may_see_its_channel_and_apps(place: Place) -> None:
    limited = mint(place.registry, "limited", Scope.READ, apps=("bot",))
    elsewhere = mint(place.registry, "dev-only", Scope.READ, channels=("dev",))
    server = place.server
    beat = {**BEAT, "lineage": place.registry.lineage}
    newer = {**beat, "extensions": {"of": {"the": "future"}}}
    assert server.ask("POST", "/v1/channels/prod/clients", token=place.reader, body=newer).status == 204
    until(lambda: heartbeats.clients(place.registry, "prod", now=datetime.now(UTC)).live)
    clients = server.get("/v1/clients", place.reader).json["clients"]
    assert isinstance(clients, list)
    assert [(each["name"], each["revisions"], each["behind"]) for each in clients] == [
        ("web-3:4711", BEAT["revisions"], ["bot"])
    ]
    limits = server.get("/v1/clients?channel=prod", limited).json["clients"]
    assert isinstance(limits, list)
    assert limits[0]["revisions"] == {"bot": 2}
    assert server.get("/v1/clients", elsewhere).json == {"clients": [], "silent": []}
    stranger = mint(place.registry, "stranger", Scope.READ, apps=("unknown",))
    assert server.get("/v1/clients", stranger).json == {"clients": [], "silent": []}


def test_nobody_speaks_for_the_clients_of_other_apps_and_channels(place: Place) -> None:
    limited = mint(place.registry, "speaks", Scope.READ, apps=("bot",))
    elsewhere = mint(place.registry, "speaks-on-dev", Scope.READ, channels=("dev",))
    server, other = place.server, {**BEAT, "lineage": place.registry.lineage, "id": "b" * 32, "name": "speaks"}

    def said(of: str) -> list[tuple[str, Json]]:
        found = [
            each.beat for each in heartbeats.clients(place.registry, now=datetime.now(UTC)).live if each.beat.id == of
        ]
        return [(each.channel, dict(each.revisions)) for each in found]

    assert server.ask("POST", "/v1/channels/prod/clients", token=limited, body=other).status == 204
    until(lambda: said("b" * 32) == [("prod", {"bot": 2})])
    assert server.ask("POST", "/v1/channels/dev/clients", token=elsewhere, body=other).status == 204
    last = {**other, "id": "c" * 32}
    assert server.ask("POST", "/v1/channels/dev/clients", token=elsewhere, body=last).status == 204
    until(lambda: said("c" * 32))
    assert sorted(said("b" * 32)) == [("dev", {}), ("prod", {"bot": 2})], "two clients: they came with two tokens"


def heard(place: Place, name: str) -> list[LiveClient]:
    """The live clients of this name, as the registry knows them."""
    return [each for each in heartbeats.clients(place.registry, now=datetime.now(UTC)).live if each.beat.name == name]


def test_no_other_token_replaces_what_a_client_said_and_no_list_shows_its_id(place: Place) -> None:
    tokens = [mint(place.registry, f"owner-{number}", Scope.READ) for number in range(2)]
    said = {**BEAT, "lineage": place.registry.lineage, "id": "d" * 32, "name": "owned"}
    for token, revisions in zip(tokens, ({"bot": 2}, {}), strict=True):
        beat = {**said, "revisions": revisions}
        assert place.server.ask("POST", "/v1/channels/prod/clients", token=token, body=beat).status == 204
    until(lambda: len(heard(place, "owned")) == 2)
    assert sorted(len(each.beat.revisions) for each in heard(place, "owned")) == [0, 1]

    def shown(token: str) -> dict[str, Json]:
        found = place.server.get("/v1/clients", token).json["clients"]
        assert isinstance(found, list)
        return {str(each["id"]): each["revisions"] for each in found if each["name"] == "owned"}

    first, second, third = shown(tokens[0]), shown(tokens[1]), shown(place.reader)
    assert (first["d" * 32], second["d" * 32]) == ({"bot": 2}, {}), "each token sees its own client by its id"
    assert [len(found) for found in (first, second, third)] == [2, 2, 2]
    assert "d" * 32 not in third
    assert third == shown(place.reader), "what is shown in its place stays the same"


def test_what_a_client_says_of_apps_that_are_not_there_or_out_of_sight_is_left_out(place: Place) -> None:
    token = mint(place.registry, "invents", Scope.READ, apps=("bot", "no-*"))
    apps = {"bot": 1, "other": 1, **{f"no-{number}": 1 for number in range(1500)}}
    said = {**BEAT, "lineage": place.registry.lineage, "id": "e" * 32, "name": "invents", "revisions": apps}
    reasons = {"bot": "it is too large", "other": "secret", "no-1": "not there"}
    beat = {**said, "cannot_load": reasons}
    assert place.server.ask("POST", "/v1/channels/prod/clients", token=token, body=beat).status == 204
    until(lambda: heard(place, "invents"))
    [found] = heard(place, "invents")
    assert (found.beat.revisions, found.beat.cannot_load) == ({"bot": 1}, {"bot": "it is too large"})
    failures = place.server.get("/v1/status", token).json["cannot_load"]
    assert isinstance(failures, list)
    assert [(each["app"], each["client"], each["reason"]) for each in failures] == [
        ("bot", "invents", "it is too large")
    ]
    other = mint(place.registry, "sees-other", Scope.READ, apps=("other",))
    assert b"too large" not in place.server.get("/v1/status", other).body


def test_who_says_goodbye_is_gone_and_does_not_come_back(place: Place) -> None:
    said = {**BEAT, "lineage": place.registry.lineage, "id": "f" * 32, "name": "leaves"}
    path = "/v1/channels/prod/clients"
    assert place.server.ask("POST", path, token=place.reader, body=said).status == 204
    until(lambda: heard(place, "leaves"))
    for beat in ({**said, "leaving": True}, said):  # the second was overtaken on its way
        assert place.server.ask("POST", path, token=place.reader, body=beat).status == 204
    until(lambda: not heard(place, "leaves"))
    time.sleep(0.2)
    assert b"leaves" not in place.server.get("/v1/clients", place.reader).body


@pytest.mark.parametrize("address", ["channels/prod/apps/bot/history?at={}", "audit?since={}", "audit?until={}"])
@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00%2B14:00", "9999-12-31T23:59:59-14:00"])
def test_a_moment_that_is_none_in_utc_is_refused(address: str, moment: str, server: Running, admin: str) -> None:
    found = server.get(f"/v1/{address.format(moment)}", admin)
    assert (found.status, found.code) == (422, "request-invalid")


@pytest.mark.parametrize(
    "change",
    [
        {"more": 1},  # nobody knows it
        {"schema": "promptops.heartbeat/2"},
        {"id": "4BF92F3577B34DA6A3CE929D0E0E4736"},
        {"id": "4bf9"},
        {"name": "x" * 201},
        {"name": "two\nlines"},
        {"state": "FINE"},
        {"epoch": "1"},  # nothing is converted
        {"epoch": True},
        {"epoch": -1},
        {"revisions": {"bot": 1.5}},
        {"revisions": {"Bot": 1}},
        {"revisions": []},
        {"cannot_load": {"bot": "x" * 201}},
        {"cannot_load": {"bot": 1}},
        {"leaving": "yes"},
        {"token": "t00000000000"},  # it says nothing of that itself
        {"revisions": {f"a{n}": 1 for n in range(2001)}},
    ],
    ids=str,
)
def test_a_heartbeat_is_read_strictly(change: dict[str, Json], server: Running, admin: str) -> None:
    found = server.ask("POST", "/v1/channels/prod/clients", token=admin, body={**BEAT, **change})
    assert (found.status, found.code) == (422, "request-invalid")


def test_what_a_client_asks_for_is_kept_of_apps_that_it_may_see(place: Place) -> None:
    token = mint(place.registry, "asks", Scope.READ, apps=("bot", "no-*"))
    asks = {"bot/answer": {"always": ["name"], "sometimes": ["tone"]}, "other/answer": {}, "no-1/answer": {}}
    said = {**BEAT, "lineage": place.registry.lineage, "id": "9" * 32, "name": "asks", "extensions": {"asks": asks}}
    assert place.server.ask("POST", "/v1/channels/prod/clients", token=token, body=said).status == 204
    until(lambda: heard(place, "asks"))
    with place.registry.read() as reader:
        beats = {each.name: each for each in reader.clients_asking(datetime.now(UTC) - timedelta(minutes=1), "prod")}
    assert beats["asks"].asks == {"bot/answer": Passed(always=("name",), sometimes=("tone",))}
    assert b'asks":' not in place.server.get("/v1/clients", token).body
