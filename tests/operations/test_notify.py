"""Notifications: each event reaches each receiver at least once, in order, with one id, whatever fails in between."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from promptops.core.errors import Invalid, NotFound, Refused
from promptops.core.model import Policy
from promptops.core.origin import Origin
from promptops.operations.channels import Terms
from promptops.operations.notify import ReceiverChanged, apply_receivers, ask_test, receivers
from promptops.operations.webhook import Answer, Post
from promptops.store import Registry
from tests.support import factory
from tests.support.factory import ACTOR, NAME, START, minutes
from tests.support.receivers import URL, Clock, Memory, declare, fails, sender, verify

HERE = Origin(repository="git@h.org:acme/prompts.git", path="", root="a" * 40)
THERE = Origin(repository="https://h.org/acme/other", path="prompts", root="b" * 40)
DEPLOYMENTS: dict[str, object] = {"url": URL, "events": ["deployment"]}


def world(registry: Registry, app: str = "bot") -> None:
    """Two releases of an app; nothing is live yet."""
    factory.make_channels(registry)
    factory.make_releases(registry, app, 2)


def state(registry: Registry, name: str = "ops") -> Any:
    return next(each for each in receivers(registry) if each.name == name)


def test_each_event_is_sent_once_in_the_order_of_the_log_and_nothing_from_before(registry: Registry) -> None:
    world(registry)
    clock, memory = Clock(), Memory()
    declare(registry, ops={"url": URL})
    factory.go_live(registry, "bot@0.1.0", now=minutes(1))
    factory.go_live(registry, "bot@0.1.1", now=minutes(2))
    factory.go_back(registry, "bot", now=minutes(3), reason="wrong answers")
    sender(registry, memory, clock).send_all()
    assert memory.kinds == [
        "deployment.promoted",
        "deployment.promoted",
        "deployment.rolled_back",
        "release.quarantined",
    ]
    assert len({id for id, _ in memory.taken}) == 4
    back = memory.taken[2][1]
    assert back["timestamp"] == "2026-03-01T12:03:00.000000Z"
    assert back["data"]["release"]["version"] == "0.1.0"
    assert back["data"]["before"]["version"] == "0.1.1"
    assert (back["data"]["revision"], back["data"]["reason"]) == (3, "wrong answers")
    assert back["data"]["text"] == "rolled back to 0.1.0 (was 0.1.1)"
    again = Memory()
    sender(registry, again, clock).send_all()
    assert again.tried == []


def test_events_channels_and_apps_narrow_what_a_receiver_gets(registry: Registry) -> None:
    factory.make_channels(registry, dev=Policy(), prod=Policy())
    for app in ("bot", "shop"):
        factory.make_releases(registry, app, 1)
    declare(
        registry, ops={**DEPLOYMENTS, "channels": ["prod"], "apps": ["bo*"]}, team={"url": URL, "events": ["canary"]}
    )
    for app in ("bot", "shop"):
        for channel in ("dev", "prod"):
            factory.go_live(registry, f"{app}@0.1.0", channel)
    memory = Memory()
    sender(registry, memory, Clock()).send_all()
    assert [(body["data"]["app"], body["data"]["channel"]) for _, body in memory.taken] == [("bot", "prod")]


def test_a_receiver_that_was_away_for_an_hour_gets_everything_in_order_with_one_id_each(registry: Registry) -> None:
    world(registry)
    clock = Clock()
    away = Memory(says=fails)
    declare(registry, ops=DEPLOYMENTS)
    factory.go_live(registry, "bot@0.1.0")
    sending = sender(registry, away, clock)
    for minute in range(60):
        if minute == 30:
            factory.go_live(registry, "bot@0.1.1", now=clock())
        sending.send_all()
        clock.move(minutes=1)
    assert len(set(away.tried)) == 1, "the second event waits behind the first"
    assert 4 <= len(away.tried) <= 20, "it is tried again, after longer and longer pauses"
    shown = state(registry)
    assert (shown.pending, shown.failures) == (2, len(away.tried))
    assert shown.error == "hooks.example.com answered with status 503"
    away.says = lambda post: Answer(status=204)
    clock.move(minutes=15)
    sending.send_all()
    assert [body["data"]["release"]["version"] for _, body in away.taken] == ["0.1.0", "0.1.1"]
    assert away.taken[0][0] == away.tried[0]
    shown = state(registry)
    assert (shown.pending, shown.failures, shown.error, shown.given_up) == (0, 0, "", 0)


def test_what_does_not_arrive_for_three_days_is_given_up_and_said(registry: Registry) -> None:
    world(registry)
    clock, memory = Clock(), Memory(says=fails)
    declare(registry, ops=DEPLOYMENTS)
    factory.go_live(registry, "bot@0.1.0")
    sending = sender(registry, memory, clock)
    for _ in range(71):
        sending.send_all()
        clock.move(hours=1)
    assert (state(registry).pending, state(registry).given_up) == (1, 0)
    factory.go_live(registry, "bot@0.1.1", now=clock())
    clock.move(hours=2)
    sending.send_all()
    assert (state(registry).pending, state(registry).given_up) == (1, 1)
    memory.says = lambda post: Answer(status=200)
    clock.move(hours=1)
    sending.send_all()
    assert [body["data"]["release"]["version"] for _, body in memory.taken] == ["0.1.1"]


def test_an_event_that_the_receiver_takes_for_malformed_holds_the_next_ones_up_for_an_hour(registry: Registry) -> None:
    world(registry)
    clock = Clock()

    def picky(post: Post) -> Answer:
        return Answer(status=422, error="422") if b'"revision":1,' in post.body else Answer(status=200)

    memory = Memory(says=picky)
    declare(registry, ops=DEPLOYMENTS)
    factory.go_live(registry, "bot@0.1.0")
    factory.go_live(registry, "bot@0.1.1")
    sending = sender(registry, memory, clock)
    for _ in range(4):
        sending.send_all()
        clock.move(minutes=16)
    assert memory.taken == []
    clock.move(minutes=16)
    sending.send_all()
    assert [body["data"]["revision"] for _, body in memory.taken] == [2]
    assert state(registry).given_up == 1


def test_a_slow_receiver_holds_up_no_other(registry: Registry) -> None:
    world(registry)
    arrived, leave = threading.Event(), threading.Event()
    got: list[str] = []

    def slow_for_ops(post: Post) -> Answer:
        if post.target.path == "/slow":
            arrived.set()
            assert leave.wait(60)
        else:
            got.append(post.headers["webhook-id"])
            leave.set()
        return Answer(status=200)

    slow = "https://hooks.example.com/slow"
    declare(registry, ops={**DEPLOYMENTS, "url": slow}, team=DEPLOYMENTS)
    factory.go_live(registry, "bot@0.1.0")
    sender(registry, slow_for_ops, Clock(), names={"ops": slow, "team": URL}).send_all()
    assert arrived.is_set()
    assert len(got) == 1, "it came while the other one was waited for"


def test_one_process_at_a_time_has_a_receiver_and_another_goes_on_where_it_was_killed(registry: Registry) -> None:
    world(registry)
    clock = Clock()
    declare(registry, ops=DEPLOYMENTS)
    for version in ("0.1.0", "0.1.1"):
        factory.go_live(registry, f"bot@{version}")
    hangs, leave, other = threading.Event(), threading.Event(), Memory()

    def during(post: Post) -> Answer:
        two = sender(registry, other, clock, holder="two")
        assert two.due() == (), "it is taken"
        two.send("ops")
        if len(first.tried) == 2:
            hangs.set()
            assert leave.wait(120)
        return Answer(status=200)

    first = Memory(says=during)
    thread = threading.Thread(target=sender(registry, first, clock).send, args=("ops",))
    thread.start()
    assert hangs.wait(120)
    assert other.tried == []
    clock.move(minutes=3)
    sender(registry, other, clock, holder="two").send_all()
    assert other.tried == [first.tried[1]], "the second one, with the same id"
    factory.go_back(registry, "bot", now=clock())
    leave.set()
    thread.join()
    assert state(registry).pending == 1, "who comes too late keeps nothing, and goes on with nothing"


def test_a_test_is_sent_at_once_also_while_a_receiver_is_waited_for_and_is_tried_once(registry: Registry) -> None:
    world(registry)
    clock, memory = Clock(), Memory(says=fails)
    declare(registry, ops=DEPLOYMENTS)
    factory.go_live(registry, "bot@0.1.0")
    sending = sender(registry, memory, clock)
    sending.send_all()
    assert ask_test(registry, "ops", now=clock()).number == 1
    sending.send_all()
    assert (state(registry).tested, state(registry).test_error) == (1, "hooks.example.com answered with status 503")
    assert (state(registry).failures, state(registry).pending) == (1, 1), "a test is no try of an event"
    memory.says = lambda post: Answer(status=200)
    assert ask_test(registry, "ops", now=clock()).number == 2
    sending.send_all()
    assert memory.kinds == ["notify.test", "deployment.promoted"], "what waited comes right behind it"
    assert len(set(memory.tried)) == 3
    with pytest.raises(NotFound, match="there is no receiver 'nobody'"):
        ask_test(registry, "nobody", now=clock())


def test_what_is_sent_is_signed_with_the_time_of_the_try(registry: Registry) -> None:
    world(registry)
    clock = Clock()
    posts: list[Post] = []

    def keep(post: Post) -> Answer:
        posts.append(post)
        return fails(post) if len(posts) == 1 else Answer(status=200)

    declare(registry, ops=DEPLOYMENTS)
    factory.go_live(registry, "bot@0.1.0")
    sending = sender(registry, keep, clock)
    sending.send_all()
    clock.move(hours=1)
    sending.send_all()
    first, second = posts
    assert verify(first.headers, first.body)
    assert verify(second.headers, second.body)
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert int(second.headers["webhook-timestamp"]) - int(first.headers["webhook-timestamp"]) == 3600
    assert first.body == second.body


def test_a_changed_url_has_no_secret_until_the_server_is_given_one(registry: Registry) -> None:
    """Fault case 68: the secret of the old URL signs nothing for the new one."""
    world(registry)
    clock, memory = Clock(), Memory()
    declare(registry, ops=DEPLOYMENTS)
    factory.go_live(registry, "bot@0.1.0")
    elsewhere = "https://evil.example.net/hook"
    changed = apply_receivers(registry, NAME, {"ops": {**DEPLOYMENTS, "url": elsewhere}}, actor=ACTOR, now=minutes(1))
    assert [(each.change, each.new_secret) for each in changed] == [(ReceiverChanged.CHANGED, True)]
    sender(registry, memory, clock).send_all()
    assert memory.tried == [], "nothing left, not even without a signature"
    assert state(registry).error == "the server has no secret for ops with this URL"
    clock.move(minutes=1)
    sender(registry, memory, clock, names={"ops": elsewhere}).send_all()
    assert memory.kinds == ["deployment.promoted"], "and nothing was lost"


def test_new_settings_count_for_what_waits_and_what_follows_and_not_for_what_the_old_ones_left_out(
    registry: Registry,
) -> None:
    factory.make_channels(registry, dev=Policy(), prod=Policy())
    factory.make_releases(registry, "bot", 2)
    clock, memory = Clock(), Memory()
    declare(registry, ops={**DEPLOYMENTS, "channels": ["dev"]})
    sending = sender(registry, memory, clock)
    factory.go_live(registry, "bot@0.1.0", "prod")
    sending.send_all()
    factory.go_live(registry, "bot@0.1.0", "dev")
    declare(registry, ops=DEPLOYMENTS)
    factory.go_live(registry, "bot@0.1.1", "prod")
    sending.send_all()
    assert [(body["data"]["release"]["version"], body["data"]["channel"]) for _, body in memory.taken] == [
        ("0.1.0", "dev"),
        ("0.1.1", "prod"),
    ]


def test_a_url_that_changes_while_something_is_sent_gets_all_that_is_left(registry: Registry) -> None:
    world(registry)
    clock = Clock()
    moved = f"{URL}/2"
    paths: list[str] = []

    def during(post: Post) -> Answer:
        paths.append(post.target.path)
        if len(paths) == 1:
            declare(registry, ops={**DEPLOYMENTS, "url": moved})
        return Answer(status=200)

    memory = Memory(says=during)
    declare(registry, ops=DEPLOYMENTS)
    for version in ("0.1.0", "0.1.1"):
        factory.go_live(registry, f"bot@{version}")
    sender(registry, memory, clock).send_all()
    assert paths == ["/promptops"]
    sender(registry, memory, clock, names={"ops": moved}).send_all()
    assert paths[1:] == ["/promptops/2", "/promptops/2"]
    assert memory.tried[0] == memory.tried[1], "the one that was on its way comes again, with its id"


def test_slack_gets_a_text_and_the_secret_part_of_its_url_is_the_servers(registry: Registry) -> None:
    world(registry)
    url = "https://hooks.slack.com/services/{secret}"
    declare(registry, team={"url": url, "format": "slack", "events": ["deployment"]})
    factory.go_live(registry, "bot@0.1.0", reason="<!channel> & more")
    posts: list[Post] = []

    def keep(post: Post) -> Answer:
        posts.append(post)
        return Answer(status=200)

    from promptops.operations.sending import Sender

    secrets = {("team", url): ("T000/B000/XXXXXXXX",)}
    Sender(registry, secrets=lambda: secrets, now=Clock(), holder="one", send=keep).send_all()
    assert posts[0].target.path == "/services/T000/B000/XXXXXXXX"
    assert posts[0].body.decode() == (
        '{"text":"*bot* on *prod*: promoted 0.1.0 by Ada Lovelace: &lt;!channel&gt; &amp; more"}'
    )
    assert "XXXX" not in str(receivers(registry))


def test_receivers_belong_to_the_workspace_that_declared_them(registry: Registry) -> None:
    def applied(origin: Origin, *names: str, **terms: Any) -> dict[str, str]:
        declared = {name: {"url": URL} for name in names}
        changes = apply_receivers(registry, NAME, declared, actor=ACTOR, now=START, terms=Terms(origin=origin, **terms))
        return {each.name: each.change for each in changes}

    assert applied(HERE, "ops", "old", dry_run=True) == {"ops": "created", "old": "created"}
    assert receivers(registry) == ()
    assert applied(HERE, "ops", "old") == {"ops": "created", "old": "created"}
    assert applied(HERE, "ops", "old") == {"ops": "unchanged", "old": "unchanged"}
    assert applied(THERE, "theirs") == {"theirs": "created", "ops": "kept", "old": "kept"}
    assert applied(HERE, "ops") == {"ops": "unchanged", "old": "removed", "theirs": "kept"}
    assert [each.name for each in receivers(registry)] == ["ops", "theirs"]
    assert applied(HERE, "ops", "old") == {"ops": "unchanged", "old": "created", "theirs": "kept"}
    with pytest.raises(Refused, match=r"ops belongs to h\.org/acme/prompts"):
        apply_receivers(registry, NAME, {"ops": {"url": f"{URL}/2"}}, actor=ACTOR, now=START, terms=Terms(origin=THERE))
    assert applied(THERE, "ops", take_over=True, reason="we own it")["ops"] == "changed"


def test_settings_that_are_wrong_change_nothing(registry: Registry) -> None:
    with pytest.raises(Invalid, match=r"notify\.ops has no key 'chanels'"):
        declare(registry, ops={"url": URL, "chanels": ["prod"]})
    with pytest.raises(Invalid, match="is a URL of Slack, which is a secret by itself"):
        declare(registry, ops={"url": "https://hooks.slack.com/services/T0/B0/XX"})
    with pytest.raises(Invalid, match="at most 50 are taken"):
        apply_receivers(registry, NAME, {f"r{n}": {"url": URL} for n in range(51)}, actor=ACTOR, now=START)
    assert receivers(registry) == ()
