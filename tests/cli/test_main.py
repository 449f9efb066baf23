"""The entry point: the table of commands, what is imported when, and every way a command can end."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from promptops import __version__
from promptops.cli.exit import EXIT_CODES
from promptops.cli.main import COMMANDS, SECTIONS, cli
from promptops.core import errors
from promptops.store import Registry
from tests.cli.conftest import Promptops
from tests.support import factory


def _python(code: str, *, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    root = Path(__file__).resolve().parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, cwd=cwd, check=False
    )


@pytest.mark.parametrize("name", COMMANDS)
def test_the_table_says_what_the_command_says_of_itself(name: str) -> None:
    module, line = COMMANDS[name]
    command = getattr(importlib.import_module(module), name.replace("-", "_"))
    assert isinstance(command, click.Command)
    assert command.name == name
    assert (command.help or "").split("\n")[0] == line
    assert command.get_short_help_str(200) == line


def test_help_lists_every_command_by_section(promptops: Promptops) -> None:
    shown = promptops("--help").out
    for title, rows in SECTIONS.items():
        assert f"{title}:" in shown
        for name, (_, line) in rows.items():
            assert any(row.split() == [name, *line.split()] for row in shown.splitlines()), name


def test_every_command_takes_the_global_options_and_explains_its_own(promptops: Promptops) -> None:
    for name in COMMANDS:
        shown = promptops(name, "--help").out
        assert "Common options:" in shown
        assert "--json" in shown
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        for param in command.params:
            assert not isinstance(param, click.Option) or param.help, f"{name} {param.opts} is not explained"


@pytest.mark.parametrize("group", [[], ["token"], ["canary"], ["evidence"], ["hooks"], ["app"], ["override"]])
def test_a_group_alone_prints_its_help(promptops: Promptops, group: list[str]) -> None:
    alone = promptops(*group)
    assert (alone.code, alone.err) == (0, "")
    assert alone.out == promptops(*group, "--help").out


def test_help_imports_click_and_nothing_heavy() -> None:
    code = """
import sys
from promptops.cli.main import run
run(["--help"])
heavy = {"sqlalchemy", "git", "rich", "alembic", "yaml", "pydantic", "jinja2", "jsonschema", "subprocess"}
sys.exit(", ".join(sorted(heavy & sys.modules.keys())) or 0)
"""
    done = _python(code)
    assert done.returncode == 0, done.stderr


def test_a_rollback_loads_neither_git_nor_yaml_nor_the_migrations(told: object, tmp_path: Path) -> None:
    code = """
import sys
from promptops.cli.main import run
assert run(["rollback", "--registry", "registry.db", "--no-color"]) == 0
heavy = {"git", "alembic", "yaml", "jinja2", "jsonschema", "semver", "rich.console", "promptops.source.load"}
sys.exit(", ".join(sorted(heavy & sys.modules.keys())) or 0)
"""
    done = _python(code, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_status_loads_nothing_that_only_changes_need(told: object, tmp_path: Path) -> None:
    code = """
import sys
from promptops.cli.main import run
assert run(["status", "--registry", "registry.db", "--no-color"]) == 0
heavy = {"sqlalchemy.orm", "pydantic", "git", "alembic", "yaml", "jinja2", "jsonschema", "semver", "rich", "httpx"}
sys.exit(", ".join(sorted(heavy & sys.modules.keys())) or 0)
"""
    done = _python(code, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_the_version_is_the_packages(promptops: Promptops) -> None:
    assert promptops("--version").out == f"promptops {__version__}\n"


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("rolback", "rollback"),
        ("stats", "status"),
        ("undo", "rollback"),
        ("deploy", "promote"),
        ("log", "history"),
        ("ROLLBACK", "rollback"),
        ("help", "--help"),
        ("version", "--version"),
    ],
)
def test_a_command_that_does_not_exist_is_answered_with_the_one_that_was_meant(
    typed: str, meant: str, promptops: Promptops
) -> None:
    assert f"Did you mean '{meant}'?" in promptops(typed, exits=2).err


def test_misuse_is_exit_code_2_for_people_and_for_scripts(promptops: Promptops) -> None:
    said = promptops("promote", exits=2)
    assert "missing argument 'APP@VERSION'" in said.err
    assert "promptops promote --help" in said.err
    assert promptops("promote", "--json", exits=2).error["code"] == "usage"
    assert promptops("status", "--nope", "--json", exits=2).error["kind"] == "Invalid"


@pytest.mark.parametrize("arguments", [("--json", "status"), ("status", "--json")])
def test_global_options_count_before_and_after_the_command(
    arguments: tuple[str, ...], told: object, promptops: Promptops
) -> None:
    assert promptops(*arguments).json["apps"]


def test_dash_c_runs_somewhere_else(told: object, promptops: Promptops, tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    assert "bot" in promptops("-C", "deep", "--registry", "../registry.db", "status").out
    assert "no such directory" in promptops("status", "-C", "nowhere", exits=2).err


def _kinds() -> list[type[errors.PromptopsError]]:
    return [errors.Invalid, errors.NotFound, errors.Conflict, errors.Refused, errors.Unavailable]


@pytest.mark.parametrize("kind", _kinds())
def test_each_kind_of_error_has_its_exit_code_and_its_hint(
    kind: type[errors.PromptopsError], capsys: pytest.CaptureFixture[str]
) -> None:
    from promptops.cli.failures import report

    assert report(kind("it is so", hint="do this"), ["status"]) == EXIT_CODES[kind.kind]
    assert capsys.readouterr().err == "error: it is so\nhint: do this\n"


def test_ctrl_c_is_130_and_a_bug_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from promptops.cli.failures import report

    monkeypatch.delenv("PROMPTOPS_DEBUG", raising=False)
    assert report(KeyboardInterrupt(), []) == 130
    assert report(click.Abort(), []) == 130
    capsys.readouterr()
    assert report(ZeroDivisionError("division by zero"), []) == 1
    said = capsys.readouterr().err
    assert said.splitlines()[0] == "error: internal error: ZeroDivisionError: division by zero"
    assert "Traceback" not in said
    monkeypatch.setenv("PROMPTOPS_DEBUG", "1")
    report(ZeroDivisionError("division by zero"), [])
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_every_error_of_the_files_is_told_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    from promptops.cli.failures import report
    from promptops.core.finding import Finding, Severity

    findings = [
        Finding(code="wrong-type", severity=Severity.ERROR, path=f"{n}.yml", line=n, column=1, message="is a list")
        for n in range(1, 21)
    ]
    assert report(errors.SourceInvalid(findings), []) == 2
    said = capsys.readouterr().err
    assert "20 errors in the files" in said
    assert "  12.yml:12:1  is a list" in said
    assert "… and 8 more" in said
    report(errors.SourceInvalid(findings), ["--json"])
    assert capsys.readouterr().err.count('"wrong-type"') == 20


def test_a_reader_that_leaves_early_hears_no_complaint(told: object, tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root), "PROMPTOPS_REGISTRY": str(tmp_path / "registry.db")}
    command = f"{sys.executable} -m promptops history | true"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, env=environment, check=False)
    assert done.stderr == ""


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("words", ["--help", "rollback --help", "status --json", "rollback", "audit --csv"])
def test_a_reader_that_left_is_141_however_the_answer_is_buffered(
    words: str, unbuffered: str, told: object, tmp_path: Path
) -> None:
    root = Path(__file__).resolve().parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root), "PROMPTOPS_REGISTRY": str(tmp_path / "registry.db")}
    gone, pipe = os.pipe()
    os.close(gone)
    command = [sys.executable, "-m", "promptops", *words.split()]
    environment |= {"PYTHONUNBUFFERED": unbuffered, "PROMPTOPS_ACTOR": "x"}
    try:
        done = subprocess.run(command, stdout=pipe, stderr=subprocess.PIPE, text=True, env=environment, check=False)
    finally:
        os.close(pipe)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no such device here")
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_an_answer_that_finds_no_room_is_not_taken_for_a_change_that_failed(
    unbuffered: str, told: Registry, tmp_path: Path
) -> None:
    root = Path(__file__).resolve().parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root), "PROMPTOPS_REGISTRY": str(tmp_path / "registry.db")}
    environment |= {"PYTHONUNBUFFERED": unbuffered, "PROMPTOPS_ACTOR": "x"}
    command = [sys.executable, "-m", "promptops", "rollback"]
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, env=environment, check=False)
    assert factory.live_version(told) == "0.1.1"
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "error: the answer could not be written: No space left on device",
        "hint: If it was a change, it is done: only the answer is lost. What is live: promptops status",
    ]
