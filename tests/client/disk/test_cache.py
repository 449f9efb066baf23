"""The last that was known to be good, whatever happens to the disk, the file and whoever writes it."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from promptops.client.disk import cache_format as format_of
from promptops.client.disk.cache import Result, load, read, read_previous, slot_path, write
from promptops.client.disk.cache_format import StoredChannel, restore, stored_of
from promptops.client.state.release_set import Rejected, build, with_version
from tests.client.killing import revision_of
from tests.client.made import CONTENTS, held, pointer, release, served, snapshot

ONE, TWO, THREE = (release("bot", version) for version in ("1.0.0", "2.0.0", "3.0.0"))
IS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0
NOBODY = 65534


def at(revision: int, version: str = "1.0.0") -> StoredChannel:
    return stored_of(held(served(revision, version)))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The file of a client, with nothing there yet."""
    return slot_path(tmp_path / "cache" / "promptops", registry="https://registry.test", channel="prod")


@pytest.fixture
def two(path: Path) -> Path:
    """The file with revision 2, and revision 1 in the slot before."""
    assert write(path, at(1)).result is write(path, at(2, "2.0.0")).result is Result.WRITTEN
    return path


def found(path: Path) -> int | None:
    reading = read(path)
    return revision_of(reading.stored) if reading.stored else None


# --- writing and reading ---------------------------------------------------------------------------


def test_what_is_written_is_read_again_and_served_the_same(path: Path) -> None:
    what = with_version(held(snapshot({"bot": pointer(3, TWO, last_good=ONE)})), "bot", THREE, CONTENTS[THREE.digest])
    assert write(path, stored_of(what)).result is Result.WRITTEN
    assert load(path, channel="prod").held == what


def test_an_app_that_the_registry_lost_is_there_after_a_restart_too(path: Path) -> None:
    first = held(snapshot({"bot": pointer(3, TWO), "lost": pointer(1, release("lost", "1.0.0"))}, epoch=1))
    after = build(snapshot({"bot": pointer(1, ONE)}, epoch=2), CONTENTS, older=first)
    write(path, stored_of(after))
    restored = load(path, channel="prod").held
    assert restored is not None
    assert restored == after
    assert set(restored.apps) == {"bot", "lost"}
    assert set(restored.snapshot.apps) == {"bot"}


def test_nothing_there_is_no_problem(path: Path) -> None:
    assert read(path).stored is None
    assert read(path).problems == ()
    assert load(path, channel="prod").problems == ()


def test_two_slots_are_kept_and_only_we_can_read_them(two: Path) -> None:
    assert found(two) == 2
    before = read_previous(two).stored
    assert before is not None
    assert revision_of(before) == 1
    assert {oct(file.stat().st_mode & 0o777) for file in two.parent.iterdir()} == {"0o600"}
    assert oct(two.parent.stat().st_mode & 0o777) == "0o700"


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_rights_do_not_depend_on_the_umask(path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        write(path, at(1))
    finally:
        os.umask(before)
    assert oct(path.stat().st_mode & 0o777) == "0o600"
    assert oct(path.parent.stat().st_mode & 0o777) == "0o700"


def test_the_address_of_a_registry_is_not_to_be_read_from_the_files_name(tmp_path: Path) -> None:
    names = {
        slot_path(tmp_path, registry=registry, channel=channel, apps=apps).name
        for registry in ("https://u:secret@a", "https://b")
        for channel in ("prod", "staging")
        for apps in (None, [], ["x"], ["x", "y"], ["y", "x"])
    }
    assert len(names) == 2 * 2 * 4
    assert not any("secret" in name for name in names)


# --- only newer ------------------------------------------------------------------------------------


def _of(revision: int, *, cursor: int = 5, epoch: int = 2, lineage: str = "one") -> StoredChannel:
    apps = {"bot": pointer(revision, ONE)}
    return stored_of(held(snapshot(apps, cursor=cursor, epoch=epoch, lineage=lineage)))


@pytest.mark.parametrize(
    ("second", "result"),
    [
        (_of(5), Result.KEPT),  # the same
        (_of(6), Result.WRITTEN),
        (_of(4), Result.KEPT),
        (_of(4, cursor=99), Result.KEPT),  # a revision that goes back is never newer
        (_of(5, cursor=6), Result.WRITTEN),
        (_of(5, cursor=4), Result.KEPT),
        (_of(9, epoch=1), Result.KEPT),
        (_of(1, epoch=3, cursor=1), Result.WRITTEN),  # a registry that was restored
        (_of(1, lineage="two", epoch=1, cursor=1), Result.WRITTEN),  # another registry, at the same address
        (
            stored_of(
                with_version(
                    held(snapshot({"bot": pointer(5, ONE)}, cursor=5, epoch=2)), "bot", TWO, CONTENTS[TWO.digest]
                )
            ),
            Result.WRITTEN,
        ),
    ],
)
def test_an_older_state_never_replaces_a_newer_one(path: Path, second: StoredChannel, result: Result) -> None:
    first = _of(5)
    write(path, first)
    assert write(path, second).result is result
    assert read(path).stored == (second if result is Result.WRITTEN else first)


def test_a_damaged_newest_slot_does_not_let_one_in_that_is_older_than_the_slot_before(two: Path) -> None:
    write(two, at(5))
    two.write_bytes(b"damaged")
    assert write(two, at(1)).result is Result.KEPT
    assert found(two) == 2
    assert write(two, at(6)).result is Result.WRITTEN
    assert found(two) == 6
    assert revision_of(_stored(read_previous(two).stored)) == 2  # the damaged one did not become the slot before


def _stored(what: StoredChannel | None) -> StoredChannel:
    assert what is not None
    return what


# --- files that are no good ------------------------------------------------------------------------


def _sealed(body: bytes) -> bytes:
    return format_of.MAGIC + hashlib.sha256(body).hexdigest().encode() + b"\n" + body


def _changed(**more: object) -> bytes:
    document = json.loads(format_of.encode(at(7)).split(b"\n", 2)[2])
    return _sealed(json.dumps({**document, **more}).encode())


class _Bomb:
    """What a pickle would run."""

    def __init__(self, proof: Path) -> None:
        self.proof = proof

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (f"touch {self.proof}",)


_GOOD = format_of.encode(at(7))
_BAD: dict[str, bytes] = {
    "empty": b"",
    "zeros": bytes(len(_GOOD)),
    "truncated": _GOOD[: len(_GOOD) // 2],
    "without its last byte": _GOOD[:-1],
    "with one byte more": _GOOD + b" ",
    "magic only": format_of.MAGIC,
    "HTML": b"<!doctype html><html>502 Bad Gateway</html>",
    "JSON without its seal": _GOOD.split(b"\n", 2)[2],
    "sealed HTML": _sealed(b"<html>"),
    "sealed list": _sealed(b"[]"),
    "sealed null": _sealed(b"null"),
    "sealed nesting": _sealed(b"[" * 200_000),
    "not UTF-8": _sealed(b'{"schema":"\xff"}'),
    "wrong schema": _changed(schema="promptops.override/1"),
    "future schema": _changed(schema="promptops.last-known-good/2"),
    "a key nobody knows": _changed(run="import os"),
    "no snapshot": _changed(snapshot=None),
    "snapshot of another format": _changed(snapshot="{}"),
    "snapshot with another digest": _changed(snapshot=at(7).snapshot.decode().replace('"revision":7', '"revision":8')),
    "releases as a list": _changed(releases=[]),
    "release that is no text": _changed(releases={ONE.digest: 1}),
    "release under another digest": _changed(releases={ONE.digest: CONTENTS[TWO.digest].decode()}),
    "release under no digest": _changed(releases={"../../etc/passwd": "{}"}),
    "lone surrogate": _changed(snapshot="\ud800"),
    "fixed as text": _changed(fixed="bot@1.0.0"),
}


@pytest.mark.parametrize("data", _BAD.values(), ids=_BAD.keys())
def test_a_file_that_is_no_good_is_told_and_the_slot_before_is_served(two: Path, data: bytes) -> None:
    two.write_bytes(data)
    reading = read(two)
    assert revision_of(_stored(reading.stored)) == 1
    assert [problem.path for problem in reading.problems] == [two]
    two.with_name(two.name + ".prev").write_bytes(data)
    assert read(two).stored is None
    assert len(read(two).problems) == 2
    assert load(two, channel="prod").held is None


def test_nothing_in_a_file_is_ever_run(two: Path, tmp_path: Path) -> None:
    proof = tmp_path / "ran"
    for data in (pickle.dumps(_Bomb(proof)), _sealed(pickle.dumps(_Bomb(proof))), format_of.MAGIC + pickle.dumps(0)):
        two.write_bytes(data)
        assert found(two) == 1
    assert not proof.exists()


def test_every_single_bit_that_flips_is_seen(two: Path) -> None:
    small = release("bot", "1.0.0", {"a": "x"})
    whole = bytearray(format_of.encode(stored_of(held(snapshot({"bot": pointer(9, small)})))))
    for at_byte in range(len(whole)):
        for bit in range(8):
            whole[at_byte] ^= 1 << bit
            with pytest.raises(Rejected):
                format_of.decode(bytes(whole))
            whole[at_byte] ^= 1 << bit
    for at_byte in range(0, len(whole), 37):
        flipped = bytearray(whole)
        flipped[at_byte] ^= 1
        two.write_bytes(flipped)
        assert found(two) == 1


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.chmod(0o602),
        lambda path: path.chmod(0o620),
        lambda path: (path.rename(path.with_name("elsewhere")), path.symlink_to(path.with_name("elsewhere"))),
        _pipe,
        lambda path: (path.unlink(), path.mkdir()),
        pytest.param(
            lambda path: os.chown(path, NOBODY, -1),
            marks=pytest.mark.skipif(not IS_ROOT, reason="only root gives away"),
        ),
    ],
    ids=["everybody may write", "the group may write", "link", "pipe", "folder", "another's"],
)
def test_a_file_that_somebody_else_could_have_put_there_is_not_read(two: Path, spoil: Callable[[Path], object]) -> None:
    spoil(two)
    reading = read(two)
    assert revision_of(_stored(reading.stored)) == 1
    assert [problem.reason for problem in reading.problems] == ["unsafe"]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda folder: folder.chmod(0o777),
        lambda folder: (folder.rename(folder.with_name("moved")), folder.symlink_to(folder.with_name("moved"))),
        pytest.param(
            lambda folder: os.chown(folder, NOBODY, -1),
            marks=pytest.mark.skipif(not IS_ROOT, reason="only root gives away"),
        ),
    ],
    ids=["everybody may write", "link", "another's"],
)
def test_a_folder_that_others_may_write_is_neither_read_nor_written(two: Path, spoil: Callable[[Path], object]) -> None:
    spoil(two.parent)
    reading = read(two)
    assert reading.stored is None
    assert {problem.reason for problem in reading.problems} == {"unsafe"}
    saved = write(two, at(9))
    assert saved.result is Result.FAILED
    assert saved.problem is not None


def test_a_state_of_another_channel_is_not_served(two: Path) -> None:
    loaded = load(two, channel="staging")
    assert loaded.held is None
    assert [problem.reason for problem in loaded.problems] == ["channel", "channel"]
    assert [problem.path.name for problem in loaded.problems] == [two.name, f"{two.name}.prev"]


def test_the_slot_before_is_served_where_the_newest_lacks_what_is_required(path: Path) -> None:
    write(path, at(1))
    bare = release("bot", "9.0.0", {"other": "x"})
    write(path, stored_of(held(snapshot({"bot": pointer(2, bare)}, cursor=2))))
    loaded = load(path, channel="prod", required=["bot/answer"])
    assert loaded.held is not None
    assert loaded.held.snapshot.apps["bot"].revision == 1
    assert [problem.reason for problem in loaded.problems] == ["required"]


def test_a_state_without_a_release_that_is_served_is_not_restored() -> None:
    with pytest.raises(Rejected):
        restore(replace(at(3), contents={}), channel="prod")


def test_a_state_that_is_no_good_is_never_written(two: Path) -> None:
    saved = write(two, StoredChannel(snapshot=b"{}", contents={}))
    assert (saved.result, saved.problem.reason if saved.problem else "") == (Result.FAILED, "content")
    assert found(two) == 2
