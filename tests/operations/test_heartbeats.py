"""Who serves what: what clients said last is known for a while, whoever asks, and is no fact of the registry."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import func, select

from promptops.core.errors import ChannelNotFound
from promptops.core.heartbeat import Beat, LiveClient, Room, State
from promptops.core.model import Policy
from promptops.operations import heartbeats
from promptops.operations.heartbeats import following, record_beats, waiting_for
from promptops.store import Registry
from promptops.store.schema import tables
from tests.operations.test_snapshots import statements
from tests.support.factory import START, go_back, go_live, make_channels, make_releases

SECOND = timedelta(seconds=1)


@pytest.fixture
def live(registry: Registry) -> Registry:
    """`bot` at revision 3 on `prod` and at 1 on `staging`."""
    make_channels(registry, prod=Policy(), staging=Policy())
    for release in make_releases(registry, "bot", 3):
        go_live(registry, f"bot@{release.version}")
    go_live(registry, "bot@0.1.0", "staging")
    return registry


def beat(registry: Registry, number: int = 1, revision: int = 3, **more: object) -> Beat:
    said = Beat(
        id=f"{number:032x}",
        channel="prod",
        name=f"web-{number}",
        sdk="promptops/0.1.0",
        state=State.READY,
        lineage=registry.lineage,
        epoch=1,
        revisions={"bot": revision},
    )
    return replace(said, **more)  # type: ignore[arg-type]


def clients(registry: Registry, channel: str = "", *, now: datetime) -> tuple[LiveClient, ...]:
    """Those that are live."""
    return heartbeats.clients(registry, channel, now=now).live


def rows(registry: Registry) -> int:
    with registry.read() as reader:
        return int(reader._connection.execute(select(func.count()).select_from(tables.client)).scalar_one())


def test_what_a_client_said_last_is_known(live: Registry) -> None:
    said = beat(live, 1, name="Zoë ☃ web", revisions={"bot": 2, "faq": 9}, state=State.STALE)
    record_beats(live, [beat(live, 2), said], START)
    found = clients(live, now=START)
    assert [each.beat for each in found] == [said, beat(live, 2)]
    assert [(each.seen_at, each.comparable, each.behind) for each in found] == [
        (START, True, ("bot",)),
        (START, True, ()),
    ]
    record_beats(live, [beat(live, 1)], START + SECOND)
    assert [each.beat for each in clients(live, now=START + SECOND)] == [beat(live, 1), beat(live, 2)]
    assert rows(live) == 2


def test_an_older_word_does_not_replace_a_newer_one(live: Registry) -> None:
    record_beats(live, [beat(live, revision=3)], START + SECOND)
    record_beats(live, [beat(live, revision=2)], START)
    (found,) = clients(live, now=START)
    assert (found.beat.revisions, found.seen_at) == ({"bot": 3}, START + SECOND)


def test_what_was_said_before_the_clock_was_set_back_is_replaced(live: Registry) -> None:
    record_beats(live, [beat(live, revision=2)], START + timedelta(hours=1))
    record_beats(live, [beat(live, revision=3)], START)
    (found,) = clients(live, now=START)
    assert (found.beat.revisions, found.seen_at) == ({"bot": 3}, START)


def test_who_uses_the_id_of_another_channels_client_changes_nothing(live: Registry) -> None:
    record_beats(live, [beat(live)], START)
    record_beats(live, [beat(live, channel="staging", revisions={})], START + SECOND)
    assert [each.beat for each in clients(live, now=START)] == [beat(live)]


def test_of_two_words_in_one_batch_the_last_counts(live: Registry) -> None:
    record_beats(live, [beat(live, revision=1), beat(live, revision=2)], START)
    (found,) = clients(live, now=START)
    assert found.beat.revisions == {"bot": 2}


def test_who_was_silent_for_90_seconds_is_not_live(live: Registry) -> None:
    record_beats(live, [beat(live, 1)], START)
    record_beats(live, [beat(live, 2)], START + SECOND)
    names = [each.beat.name for each in clients(live, now=START + 91 * SECOND)]
    assert names == ["web-2"]


def test_a_channel_has_its_own_clients(live: Registry) -> None:
    record_beats(live, [beat(live, 1), beat(live, 2, 1, channel="staging")], START)
    assert [each.beat.name for each in clients(live, "prod", now=START)] == ["web-1"]
    (staging,) = clients(live, "staging", now=START)
    assert (staging.beat.name, staging.behind) == ("web-2", ())
    with pytest.raises(ChannelNotFound):
        clients(live, "production", now=START)


def test_who_counts_differently_is_behind_until_it_follows(live: Registry) -> None:
    live.write(lambda writer: writer.raise_epoch(at=START, actor="Ada", action="restore"))
    record_beats(live, [beat(live, 1), beat(live, 2, epoch=2)], START)
    assert [each.comparable for each in clients(live, now=START)] == [False, True]


def test_a_rollback_waits_for_those_that_serve_the_app_and_not_the_revision(live: Registry) -> None:
    others = [beat(live, 3, revisions={"faq": 1}), beat(live, 4, 1, channel="staging")]
    record_beats(live, [beat(live, 1), beat(live, 2), *others], START)
    done = go_back(live, "bot").deployments
    mine = following(clients(live, "prod", now=START), done)
    assert [each.beat.name for each in mine] == ["web-1", "web-2"]
    record_beats(live, [beat(live, 1, 4)], START + SECOND)
    assert [each.beat.name for each in waiting_for(clients(live, now=START), done)] == ["web-2"]
    record_beats(live, [beat(live, 2, 5)], START + SECOND)
    assert waiting_for(clients(live, now=START), done) == ()


def test_a_batch_of_any_size_is_counted_and_written_in_two_statements(live: Registry) -> None:
    for size in (1, 2, 500):
        with statements(live._writing) as sent:
            record_beats(live, [beat(live, number) for number in range(size)], START)
        changes = [statement for statement in sent if "INSERT" in statement]
        assert len(changes) == 1
        assert len([statement for statement in sent if not statement.startswith(("BEGIN", "SET", "DELETE"))]) == 2
    assert rows(live) == 500
    with statements(live._writing) as sent:
        record_beats(live, [], START)
    assert sent == []


def test_one_token_never_replaces_what_came_with_another(live: Registry) -> None:
    record_beats(live, [beat(live, token="a"), beat(live, token="b", revisions={})], START)
    record_beats(live, [beat(live, token="b", revisions={}, name="b")], START + SECOND)
    found = {each.beat.token: each.beat.revisions for each in clients(live, now=START)}
    assert found == {"a": {"bot": 3}, "b": {}}


def test_a_goodbye_is_the_last_word(live: Registry) -> None:
    record_beats(live, [beat(live, 1), beat(live, 2)], START)
    record_beats(live, [beat(live, 1, leaving=True)], START - SECOND)  # another server, whose clock is late
    record_beats(live, [beat(live, 1)], START + SECOND)
    found = heartbeats.clients(live, now=START + 100 * SECOND)
    assert ([each.beat.name for each in found.live], [each.beat.name for each in found.silent]) == ([], ["web-2"])


def test_who_fell_silent_is_listed_for_ten_minutes(live: Registry) -> None:
    record_beats(live, [beat(live, 1)], START)
    for seconds, shown in ((90, (1, 0)), (91, (0, 1)), (600, (0, 1)), (601, (0, 0))):
        found = heartbeats.clients(live, now=START + seconds * SECOND)
        assert (len(found.live), len(found.silent)) == shown, seconds


def test_what_a_client_cannot_load_is_kept_and_told(live: Registry) -> None:
    said = beat(live, cannot_load={"bot": "ünlesbar", "faq": "too large"}, revisions={"bot": 2})
    record_beats(live, [said, beat(live, 2)], START)
    found = clients(live, now=START)[0]
    assert (found.beat, found.behind) == (said, ("bot", "faq"))
    told = [(each.app, each.channel, each.client, each.reason) for each in heartbeats.failures(live, now=START)]
    assert told == [("bot", "prod", "web-1", "ünlesbar"), ("faq", "prod", "web-1", "too large")]
    assert heartbeats.failures(live, now=START + 91 * SECOND) == ()


ROOM = Room(of_a_token=20, in_all=70)


def test_invented_clients_cost_their_own_token_and_nobody_else(live: Registry) -> None:
    record_beats(live, [beat(live, number, token="good") for number in range(3)], START)
    for turn in range(3):
        invented = [beat(live, number, token="bad") for number in range(turn * 15, turn * 15 + 15)]
        record_beats(live, invented, START + turn * SECOND, ROOM)
    found = clients(live, now=START + 2 * SECOND)
    assert Counter(each.beat.token for each in found) == {"good": 3, "bad": ROOM.of_a_token}
    newest = {f"{number:032x}" for number in range(30, 45)}
    assert newest <= {each.beat.id for each in found if each.beat.token == "bad"}, "its oldest went"


def test_where_there_are_too_many_in_all_those_who_are_known_stay(live: Registry) -> None:
    record_beats(live, [beat(live, number, token="good") for number in range(3)], START, ROOM)
    for number in range(5):
        record_beats(live, [beat(live, n, token=f"t{number}") for n in range(ROOM.of_a_token)], START, ROOM)
        assert rows(live) <= ROOM.in_all
    assert rows(live) == ROOM.in_all
    record_beats(live, [beat(live, 1, 4, token="good"), beat(live, 9, token="good")], START + SECOND, ROOM)
    good = {each.beat.id: each.beat.revisions["bot"] for each in clients(live, now=START) if each.beat.token == "good"}
    assert good == {f"{0:032x}": 3, f"{1:032x}": 4, f"{2:032x}": 3}
    later = START + timedelta(minutes=11)
    record_beats(live, [beat(live, n, token="new") for n in range(ROOM.of_a_token)], later, ROOM)
    assert len(clients(live, now=later)) == ROOM.of_a_token, "who fell silent makes room"


def test_who_was_silent_for_a_day_is_forgotten_now_and_then(live: Registry) -> None:
    record_beats(live, [beat(live, number) for number in range(20)], START)
    later = START + timedelta(days=1)
    for number in range(2_000):
        record_beats(live, [beat(live, 99)], later + number * SECOND)
        if number and rows(live) == 1:
            break
    assert [each.beat.name for each in clients(live, now=later)] == ["web-99"]
    assert rows(live) == 1


def test_who_was_silent_for_less_than_a_day_is_not_forgotten(live: Registry) -> None:
    record_beats(live, [beat(live, 1)], START)
    for _ in range(100):
        record_beats(live, [beat(live, 2)], START + timedelta(hours=23))
    assert rows(live) == 2


def test_it_is_no_fact_nothing_is_recorded_and_nothing_waits_for_git(live: Registry) -> None:
    with live.read() as reader:
        before = reader.audit_head(), reader.pending_count()
    record_beats(live, [beat(live)], START)
    with live.read() as reader:
        assert (reader.audit_head(), reader.pending_count()) == before


def test_several_servers_write_the_same_clients_at_once(live: Registry, registry_url: str) -> None:
    failed: list[BaseException] = []

    def server(number: int) -> None:
        opened = Registry.open(registry_url)
        try:
            for turn in range(15):
                order = range(40) if number % 2 else range(39, -1, -1)
                moment: datetime = START + turn * SECOND
                record_beats(opened, [beat(opened, each, turn) for each in order], moment)
        except BaseException as error:  # noqa: BLE001 - told to the test
            failed.append(error)
        finally:
            opened.close()

    threads = [threading.Thread(target=server, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert {each.beat.revisions["bot"] for each in clients(live, now=START)} == {14}
