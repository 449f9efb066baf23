"""A new kind of fact is one module, and its table with the migration. Nothing else of promptops is touched for it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.store.facts import ACTOR
from tests.support.checkout import ROOT

TOY = Path(__file__).with_name("toy")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of promptops with stamps."""
    folder = tmp_path_factory.mktemp("toy")
    for name in ("promptops", "migrations"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(TOY / "stamp.py", folder / "promptops" / "store" / "facts" / "stamp.py")
    shutil.copy(TOY / "migration.py", folder / "migrations" / "versions" / "toy_stamps.py")
    schema = folder / "promptops" / "store" / "schema"
    with open(schema / "tables.py", "a", encoding="utf-8") as tables:
        tables.write((TOY / "table.py").read_text(encoding="utf-8").partition("\n\n")[2])
    revisions = (schema / "revisions.py").read_text(encoding="utf-8")
    more = revisions.replace("HEAD = ", 'REVISIONS += ("toy",)\nHEAD = ', 1)
    (schema / "revisions.py").write_text(more, encoding="utf-8")
    return folder


@pytest.fixture
def rebuilt_url(database: str, reached: Callable[[str], str], request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a third database."""
    if database == "sqlite":
        return str(tmp_path / "rebuilt.db")
    return reached(request.getfixturevalue("postgresql_database")("template0"))


def test_a_fact_of_a_new_kind_goes_everywhere(
    checkout: Path, empty_url: str, restored_url: str, rebuilt_url: str, tmp_path: Path
) -> None:
    found = _trip(checkout, empty_url, restored_url, rebuilt_url, str(tmp_path))

    assert Path(found["promptops"]).is_relative_to(checkout)
    line = {"actor": ACTOR, "action": "stamp", "app": "bot", "after": "stamp 1 größer ☃", "key": "a key"}
    assert found["audit"].items() >= {"seq": 3, "channel": "", "before": "", "reason": "", **line}.items()
    assert len(found["audit"]["record"]) == 64  # the line seals the whole fact
    assert found["journal"] == ["releases/bot/0.1.1", "stamps/bot/1"]
    assert (found["pending"], found["git"], found["title"]) == (0, True, "stamp bot")
    assert (found["healthy"], found["restored"], found["rebuilt"]) == ([], [], [])
    assert "immutable" in found["refused"]
    assert found["tampered"] == {
        "UPDATE stamp SET colour = 'red'": ["fact-changed stamps/bot/1"],
        "UPDATE stamp SET number = 2": ["fact-missing stamps/bot/1", "fact-unrecorded stamps/bot/2"],
        "DELETE FROM stamp": ["fact-missing stamps/bot/1"],
    }


def _trip(checkout: Path, *arguments: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.store.journal.toy.trip", *arguments],
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": f"{checkout}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)  # type: ignore[no-any-return]
