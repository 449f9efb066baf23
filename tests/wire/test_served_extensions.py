"""The parts of an app's entry that are no part of its revision, and what is read where one is malformed."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from promptops.core.declarations import Declarations
from promptops.core.digest import canonical
from promptops.core.digest import digest as digest_of
from promptops.core.model import ReleaseRef
from promptops.core.snapshot import Pointer, Snapshot
from promptops.wire import snapshot as wire
from promptops.wire.snapshot import decode, encode

ONE, TWO = (ReleaseRef(version=f"{number}.0.0", digest=f"sha256:{number:064x}") for number in (1, 2))
PLAIN = Pointer(revision=7, stable=TWO, last_good=ONE)
FULL = replace(PLAIN, withdrawn=(ONE.digest,), held_from=3, declared=Declarations(outcomes=("resolved",)))


def of(pointer: Pointer) -> Snapshot:
    return Snapshot(registry="shop", lineage="one", epoch=1, channel="prod", cursor=9, apps={"bot": pointer})


def read(extensions: dict[str, Any]) -> Pointer:
    """What is read of an app's entry with these extensions."""
    document = json.loads(encode(of(PLAIN))[0])
    del document["digest"]
    document["apps"]["bot"]["extensions"] = extensions
    return decode(canonical({**document, "digest": digest_of(canonical(document))})).apps["bot"]


def test_they_are_read_as_they_were_written() -> None:
    assert decode(encode(of(FULL))[0]) == of(FULL)
    assert json.loads(encode(of(FULL))[0])["apps"]["bot"]["extensions"] == {
        "outcomes": {"names": ["resolved"]}, "withdrawn": [ONE.digest], "held_from": 3,
    }  # fmt: skip


def test_what_is_empty_is_left_out() -> None:
    assert "extensions" not in json.loads(encode(of(PLAIN))[0])["apps"]["bot"]


def test_they_are_no_part_of_what_the_revision_is() -> None:
    assert FULL.decided == PLAIN.decided == replace(PLAIN, last_good=None)


@pytest.mark.parametrize(
    "extensions",
    [{"withdrawn": "all"}, {"withdrawn": None}, {"held_from": -1}, {"held_from": "3"}, {"held_from": True}],
)
def test_where_a_part_cannot_be_read_no_earlier_assignment_holds(extensions: dict[str, Any]) -> None:
    assert read(extensions) == replace(PLAIN, held_from=7)


def test_what_is_no_digest_is_passed_over() -> None:
    assert read({"withdrawn": [ONE.digest, 7, None, ["x"]]}) == replace(PLAIN, withdrawn=(ONE.digest,))


def test_a_channel_that_is_too_large_goes_on_without_them_and_holds_nothing_that_may_be_withdrawn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(wire, "MAX_BYTES", len(encode(of(FULL))[0]))
    assert decode(encode(of(FULL))[0]).apps["bot"] == replace(PLAIN, held_from=7)
    assert decode(encode(of(replace(FULL, withdrawn=(), held_from=0)))[0]).apps["bot"].held_from == 0
