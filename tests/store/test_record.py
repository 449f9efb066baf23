"""The audit log and the answers that idempotency keys get."""

from __future__ import annotations

from dataclasses import asdict, replace

import pytest

from promptops.core.audit import GENESIS, seal
from promptops.core.model import AuditEntry, Profile, Quarantine
from promptops.store import Registry, StoredAnswer, Writer
from promptops.store.facts.profile import ProfileVersion
from promptops.store.facts.quarantine import QuarantineEvent
from tests.store.facts import ACTOR, ask, do, fill, minutes, note, quarantine


def record(
    registry: Registry, number: int, *, app: str = "bot", channel: str = "prod", actor: str = ACTOR
) -> AuditEntry:
    about = replace(quarantine(1, app, reason="größer ☃"), at=minutes(number))
    return registry.write(lambda writer: _event(writer, number, replace(about, channel=channel, actor=actor)))


def _event(writer: Writer, number: int, about: Quarantine) -> AuditEntry:
    fact = QuarantineEvent(quarantine=about, lifted=False)
    return writer.record(fact, before="0.1.0", key=f"key-{number}")


@pytest.fixture(autouse=True)
def releases(registry: Registry) -> None:
    """Releases of two apps: lines 2 and 3."""
    fill(registry, 1, "bot", channels=())
    fill(registry, 1, "faq", channels=())


def test_each_line_seals_itself_and_the_line_before_it(registry: Registry) -> None:
    written = [record(registry, number) for number in range(1, 4)]
    log = ask(registry, lambda reader: reader.audit())[::-1]
    assert list(log[3:]) == written
    assert [entry.seq for entry in log] == [1, 2, 3, 4, 5, 6]
    assert [entry.previous for entry in log] == [GENESIS, *(entry.hash for entry in log[:-1])]
    assert [entry.hash for entry in log] == [seal(entry) for entry in log]


@pytest.mark.parametrize("field", ["actor", "action", "app", "channel", "before", "after", "reason", "key", "previous"])
def test_a_change_to_any_part_of_a_line_breaks_its_seal(registry: Registry, field: str) -> None:
    entry = record(registry, 1)
    forged = AuditEntry(**{**asdict(entry), field: "forged"})
    assert seal(forged) != entry.hash
    assert seal(replace(entry, seq=9)) != entry.hash
    assert seal(replace(entry, at=minutes(9))) != entry.hash


def test_the_log_can_be_narrowed(registry: Registry) -> None:
    record(registry, 2)
    record(registry, 3, app="faq")
    record(registry, 4, channel="dev", actor="Bob <bob@example.org>")
    with registry.read() as reader:
        assert [e.seq for e in reader.audit(app="bot")] == [6, 4, 2]
        assert [e.seq for e in reader.audit(channel="prod")] == [5, 4]
        assert [e.seq for e in reader.audit(actor="Bob <bob@example.org>")] == [6]
        assert [e.seq for e in reader.audit(since=minutes(3))] == [6, 5]
        assert [e.seq for e in reader.audit(since=minutes(2), until=minutes(3))] == [5, 4]
        assert [e.seq for e in reader.audit(limit=1)] == [6]


def test_a_fact_says_its_line_and_the_caller_only_what_it_does_not_say(registry: Registry) -> None:
    held = QuarantineEvent(quarantine=quarantine(1), lifted=False)
    profile = ProfileVersion(app="bot", profile=Profile())
    line = registry.write(lambda writer: writer.record(held, actor="Eve", at=minutes(9), action="promote"))
    assert (line.action, line.actor, line.at) == ("quarantine", ACTOR, minutes(0))
    line = registry.write(lambda writer: writer.record(profile, actor="Bob <bob@example.org>", at=minutes(9), key="k"))
    assert (line.action, line.actor, line.at, line.key) == ("profile", "Bob <bob@example.org>", minutes(9), "k")


def test_a_fact_without_its_who_and_when_is_not_recorded(registry: Registry) -> None:
    profile = ProfileVersion(app="bot", profile=Profile())
    with pytest.raises(TypeError, match="profiles does not say who and when"):
        do(registry, lambda writer: writer.record(profile, actor=ACTOR))
    with pytest.raises(TypeError, match="profiles does not say who and when"):
        do(registry, lambda writer: writer.record(profile, at=minutes(9)))
    assert ask(registry, lambda reader: reader.profile("bot")) is None


def test_a_line_of_a_change_that_was_rolled_back_leaves_no_gap(registry: Registry) -> None:
    def work(writer: Writer) -> None:
        note(writer, "ci")
        raise KeyError

    with pytest.raises(KeyError):
        registry.write(work)
    assert record(registry, 2).seq == 4


def test_an_answer_is_remembered_under_its_key(registry: Registry) -> None:
    do(registry, lambda writer: writer.remember("key", "request", b"\x00answer", minutes(1)))
    with registry.read() as reader:
        assert reader.answer("key") == StoredAnswer(request="request", body=b"\x00answer")
        assert reader.answer("other") is None
        assert reader.answer("") is None
