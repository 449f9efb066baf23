"""A channel as plain files: whole at every moment, never older than before, and readable for a web server."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from promptops.core.digest import digest as digest_of
from promptops.core.errors import ChannelNotFound, Conflict, Invalid, RegistryDamaged
from promptops.core.model import ReleaseRef
from promptops.core.release_bytes import encode
from promptops.core.snapshot import Pointer, Snapshot
from promptops.gateway.local import Direct
from promptops.operations import snapshots
from promptops.operations.export_snapshot import export
from promptops.store import Registry
from promptops.wire.snapshot import decode
from tests.store.vandal import vandalise
from tests.support import factory
from tests.support.checkout import ROOT
from tests.support.factory import go_back, go_live, make_channels, make_releases, minutes

PATIENCE = 60.0


@dataclass
class Stock:
    """Where an export gets what it writes: a snapshot and contents at hand."""

    found: Snapshot
    stock: dict[str, bytes] = field(default_factory=dict)
    at_once: int = 100

    def snapshot(self, channel: str) -> Snapshot:
        assert channel == self.found.channel
        return self.found

    def contents(self, digests: Sequence[str]) -> Mapping[str, bytes]:
        known = [digest for digest in digests if digest in self.stock]
        return {digest: self.stock[digest] for digest in known[: self.at_once]}


def release(number: int) -> tuple[ReleaseRef, bytes]:
    data = encode(factory.content(text=f"Hello {{{{name}}}}, take {number}"))
    return ReleaseRef(version=f"1.{number}.0", digest=digest_of(data)), data


def snapshot(**apps: Pointer) -> Snapshot:
    return Snapshot(registry="shop", lineage="one", epoch=1, channel="prod", cursor=7, apps=apps)


def stocked(*numbers: int, at_once: int = 100) -> Stock:
    """One app with these releases: stable, canary, last good."""
    refs = [release(number)[0] for number in numbers] + [None, None]
    assert refs[0] is not None
    canary = refs[1]
    pointer = Pointer(
        revision=3,
        stable=refs[0],
        canary=canary,
        weight=500 if canary else 0,
        salt="bot#prod#1" if canary else "",
        last_good=refs[2],
    )
    stock = {ref.digest: data for ref, data in map(release, numbers)}
    return Stock(snapshot(bot=pointer), stock, at_once)


def read(folder: Path) -> Snapshot:
    return decode((folder / "v1" / "channels" / "prod" / "snapshot").read_bytes())


def content(folder: Path, digest: str) -> bytes:
    return (folder / "v1" / "releases" / digest.removeprefix("sha256:")).read_bytes()


def test_all_that_the_channel_serves_lies_where_a_server_has_it(registry: Registry, tmp_path: Path) -> None:
    make_channels(registry)
    for app in ("bot", "faq"):
        for made in make_releases(registry, app, 3):
            go_live(registry, f"{app}@{made.version}")
    done = export(Direct(registry, now=minutes(900)), "prod", tmp_path / "new" / "folder")
    found = read(done.folder)
    assert found == snapshots.snapshot(registry, "prod") == done.snapshot
    assert (done.written, done.kept, done.missing, done.changed) == (4, 0, (), True)
    named = {ref.digest for pointer in found.apps.values() for ref in pointer.releases()}
    assert len(named) == 4
    files = {file.name for file in (done.folder / "v1" / "releases").iterdir()}
    assert {f"sha256:{name}" for name in files} == named
    assert all(digest_of(content(done.folder, digest)) == digest for digest in named)
    assert done.size == sum(file.stat().st_size for file in done.folder.rglob("*") if file.is_file())


def test_repeating_it_writes_nothing_and_a_change_only_what_is_new(registry: Registry, tmp_path: Path) -> None:
    make_channels(registry)
    for made in make_releases(registry, "bot", 3):
        go_live(registry, f"bot@{made.version}")
    export(Direct(registry, now=minutes(900)), "prod", tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    again = export(Direct(registry, now=minutes(900)), "prod", tmp_path)
    assert (again.written, again.kept, again.changed) == (0, 2, False)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()} == before
    go_back(registry, "bot")
    third = export(Direct(registry, now=minutes(900)), "prod", tmp_path)
    assert (third.written, third.kept, third.changed) == (1, 1, True)
    assert len(list((tmp_path / "v1" / "releases").iterdir())) == 3, "nothing is ever deleted"


def test_canary_and_last_good_are_there_too(tmp_path: Path) -> None:
    source = stocked(1, 2, 3)
    assert export(source, "prod", tmp_path).written == 3
    assert [content(tmp_path, release(number)[0].digest) for number in (1, 2, 3)] == [*source.stock.values()]
    assert read(tmp_path) == source.found


def test_a_source_that_gives_only_some_at_a_time_is_asked_again(tmp_path: Path) -> None:
    many = {f"app-{n}": Pointer(revision=1, stable=release(n)[0]) for n in range(40)}
    source = Stock(snapshot(**many), {ref.digest: data for ref, data in map(release, range(40))}, at_once=3)
    assert export(source, "prod", tmp_path).written == 40


def test_whoever_serves_the_files_may_read_them_whatever_the_umask_is(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        export(stocked(1), "prod", tmp_path / "www")
    finally:
        os.umask(before)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "www").rglob("*") if path.is_file()}
    assert modes == {0o644}
    folders = [tmp_path / "www", *(path for path in (tmp_path / "www").rglob("*") if path.is_dir())]
    assert {stat.S_IMODE(path.stat().st_mode) for path in folders} == {0o755}
    assert len(folders) == 5


def test_what_is_served_and_damaged_stops_it_and_the_old_snapshot_stays(
    registry: Registry, registry_url: str, tmp_path: Path
) -> None:
    make_channels(registry)
    first, second = make_releases(registry, "bot", 2)
    go_live(registry, f"bot@{first.version}")
    export(Direct(registry, now=minutes(900)), "prod", tmp_path)
    before = read(tmp_path)
    go_live(registry, f"bot@{second.version}")
    blob = "BLOB" if registry_url.startswith("sqlite") else "BYTEA"
    vandalise(registry_url, f"UPDATE release SET content = CAST('{{}}' AS {blob}) WHERE version = '{second.version}'")
    with pytest.raises(RegistryDamaged, match="the snapshot was not written"):
        export(Direct(registry, now=minutes(900)), "prod", tmp_path)
    assert read(tmp_path) == before


def test_no_snapshot_points_to_what_is_damaged_there_and_cannot_be_had_again(tmp_path: Path) -> None:
    export(stocked(1, 2, 3), "prod", tmp_path)
    before = read(tmp_path)
    source = stocked(1, 2, 3)
    gone = release(2)[0].digest
    del source.stock[gone]
    (tmp_path / "v1" / "releases" / gone.removeprefix("sha256:")).write_bytes(b"{")
    with pytest.raises(RegistryDamaged, match="the snapshot was not written"):
        export(replace(source, found=replace(source.found, cursor=99)), "prod", tmp_path)
    assert read(tmp_path) == before


@pytest.mark.parametrize("damaged", [b"", b"{}", None])
def test_a_last_good_release_that_is_not_there_is_said_and_the_rest_is_written(
    tmp_path: Path, damaged: bytes | None
) -> None:
    source = stocked(1, 2, 3)
    del source.stock[release(3)[0].digest]
    if damaged is not None:
        source.stock[release(3)[0].digest] = damaged
    done = export(source, "prod", tmp_path)
    assert (done.missing, done.written) == (("bot",), 2)
    assert read(tmp_path) == source.found
    assert not (tmp_path / "v1" / "releases" / release(3)[0].digest.removeprefix("sha256:")).exists()


def test_a_file_that_was_damaged_there_is_written_again(tmp_path: Path) -> None:
    export(stocked(1, 2), "prod", tmp_path)
    path = tmp_path / "v1" / "releases" / release(2)[0].digest.removeprefix("sha256:")
    path.write_bytes(path.read_bytes()[:-1])
    (tmp_path / "v1" / "channels" / "prod" / "snapshot").write_bytes(b"<html>")
    done = export(stocked(1, 2), "prod", tmp_path)
    assert (done.written, done.kept, done.changed) == (1, 1, True)
    assert path.read_bytes() == release(2)[1]


def test_the_snapshot_never_goes_back(tmp_path: Path) -> None:
    newer = replace(stocked(1).found, cursor=8)
    export(Stock(newer, stocked(1).stock), "prod", tmp_path)
    with pytest.raises(Conflict, match="is newer"):
        export(stocked(2), "prod", tmp_path)
    assert read(tmp_path) == newer
    export(Stock(replace(stocked(1).found, epoch=2, cursor=1), stocked(1).stock), "prod", tmp_path)
    with pytest.raises(Conflict, match="is newer"):
        export(Stock(newer, stocked(1).stock), "prod", tmp_path)


def test_another_registry_does_not_take_over_a_folder(tmp_path: Path) -> None:
    export(stocked(1), "prod", tmp_path)
    with pytest.raises(Conflict, match="of another registry"):
        export(Stock(replace(stocked(1).found, lineage="two", cursor=99), stocked(1).stock), "prod", tmp_path)
    assert read(tmp_path).lineage == "one"


def test_a_folder_that_is_none_and_a_channel_that_is_none_are_refused(registry: Registry, tmp_path: Path) -> None:
    make_channels(registry)
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(Invalid, match=r"file.* cannot be written"):
        export(Direct(registry, now=minutes(900)), "prod", file)
    with pytest.raises(Invalid, match="cannot be written"):
        export(Direct(registry, now=minutes(900)), "prod", file / "below")
    with pytest.raises(ChannelNotFound):
        export(Direct(registry, now=minutes(900)), "production", tmp_path)
    assert not (tmp_path / "v1").exists()


def test_an_export_that_broke_off_leaves_what_was_there_and_the_next_one_tidies_up(tmp_path: Path) -> None:
    class Breaks(Stock):
        def contents(self, digests: Sequence[str]) -> Mapping[str, bytes]:
            raise KeyboardInterrupt

    export(stocked(1), "prod", tmp_path)
    with pytest.raises(KeyboardInterrupt):
        export(Breaks(replace(stocked(2).found, cursor=8)), "prod", tmp_path)
    assert read(tmp_path) == stocked(1).found
    left = tmp_path / "v1" / "releases" / ".abc.xyz.part"
    left.write_bytes(b"half")
    export(stocked(1), "prod", tmp_path)
    assert not left.exists()


_EXPORTS = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from promptops.gateway.local import Direct
from promptops.operations.export_snapshot import export
from promptops.store import Registry

registry = Registry.open(sys.argv[1])
print("ready", flush=True)
while True:
    export(Direct(registry, now=datetime.now(UTC)), "prod", Path(sys.argv[2]))
"""


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_readers_find_a_whole_export_while_several_write_it_and_are_killed(
    registry: Registry, registry_url: str, tmp_path: Path
) -> None:
    make_channels(registry)
    releases = make_releases(registry, "bot", 8)
    go_live(registry, f"bot@{releases[0].version}")
    folder = tmp_path / "www"
    export(Direct(registry, now=minutes(900)), "prod", folder)
    wrong: list[str] = []
    seen: list[int] = []
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            found = read(folder)
            if seen and found.cursor < seen[-1]:
                wrong.append(f"{found.cursor} after {seen[-1]}")
            seen.append(found.cursor)
            refs = found.apps["bot"].releases()
            wrong.extend(ref.version for ref in refs if digest_of(content(folder, ref.digest)) != ref.digest)

    reader = threading.Thread(target=look)
    reader.start()
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", _EXPORTS, registry_url, str(folder)]
    try:
        for made in releases[1:]:
            running = [subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE) for _ in range(2)]
            for each in running:
                assert each.stdout is not None
                assert each.stdout.readline() == b"ready\n"
            go_live(registry, f"bot@{made.version}")
            live = snapshots.progress(registry, "prod").cursor
            until = time.monotonic() + PATIENCE
            while seen[-1] != live and time.monotonic() < until:
                time.sleep(0.005)
            for each in running:
                each.kill()
                with closing(each.stdout):  # type: ignore[type-var]
                    each.wait()
            assert seen[-1] == live
    finally:
        stop.set()
        reader.join()
    assert wrong == []
    assert read(folder) == snapshots.snapshot(registry, "prod")
