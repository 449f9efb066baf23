"""`promptops db backup` and `restore`: the drill of the operations guide, and what must not be restored."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from promptops.store import Registry
from tests.cli.conftest import Promptops
from tests.support import factory


def test_the_drill_of_the_guide(told: Registry, promptops: Promptops, tmp_path: Path) -> None:
    said = promptops("db", "backup", "drill.backup").out
    assert "✓ Backed up" in said
    assert "3 releases, 3 deployments" in said
    assert "Keep drill.backup.json with it" in said
    back = promptops("db", "restore", "drill.backup", "--registry", "sqlite:///drill/registry.db").out
    assert "✓ Restored" in back
    assert "2, which begins now" in back
    place = ("--registry", "sqlite:///drill/registry.db")
    assert "All is well" in promptops("fsck", *place).out
    assert "✓ The audit log is whole" in promptops("audit", "--verify", *place).out
    assert promptops("status", *place, "--json").json["apps"] == promptops("status", "--json").json["apps"]
    assert promptops("rollback", *place, "--json").json["stable"]["version"] == "0.1.1"  # type: ignore[index,call-overload]
    assert factory.live_version(told) == "0.1.2"


def test_the_json_says_what_is_in_it(told: Registry, promptops: Promptops, tmp_path: Path) -> None:
    (tmp_path / "backups").mkdir()
    made = promptops("db", "backup", "backups", "--json").json
    file = Path(str(made["file"]))
    assert file.parent == tmp_path / "backups"
    assert file.stat().st_size == made["size"]
    assert json.loads(file.with_name(f"{file.name}.json").read_text())["sha256"] == made["sha256"]
    assert made["lineage"] == told.lineage
    back = promptops("db", "restore", str(file), "--registry", "again.db", "--json").json
    assert (back["epoch"], back["backup"]["epoch"]) == (2, 1)  # type: ignore[index,call-overload]
    assert back["check"]["exit_code"] < 2  # type: ignore[index,call-overload,operator]
    again = promptops("audit", "--registry", "again.db", "--limit", "1", "--json").json["entries"]
    assert again[0]["action"] == "restore"  # type: ignore[index,call-overload]


@pytest.mark.parametrize("harm", ["byte", "truncated", "manifest", "no manifest"])
def test_a_backup_that_was_changed_is_refused_and_nothing_is_touched(
    told: Registry, promptops: Promptops, tmp_path: Path, harm: str
) -> None:
    promptops("db", "backup", "b")
    file, manifest = tmp_path / "b", tmp_path / "b.json"
    data = bytearray(file.read_bytes())
    if harm == "byte":
        data[len(data) // 2] ^= 1
        file.write_bytes(data)
    elif harm == "truncated":
        file.write_bytes(data[:-4096])
    elif harm == "manifest":
        manifest.write_text(manifest.read_text().replace('"epoch": 1', '"epoch": 9'))
    else:
        manifest.unlink()
    refused = promptops(
        "db", "restore", "b", "--registry", "new/registry.db", "--json", exits=6 if harm == "manifest" else 2
    )
    assert refused.error["kind"] == ("Unavailable" if harm == "manifest" else "Invalid")
    assert not (tmp_path / "new" / "registry.db").exists()


def test_what_is_there_is_never_overwritten(told: Registry, promptops: Promptops, tmp_path: Path) -> None:
    promptops("db", "backup", "b")
    before = (tmp_path / "b").read_bytes()
    assert "exists already" in promptops("db", "backup", "b", exits=4).err
    assert (tmp_path / "b").read_bytes() == before
    assert "exists already" in promptops("db", "restore", "b", exits=4).err
    assert factory.live_version(told) == "0.1.2"


def test_a_copy_of_the_live_file_lacks_what_was_acknowledged_and_a_backup_does_not(
    told: Registry, promptops: Promptops, tmp_path: Path
) -> None:
    with closing(sqlite3.connect(tmp_path / "registry.db", isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM audit").fetchone()  # a reader keeps the log from being merged
        promptops("rollback")
        shutil.copy(tmp_path / "registry.db", tmp_path / "copied.db")
        promptops("db", "backup", "taken.backup")
    promptops("db", "restore", "taken.backup", "--registry", "restored.db")
    with closing(Registry.open(str(tmp_path / "restored.db"))) as restored:
        assert factory.live_version(restored) == "0.1.1"
    with closing(sqlite3.connect(tmp_path / "copied.db")) as copied:
        try:
            (seen,) = copied.execute("SELECT max(revision) FROM deployment").fetchone()
        except sqlite3.DatabaseError:
            seen = None
    assert seen != 4  # which was acknowledged


def test_a_second_restore_of_one_backup_begins_an_epoch_that_git_has_not_seen(
    workspace: Path, promptops: Promptops, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMPTOPS_SYNC", "now")
    promptops("release")
    promptops("sync")
    promptops("db", "backup", "b.backup")
    epochs: list[object] = []
    for _ in range(2):
        shutil.rmtree(workspace / ".promptops")
        answer = promptops("db", "restore", "b.backup", "--json").json
        epochs.append(answer["epoch"])
    assert epochs == [2, 3]


def test_the_backup_of_nothing_says_what_to_do(promptops: Promptops) -> None:
    assert "promptops init" in promptops("db", "backup", "b", "--registry", "none.db", exits=6).err
    assert "manifest" in promptops("db", "restore", "none.backup", "--registry", "none.db", exits=2).err
