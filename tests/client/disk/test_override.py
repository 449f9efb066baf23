"""Override files on disk: which count, and why the others do not."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from promptops.client.disk.override import Overrides, read_overrides, signature
from promptops.core.errors import OverrideInvalid
from promptops.core.override import LONGEST, Override, encode
from promptops.operations.override import load
from tests.client.made import CONTENTS, release

IS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0
NOBODY = 65534
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def override(app: str = "bot", version: str = "1.0.0") -> Override:
    ref = release(app, version)
    return Override(
        registry="test",
        lineage="one",
        app=app,
        channel="prod",
        version=version,
        digest=ref.digest,
        content=CONTENTS[ref.digest],
        reason="the database is gone",
        actor="Ada",
        created_at=NOW - timedelta(hours=1),
        expires_at=NOW + timedelta(hours=1),
    )


def lay(folder: Path, what: Override | bytes, name: str = "bot.prod.override.json") -> Path:
    path = folder / name
    path.write_bytes(what if isinstance(what, bytes) else encode(what))
    return path


def asked(path: Path, lineage: str | None = "one", now: datetime = NOW) -> Overrides:
    return read_overrides(path, channel="prod", lineage=lineage, now=now)


def test_an_override_that_lives_counts_from_a_file_and_from_a_folder(tmp_path: Path) -> None:
    path = lay(tmp_path, override())
    lay(tmp_path, b"not one of these", name="notes.json")
    for place in (path, tmp_path):
        found = asked(place)
        assert found.ignored == ()
        assert found.active["bot"].override == override()
        assert found.active["bot"].release.prompts["answer"].template.names == ("question",)


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        (replace(override(), channel="staging"), "channel"),
        (replace(override(), lineage="two"), "lineage"),
        (replace(override(), created_at=NOW - timedelta(days=2), expires_at=NOW), "expired"),
        (b"", "damaged"),
        (b"<html>", "damaged"),
        (bytes(1000), "damaged"),
        (encode(override())[:-20], "damaged"),
        (encode(override()).replace(b"question", b"questlon"), "damaged"),
        (encode(override()).replace(b"override/1", b"override/2"), "damaged"),
        (encode(override()).replace(b'"actor"', b'"later"'), "damaged"),
        (b" " * (4 << 20), "damaged"),
    ],
    ids=["channel", "lineage", "expired", "empty", "html", "zeros", "cut", "edited", "future", "key", "large"],
)
def test_an_override_that_does_not_count_is_told_and_hides_no_other(
    tmp_path: Path, what: Override | bytes, reason: str
) -> None:
    path = lay(tmp_path, what)
    lay(tmp_path, override("other"), "other.prod.override.json")
    found = asked(tmp_path)
    assert set(found.active) == {"other"}
    assert [(problem.path, problem.reason) for problem in found.ignored] == [(path, reason)]
    assert found.ignored[0].message


def test_an_override_ends_to_the_moment(tmp_path: Path) -> None:
    what = override()
    lay(tmp_path, what)
    assert asked(tmp_path, now=what.expires_at - timedelta(microseconds=1)).active
    assert not asked(tmp_path, now=what.expires_at).active


def test_no_clock_makes_an_override_live_longer_than_a_week(tmp_path: Path) -> None:
    lay(tmp_path, encode(override()).replace(b"2026-03-01T13", b"2027-03-01T13"))
    assert [problem.reason for problem in asked(tmp_path).ignored] == ["damaged"]
    assert timedelta(days=7) == LONGEST


def test_where_no_registry_was_reached_an_override_of_any_counts(tmp_path: Path) -> None:
    lay(tmp_path, replace(override(), lineage="whatever"))
    assert set(asked(tmp_path, lineage=None).active) == {"bot"}


@pytest.mark.parametrize("names", [("a.override.json", "b.override.json"), ("b.override.json", "a.override.json")])
def test_of_two_overrides_of_an_app_the_younger_counts(tmp_path: Path, names: tuple[str, str]) -> None:
    old = lay(tmp_path, override(), names[0])
    lay(tmp_path, replace(override("bot", "2.0.0"), created_at=NOW), names[1])
    found = asked(tmp_path)
    assert found.active["bot"].override.version == "2.0.0"
    assert [(problem.path, problem.reason) for problem in found.ignored] == [(old, "superseded")]


@pytest.mark.parametrize("missing", ["nothing", "nothing.override.json", "no/such/place"])
def test_a_place_that_is_not_there_holds_none(tmp_path: Path, missing: str) -> None:
    assert asked(tmp_path / missing) == Overrides(active={})


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _socket(path: Path) -> None:
    path.unlink()
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


def _linked_from(folder: Path, mode: int) -> Callable[[Path], object]:
    def spoil(path: Path) -> None:
        elsewhere = path.parent / folder
        elsewhere.mkdir()
        path.rename(elsewhere / path.name)
        path.symlink_to(elsewhere / path.name)
        elsewhere.chmod(mode)

    return spoil


FOREIGN = pytest.mark.skipif(not IS_ROOT, reason="only root gives away")
SPOILED: dict[str, tuple[Any, str]] = {
    "everybody may write": (lambda path: path.chmod(0o602), "chmod go-w"),
    "the group may write": (lambda path: path.chmod(0o660), "chmod go-w"),
    "everybody may write the folder": (lambda path: path.parent.chmod(0o777), "chmod go-w"),
    "everybody may write the sticky folder": (lambda path: path.parent.chmod(0o1777), "chmod go-w"),
    "the group may write the folder": (lambda path: path.parent.chmod(0o775), "chmod go-w"),
    "a link into a folder of everybody": (_linked_from(Path("open"), 0o777), "chmod go-w"),
    "a link to a file of everybody": (lambda path: (_linked_from(Path("x"), 0o755)(path), path.chmod(0o666)), "go-w"),
    "a pipe": (_pipe, "regular file"),
    "a socket": (_socket, ""),
    "a folder": (lambda path: (path.unlink(), path.mkdir()), "regular file"),
    "a device": (lambda path: (path.unlink(), path.symlink_to("/dev/zero")), ""),
    "another's": (lambda path: os.chown(path, NOBODY, -1), "chown"),
    "another's folder": (lambda path: os.chown(path.parent, NOBODY, -1), "chown"),
}


@pytest.mark.parametrize(
    ("spoil", "advice"),
    [pytest.param(*each, id=name, marks=[FOREIGN] if "another" in name else []) for name, each in SPOILED.items()],
)
def test_an_override_that_another_user_could_have_made_does_not_count(
    tmp_path: Path, spoil: Callable[[Path], object], advice: str
) -> None:
    folder = tmp_path / "glass"
    folder.mkdir()
    path = lay(folder, override())
    assert set(asked(folder).active) == {"bot"}
    before = signature(folder)
    spoil(path)
    for place in (folder, *([] if path.is_dir() else [path])):
        found = asked(place)
        assert found.active == {}
        assert [problem.reason for problem in found.ignored] in (["unsafe"], ["unreadable"])
        assert advice in found.ignored[0].message
    assert signature(folder) != before, "nobody would look again once it is mended"
    with pytest.raises(OverrideInvalid) as refused:
        load(path)
    assert str(path) in refused.value.message


def test_a_huge_override_is_not_read(tmp_path: Path) -> None:
    os.truncate(lay(tmp_path, override()), 1 << 40)
    assert [problem.reason for problem in asked(tmp_path).ignored] == ["damaged"]


def test_an_override_is_read_through_a_link_as_containers_mount_it(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    real = lay(tmp_path / "data", override())
    (tmp_path / "mounted").mkdir()
    (tmp_path / "mounted" / real.name).symlink_to(real)
    assert set(asked(tmp_path / "mounted").active) == {"bot"}
