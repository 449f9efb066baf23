"""`promptops audit`: proof that the log is whole, or where it is not; and the log for a spreadsheet."""

from __future__ import annotations

import csv
import io
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from promptops.store import Registry
from tests.cli.conftest import Promptops


def tamper(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as file:
        for (name,) in file.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            file.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            file.execute(statement)


def test_a_whole_log_says_so_and_hands_over_its_anchor(told: Registry, promptops: Promptops) -> None:
    said = promptops("audit", "--verify").out
    assert "✓ The audit log is whole" in said
    assert "not compared: there is no workspace here" in said
    found = promptops("audit", "--verify", "--json").json
    assert (found["whole"], found["faults"]) == (True, [])
    assert str(found["head"]) in said
    promptops("rollback")
    assert promptops("audit", "--verify", "--anchor", str(found["head"]), "--json").json["whole"] is True


def test_a_changed_log_is_exit_code_2_and_says_what_and_where(
    told: Registry, promptops: Promptops, tmp_path: Path
) -> None:
    tamper(tmp_path / "registry.db", "UPDATE audit SET reason = 'all good' WHERE seq = 4")
    assert "guards are missing" in promptops("status", exits=6).err
    said = promptops("audit", "--verify", exits=2).out
    assert "✗ The audit log is not what was written" in said
    assert "line 4  edited  line 4 is not what was sealed" in said
    found = promptops("audit", "--verify", "--json", exits=2).json
    assert found["faults"] == [{"seq": 4, "tampering": "edited", "what": "line 4 is not what was sealed"}]


def test_an_anchor_that_is_gone_is_exit_code_2(told: Registry, promptops: Promptops) -> None:
    assert "was cut before it, or rewritten" in promptops("audit", "--anchor", "f" * 64, exits=2).out
    assert "64 hex digits" in promptops("audit", "--verify", "--anchor", "f00d", exits=2).err


@pytest.mark.parametrize("filters", [("--app", "bot"), ("--limit", "3"), ("--csv",)])
def test_verifying_is_about_the_whole_log(told: Registry, promptops: Promptops, filters: tuple[str, ...]) -> None:
    assert "the whole log" in promptops("audit", "--verify", *filters, exits=2).err


def test_csv_is_the_log_with_nothing_that_a_spreadsheet_or_terminal_would_run(
    told: Registry, promptops: Promptops
) -> None:
    promptops("rollback", "--reason", '=HYPERLINK("http://x";"y"), "two"\nlines \x1b[31m')
    text = promptops("audit", "--csv").out
    assert "\x1b" not in text
    rows = list(csv.DictReader(io.StringIO(text)))
    entries = promptops("audit", "--json").json["entries"]
    assert [row["hash"] for row in rows] == [entry["hash"] for entry in entries]  # type: ignore[index,union-attr,call-overload]
    assert list(rows[0]) == list(entries[0])  # type: ignore[index,arg-type]
    assert rows[1]["reason"] == '\'=HYPERLINK("http://x";"y"), "two"\\nlines \\x1b[31m'
    assert promptops("audit", "--csv", "--app", "nobody").out.splitlines() == [",".join(rows[0])]
    assert len(promptops("audit", "--csv", "--limit", "2").out.splitlines()) == 3
    assert "two answers" in promptops("audit", "--csv", "--json", exits=2).err
