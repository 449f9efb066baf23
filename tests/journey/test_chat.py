"""The chat of the example is an application as a team writes it: checked, typed, and tested without a registry."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.journey.terminal import EXAMPLE
from tests.support.checkout import ROOT


@pytest.fixture
def chat(tmp_path: Path) -> Path:
    """A copy of the chat."""
    return shutil.copytree(
        EXAMPLE / "application" / "chat", tmp_path / "chat", ignore=shutil.ignore_patterns("__pycache__")
    )


def python(folder: Path, *arguments: str) -> str:
    """Runs a module of Python in the folder, which has to succeed; returns what it printed."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MYPYPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", *arguments]
    ran = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=900, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def test_its_prompts_have_no_findings(chat: Path) -> None:
    assert "No errors, no warnings (1 app, 2 prompts)" in python(chat, "promptops", "check", "--strict")


def test_its_own_tests_pass(chat: Path) -> None:
    assert "6 passed" in python(chat, "pytest", "-q", "-p", "no:cacheprovider", "test_chat.py")


def test_it_is_typed_by_what_is_made_of_its_prompts(chat: Path) -> None:
    committed = (chat / "prompts.py").read_text(encoding="utf-8")
    python(chat, "promptops", "types", "--out", "prompts.py")
    assert (chat / "prompts.py").read_text(encoding="utf-8") == committed
    strict = ("mypy", "--strict", "--follow-imports=silent", "--config-file", "", "--cache-dir", "cache")
    python(chat, *strict, "chat.py", "test_chat.py")
    text = (chat / "chat.py").read_text(encoding="utf-8")
    (chat / "chat.py").write_text(text.replace("photo=photo", "foto=photo"), encoding="utf-8")
    with pytest.raises(AssertionError, match="foto"):
        python(chat, *strict, "chat.py")
