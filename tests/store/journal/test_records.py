"""The journal: each change is named once, waits for git until it is there, and comes out as one record."""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import partial

import pytest

from promptops.core.errors import Conflict
from promptops.store import Registry, Writer
from promptops.store.facts.record import decode, encode
from tests.operations.test_snapshots import statements
from tests.store.facts import ACTOR, ask, do, minutes, note, token
from tests.store.vandal import vandalise
from tests.store.world import KINDS, all_records, name_of
from tests.support.checkout import run_python
from tests.support.factory import make_channels, make_releases


def test_every_line_of_the_audit_log_is_one_record_and_one_change_that_waits(world: Registry) -> None:
    audit = ask(world, lambda reader: reader.audit())[::-1]
    found = all_records(world)

    assert [record.audit for record in found] == list(audit)
    assert [record.ref for record in found] == list(map(name_of, found))
    assert {record.ref.partition("/")[0] for record in found} == KINDS
    assert ask(world, lambda reader: reader.pending()) == tuple(entry.seq for entry in audit)
    assert ask(world, lambda reader: reader.pending_count()) == len(audit)


def test_a_record_survives_its_bytes(world: Registry) -> None:
    for record in all_records(world):
        assert decode(encode(record), record.content) == record


def test_a_release_is_recorded_as_it_was_made(world: Registry) -> None:
    made = next(record.fact for record in all_records(world) if record.ref == "releases/faq/0.1.1")
    now = ask(world, lambda reader: reader.find_release("faq", version="0.1.1"))
    assert now.yank is not None and not now.provenance.dirty
    assert made == replace(now, yank=None, provenance=replace(now.provenance, dirty=True))


def test_the_journal_is_read_in_pages_and_by_number(world: Registry) -> None:
    with world.read() as reader:
        whole = reader.journal()
        first = reader.journal(limit=7)
        assert first + reader.journal(after=first[-1].seq) == whole
        assert reader.journal([5, 3]) == (whole[2], whole[4])
        assert reader.journal([]) == ()
        assert reader.facts(whole)[2:5] == reader.facts(whole[2:5])
        assert reader.pending(limit=3) == (1, 2, 3)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_the_facts_of_a_page_are_searched_for(world: Registry) -> None:
    """A page that walked through a table would make a check of all pages quadratic. SQLite's plans need no
    statistics; the indexes are the same on both.
    """
    with statements(world._reading) as asked, world.read() as reader:
        assert len(reader.facts(reader.journal())) > 20
    selects = [statement for statement in asked if "json_each" in statement or " IN " in statement]
    assert len(selects) > 5
    with world.read() as reader:
        for statement in selects:
            parameters = tuple("[]" for _ in range(statement.count("?")))
            rows = reader._connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            walked = [str(row[3]) for row in rows if row[3].startswith("SCAN") and "VIRTUAL TABLE" not in row[3]]
            assert set(walked) <= {"SCAN registry"}, statement


def test_what_is_in_git_waits_no_longer(world: Registry) -> None:
    everything = ask(world, lambda reader: reader.pending())
    assert world.write(lambda writer: writer.drain("sha1", 4, "a" * 40)) == 4
    assert ask(world, lambda reader: reader.pending()) == everything[4:]
    assert world.write(lambda writer: writer.drain("sha1", 4, "a" * 40)) == 0
    assert world.write(lambda writer: writer.drain("sha1", len(everything), "b" * 40)) == len(everything) - 4
    assert ask(world, lambda reader: reader.pending_count()) == 0
    assert ask(world, lambda reader: (reader.drained("sha1"), reader.drained("sha256"))) == (
        (len(everything), "b" * 40),
        (0, ""),
    )


def test_many_pages_are_many_queries_and_the_same_records(world: Registry) -> None:
    with world.read() as reader:
        entries = reader.journal()
        one_by_one = tuple(record for entry in entries for record in reader.facts([entry]))
        assert reader.facts(entries) == one_by_one


def test_a_change_that_is_rolled_back_leaves_no_trace(registry: Registry) -> None:
    def work(writer: Writer) -> None:
        note(writer, "ci")
        raise KeyError

    before = ask(registry, lambda reader: (reader.journal(), reader.pending()))
    with pytest.raises(KeyError):
        registry.write(work)
    assert ask(registry, lambda reader: (reader.journal(), reader.pending())) == before


def test_one_name_is_given_once(registry: Registry) -> None:
    def work(writer: Writer) -> None:
        writer.record(token("ci"))

    do(registry, lambda writer: note(writer, "ci"))
    with pytest.raises(Conflict):
        do(registry, work)


def test_names_that_lead_nowhere_give_no_records(registry: Registry, registry_url: str) -> None:
    make_releases(registry, count=1)
    make_channels(registry)
    names = ["nonsense", "channels/prod/bot/x", "channels/prod", "policies/prod/7", "releases/bot/9.9.9", "epochs/²"]
    names += ["confirmations/bot/0.1.0/9", "profiles/bot/99", "yanks/bot/0.1.0", "registry/other"]
    lines = [registry.write(partial(_note, number)) for number in range(len(names))]
    renamed = zip(names, lines, strict=True)
    vandalise(registry_url, *(f"UPDATE journal SET ref = '{name}' WHERE seq = {seq}" for name, seq in renamed))
    with registry.read() as reader:
        entries = reader.journal()
        assert len(reader.facts(entries)) == len(entries) - len(names)


def _note(number: int, writer: Writer) -> int:
    return note(writer, f"n{number}").seq


def test_an_epoch_only_goes_up(registry: Registry) -> None:
    def raised(to: int | None) -> int:
        return registry.write(lambda writer: writer.raise_epoch(at=minutes(1), actor=ACTOR, action="restore", to=to))

    assert ask(registry, lambda reader: reader.epoch()) == 1
    assert raised(None) == 2
    assert raised(7) == 7
    with pytest.raises(Conflict, match="epoch 7"):
        raised(7)
    newest = ask(registry, lambda reader: reader.audit(limit=1))[0]
    assert (newest.action, newest.before, newest.after) == ("restore", "epoch 2", "epoch 7")
    assert all_records(registry)[-1].ref == "epochs/7"


def test_a_rollback_loads_nothing_of_the_journal(registry_url: str) -> None:
    code = """
import sys
from promptops.store import Registry
from promptops.operations.rollback import rollback
registry = Registry.open(sys.argv[1])
names = ("promptops.store.facts", "promptops.store.journal.records", "promptops.core.faults")
print([name for name in names if name in sys.modules])
"""
    assert run_python(code, registry_url).strip() == "[]"
    assert "promptops.store.journal.records" in sys.modules  # so the name is right
