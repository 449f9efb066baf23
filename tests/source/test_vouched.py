"""What this machine remembers of registries: changed by one process at a time, never believed from others, and no
reason to fail.
"""

from __future__ import annotations

import json
import os
import threading
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from promptops.files import cache_folder
from promptops.source.vouched import Checked, Vouched, read, update

LINEAGE = "0f3b9a52-6e0f-4a1c-9d4e-2f6f7f1f6a11"
CHECKED = Checked(
    seq=7,
    hash="a" * 64,
    sha="b" * 40,
    at=datetime(2026, 1, 2, tzinfo=UTC),
    place="p",
    epoch=1,
    version="1",
    rows={"audit": 7},
)
SEVEN = Vouched(seq=7, hash="a" * 64, sha="b" * 40, keys=("ssh-ed25519 ONE",), checked=(CHECKED,))


def the_file() -> Path:
    folder = cache_folder()
    assert folder is not None
    (file,) = (folder / "vouched").glob("*.json")
    return file


def test_nothing_is_known_of_a_lineage_at_first() -> None:
    assert read(LINEAGE) == Vouched()


def remember(vouched: Vouched) -> None:
    update(LINEAGE, lambda known: vouched)


def test_what_is_remembered_is_read_again_and_is_for_the_user_alone() -> None:
    remember(SEVEN)
    assert read(LINEAGE) == SEVEN
    assert read("../" * 20 + "etc/passwd") == Vouched()
    assert (the_file().stat().st_mode & 0o777, the_file().parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_two_processes_change_what_is_known_one_after_the_other() -> None:
    """A change sees what the one before it kept: also if it began while that was not there yet."""
    remember(SEVEN)
    began, go_on = threading.Event(), threading.Event()

    def slow(known: Vouched) -> Vouched:
        began.set()
        assert go_on.wait(20)
        return replace(known, keys=(*known.keys, "ssh-ed25519 TWO"))

    threads = [
        threading.Thread(target=update, args=(LINEAGE, slow)),
        threading.Thread(target=update, args=(LINEAGE, lambda known: replace(known, keys=(*known.keys, "THREE")))),
    ]
    threads[0].start()
    assert began.wait(20)
    threads[1].start()
    threads[1].join(0.2)
    assert read(LINEAGE) == SEVEN
    go_on.set()
    for thread in threads:
        thread.join(20)
    assert read(LINEAGE) == replace(SEVEN, keys=(*SEVEN.keys, "ssh-ed25519 TWO", "THREE"))


def test_each_place_has_its_last_check_and_the_oldest_are_forgotten() -> None:
    kept = SEVEN
    for number in range(30):
        kept = kept.with_check(replace(CHECKED, place=f"p{number % 25}", seq=number))
    assert len(kept.checked) == 20
    assert {each.place: each.seq for each in kept.checked}["p4"] == 29
    assert "p6" not in {each.place for each in kept.checked}


@pytest.mark.parametrize(
    "damaged",
    [
        b"", b"{", b"[]", b"null", b"\xff", b'{"seq": "7"}', b'{"seq": 7, "more": 1}', b'{"keys": "x"}',
        b'{"seq": 1' + b"0" * 5000 + b"}", b"[" * 100_000, b" " * (2 << 20),
        b'{"seq": -1}', b'{"seq": 9007199254740992}', b'{"keys": ["a"], "checked": []} x',
        b'{"checked": [{"seq":1,"hash":"","sha":"","at":"2026-01-01","place":"","epoch":1,"version":""}]}',
        b'{"checked": {"seq": 7}}', b'{"checked": [1]}', b'{"checked": [{"seq": 7}]}',
    ],
)  # fmt: skip
def test_a_damaged_file_counts_as_empty_and_is_written_anew(damaged: bytes) -> None:
    remember(SEVEN)
    the_file().write_bytes(damaged)
    assert read(LINEAGE) == Vouched()
    remember(SEVEN)
    assert read(LINEAGE) == SEVEN


def test_what_others_may_write_is_not_believed(tmp_path: Path) -> None:
    remember(SEVEN)
    the_file().chmod(0o666)
    assert read(LINEAGE) == Vouched()
    the_file().chmod(0o600)
    the_file().parent.chmod(0o777)
    assert read(LINEAGE) == Vouched()
    remember(replace(SEVEN, seq=8))  # and nothing is written there
    assert json.loads(the_file().read_bytes())["seq"] == 7


@pytest.mark.parametrize("home", ["", "a file"])
def test_a_disk_that_refuses_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: str) -> None:
    for name in ("HOME", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    if home:
        (tmp_path / "file").touch()
        monkeypatch.setenv("HOME", str(tmp_path / "file"))
    remember(SEVEN)
    assert read(LINEAGE) == Vouched()


def test_a_link_is_not_written_through(tmp_path: Path) -> None:
    remember(SEVEN)
    file, target = the_file(), tmp_path / "target"
    target.write_text("mine")
    file.unlink()
    os.symlink(target, file)
    assert read(LINEAGE) == Vouched()
    remember(SEVEN)
    assert (target.read_text(), read(LINEAGE)) == ("mine", SEVEN)
