"""Whatever lies where an export belongs, it neither hangs nor leads out of the folder, and nothing is half done."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from promptops.core.errors import Invalid
from promptops.operations.export_snapshot import export
from tests.operations.test_export_snapshot import read, release, stocked

DIGEST = release(1)[0].digest.removeprefix("sha256:")
FILES = ["v1/channels/prod/snapshot", f"v1/releases/{DIGEST}"]
FOLDERS = ["v1", "v1/channels", "v1/channels/prod", "v1/releases"]


def _socket(path: Path) -> None:
    at = os.getcwd()
    os.chdir(path.parent)  # the path of a socket has a hundred letters
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.chdir(at)


def _sparse(path: Path) -> None:
    path.touch()
    os.truncate(path, 1 << 40)


def _elsewhere() -> Path:
    """A folder outside of the export, which nothing may be read from or written to."""
    (folder := Path(os.environ["OUTSIDE"])).mkdir(exist_ok=True)
    return folder


def _link_to_folder(path: Path) -> None:
    path.symlink_to(_elsewhere())


def _link_to_file(path: Path) -> None:
    (_elsewhere() / "kept").write_bytes(b"kept")
    path.symlink_to(_elsewhere() / "kept")


TRAPS: dict[str, tuple[Callable[[Path], object], str]] = {
    "pipe": (os.mkfifo, "a pipe"),
    "socket": (_socket, "a socket"),
    "device": (lambda path: path.symlink_to("/dev/zero"), "a link"),
    "link to a file": (_link_to_file, "a link"),
    "link to nothing": (lambda path: path.symlink_to("nothing"), "a link"),
    "link to itself": (lambda path: path.symlink_to(path.name), "a link"),
    "link to a folder": (_link_to_folder, "a link"),
}
ONLY_FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    "folder": (Path.mkdir, "a folder"),
    "sparse file": (_sparse, "over"),
}
ONLY_FOLDERS: dict[str, tuple[Callable[[Path], object], str]] = {"file": (Path.touch, "a file")}


def _cases() -> list[object]:
    tables = [(FILES, TRAPS | ONLY_FILES), (FOLDERS, TRAPS | ONLY_FOLDERS)]
    return [
        pytest.param(place, *trap, id=f"{name} at {place.replace(DIGEST, 'release')}")
        for places, traps in tables
        for place in places
        for name, trap in traps.items()
    ]


@pytest.mark.parametrize("before", ["nothing", "an export"])
@pytest.mark.parametrize(("place", "lay", "said"), _cases())
def test_what_is_in_the_way_is_named_and_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, lay: Callable[[Path], object], said: str, before: str
) -> None:
    monkeypatch.setenv("OUTSIDE", str(tmp_path / "outside"))
    root = tmp_path / "www"
    trap = root / place
    if before == "an export":
        export(stocked(1), "prod", root)
        trap.rename(tmp_path / "aside")
    trap.parent.mkdir(parents=True, exist_ok=True)
    lay(trap)
    (tmp_path / "outside").mkdir(exist_ok=True)
    (tmp_path / "outside" / ".old.part").write_bytes(b"somebody's")
    there = _everything(tmp_path)
    with pytest.raises(Invalid) as refused:
        export(stocked(1, 2), "prod", root)
    assert f"{trap} is in the way: it is {said}" in refused.value.message
    assert refused.value.hint
    assert _everything(tmp_path) == there
    trap.rmdir() if trap.is_dir() and not trap.is_symlink() else trap.unlink()
    export(stocked(1, 2), "prod", root)
    assert read(root) == stocked(1, 2).found


def _everything(folder: Path) -> dict[str, object]:
    return {
        str(path): (path.lstat().st_mode, path.lstat().st_mtime_ns, path.lstat().st_ino) for path in folder.rglob("*")
    }


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
@pytest.mark.parametrize("place", FILES)
def test_what_cannot_be_read_is_named(tmp_path: Path, place: str) -> None:
    export(stocked(1), "prod", tmp_path)
    (tmp_path / place).chmod(0)
    with pytest.raises(Invalid, match="cannot be read") as refused:
        export(stocked(1), "prod", tmp_path)
    assert str(tmp_path / place) in refused.value.message


def test_the_folder_itself_may_be_named_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "named").symlink_to("real")
    export(stocked(1), "prod", tmp_path / "named")
    assert read(tmp_path / "real") == stocked(1).found


@pytest.mark.parametrize("lay", [os.mkfifo, Path.touch, _socket, lambda path: path.symlink_to("nothing")])
def test_a_folder_that_is_none_is_named(tmp_path: Path, lay: Callable[[Path], object]) -> None:
    lay(tmp_path / "www")
    for place in (tmp_path / "www", tmp_path / "www" / "below"):
        with pytest.raises(Invalid) as refused:
            export(stocked(1), "prod", place)
        assert str(tmp_path / "www") in refused.value.message
