"""What clients follow: snapshots that point where a rollback would go, and contents that are what was released."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Engine, event

from promptops.core.digest import digest as digest_of
from promptops.core.errors import (
    AppNotFound,
    ChannelNotFound,
    NothingToRollBackTo,
    PromptopsError,
    RegistryDamaged,
    ReleaseNotFound,
    Yanked,
)
from promptops.core.model import Policy, ReleaseRef
from promptops.core.reference import parse_reference
from promptops.operations import snapshots
from promptops.operations.quarantine import WithholdRequest, quarantine, unquarantine, yank
from promptops.operations.snapshots import MOST_WITHDRAWN
from promptops.store import Registry
from promptops.store.queries.serving import AT_ONCE
from tests.store.vandal import vandalise
from tests.support.factory import (
    ACTOR,
    content,
    go_back,
    go_live,
    key,
    make_channels,
    make_release,
    make_releases,
    minutes,
)


def withhold(reference: str, channel: str = "") -> WithholdRequest:
    return WithholdRequest(reference=parse_reference(reference), reason="leaks data", key=key(), channel=channel)


def live(registry: Registry, count: int = 3, app: str = "bot") -> None:
    """Releases of an app, each promoted to `prod` after the other."""
    for release in make_releases(registry, app, count):
        go_live(registry, f"{app}@{release.version}")


@contextmanager
def statements(engine: Engine) -> Iterator[list[str]]:
    """Every statement that is sent meanwhile."""
    found: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        found.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(engine, "before_cursor_execute", note)


# --- snapshots ----------------------------------------------------------------------------------------


def test_a_snapshot_has_every_app_of_the_channel_and_nothing_else(registry: Registry) -> None:
    make_channels(registry, prod=Policy(), staging=Policy())
    live(registry)
    live(registry, 1, "faq")
    make_release(registry, content("never-live"))
    go_live(registry, "bot@0.1.0", "staging")
    found = snapshots.snapshot(registry, "prod")
    assert (found.registry, found.lineage, found.epoch) == ("test", registry.lineage, 1)
    assert (found.channel, found.partial) == ("prod", False)
    assert sorted(found.apps) == ["bot", "faq"]
    with registry.read() as reader:
        refs = {release.version: release.ref for release in reader.releases("bot")}
    pointer = found.apps["bot"]
    assert (pointer.revision, pointer.stable, pointer.last_good) == (3, refs["0.1.2"], refs["0.1.1"])
    assert (pointer.canary, pointer.weight, pointer.salt) == (None, 0, "")
    assert found.apps["faq"].last_good is None
    assert snapshots.snapshot(registry, "staging").apps["bot"].stable == refs["0.1.0"]


def test_a_channel_nobody_made_is_not_found(registry: Registry) -> None:
    make_channels(registry, prod=Policy(), staging=Policy())
    with pytest.raises(ChannelNotFound) as caught:
        snapshots.snapshot(registry, "production")
    assert caught.value.known == ("prod", "staging")


def test_a_channel_without_deployments_has_no_apps(registry: Registry) -> None:
    make_channels(registry)
    assert snapshots.snapshot(registry, "prod").apps == {}


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_last_good_is_what_a_rollback_puts_back(registry: Registry, seed: int) -> None:
    """Whatever happened before: the rule is the rollback's own, so the two can never disagree."""
    lot = random.Random(f"last good {seed}")
    make_channels(registry)
    for app in ("bot", "faq"):
        make_releases(registry, app, 5)
    for number in range(40):
        app = lot.choice(("bot", "faq"))
        reference = f"{app}@0.1.{lot.randrange(5)}"
        change: Callable[[], object] = lot.choice(
            (
                lambda: go_live(registry, reference, now=minutes(number)),  # noqa: B023 called at once
                lambda: go_live(registry, reference, now=minutes(number)),  # noqa: B023
                lambda: go_back(registry, app, now=minutes(number)),  # noqa: B023
                lambda: quarantine(registry, withhold(reference, "prod"), actor=ACTOR, now=minutes(number)),  # noqa: B023
                lambda: unquarantine(registry, withhold(reference, "prod"), actor=ACTOR, now=minutes(number)),  # noqa: B023
                lambda: yank(registry, withhold(reference), actor=ACTOR, now=minutes(number)) if number > 30 else None,  # noqa: B023
            )
        )
        try:
            change()
        except PromptopsError:
            continue
        for name, pointer in snapshots.snapshot(registry, "prod").apps.items():
            assert pointer.last_good == would_go_to(registry, name)


def would_go_to(registry: Registry, app: str) -> ReleaseRef | None:
    try:
        return go_back(registry, app, dry_run=True).deployments[0].stable
    except NothingToRollBackTo:
        return None


@pytest.mark.parametrize(
    "bad", [3, 4, 5, pytest.param(60, marks=pytest.mark.slow), pytest.param(70, marks=pytest.mark.slow)]
)
def test_last_good_is_found_however_far_back_it_is(registry: Registry, bad: int) -> None:
    make_channels(registry)
    live(registry, bad + 2)
    live(registry, 2, "faq")
    for number in range(1, bad + 1):
        quarantine(registry, withhold(f"bot@0.1.{number}", "prod"), actor=ACTOR, now=minutes(number))
    found = snapshots.snapshot(registry, "prod").apps
    assert found["bot"].last_good is not None
    assert found["bot"].last_good.version == "0.1.0"
    assert found["faq"].last_good is not None
    quarantine(registry, withhold("bot@0.1.0", "prod"), actor=ACTOR, now=minutes(99))
    assert snapshots.snapshot(registry, "prod").apps["bot"].last_good is None


def test_a_snapshot_takes_as_many_queries_for_many_apps_as_for_one(registry: Registry) -> None:
    make_channels(registry)
    live(registry, 2)
    with statements(registry._reading) as few:
        snapshots.snapshot(registry, "prod")
    for number in range(12):
        live(registry, 2, f"app-{number}")
    with statements(registry._reading) as many:
        assert len(snapshots.snapshot(registry, "prod").apps) == 13
    assert len(many) == len(few) <= 6


def test_a_log_with_a_hole_in_it_is_read_to_its_end_and_no_further(registry: Registry, registry_url: str) -> None:
    make_channels(registry)
    live(registry, 8)
    vandalise(registry_url, "DELETE FROM deployment WHERE app = 'bot' AND revision < 8")
    assert snapshots.snapshot(registry, "prod").apps["bot"].last_good is None


# --- how far a channel is -------------------------------------------------------------------------------


def test_the_cursor_moves_with_what_changes_the_snapshot_and_with_nothing_else(registry: Registry) -> None:
    make_channels(registry, prod=Policy(), staging=Policy())

    def moved(change: Callable[[], object]) -> bool:
        before = snapshots.progress(registry, "prod")
        change()
        after = snapshots.progress(registry, "prod")
        assert after.cursor >= before.cursor
        return after != before

    releases = make_releases(registry, "bot", 4)
    assert [moved(lambda r=release: go_live(registry, f"bot@{r.version}")) for release in releases] == [True] * 4  # type: ignore[misc]
    assert not moved(lambda: make_release(registry, content("faq")))
    assert not moved(lambda: go_live(registry, "bot@0.1.3", "staging"))
    assert not moved(lambda: go_live(registry, "faq@0.1.0", "staging"))
    assert moved(lambda: quarantine(registry, withhold("bot@0.1.2", "prod"), actor=ACTOR, now=minutes(1)))
    assert moved(lambda: unquarantine(registry, withhold("bot@0.1.2", "prod"), actor=ACTOR, now=minutes(2)))
    assert moved(lambda: yank(registry, withhold("bot@0.1.2"), actor=ACTOR, now=minutes(3)))
    assert moved(lambda: go_back(registry, "bot", now=minutes(4)))
    assert moved(lambda: registry.write(lambda w: w.raise_epoch(at=minutes(5), actor=ACTOR, action="restore")))
    found = snapshots.snapshot(registry, "prod")
    now = snapshots.progress(registry, "prod")
    assert (now.registry, now.lineage, now.epoch, now.cursor) == (
        found.registry,
        found.lineage,
        found.epoch,
        found.cursor,
    )
    assert found.epoch == 2


def test_a_new_registry_is_at_the_beginning(registry: Registry) -> None:
    assert snapshots.progress(registry, "prod").cursor == 0
    assert snapshots.progress(registry, "prod").epoch == 1


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_no_question_of_a_server_walks_through_a_table(registry: Registry) -> None:
    """On SQLite, whose plans need no statistics; the indexes are the same on both."""
    make_channels(registry)
    live(registry, 2)
    with statements(registry._reading) as asked:
        snapshots.progress(registry, "prod")
        snapshots.snapshot(registry, "prod")
        snapshots.contents(registry, ["sha256:" + "0" * 64])
    selects = [statement for statement in asked if statement.startswith("SELECT")]
    assert len(selects) >= 5
    with registry.read() as reader:
        for statement in selects:
            parameters = tuple("x" for _ in range(statement.count("?")))
            rows = reader._connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            plan = [str(row[3]) for row in rows]
            walked = [step for step in plan if step.startswith("SCAN") and "VIRTUAL TABLE" not in step]
            assert set(walked) <= {"SCAN registry", "SCAN CONSTANT ROW"}, statement


# --- contents -------------------------------------------------------------------------------------------


def test_contents_come_by_digest_across_apps_in_the_order_asked_for(registry: Registry) -> None:
    releases = [*make_releases(registry, "bot", AT_ONCE + 2), *make_releases(registry, "faq", 2)]
    wanted = [release.digest for release in reversed(releases)]
    found = snapshots.contents(registry, [wanted[0], *wanted, "sha256:" + "0" * 64, "nonsense"])
    assert list(found) == wanted
    for digest, (app, data) in found.items():
        assert digest_of(data) == digest
        assert f'"app":"{app}"'.encode() in data
    assert snapshots.contents(registry, []) == {}


def test_a_limit_leaves_the_rest_for_another_question_but_answers_at_least_one(registry: Registry) -> None:
    wanted = [release.digest for release in make_releases(registry, "bot", 5)]
    size = len(snapshots.contents(registry, wanted[:1])[wanted[0]].content)
    assert list(snapshots.contents(registry, wanted, limit=2 * size)) == wanted[:2]
    assert list(snapshots.contents(registry, wanted, limit=1)) == wanted[:1]
    assert list(snapshots.contents(registry, wanted, limit=100 * size)) == wanted


def test_a_damaged_content_is_never_handed_out(registry: Registry, registry_url: str) -> None:
    first, second = make_releases(registry, "bot", 2)
    vandalise(registry_url, f"UPDATE release SET content = CAST('{{}}' AS {_blob(registry)}) WHERE version = '0.1.0'")
    assert list(snapshots.contents(registry, [first.digest, second.digest])) == [second.digest]
    with pytest.raises(RegistryDamaged, match=r"bot@sha256:.* is not what was released"):
        snapshots.contents(registry, [first.digest])
    with pytest.raises(RegistryDamaged):
        snapshots.content_of_version(registry, "bot", "0.1.0")
    assert snapshots.content_of_version(registry, "bot", "0.1.1").content


def _blob(registry: Registry) -> str:
    return "BLOB" if registry._reading.dialect.name == "sqlite" else "BYTEA"


def test_a_version_is_served_with_its_content_until_it_is_yanked(registry: Registry) -> None:
    first, second = make_releases(registry, "bot", 2)
    found = snapshots.content_of_version(registry, "bot", "0.1.0")
    assert found.digest == first.digest == digest_of(found.content)
    with pytest.raises(ReleaseNotFound) as caught:
        snapshots.content_of_version(registry, "bot", "7.0.0")
    assert caught.value.known == (second.version, first.version)
    with pytest.raises(AppNotFound):
        snapshots.content_of_version(registry, "nobody", "0.1.0")
    yank(registry, withhold("bot@0.1.0"), actor=ACTOR, now=minutes(1))
    with pytest.raises(Yanked, match="leaks data"):
        snapshots.content_of_version(registry, "bot", "0.1.0")


# --- what no conversation stays on ----------------------------------------------------------------------


def withdrawn(registry: Registry, app: str = "bot") -> set[str]:
    """The versions of an app that no conversation on `prod` may stay on."""
    digests = snapshots.snapshot(registry, "prod").apps[app].withdrawn
    with registry.read() as reader:
        return {release.version for release in reader.releases(app) if release.digest in digests}


def test_what_a_rollback_a_quarantine_or_a_yank_left_holds_no_conversation(registry: Registry) -> None:
    make_channels(registry)
    live(registry, 5)
    live(registry, 1, "faq")
    assert withdrawn(registry) == set()
    go_back(registry, "bot", now=minutes(1))
    assert withdrawn(registry) == {"0.1.4"}
    quarantine(registry, withhold("bot@0.1.0", "prod"), actor=ACTOR, now=minutes(2))
    yank(registry, withhold("bot@0.1.1"), actor=ACTOR, now=minutes(3))
    assert withdrawn(registry) == {"0.1.0", "0.1.1", "0.1.4"}
    assert withdrawn(registry, "faq") == set()
    unquarantine(registry, withhold("bot@0.1.4", "prod"), actor=ACTOR, now=minutes(4))
    assert withdrawn(registry) == {"0.1.0", "0.1.1"}
    assert snapshots.snapshot(registry, "prod").apps["bot"].held_from == 0


def test_a_quarantine_on_another_channel_withdraws_nothing_here(registry: Registry) -> None:
    make_channels(registry, prod=Policy(), staging=Policy())
    live(registry, 2)
    for version in ("0.1.0", "0.1.1"):
        go_live(registry, f"bot@{version}", "staging")
    quarantine(registry, withhold("bot@0.1.0", "staging"), actor=ACTOR, now=minutes(1))
    assert withdrawn(registry) == set()


def test_of_too_many_withdrawals_the_newest_are_named_and_what_came_before_them_holds_nothing(
    registry: Registry,
) -> None:
    make_channels(registry)
    releases = make_releases(registry, "bot", MOST_WITHDRAWN + 3)
    for number, release in enumerate(releases):
        go_live(registry, f"bot@{release.version}", now=minutes(10 * number))
        if number:
            before = withhold(f"bot@{releases[number - 1].version}", "prod")
            quarantine(registry, before, actor=ACTOR, now=minutes(10 * number + 5))
    found = snapshots.snapshot(registry, "prod").apps["bot"]
    assert set(found.withdrawn) == {release.digest for release in releases[2:-1]}
    assert found.revision == MOST_WITHDRAWN + 3
    assert found.held_from == 5, "the third one was withdrawn at revision 4, and those that are not named before it"
