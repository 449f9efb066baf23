"""An app that is taken off, as a running client meets it: over a stream, after a restart, and when it comes back."""

from __future__ import annotations

from pathlib import Path

import pytest

from promptops import Change, PromptRetired
from promptops.core.errors import AppNotFound
from promptops.core.features import UNDERSTOOD
from promptops.core.model import Content, ReleaseRef
from promptops.core.snapshot import Snapshot
from tests.client import made
from tests.client.clients import RARELY, Maker
from tests.client.fake_server import FakeServer
from tests.client.waiting import until

BOT, FAQ = made.release("bot", "1.0.0"), made.release("faq", "1.0.0")
FALLBACK = "We are back soon."


def channel(revision: int, faq: ReleaseRef | None) -> Snapshot:
    """`bot` is at revision 1 always; `faq` at this one, where it serves this."""
    return made.snapshot({"bot": made.pointer(1, BOT), "faq": made.pointer(revision, faq)}, cursor=revision)


def test_it_is_off_at_once_its_neighbour_is_not_touched_and_it_comes_back(client_of: Maker, server: FakeServer) -> None:
    changes: list[Change] = []
    server.serve(channel(1, FAQ))
    client = client_of(server.url, poll=RARELY, on_change=changes.append)
    until(lambda: client.status().streaming)
    neighbour = client.get_prompt("bot/answer")

    server.serve(channel(2, None))
    until(lambda: changes)
    with pytest.raises(PromptRetired, match="'faq' is off on channel 'prod': it was taken off at revision 2") as off:
        client.get_prompt("faq/answer")
    assert (off.value.code, off.value.kind, off.value.revision) == ("prompt-retired", "NotFound", 2)
    assert isinstance(off.value, AppNotFound), "applications that were written before it catch it"
    assert "a fallback" in off.value.hint
    with pytest.raises(PromptRetired, match="'faq' is off"):
        client.release("faq")
    assert client.get_prompt("faq/answer", fallback=FALLBACK).render() == [{"role": "user", "content": FALLBACK}]
    assert client.get_prompt("bot/answer") is neighbour or client.get_prompt("bot/answer") == neighbour
    assert changes == [Change(channel="prod", app="faq", revision=2, version="", before="1.0.0")]
    status = client.status()
    assert (dict(status.revisions), dict(status.versions)) == ({"bot": 1, "faq": 2}, {"bot": "1.0.0"})
    assert (status.cannot_load, status.problem, status.rejected) == ({}, "", {})
    until(
        lambda: server.beats() and server.beats()[-1]["revisions"] == {"bot": 1, "faq": 2}
    )  # it follows: nothing is left to wait for

    server.serve(channel(3, FAQ))
    until(lambda: len(changes) == 2)
    assert (changes[1].version, changes[1].before) == ("1.0.0", "")
    assert client.get_prompt("faq/answer").revision == 3


def test_it_is_off_from_the_first_contact(client_of: Maker, server: FakeServer) -> None:
    server.serve(channel(4, None))
    client = client_of(server.url, poll=RARELY, required=["faq/answer"])
    assert client.get_prompt("bot/answer").version == "1.0.0"
    with pytest.raises(AppNotFound, match="'faq' is off"):
        client.get_prompt("faq/answer")


def test_it_stays_off_after_a_restart_without_a_server(client_of: Maker, server: FakeServer, tmp_path: Path) -> None:
    server.serve(channel(2, None))
    first = client_of(server.url, poll=RARELY, cache_dir=tmp_path / "cache")
    until(lambda: first.status().revisions)
    first.close()
    server.stop()
    second = client_of(server.url, poll=RARELY, cache_dir=tmp_path / "cache")
    assert second.get_prompt("bot/answer").version == "1.0.0"
    with pytest.raises(AppNotFound, match="'faq' is off"):
        second.get_prompt("faq/answer")


def test_a_client_says_what_it_understands_and_what_it_keeps_for_want_of_a_feature(
    client_of: Maker, server: FakeServer
) -> None:
    prompts = (made.prompt("answer", "later"),)
    later = made.shelve("2.0.0", Content(app="faq", prompts=prompts, requires=("budget", "off")))
    server.serve(channel(1, FAQ))
    client = client_of(server.url, poll=RARELY)
    until(lambda: client.status().streaming)
    server.serve(channel(2, later))
    until(lambda: client.status().cannot_load)
    assert client.get_prompt("faq/answer").version == "1.0.0"
    message = client.status().cannot_load["faq"]
    assert f"the release {later.digest} of 'faq' needs budget, which this version of promptops does not" in message
    until(lambda: client.status().rejected == {"feature": 1})
    until(lambda: server.beats() and "cannot_load" in server.beats()[-1])
    last = server.beats()[-1]
    assert (last["understands"], last["cannot_load"]) == (list(UNDERSTOOD), {"faq": message})
    assert last["revisions"] == {"bot": 1, "faq": 1}
