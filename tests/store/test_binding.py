"""Facts that older ones wrote: each is bound by one new line, and so is what comes back from git."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

import pytest

from promptops.core.faults import Condition
from promptops.core.token import commit, secret_digest
from promptops.operations.tokens import find_token
from promptops.store import HEAD, Registry, check_store, upgrade
from promptops.store.facts.binding import Binding
from promptops.store.facts.record import decode, encode
from promptops.store.importing import import_records
from tests.migrations.filled import fill_old
from tests.store.facts import ask
from tests.store.test_every_column import age
from tests.store.vandal import vandalise
from tests.store.world import all_records, answers
from tests.support.factory import ACTOR, go_back, live_version, make_token, minutes

RELEASE = "UPDATE release SET changes = '[]' WHERE app = 'bot' AND version = '0.1.1'"


@pytest.mark.parametrize("revision", ["0001", "0002"])
def test_what_an_older_promptops_wrote_is_bound_by_one_line(empty_url: str, revision: str) -> None:
    url = fill_old(empty_url, revision)
    upgrade(url, actor=ACTOR, now=minutes(300))
    with closing(Registry.open(url)) as registry:
        *older, newest = all_records(registry)
        assert not any(record.audit.record for record in older)
        assert isinstance(newest.fact, Binding) and newest.fact.until == older[-1].audit.seq
        assert (newest.audit.action, newest.audit.actor, newest.audit.at) == ("bind", ACTOR, minutes(300))
        assert newest.audit.record
        upgrade(url)
        assert all_records(registry)[-1] == newest
        assert check_store(registry) == ()
    vandalise(url, RELEASE)
    assert ("fact-changed", "releases/bot/0.1.1") in {(fault.code, fault.where) for fault in check_store(url)}


def test_an_old_secret_is_bound_too_and_lives_on(world_url: str) -> None:
    with closing(Registry.open(world_url)) as registry:
        made = make_token(registry, "old", now=minutes(200))
        age(world_url)
        upgrade(world_url)
        binding = all_records(registry)[-1].fact
        assert isinstance(binding, Binding)
        assert commit(made.token.id, secret_digest(made.text)) in binding.secrets.values()
        found = find_token(registry, secret_digest(made.text))
        assert found is not None and found.commitment == ""
        assert check_store(registry) == ()
        eve = secret_digest("eve")
        vandalise(world_url, f"UPDATE token_secret SET digest = '{eve}' WHERE token = '{made.token.id}'")
        [fault] = check_store(registry)
        assert (fault.code, fault.where) == ("secret-changed", f"tokens/{made.token.id}")


@pytest.mark.parametrize("bound", [True, False])
def test_older_records_come_back_from_git_and_are_bound(
    world: Registry, world_url: str, bound: bool, database: str, request: pytest.FixtureRequest, tmp_path: object
) -> None:
    """Those that an upgrade had bound before they went to git, and an archive that only the first promptops wrote."""
    age(world_url)
    if bound:
        upgrade(world_url)
    records = [decode(encode(record), record.content) for record in all_records(world)]
    url = f"sqlite:///{tmp_path}/again.db"
    if database == "postgresql":
        make: Callable[[str], str] = request.getfixturevalue("postgresql_database")
        url = make("template0")
    import_records(url, records, epoch=9, actor=ACTOR, now=minutes(300))

    with closing(Registry.open(url)) as again:
        assert check_store(again) == ()
        kinds = [record.ref.partition("/")[0] for record in all_records(again)]
        assert kinds.count("bindings") == 1
        if bound:
            assert list(all_records(again)[:-1]) == records
            assert ask(again, answers) | _numbers(world) == ask(world, answers) | _numbers(world)
        vandalise(url, RELEASE)
        assert {(f.code, f.where) for f in check_store(again)} == {("fact-changed", "releases/bot/0.1.1")}


def _numbers(registry: Registry) -> dict[str, object]:
    """What a rebuild adds to: the log and the epoch."""
    found = ask(registry, answers)
    return {name: found[name] for name in ("audit", "head", "epoch", "journal")}


def test_a_line_of_a_process_that_was_not_upgraded_yet_waits_to_be_bound(world: Registry, world_url: str) -> None:
    go_back(world, "faq", now=minutes(300))
    with world.read() as reader:
        newest = reader.audit_head()[0]
    age(world_url, newest - 1)  # of the rollback and of its quarantine
    faults = check_store(world)
    assert [(fault.code, fault.severity) for fault in faults] == [("record-unbound", Condition.PENDING)] * 2

    assert upgrade(world_url) == (HEAD, HEAD)
    assert check_store(world) == ()
    assert live_version(world, "faq") is not None
    vandalise(world_url, f"UPDATE audit SET record = 'x' WHERE seq = {newest}")
    assert "audit-broken" in {fault.code for fault in check_store(world)}
