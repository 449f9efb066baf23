"""The demo's terminal: commands are shown as they are typed, run for real, and remembered."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

EXAMPLE = Path(__file__).resolve().parents[2] / "example-repo"
_LATER = Path(__file__).with_name("later.py")
WIDTH = 100


class Surprise(Exception):
    """Something did not happen as the story tells it."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One command as it was typed, and what it printed."""

    typed: str
    output: str


@dataclass(slots=True)
class Terminal:
    """Runs commands in the scratch directory, shows them before their output, and remembers both."""

    directory: Path
    program: Path
    colour: bool
    shown: list[Shown] = field(default_factory=list)

    def tell(self, text: str) -> None:
        print(f"\n{self._paint('1;36', '# ' + text)}", flush=True)

    def promptops(self, command: str, *, exits: int = 0, later: str = "") -> str:
        """Type `promptops COMMAND`; returns what it printed, without colours. With the clock so much ``later``: 4h."""
        return self.type(f"promptops {command}", exits=exits, later=later)

    def type(self, command: str, *, exits: int = 0, later: str = "") -> str:
        self.announce(command, later=later)
        done = self._run(shlex.split(command), stderr=subprocess.STDOUT, later=later)
        print(done.stdout, end="", flush=True)
        if exits and done.returncode == exits:
            print(self._paint("2", f"(exit code {exits})"), flush=True)
        if done.returncode != exits:
            raise Surprise(f"`{command}` ended with exit code {done.returncode}, not {exits}")
        self.shown.append(Shown(command, done.stdout))
        return re.sub(r"\x1b\[[0-9;]*m", "", done.stdout)

    def python(self, command: str, settings: Mapping[str, str], *, later: str = "") -> str:
        """Run an application with this Python; ``settings`` are its environment, and not shown."""
        self.announce(f"python {command}", later=later)
        done = self._run(["python", *shlex.split(command)], stderr=None, later=later, settings=settings)
        print(done.stdout, end="", flush=True)
        if done.returncode:
            raise Surprise(f"`python {command}` ended with exit code {done.returncode}")
        return done.stdout

    def announce(self, command: str, *, later: str = "") -> None:
        """Show a command as it is typed."""
        when = self._paint("2", f"   # {later} later") if later else ""
        print(f"{self._paint('1;32', '$')} {self._paint('1', command)}{when}", flush=True)

    def ask(self, command: str, *, exits: int = 0, later: str = "") -> Mapping[str, Any]:
        """The answer of `promptops COMMAND --json`, quietly: for what must hold."""
        done = self._run(["promptops", *shlex.split(command), "--json"], stderr=subprocess.PIPE, later=later)
        if done.returncode != exits:
            raise Surprise(f"`promptops {command} --json` ended with exit code {done.returncode}: {done.stderr}")
        answer = json.loads(done.stdout)
        if not isinstance(answer, dict):
            raise Surprise(f"`promptops {command} --json` printed no object")
        return answer

    def quietly(self, *arguments: str) -> None:
        done = self._run(list(arguments), stderr=subprocess.STDOUT)
        if done.returncode:
            raise Surprise(f"`{shlex.join(arguments)}` failed: {done.stdout}")

    def _run(
        self, arguments: list[str], *, stderr: int | None, later: str = "", settings: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        program, *rest = arguments
        if later:
            command = [sys.executable, str(_LATER), later, *(rest if program == "python" else arguments)]
        else:
            command = [{"promptops": str(self.program), "python": sys.executable}.get(program, program), *rest]
        return subprocess.run(
            command,
            cwd=self.directory,
            env={**self.environment(), **(settings or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            encoding="utf-8",
            timeout=600,
            check=False,
        )

    def environment(self) -> dict[str, str]:
        """The reader's own, without settings of promptops and git that would change the story."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("PROMPTOPS_", "GIT_")) and k != "FORCE_COLOR"}
        kept |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "GIT_PAGER": "cat"}
        kept |= {"COLUMNS": str(WIDTH), "PYTHONIOENCODING": "utf-8"}
        kept["PROMPTOPS_SYNC"] = "now"  # nothing is left running behind the demo
        if self.colour:
            kept.pop("NO_COLOR", None)
        return kept | ({"FORCE_COLOR": "1"} if self.colour else {"NO_COLOR": "1"})

    def _paint(self, style: str, text: str) -> str:
        return f"\x1b[{style}m{text}\x1b[0m" if self.colour else text


def expect(condition: bool, what: str) -> None:
    if not condition:
        raise Surprise(f"expected: {what}")


def copy(terminal: Terminal, *names: str) -> None:
    for name in names:
        source, target = EXAMPLE / name, terminal.directory / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copyfile(source, target)


def edit(terminal: Terminal, path: str, old: str, new: str) -> None:
    file = terminal.directory / path
    text = file.read_text(encoding="utf-8")
    expect(text.count(old) == 1, f"{path} says once: {old}")
    file.write_text(text.replace(old, new), encoding="utf-8")
