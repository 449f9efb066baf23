"""What this machine remembers of registries: merged, never believed from others, and no reason to fail."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from promptops.files import cache_folder
from promptops.source.vouched import Checked, Vouched, read, remember

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


def test_what_is_remembered_is_read_again_and_is_for_the_user_alone() -> None:
    assert remember(LINEAGE, SEVEN) == SEVEN
    assert read(LINEAGE) == SEVEN
    assert read("../" * 20 + "etc/passwd") == Vouched()
    assert (the_file().stat().st_mode & 0o777, the_file().parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_a_line_never_goes_back_and_keys_are_added() -> None:
    remember(LINEAGE, SEVEN)
    remember(LINEAGE, Vouched(seq=5, hash="c" * 64, sha="d" * 40, keys=("ssh-ed25519 TWO",)))
    assert read(LINEAGE) == replace(SEVEN, keys=("ssh-ed25519 ONE", "ssh-ed25519 TWO"))
    remember(LINEAGE, Vouched(keys=("ssh-ed25519 ONE",)))
    assert read(LINEAGE).seq == 7
    nine = Vouched(seq=9, hash="e" * 64, sha="f" * 40)
    remember(LINEAGE, nine)
    assert read(LINEAGE) == replace(nine, keys=("ssh-ed25519 ONE", "ssh-ed25519 TWO"), checked=(CHECKED,))


def test_each_place_has_its_last_check_and_the_oldest_are_forgotten() -> None:
    for number in range(30):
        remember(LINEAGE, replace(SEVEN, checked=(replace(CHECKED, place=f"p{number % 25}", seq=number),)))
    kept = read(LINEAGE).checked
    assert len(kept) == 20
    assert {each.place: each.seq for each in kept}["p4"] == 29
    assert "p6" not in {each.place for each in kept}


def test_what_was_known_is_forgotten_where_that_is_asked_for() -> None:
    remember(LINEAGE, SEVEN)
    five = Vouched(seq=5, hash="c" * 64, sha="d" * 40)
    assert remember(LINEAGE, five, instead=True) == five
    assert read(LINEAGE) == five


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
    remember(LINEAGE, SEVEN)
    the_file().write_bytes(damaged)
    assert read(LINEAGE) == Vouched()
    remember(LINEAGE, SEVEN)
    assert read(LINEAGE) == SEVEN


def test_what_others_may_write_is_not_believed(tmp_path: Path) -> None:
    remember(LINEAGE, SEVEN)
    the_file().chmod(0o666)
    assert read(LINEAGE) == Vouched()
    the_file().chmod(0o600)
    the_file().parent.chmod(0o777)
    assert read(LINEAGE) == Vouched()
    assert remember(LINEAGE, replace(SEVEN, seq=8)).seq == 8  # and nothing is written there
    assert json.loads(the_file().read_bytes())["seq"] == 7


@pytest.mark.parametrize("home", ["", "a file"])
def test_a_disk_that_refuses_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: str) -> None:
    for name in ("HOME", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    if home:
        (tmp_path / "file").touch()
        monkeypatch.setenv("HOME", str(tmp_path / "file"))
    assert remember(LINEAGE, SEVEN) == SEVEN
    assert read(LINEAGE) == Vouched()


def test_a_link_is_not_written_through(tmp_path: Path) -> None:
    remember(LINEAGE, SEVEN)
    file, target = the_file(), tmp_path / "target"
    target.write_text("mine")
    file.unlink()
    os.symlink(target, file)
    assert read(LINEAGE) == Vouched()
    remember(LINEAGE, SEVEN)
    assert (target.read_text(), read(LINEAGE)) == ("mine", SEVEN)
