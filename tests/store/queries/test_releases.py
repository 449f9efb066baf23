"""Releases come out as they went in, and only if their bytes are still theirs."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from functools import partial

import pytest

from promptops.core.errors import AppNotFound, Invalid, RegistryDamaged, ReleaseNotFound
from promptops.core.model import Profile, Provenance
from promptops.store import Registry, Writer
from promptops.store.engine.database import locate
from promptops.store.facts.confirmation import Confirmation
from tests.store.facts import ACTOR, START, ask, do, fill, minutes, provenance, ref, release, withdraw, yank


def test_a_release_is_found_by_version_and_by_digest(registry: Registry) -> None:
    fill(registry)
    with registry.read() as reader:
        assert reader.find_release("bot", version="0.1.2") == release(2)
        assert reader.find_release("bot", digest=release(2).digest) == release(2)
        assert reader.find_release("bot", digest=release(2).digest[: len("sha256:") + 8]) == release(2)
        assert reader.release_by_digest("bot", release(2).digest) == release(2)
        assert reader.release_by_digest("bot", release(2).digest[:20]) is None
        assert reader.newest_release("bot") == release(3)
        assert reader.newest_release("faq") is None
        assert reader.apps() == ("bot",)


def test_a_release_that_is_not_there_lists_those_that_are_newest_first(registry: Registry) -> None:
    fill(registry)
    with registry.read() as reader:
        with pytest.raises(ReleaseNotFound) as version:
            reader.find_release("bot", version="9.9.9")
        with pytest.raises(ReleaseNotFound):
            reader.find_release("bot", digest="sha256:" + "0" * 64)
        with pytest.raises(AppNotFound) as app:
            reader.find_release("faq", version="0.1.1")
        with pytest.raises(AppNotFound):
            reader.releases("faq")
    assert version.value.known == ("0.1.3", "0.1.2", "0.1.1")
    assert app.value.known == ("bot",)


def test_a_beginning_of_a_digest_must_fit_one_release(registry: Registry) -> None:
    fill(registry, 1)
    twin = release(1).digest[: len("sha256:") + 8] + "f" * 56
    do(registry, lambda writer: writer.record(replace(release(7), digest=twin)))

    with pytest.raises(Invalid, match="more than one"):
        ask(registry, lambda reader: reader.find_release("bot", digest=twin[: len("sha256:") + 8]))
    with pytest.raises(Invalid, match="short"):
        ask(registry, lambda reader: reader.find_release("bot", digest=twin[: len("sha256:") + 7]))


def test_lists_are_newest_first_and_leave_the_content_out(registry: Registry) -> None:
    fill(registry)
    found = ask(registry, lambda reader: reader.releases("bot"))
    assert [each.version for each in found] == ["0.1.3", "0.1.2", "0.1.1"]
    assert {each.content for each in found} == {b""}


def test_a_yank_shows_wherever_the_release_does(registry: Registry) -> None:
    fill(registry)
    do(registry, lambda writer: withdraw(writer, 2))
    with registry.read() as reader:
        assert reader.find_release("bot", version="0.1.2").yank == yank()
        assert [each.yank for each in reader.releases("bot")] == [None, yank(), None]


def test_the_newest_clean_provenance_counts_and_a_dirty_one_only_where_there_is_none(registry: Registry) -> None:
    dirty, clean, later = (
        provenance(commit="1" * 40, dirty=True),
        provenance(commit="2" * 40),
        provenance(commit="3" * 40),
    )

    def add(writer: Writer) -> None:
        writer.lock_app("bot")
        writer.record(release(1, dirty=True))

    do(registry, add)
    assert ask(registry, lambda reader: reader.releases("bot"))[0].provenance.dirty
    for each, expected in ((dirty, dirty), (clean, clean), (later, later), (dirty, later)):
        do(registry, partial(add_again, each))
        assert ask(registry, lambda reader: reader.find_release("bot", version="0.1.1")).provenance == expected
        assert ask(registry, lambda reader: reader.releases("bot"))[0].provenance == expected


def add_again(where: Provenance, writer: Writer) -> None:
    writer.record(Confirmation(app="bot", release=ref(1), provenance=where), actor=ACTOR, at=minutes(5))


def test_a_profile_gets_a_version_only_when_it_changes(registry: Registry) -> None:
    fill(registry)
    profile = Profile(title="Bot", owner="support", on_call="#help")
    assert ask(registry, lambda reader: reader.profile("bot")) is None
    assert registry.write(lambda writer: writer.set_profile("bot", profile, actor=ACTOR, at=START))
    assert not registry.write(lambda writer: writer.set_profile("bot", profile, actor=ACTOR, at=START))
    assert registry.write(lambda writer: writer.set_profile("bot", Profile(), actor=ACTOR, at=START))
    assert ask(registry, lambda reader: reader.profile("bot")) == Profile()


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)  # the guards do not let it happen by SQL
def test_content_that_somebody_changed_in_the_file_is_not_served(registry: Registry, registry_url: str) -> None:
    fill(registry)
    path = locate(registry_url).path
    assert path is not None
    file = sqlite3.connect(path, isolation_level=None)
    file.executescript("DROP TRIGGER release_no_update; UPDATE release SET content = x'7b7d' WHERE version = '0.1.2';")
    file.close()

    with pytest.raises(RegistryDamaged):
        ask(registry, lambda reader: reader.find_release("bot", version="0.1.2"))
    assert ask(registry, lambda reader: reader.find_release("bot", version="0.1.1")) == release(1)
