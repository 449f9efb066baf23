"""A snapshot on its way: what was encoded is decoded the same, and what was damaged, cut or made up is refused."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptops.core.bucketing import WHOLE
from promptops.core.digest import canonical
from promptops.core.digest import digest as digest_of
from promptops.core.errors import Invalid
from promptops.core.model import ReleaseRef, is_name
from promptops.core.snapshot import Pointer, Snapshot
from promptops.wire.snapshot import MAX_BYTES, decode, encode, is_digest

DIGEST = "sha256:" + "0a" * 32
OTHER = "sha256:" + "0b" * 32
STABLE = ReleaseRef(version="1.4.0", digest=DIGEST)
POINTER = Pointer(
    revision=7,
    stable=STABLE,
    canary=ReleaseRef(version="2.0.0-rc.1", digest=OTHER),
    weight=500,
    salt="support-bot#prod#5",
    last_good=ReleaseRef(version="1.3.0", digest=OTHER),
)
SNAPSHOT = Snapshot(
    registry="Größe ☃",
    lineage="0b0e7c3a-1",
    epoch=2,
    channel="prod",
    cursor=42,
    apps={"support-bot": POINTER, "faq": Pointer(revision=1, stable=STABLE)},
)

# --- everything that can be ---------------------------------------------------------------------------

NUMBERS = st.integers(1, 2**53 - 1)
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)
NAMES = st.from_regex(r"[a-z0-9](?:[a-z0-9._-]{0,20}[a-z0-9])?", fullmatch=True).filter(is_name)
VERSIONS = st.builds("{}.{}.{}{}".format, *[st.integers(0, 10**9 - 1)] * 3, st.sampled_from(["", "-rc.1", "-alpha"]))
REFS = st.builds(
    lambda version, digits: ReleaseRef(version=version, digest=f"sha256:{digits:064x}"),
    VERSIONS,
    st.integers(0, 2**256 - 1),
)


@st.composite
def pointers(draw: st.DrawFn) -> Pointer:
    canary = draw(st.none() | REFS)
    return Pointer(
        revision=draw(NUMBERS),
        stable=draw(REFS),
        canary=canary,
        weight=draw(st.integers(0, WHOLE)) if canary else 0,
        salt=draw(TEXTS) if canary else "",
        last_good=draw(st.none() | REFS),
    )


SNAPSHOTS = st.builds(
    Snapshot,
    registry=TEXTS,
    lineage=TEXTS,
    epoch=NUMBERS,
    channel=NAMES,
    cursor=st.integers(0, 2**53 - 1),
    apps=st.dictionaries(NAMES, pointers(), max_size=5),
    partial=st.booleans(),
)


@given(SNAPSHOTS)
def test_what_was_encoded_is_decoded_the_same(snapshot: Snapshot) -> None:
    data, digest = encode(snapshot)
    assert decode(data) == snapshot
    assert encode(decode(data)) == (data, digest)
    assert is_digest(digest)
    assert b"\n" not in data


@given(SNAPSHOTS)
def test_the_bytes_are_those_of_rfc_8785(snapshot: Snapshot) -> None:
    data, digest = encode(snapshot)
    document = json.loads(data)
    assert canonical(document) == data
    assert document.pop("digest") == digest == digest_of(canonical(document))


def test_a_snapshot_that_is_too_large_is_refused() -> None:
    with pytest.raises(Invalid, match="over the limit"):
        encode(replace(SNAPSHOT, registry="x" * MAX_BYTES))


@given(SNAPSHOTS, st.data())
def test_one_byte_that_was_changed_is_refused(snapshot: Snapshot, data: st.DataObject) -> None:
    whole = encode(snapshot)[0]
    place = data.draw(st.integers(0, len(whole) - 1))
    changed = whole[:place] + bytes([data.draw(st.integers(0, 255))]) + whole[place + 1 :]
    if changed != whole:
        with pytest.raises(Invalid):
            decode(changed)


def test_every_byte_that_was_changed_is_refused() -> None:
    whole = encode(SNAPSHOT)[0]
    accepted = []
    for place, byte in enumerate(whole):
        for other in {byte ^ 1, byte ^ 0x20, byte ^ 0x80, 0x20, 0x30, 0x22, 0} - {byte}:
            changed = whole[:place] + bytes([other]) + whole[place + 1 :]
            try:
                decode(changed)
            except Invalid:
                continue
            accepted.append((place, other))
    assert accepted == []


def test_every_cut_is_refused() -> None:
    whole = encode(SNAPSHOT)[0]
    accepted = []
    for place in range(len(whole)):
        for part in (whole[:place], whole[place + 1 :], whole[:place] + whole[place + 1 :]):
            try:
                decode(part)
            except Invalid:
                continue
            accepted.append((place, part))
    assert accepted == []


def test_two_halves_of_two_snapshots_are_refused() -> None:
    one, other = encode(SNAPSHOT)[0], encode(replace(SNAPSHOT, cursor=43))[0]
    assert len(one) == len(other)
    wrong = []
    for place in range(1, len(one)):
        if (mixed := one[:place] + other[place:]) not in (one, other):
            with pytest.raises(Invalid):
                decode(mixed)
            wrong.append(mixed)
    assert wrong, "the halves were never different"


@given(st.binary(max_size=200) | st.text().map(str.encode))
@settings(max_examples=300)
def test_garbage_is_refused_and_nothing_else_happens(data: bytes) -> None:
    with pytest.raises(Invalid):
        decode(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"42",
        b'"promptops.snapshot/1"',
        b"<!doctype html><title>Sign in</title>",
        b'{"schema":"promptops.snapshot/1"}',
        b'{"schema":"promptops.snapshot/2","digest":"x"}',
        b"\xef\xbb\xbf" + encode(SNAPSHOT)[0],
        encode(SNAPSHOT)[0].decode().encode("utf-16"),
        encode(SNAPSHOT)[0].replace(b'"cursor":42', b'"cursor":42,"cursor":42'),
        encode(SNAPSHOT)[0].replace(b'"cursor":42', b'"cursor":NaN'),
        encode(SNAPSHOT)[0].replace(b'"cursor":42', b'"cursor":42e0'),
        encode(SNAPSHOT)[0].replace(b'"weight":500', b'"weight":500.0'),
        encode(SNAPSHOT)[0] + encode(SNAPSHOT)[0],
        b"[" * 100_000,
        b" " * (MAX_BYTES + 1),
    ],
)
def test_what_comes_in_its_place_is_refused(data: bytes) -> None:
    with pytest.raises(Invalid):
        decode(data)


# --- with a right digest, and wrong all the same ---------------------------------------------------------


def forged(change: dict[tuple[str, ...], Any]) -> bytes:
    """The snapshot with these places changed (``...``: without them), and the digest that goes with it."""
    document: dict[str, Any] = copy.deepcopy(json.loads(encode(SNAPSHOT)[0]))
    del document["digest"]
    for path, value in change.items():
        place = document
        for step in path[:-1]:
            place = place[step]
        if value is ...:
            del place[path[-1]]
        else:
            place[path[-1]] = value
    if "digest" not in document:
        document["digest"] = digest_of(canonical(document))
    return canonical(document)


def test_a_forgery_that_changes_nothing_is_the_snapshot() -> None:
    assert decode(forged({})) == SNAPSHOT


BOT = ("apps", "support-bot")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({("schema",): "promptops.snapshot/2"}, "not a snapshot"),
        ({("schema",): None}, "not a snapshot"),
        ({("digest",): DIGEST}, "damaged"),
        ({("digest",): None}, "damaged"),
        ({("lineage",): ...}, "has no 'lineage'"),
        ({("apps",): ...}, "has no 'apps'"),
        ({("extra",): 1}, "unknown key 'extra'"),
        ({("lineage",): ""}, "lineage is not text"),
        ({("lineage",): 7}, "lineage is not text"),
        ({("registry",): None}, "registry is not text"),
        ({("epoch",): 0}, "epoch is not a whole number of at least 1"),
        ({("epoch",): True}, "epoch is not"),
        ({("epoch",): 1.5}, "epoch is not"),
        ({("epoch",): "1"}, "epoch is not"),
        ({("cursor",): -1}, "cursor is not"),
        ({("channel",): "Prod"}, "cannot be one"),
        ({("channel",): "../prod"}, "cannot be one"),
        ({("channel",): 3}, "channel is not text"),
        ({("apps",): []}, "cannot be one"),
        ({("apps",): None}, "cannot be one"),
        ({("apps", "Bot"): {}}, "cannot be one"),
        ({("apps", ""): {}}, "cannot be one"),
        ({BOT: None}, "is not an object"),
        ({BOT: []}, "is not an object"),
        ({(*BOT, "extra"): 1}, "unknown key 'extra'"),
        ({(*BOT, "canary"): ...}, "has no 'canary'"),
        ({(*BOT, "revision"): 0}, "revision is not"),
        ({(*BOT, "revision"): None}, "revision is not"),
        ({(*BOT, "stable"): None}, "a canary and no stable release beside it"),
        ({(*BOT, "stable"): "1.4.0"}, "is not an object"),
        ({(*BOT, "stable", "extra"): 1}, "unknown key 'extra'"),
        ({(*BOT, "stable", "version"): ...}, "has no 'version'"),
        ({(*BOT, "stable", "version"): "1.4"}, "not a version"),
        ({(*BOT, "stable", "version"): "1.4.0\n"}, "not a version"),
        ({(*BOT, "stable", "version"): "latest"}, "not a version"),
        ({(*BOT, "stable", "digest"): "sha256:" + "0" * 63}, "not sha256:<hex>"),
        ({(*BOT, "stable", "digest"): "sha256:" + "A" * 64}, "not sha256:<hex>"),
        ({(*BOT, "stable", "digest"): "md5:" + "0" * 64}, "not sha256:<hex>"),
        ({(*BOT, "stable", "digest"): "sha256:" + "٠" * 64}, "not sha256:<hex>"),
        ({(*BOT, "canary"): None}, "do not fit together"),
        ({(*BOT, "salt"): ""}, "do not fit together"),
        ({(*BOT, "salt"): None}, "do not fit together"),
        ({(*BOT, "weight"): WHOLE + 1}, "do not fit together"),
        ({(*BOT, "weight"): -1}, "weight is not"),
        ({(*BOT, "last_good", "digest"): ""}, "not text"),
        ({(*BOT, "last_good"): False}, "is not an object"),
    ],
)
def test_a_snapshot_that_cannot_be_is_refused_though_its_digest_is_right(
    change: dict[tuple[str, ...], Any], says: str
) -> None:
    with pytest.raises(Invalid, match=says):
        decode(forged(change))


# --- what changed ---------------------------------------------------------------------------------------


def test_an_event_has_what_changed_since_an_older_snapshot() -> None:
    newer = replace(SNAPSHOT, cursor=50, apps={**SNAPSHOT.apps, "faq": Pointer(revision=2, stable=STABLE)})
    event = newer.since(SNAPSHOT)
    assert (sorted(event.apps), event.partial, event.cursor) == (["faq"], True, 50)
    assert decode(encode(event)[0]) == event
    assert newer.since(newer).apps == {}


@pytest.mark.parametrize("change", [{"epoch": 3}, {"lineage": "another"}])
def test_an_event_has_everything_where_it_counts_differently(change: dict[str, Any]) -> None:
    assert replace(SNAPSHOT, **change).since(SNAPSHOT).apps == SNAPSHOT.apps
    assert SNAPSHOT.since(None).apps == SNAPSHOT.apps


def test_only_some_apps_are_handed_out() -> None:
    assert sorted(SNAPSHOT.only({"faq", "nobody"}).apps) == ["faq"]
    assert SNAPSHOT.only(()).apps == {}


def test_a_pointer_names_each_release_once_what_is_served_first() -> None:
    assert [ref.version for ref in POINTER.releases()] == ["1.4.0", "2.0.0-rc.1", "1.3.0"]
    assert list(Pointer(revision=1, stable=STABLE, last_good=STABLE).releases()) == [STABLE]


# --- extensions -----------------------------------------------------------------------------------------


def extended(top: object, app: object = None) -> bytes:
    document = json.loads(encode(SNAPSHOT)[0])
    del document["digest"]
    document["extensions"] = top
    if app is not None:
        document["apps"]["faq"]["extensions"] = app
    return canonical({**document, "digest": digest_of(canonical(document))})


@pytest.mark.parametrize("extensions", [{}, {"rollout": {"step": 2}}, {"epoch": 9, "digest": DIGEST, "apps": {}}])
def test_what_a_newer_server_adds_as_extensions_is_ignored(extensions: dict[str, Any]) -> None:
    assert decode(extended(extensions)) == SNAPSHOT
    assert decode(extended({}, extensions)) == SNAPSHOT


@pytest.mark.parametrize("wrong", [None, 1, "x", [], [{}]])
def test_extensions_are_an_object(wrong: object) -> None:
    with pytest.raises(Invalid, match=r"^\$\.extensions is not an object"):
        decode(extended(wrong))
    if wrong is not None:
        with pytest.raises(Invalid, match=r"^\$\.apps\.faq\.extensions is not an object"):
            decode(extended({}, wrong))


def test_extensions_are_part_of_what_the_digest_proves() -> None:
    with pytest.raises(Invalid, match="damaged"):
        decode(extended({"a": 1}).replace(b'{"a":1}', b'{"a":2}'))
