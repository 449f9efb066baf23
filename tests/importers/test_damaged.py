"""A result file that is damaged anywhere is read, or refused as what it is: nothing else is ever raised."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from promptops.core.errors import Invalid
from promptops.importers.reading import read_results
from tests.importers.test_fixtures import FOLDER

FILES = sorted(path for path in FOLDER.iterdir() if path.is_file())
STRANGE: tuple[Any, ...] = (None, True, 0, -1, 1.5, 1e300, "", "x", "\ud800", 2**70, [], {}, [[]], {"a": 1}, [None])
ROUNDS = 60


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_nothing_but_a_refusal_is_raised(path: Path, tmp_path: Path) -> None:
    chance = random.Random(path.name)
    format = "junit" if path.suffix == ".xml" else path.name.rpartition("-")[0]
    for number in range(ROUNDS):
        damaged = tmp_path / str(number)
        damaged.write_bytes(_damaged(path.read_bytes(), chance, values=path.suffix == ".json"))
        try:
            assert read_results(damaged, format, prompt="answer").table.rows
        except Invalid as error:
            assert error.message.startswith(f"{number}: ")


def test_an_archive_of_a_later_zip_is_refused(tmp_path: Path) -> None:
    data = bytearray((FOLDER / "inspect-0.3.285.eval").read_bytes())
    data[data.index(b"PK\x01\x02") + 6] = 200
    (tmp_path / "log.eval").write_bytes(data)
    with pytest.raises(Invalid, match="the archive is damaged"):
        read_results(tmp_path / "log.eval", "inspect", prompt="answer")


def _damaged(data: bytes, chance: random.Random, *, values: bool) -> bytes:
    if values and chance.random() < 0.8:
        return json.dumps(_changed(json.loads(data), chance)).encode()
    changed = bytearray(data)
    for _ in range(chance.randint(1, 6)):
        changed[chance.randrange(len(changed))] = chance.randrange(256)
    return bytes(changed)


def _changed(value: Any, chance: random.Random) -> Any:
    """The value with one part of it gone, or something else."""
    if isinstance(value, dict) and value and chance.random() < 0.9:
        name = chance.choice(sorted(value))
        rest = {key: item for key, item in value.items() if key != name}
        return rest if chance.random() < 0.2 else {**rest, name: _changed(value[name], chance)}
    if isinstance(value, list) and value and chance.random() < 0.9:
        place = chance.randrange(len(value))
        return [*value[:place], _changed(value[place], chance), *value[place + 1 :]]
    return chance.choice(STRANGE)
