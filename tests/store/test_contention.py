"""Eight processes at once, on both databases: nothing is lost, nothing is torn, nobody is told "locked"."""

from __future__ import annotations

from itertools import chain

from promptops.core.audit import GENESIS, seal
from promptops.core.model import Policy
from promptops.store import Registry, Writer, create
from tests.store.contenders import PROCESSES, audited, deployed, make, repeated, together
from tests.store.facts import ACTOR, START, ask, do, fill, release
from tests.store.linearizability import Operation, is_linearizable


def add_releases(writer: Writer) -> None:
    """What the processes promote, each its own hundred."""
    for number in range(3, PROCESSES * 100 + 3):
        writer.record(release(number))


def test_eight_processes_times_200_changes_of_one_channel_have_one_order(registry: Registry, registry_url: str) -> None:
    fill(registry, 2)
    do(registry, add_releases)
    prelude = [
        Operation(kind="promote", called=-4, returned=-3, revision=1, stable="0.1.1"),
        Operation(kind="promote", called=-2, returned=-1, revision=2, stable="0.1.2", before="0.1.1"),
    ]

    history = list(chain.from_iterable(together(deployed, registry_url)))

    changes = sorted(operation.revision for operation in history if operation.kind != "read")
    log = ask(registry, lambda reader: reader.history("bot", "prod"))
    assert changes == list(range(3, PROCESSES * 200 + 3))
    assert [deployment.revision for deployment in reversed(log)] == list(range(1, PROCESSES * 200 + 3))
    assert is_linearizable([*prelude, *history])


def test_one_request_that_eight_processes_send_is_done_once(registry: Registry, registry_url: str) -> None:
    def one_release(writer: Writer) -> None:
        writer.set_policy("prod", Policy(), actor=ACTOR, at=START)
        writer.lock_app("bot")
        writer.record(release(1))

    do(registry, one_release)

    assert together(repeated, registry_url) == [1] * PROCESSES
    assert len(ask(registry, lambda reader: reader.history("bot", "prod"))) == 1


def test_eight_processes_that_create_one_registry_make_it_once(empty_url: str) -> None:
    made = together(make, empty_url)

    assert sorted(made) == [False] * (PROCESSES - 1) + [True]
    assert create(empty_url, name="test", now=START, actor=ACTOR) is False


def test_the_audit_chain_has_no_fork_and_no_gap_under_eight_writers(registry: Registry, registry_url: str) -> None:
    seen = sorted(chain.from_iterable(together(audited, registry_url)))

    entries = ask(registry, lambda reader: reader.audit())[::-1]
    assert seen == list(range(2, PROCESSES * 25 + 2))  # the first line is the registry's creation
    assert [entry.seq for entry in entries] == list(range(1, len(entries) + 1))
    assert [entry.previous for entry in entries] == [GENESIS, *(entry.hash for entry in entries[:-1])]
    assert all(seal(entry) == entry.hash for entry in entries)
