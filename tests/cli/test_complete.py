"""What TAB offers: asked of click in this process, and of a real bash that has the script."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete

from promptops.cli.bash import Bash
from promptops.cli.main import cli
from promptops.store import Registry
from tests.cli.conftest import Promptops
from tests.support import factory

ROOT = Path(__file__).resolve().parents[2]


def _offered(line: str) -> list[str]:
    """The offers after a line; its last word, which may be empty, is being typed."""
    *words, incomplete = line.split(" ")
    return [item.value for item in ShellComplete(cli, {}, "promptops", "_X").get_completions(words, incomplete)]


@pytest.fixture
def known(told: Registry) -> Registry:
    """`bot` with three releases, live on prod, and `other` with one, live nowhere."""
    factory.make_releases(told, "other", 1)
    return told


VERSIONS = ["0.1.2", "0.1.1", "0.1.0"]
PINS = [f"bot@{version}" for version in VERSIONS]


@pytest.mark.parametrize(
    ("line", "offers"),
    [
        ("rollback ", ["bot", "other"]),
        ("rollback b", ["bot"]),
        ("releases o", ["other"]),
        ("rollback bot --channel ", ["dev", "prod"]),
        ("status --channel p", ["prod"]),
        ("audit --app ", ["bot", "other"]),
        ("rollback bot --to ", VERSIONS),
        ("rollback --to 0", []),  # of two apps, it could be either
        ("promote ", ["bot", "other"]),  # names alone, while several are possible
        ("promote b", ["bot:prod", *PINS]),
        ("promote bot@0.1.1", ["bot@0.1.1"]),
        ("promote bot:", ["bot:prod"]),
        ("quarantine b", PINS),  # a channel is no fixed release
        ("show b", ["bot", "bot/answer", "bot:prod", *PINS]),
        ("show bot/", ["bot/answer", "bot/answer:prod", *(pin.replace("@", "/answer@") for pin in PINS)]),
        ("render b", ["bot/answer"]),
        ("render bot/answer:", ["bot/answer:prod"]),
        ("diff bot:prod bot@0.1.0", ["bot@0.1.0"]),
        ("show nobody@", []),
        ("show nobody/", []),
    ],
)
def test_words_are_offered_as_the_registry_has_them(
    line: str, offers: list[str], known: Registry, promptops: Promptops
) -> None:
    assert _offered(line) == offers


def test_the_registry_on_the_command_line_is_asked(
    known: Registry, promptops: Promptops, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PROMPTOPS_REGISTRY")
    assert _offered("rollback ") == []
    assert _offered(f"--registry {tmp_path / 'registry.db'} rollback ") == ["bot", "other"]
    (tmp_path / "deep").mkdir()
    assert _offered("-C deep rollback --registry ../registry.db ") == ["bot", "other"]


@pytest.mark.parametrize("url", ["nowhere/registry.db", "garbage.db", "http://x", "postgresql://u@127.0.0.1:1/x", "/"])
def test_trouble_is_no_offer_and_leaves_nothing_behind(
    url: str, promptops: Promptops, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "garbage.db").write_bytes(b"garbage" * 1000)
    for command in ("rollback", "promote", "rollback --channel", "render"):
        assert _offered(f"--registry {url} {command} ") == []
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["garbage.db"]
    assert capsys.readouterr() == ("", "")


def test_a_question_leaves_no_file_beside_the_registry(known: Registry, promptops: Promptops, tmp_path: Path) -> None:
    known.close()
    before = sorted(path.name for path in tmp_path.rglob("*"))
    assert _offered("rollback ") == ["bot", "other"]
    assert sorted(path.name for path in tmp_path.rglob("*")) == before


def test_a_registry_that_does_not_answer_keeps_nobody_waiting(promptops: Promptops) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        start = time.monotonic()
        assert _offered(f"--registry postgresql://u@127.0.0.1:{silent.getsockname()[1]}/x rollback ") == []
        assert time.monotonic() - start < 4.9  # PostgreSQL's own limit is 5


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize(
    ("line", "reply"),
    [
        ("promptops ro", ["rollback"]),
        ("promptops promote bot@0.1.", VERSIONS),  # bash puts in what comes after the @ alone
        ("promptops promote bot@", VERSIONS),
        ("promptops show bot:p", ["prod"]),
        ("promptops rollback --channel=p", ["prod"]),
        ('promptops rollback --reason "it is: bad" b', ["bot"]),
    ],
)
def test_bash_gets_the_part_it_puts_in(
    line: str, reply: list[str], known: Registry, promptops: Promptops, tmp_path: Path
) -> None:
    # What the shell's own word splitting would be is set by hand: a shell without a terminal has no TAB.
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "promptops"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m promptops "$@"\n')
    program.chmod(0o755)
    bash = Bash(cli, {}, "promptops", "_PROMPTOPS_COMPLETE")
    script = bash.source_template % bash.source_vars()
    script += f"COMP_LINE='{line}'; COMP_POINT=${{#COMP_LINE}}; _promptops_completion promptops\n"
    script += 'printf "%s\\n" "${COMPREPLY[@]}"'
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, env=environment, check=False)
    assert (done.stdout.split(), done.stderr) == (reply, "")


def test_the_script_is_handed_out(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "_PROMPTOPS_COMPLETE": "bash_source"}
    command = [sys.executable, "-c", "from promptops.cli.main import main; main()"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert "complete -o nosort -F _promptops_completion promptops" in done.stdout
