"""What a command is given has an end: numbers a range, files a size, and what is no file is not waited for."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from promptops.cli.main import cli
from promptops.store import Registry
from tests.cli.conftest import Promptops

HOSTILE = [
    "99999999999999999999",
    "-99999999999999999999",
    "9" * 5000,
    "nan",
    "inf",
    "1e999",
    "٣",
    "１",
    "1_0",
    "²",
    "0x1",
    "",
    "-1",
]
TIMES = [
    *HOSTILE,
    "9" * 100_000 + "d ago",
    "999999d ago",
    "٣h ago",
    "99999999999999-01-01",
    "9999-12-31T23:59:59.999999-23:59",
]


def _commands(group: click.Group, *before: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    with click.Context(group) as context:
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            if isinstance(command, click.Group):
                yield from _commands(command, *before, name)
            elif command is not None:
                yield (*before, name), command


COMMANDS = list(_commands(cli))
NUMBERS = [
    (name, option.opts[-1])
    for name, command in COMMANDS
    for option in command.params
    if isinstance(option, click.Option)
    and isinstance(option.type, click.types.IntParamType | click.types.FloatParamType)
]


def test_the_numbers_of_all_commands_are_known() -> None:
    assert {("audit", "--limit"), ("rollback", "--expect-revision"), ("serve", "--port"), ("rollback", "--wait")} <= {
        (name[0], option) for name, option in NUMBERS
    }


def test_a_time_out_of_its_range_is_named_as_it_was_typed(registry: Registry, promptops: Promptops) -> None:
    said = promptops("rollback", "bot", "--channel", "dev", "--wait", "2d", exits=2).err
    assert "'2d' is not in the range 0 s to 86400 s" in said


@pytest.mark.parametrize(("name", "option"), NUMBERS)
def test_a_number_out_of_its_range_is_refused(
    name: tuple[str, ...], option: str, told: Registry, promptops: Promptops
) -> None:
    for value in HOSTILE:
        answer = promptops(*name, f"{option}={value}", exits=2)
        assert "internal error" not in answer.err
        assert len(answer.err) < 1000
        assert option in answer.err or "no such option" in answer.err  # --wait may stand before an app


@pytest.mark.parametrize("option", ["--at", "--since", "--until", "--expires"])
def test_a_time_that_is_none_is_refused(option: str, told: Registry, promptops: Promptops) -> None:
    for name, command in COMMANDS:
        if any(option in parameter.opts for parameter in command.params):
            for value in TIMES:
                arguments = ["ci", "--scope", "read"] if name == ("token", "create") else []
                answer = promptops(*name, *arguments, f"{option}={value}", "--json", exits=2)
                assert "internal" not in answer.err


@pytest.fixture
def strange(tmp_path: Path) -> dict[str, Path]:
    """Things that are no files, and one that is far too large."""
    pipe, sparse, link = tmp_path / "pipe", tmp_path / "sparse", tmp_path / "link"
    os.mkfifo(pipe)
    with sparse.open("wb") as file:
        file.truncate(1 << 40)
    link.symlink_to("/dev/zero")
    return {
        "zero": Path("/dev/zero"),
        "random": Path("/dev/urandom"),
        "pipe": pipe,
        "sparse": sparse,
        "link": link,
        "folder": tmp_path,
    }


@pytest.mark.parametrize("kind", ["zero", "random", "pipe", "sparse", "link", "folder"])
def test_values_are_read_from_a_regular_file_of_a_size(
    kind: str, strange: dict[str, Path], workspace: Path, promptops: Promptops
) -> None:
    answer = promptops("render", "bot/greet", "--vars", str(strange[kind]), exits=2)
    assert ("over 16,777,216 bytes" if kind == "sparse" else "not a regular file") in answer.err or kind == "folder"


def test_values_come_from_a_pipe_that_the_shell_opened(workspace: Path, promptops: Promptops) -> None:
    """As in ``--vars <(command)``."""
    reads, writes = os.pipe()
    with open(writes, "wb") as pipe:
        pipe.write(b'{"name": "Ada"}')
    try:
        assert "Ada" in promptops("render", "bot/greet", "--vars", f"/dev/fd/{reads}").out
    finally:
        os.close(reads)
    with Path("/dev/zero").open("rb") as endless:
        answer = promptops("render", "bot/greet", "--vars", f"/dev/fd/{endless.fileno()}", exits=2)
        assert "over 16,777,216 bytes" in answer.err


def test_standard_input_has_an_end_too(workspace: Path, promptops: Promptops, monkeypatch: pytest.MonkeyPatch) -> None:
    with Path("/dev/zero").open("rb") as endless:
        text = io.TextIOWrapper(endless)
        monkeypatch.setattr(sys, "stdin", text)
        assert "over 16,777,216 bytes" in promptops("render", "bot/greet", "--vars", "-", exits=2).err
        text.detach()


@pytest.mark.parametrize("kind", ["zero", "pipe", "sparse", "link"])
@pytest.mark.parametrize("place", ["promptops.yml", "bot/prompts/greet.prompt.yml", "bot/app.yml"])
def test_a_source_file_that_is_none_is_not_waited_for(
    place: str, kind: str, strange: dict[str, Path], workspace: Path, promptops: Promptops
) -> None:
    apps = workspace / next(path for path in ("apps", ".") if (workspace / path / "bot").exists())
    target = workspace / place if place == "promptops.yml" else apps / place
    target.unlink(missing_ok=True)
    strange[kind].rename(target) if kind in ("pipe", "sparse") else target.symlink_to("/dev/zero")
    no_workspace = place == "promptops.yml" and kind != "sparse"  # then the folder is checked as one app
    answer = promptops("check", exits=0 if no_workspace else 2)
    assert "internal error" not in answer.err + answer.out


@pytest.mark.parametrize("kind", ["zero", "pipe"])
def test_a_backup_that_is_no_file_is_refused(
    kind: str, strange: dict[str, Path], registry: Registry, promptops: Promptops
) -> None:
    target = strange["pipe"].with_name("backup") if kind == "zero" else strange["pipe"]
    manifest = Path(f"{target}.manifest.json")
    if kind == "zero":
        target.symlink_to("/dev/zero")
    manifest.write_text("{}")
    answer = promptops("db", "restore", str(target), "--registry", "sqlite:///other.db", exits=2)
    assert "internal error" not in answer.err


EVIL = {
    "stars": ("promptops.yml", "registry: team\napps: [bot, '" + "*a" * 100 + "b']\n", 2),
    "openings": ("bot/prompts/greet.prompt.yml", "messages: [{role: user, content: '" + "{{ a" * 16_000 + "'}]\n", 2),
    "statements": ("bot/prompts/greet.prompt.yml", "messages: [{role: user, content: '" + "{% " * 20_000 + "'}]\n", 2),
    "comments": ("bot/prompts/greet.prompt.md", "<!-- promptops: ignore[" * 3_000, 0),
    "pattern": (
        "bot/prompts/greet.prompt.yml",
        "messages: [{role: user, content: '{{x}}'}]\n"
        f"inputs: {{x: {{pattern: '^(a+)+$', default: '{'a' * 60}!'}}}}\n",
        2,
    ),
}


@pytest.mark.parametrize("name", EVIL)
def test_check_ends_as_its_user_runs_it(name: str, workspace: Path, promptops: Promptops) -> None:
    place, text, code = EVIL[name]
    (workspace / place).write_text(text)
    if place.endswith(".md"):
        (workspace / "bot/prompts/greet.prompt.yml").unlink()
    assert "internal error" not in promptops("check", exits=code).err
