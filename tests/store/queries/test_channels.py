"""Channels, their logs, what is live, and what a rollback may see of the past."""

from __future__ import annotations

from dataclasses import replace

import pytest

from promptops.core.errors import AppNotFound, ChannelNotFound, ConcurrentDeployment, NotFound, RegistryUnavailable
from promptops.core.model import Policy
from promptops.store import Registry, Writer
from tests.store.facts import (
    ACTOR,
    START,
    ask,
    deployment,
    do,
    fill,
    minutes,
    quarantine,
    ref,
    release,
    withdraw,
    withhold,
)


def test_a_policy_gets_a_version_only_when_it_changes(registry: Registry) -> None:
    strict = Policy(promote_from=("staging", "dev"), protected=True)

    def put(policy: Policy) -> int | None:
        channel = registry.write(lambda writer: writer.set_policy("prod", policy, actor=ACTOR, at=START))
        return channel.version if channel else None

    assert [put(Policy()), put(Policy()), put(strict), put(strict), put(Policy())] == [1, None, 2, None, 3]
    put(strict)
    do(registry, lambda writer: writer.set_policy("dev", Policy(allow_dirty=True), actor=ACTOR, at=START))
    with registry.read() as reader:
        assert [(c.name, c.version, c.policy) for c in reader.channels()] == [
            ("dev", 1, Policy(allow_dirty=True)),
            ("prod", 4, strict),
        ]
        assert reader.channel("prod").policy == strict
        with pytest.raises(ChannelNotFound) as caught:
            reader.channel("production")
    assert caught.value.known == ("dev", "prod")


def test_the_newest_revision_is_live(registry: Registry) -> None:
    fill(registry, channels=("prod", "staging"))
    fill(registry, 1, "a-faq")
    with registry.read() as reader:
        assert reader.live("bot", "prod") == deployment(3, 3)
        assert reader.live("bot", "nowhere") is None
        assert reader.live_on("prod") == (deployment(1, 1, "a-faq"), deployment(3, 3))
        assert reader.channels_serving("bot", release(3).digest) == ("prod", "staging")
        assert reader.channels_serving("bot", release(2).digest) == ()
        assert reader.deployment("bot", "prod", 2) == deployment(2, 2)
        with pytest.raises(NotFound):
            reader.deployment("bot", "prod", 4)


def test_the_past_can_be_asked_what_was_live(registry: Registry) -> None:
    fill(registry)
    with registry.read() as reader:
        assert reader.live_at("bot", "prod", minutes(0.5)) is None
        assert reader.live_at("bot", "prod", minutes(2)) == deployment(2, 2)
        assert reader.live_at("bot", "prod", minutes(99)) == deployment(3, 3)
        assert [d.revision for d in reader.history("bot", "prod")] == [3, 2, 1]
        assert [d.revision for d in reader.history("bot", "prod", limit=2)] == [3, 2]
        assert [d.revision for d in reader.history("bot", "prod", until=minutes(2))] == [2, 1]
        assert [d.revision for d in reader.history("bot", "prod", first=2)] == [3, 2]


def test_a_clock_that_went_back_does_not_reorder_history(registry: Registry) -> None:
    fill(registry)

    do(registry, lambda writer: writer.append(replace(deployment(4, 1), at=minutes(-600))))
    live = ask(registry, lambda reader: reader.live("bot", "prod"))
    assert live is not None
    assert live.revision == 4


def test_the_past_says_which_releases_are_no_longer_good(registry: Registry) -> None:
    fill(registry, 5)

    def work(writer: Writer) -> None:
        withhold(writer, quarantine(4))
        withhold(writer, quarantine(3))
        withhold(writer, quarantine(3), lifted=True)
        withhold(writer, quarantine(2, channel="staging"))
        withdraw(writer, 1)

    do(registry, work)
    past = ask(registry, lambda reader: tuple(reader.past("bot", "prod", before=5)))
    assert [(p.deployment.revision, p.flaw) for p in past] == [
        (4, f"quarantined by {ACTOR}: wrong answers"),
        (3, ""),
        (2, ""),
        (1, f"yanked by {ACTOR}: leaks data"),
    ]


def test_the_past_is_read_page_by_page_to_its_end(registry: Registry) -> None:
    fill(registry, 120)
    with registry.read() as reader:
        assert [p.deployment.revision for p in reader.past("bot", "prod", before=118)] == list(range(117, 0, -1))
        assert list(reader.past("bot", "prod", before=1)) == []
        assert next(iter(reader.past("bot", "prod", before=100))).deployment == deployment(99, 99)


def test_a_release_goes_into_quarantine_and_out_and_in_again(registry: Registry) -> None:
    fill(registry)

    def held() -> list[str]:
        with registry.read() as reader:
            one = reader.quarantine("bot", "prod", release(2).digest)
            every = reader.quarantines("bot", "prod")
        assert every == ((one,) if one else ())
        return [q.reason for q in every]

    assert held() == []
    do(registry, lambda writer: withhold(writer, quarantine(2, reason="first")))
    assert held() == ["first"]
    do(registry, lambda writer: withhold(writer, quarantine(2, reason="fixed"), lifted=True))
    assert held() == []
    do(registry, lambda writer: withhold(writer, quarantine(2, reason="second")))
    assert held() == ["second"]


def test_the_overview_is_what_live_and_past_say_one_by_one(registry: Registry) -> None:
    fill(registry, 7, channels=("prod", "staging"))
    fill(registry, 1, "a-faq")

    def work(writer: Writer) -> None:
        writer.lock_heads([("a-faq", "staging")])  # a head, and nothing live
        writer.append(deployment(8, 3, restores=3))
        withhold(writer, quarantine(2))
        withdraw(writer, 1)

    do(registry, work)
    with registry.read() as reader:
        overview = reader.overview(depth=2)
        assert [(d.app, d.channel, d.revision) for d, _ in overview] == [
            ("a-faq", "prod", 1),
            ("bot", "prod", 8),
            ("bot", "staging", 7),
        ]
        for live, past in overview:
            assert past == tuple(reader.past(live.app, live.channel, before=live.position))[:2]
        assert [p.flaw for p in overview[1][1]] == [
            f"quarantined by {ACTOR}: wrong answers",
            f"yanked by {ACTOR}: leaks data",
        ]


def test_only_promotions_make_a_release_one_that_was_stable(registry: Registry) -> None:
    fill(registry)
    do(registry, lambda writer: writer.append(deployment(4, 1, restores=1)))
    with registry.read() as reader:
        assert reader.was_stable("bot", "prod", release(1).digest) == deployment(1, 1)
        assert reader.was_stable("bot", "staging", release(1).digest) is None


@pytest.mark.parametrize(("revision", "actual"), [(3, 3), (2, 3), (5, 3)])
def test_only_the_next_revision_can_be_appended(registry: Registry, revision: int, actual: int) -> None:
    fill(registry)
    with pytest.raises(ConcurrentDeployment) as caught:
        do(registry, lambda writer: writer.append(deployment(revision, 1)))
    assert (caught.value.expected, caught.value.actual) == (revision - 1, actual)


def test_locks_make_what_they_lock(registry: Registry) -> None:
    fill(registry)
    fill(registry, 1, "faq", channels=())

    def work(writer: Writer) -> tuple[str, ...]:
        writer.lock_heads([("faq", "prod"), ("bot", "prod"), ("faq", "prod"), ("bot", "staging")])
        writer.lock_all_channels_of("faq")
        return writer.lock_channel("prod")

    assert registry.write(work) == ("bot",)
    with pytest.raises(AppNotFound) as caught:
        do(registry, lambda writer: writer.lock_heads([("bto", "prod")]))
    assert caught.value.known == ("bot", "faq")
    with pytest.raises(AppNotFound):
        do(registry, lambda writer: writer.lock_all_channels_of("bto"))


def test_a_thousand_heads_are_locked_at_once(registry: Registry) -> None:
    fill(registry)
    pairs = [("bot", f"channel-{number}") for number in range(1000)]
    for _ in range(2):
        do(registry, lambda writer: writer.lock_heads(pairs))
    assert ask(registry, lambda reader: reader.live("bot", "channel-999")) is None, "a lock deploys nothing"


def test_a_deployment_of_a_release_that_does_not_exist_is_impossible(registry: Registry) -> None:
    fill(registry, 1)
    with pytest.raises(RegistryUnavailable):
        do(registry, lambda writer: writer.append(deployment(2, 2)))
    assert ask(registry, lambda reader: reader.history("bot", "prod"))[0].stable == ref(1)
