"""Bundles: what an image brings with it for the day on which nothing answers."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from promptops.client.disk import cache_format as format_of
from promptops.client.disk.cache_format import restore
from promptops.client.disk.trusted_files import read_bundle
from promptops.client.sources.folder import Folder
from promptops.client.sources.source import AskContents, AskSnapshot, Failed, SourceAnswer
from promptops.client.state.release_set import Rejected
from promptops.wire.snapshot import decode, encode
from tests.client.made import CONTENTS, pointer, release, snapshot

ONE, TWO = (release("bot", version) for version in ("1.0.0", "2.0.0"))


def _exported(folder: Path) -> Path:
    what = snapshot({"bot": pointer(3, TWO, last_good=ONE)})
    (folder / "v1" / "channels" / "prod").mkdir(parents=True)
    (folder / "v1" / "releases").mkdir()
    (folder / "v1" / "channels" / "prod" / "snapshot").write_bytes(encode(what)[0])
    for ref in (ONE, TWO):
        (folder / "v1" / "releases" / ref.digest.removeprefix("sha256:")).write_bytes(CONTENTS[ref.digest])
    return folder


def test_a_bundle_is_the_folder_of_an_export_or_one_file(tmp_path: Path) -> None:
    folder = read_bundle(_exported(tmp_path), channel="prod").stored
    assert folder is not None
    whole = restore(folder, channel="prod")
    assert set(whole.contents) == {ONE.digest, TWO.digest}
    for name, data in (("sealed", format_of.encode(folder)), ("plain", format_of.encode(folder).split(b"\n", 2)[2])):
        file = tmp_path / name
        file.write_bytes(data)
        file.chmod(0o666)  # whoever made the image
        assert read_bundle(file, channel="prod").stored == folder


def test_a_bundle_through_a_link_is_read_as_containers_mount_it(tmp_path: Path) -> None:
    (tmp_path / "bundle").symlink_to(_exported(tmp_path / "real"))
    assert read_bundle(tmp_path / "bundle", channel="prod").stored is not None


def test_a_bundle_without_the_release_of_a_rollback_is_still_served(tmp_path: Path) -> None:
    folder = _exported(tmp_path)
    (folder / "v1" / "releases" / ONE.digest.removeprefix("sha256:")).unlink()
    bundle = read_bundle(folder, channel="prod").stored
    assert bundle is not None
    assert restore(bundle, channel="prod").snapshot == decode(bundle.snapshot)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda folder: (folder / "v1" / "channels" / "prod" / "snapshot").write_bytes(b"<html>"),
        lambda folder: (folder / "v1" / "channels" / "prod" / "snapshot").write_bytes(b""),
        lambda folder: (folder / "v1" / "channels" / "prod" / "snapshot").unlink(),
        lambda folder: (folder / "v1").rename(folder / "v2"),
    ],
)
def test_a_bundle_that_is_no_good_is_told(tmp_path: Path, spoil: Callable[[Path], object]) -> None:
    spoil(_exported(tmp_path))
    reading = read_bundle(tmp_path, channel="prod")
    assert reading.stored is None
    assert len(reading.problems) == 1


def test_a_damaged_release_in_a_bundle_is_not_served(tmp_path: Path) -> None:
    folder = _exported(tmp_path)
    (folder / "v1" / "releases" / TWO.digest.removeprefix("sha256:")).write_bytes(CONTENTS[ONE.digest])
    bundle = read_bundle(folder, channel="prod").stored
    assert bundle is not None
    with pytest.raises(Rejected):
        restore(bundle, channel="prod")


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(os.path.relpath(path))


def _sparse(path: Path) -> None:
    path.touch()
    os.truncate(path, 1 << 40)


TRAPS: dict[str, Callable[[Path], object]] = {
    "pipe": os.mkfifo,
    "socket": _socket,
    "device": lambda path: path.symlink_to("/dev/zero"),
    "link to itself": lambda path: path.symlink_to(path.name),
    "folder": Path.mkdir,
    "sparse file": _sparse,
}
SNAPSHOT = "v1/channels/prod/snapshot"
RELEASE = f"v1/releases/{ONE.digest.removeprefix('sha256:')}"


@pytest.mark.parametrize("lay", TRAPS.values(), ids=TRAPS)
@pytest.mark.parametrize("place", ["", SNAPSHOT])
def test_what_lies_in_the_place_of_a_snapshot_is_named_and_keeps_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lay: Callable[[Path], object], place: str
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = _exported(tmp_path / "prompts")
    (folder / place).rename(tmp_path / "aside")
    lay(folder / place)
    reading = read_bundle(folder, channel="prod")
    assert reading.stored is None
    assert str(folder / place) in f"{reading.problems[0].path} {reading.problems[0].message}"
    failed = Folder(str(folder)).answer(AskSnapshot(channel="prod"), 0.0)
    assert isinstance(failed, Failed)
    assert str(folder / place) in failed.message


@pytest.mark.parametrize("lay", TRAPS.values(), ids=TRAPS)
def test_what_lies_in_the_place_of_a_release_takes_no_other_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lay: Callable[[Path], object]
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = _exported(tmp_path / "prompts")
    (folder / RELEASE).unlink()
    lay(folder / RELEASE)
    reading = read_bundle(folder, channel="prod")
    assert reading.stored is not None
    assert set(reading.stored.contents) == {TWO.digest}
    assert [problem.path for problem in reading.problems] == [folder / RELEASE]
    source = Folder(str(folder))
    assert source.answer(AskContents(digests=(ONE.digest, TWO.digest)), 0.0) == SourceAnswer(
        contents={TWO.digest: CONTENTS[TWO.digest]}
    )
    failed = source.answer(AskContents(digests=(ONE.digest,)), 0.0)
    assert isinstance(failed, Failed)
    assert str(folder / RELEASE) in failed.message
