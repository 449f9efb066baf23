"""The main job from prompt files to a rollback, told on the real command line: `make demo`.

A copy of example-repo/ becomes a git repository with a few commits, and every step of the story is a command that is
run as a reader would type it, on SQLite and offline. What must hold is asserted through `--json`; the first surprise
ends the demo with a message and exit code 1. The directory stays, to play with. `--svg PATH` also draws a picture.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

EXAMPLE = Path(__file__).resolve().parents[2] / "example-repo"
WIDTH = 100
MARTA = "Marta Lindqvist <marta@parcelwise.example>"
JONAS = "Jonas Weber <jonas@parcelwise.example>"


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

    def promptops(self, command: str, *, exits: int = 0) -> str:
        """Type `promptops COMMAND`; returns what it printed, without colours."""
        return self.type(f"promptops {command}", exits=exits)

    def type(self, command: str, *, exits: int = 0) -> str:
        print(f"{self._paint('1;32', '$')} {self._paint('1', command)}", flush=True)
        done = self._run(shlex.split(command), stderr=subprocess.STDOUT)
        print(done.stdout, end="", flush=True)
        if exits and done.returncode == exits:
            print(self._paint("2", f"(exit code {exits})"), flush=True)
        if done.returncode != exits:
            raise Surprise(f"`{command}` ended with exit code {done.returncode}, not {exits}")
        self.shown.append(Shown(command, done.stdout))
        return re.sub(r"\x1b\[[0-9;]*m", "", done.stdout)

    def ask(self, command: str) -> Mapping[str, Any]:
        """The answer of `promptops COMMAND --json`, quietly: for what must hold."""
        done = self._run(["promptops", *shlex.split(command), "--json"], stderr=subprocess.PIPE)
        if done.returncode:
            raise Surprise(f"`promptops {command} --json` ended with exit code {done.returncode}: {done.stderr}")
        answer = json.loads(done.stdout)
        if not isinstance(answer, dict):
            raise Surprise(f"`promptops {command} --json` printed no object")
        return answer

    def quietly(self, *arguments: str) -> None:
        done = self._run(list(arguments), stderr=subprocess.STDOUT)
        if done.returncode:
            raise Surprise(f"`{shlex.join(arguments)}` failed: {done.stdout}")

    def _run(self, arguments: list[str], *, stderr: int) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self.program), *arguments[1:]] if arguments[0] == "promptops" else arguments,
            cwd=self.directory,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            encoding="utf-8",
            timeout=120,
            check=False,
        )

    def _environment(self) -> dict[str, str]:
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


# --- the story -----------------------------------------------------------------------------------


def begin(terminal: Terminal) -> None:
    """A repository of prompts with three commits by two people."""
    terminal.tell(f"A team's prompts, in git: {terminal.directory}")
    terminal.quietly("git", "init", "--quiet")
    terminal.quietly("git", "symbolic-ref", "HEAD", "refs/heads/main")
    be(terminal, MARTA)
    copy(terminal, "promptops.yml", ".gitignore", "README.md")
    commit(terminal, "Start a workspace for our prompts")
    copy(terminal, "apps/support-bot")
    commit(terminal, "support-bot: triage, answer, summarise")
    be(terminal, JONAS)
    copy(terminal, "apps/release-notes")
    commit(terminal, "release-notes: rewrite an entry, write the newsletter")
    terminal.type("git log --oneline")
    terminal.type("git ls-files apps")


def first_release(terminal: Terminal) -> None:
    be(terminal, MARTA)
    terminal.tell("A registry: one SQLite file beside promptops.yml, with the channels that it declares.")
    terminal.promptops("init")
    terminal.tell("Lint, then cut an immutable release of every app from the commit.")
    terminal.promptops("check")
    terminal.promptops("release")
    terminal.tell("Go live step by step. prod takes only what was live on staging.")
    terminal.promptops("promote support-bot@0.1.0 --channel dev")
    refusal = terminal.promptops("promote support-bot@0.1.0 --channel prod", exits=5)
    expect("staging" in refusal, "the refusal names the channel that comes first")
    terminal.promptops("promote support-bot@0.1.0 --channel staging")
    terminal.promptops("promote support-bot@0.1.0 --channel prod")
    terminal.promptops("promote release-notes@0.1.0 --channel dev")


def second_release(terminal: Terminal) -> None:
    be(terminal, JONAS)
    terminal.tell("Three weeks later: a new model for the answers, and a better sentence.")
    edit(terminal, "apps/support-bot/app.yml", "openai/gpt-4o-2024-08-06", "openai/gpt-4.1-2025-04-14")
    edit(
        terminal,
        "apps/support-bot/prompts/answer.prompt.yml",
        "When the articles do not answer the question, say\n      so in one sentence and hand over to a colleague.",
        "When the articles answer only a part of the\n      question, answer it, say in one sentence what is open, "
        "and hand over to a colleague.",
    )
    terminal.promptops("diff support-bot:prod support-bot")
    terminal.type('git commit --quiet --all --message "support-bot: answer with gpt-4.1, say what is open"')
    terminal.promptops("release support-bot")
    terminal.promptops("promote support-bot@0.2.0 --channel staging")
    terminal.promptops("promote support-bot@0.2.0 --channel prod")


def bad_release(terminal: Terminal) -> None:
    terminal.tell("Then somebody means well: fewer hand-overs. It looks harmless, and it passes staging.")
    edit(
        terminal,
        "apps/support-bot/prompts/answer.prompt.yml",
        "Answer from the articles below and from what find_parcel returns, and from nothing else.",
        "Always give a complete answer. Use the articles below where they help.",
    )
    terminal.type('git commit --quiet --all --message "support-bot: hand over less"')
    terminal.promptops("release support-bot")
    terminal.promptops("promote support-bot@0.2.1 --channel staging")
    terminal.promptops("promote support-bot@0.2.1 --channel prod")


def roll_back(terminal: Terminal) -> None:
    be(terminal, MARTA)
    terminal.tell("02:10. The bot makes up rules about refunds. One command:")
    terminal.promptops('rollback support-bot --reason "makes up refund rules"')
    terminal.tell("The pipeline tries again in the morning, and the bad release stays out:")
    refusal = terminal.promptops("promote support-bot@0.2.1 --channel prod", exits=5)
    expect("quarantine" in refusal, "the refusal says that the release is in quarantine")
    terminal.tell("What is live, what a rollback would go to now, and how it came to this:")
    terminal.promptops("status")
    terminal.promptops("history support-bot --channel prod")


def hold_to_it(terminal: Terminal) -> None:
    """What the story claims, asked of the registry."""
    questions = (
        "history support-bot --channel prod",
        "status",
        "rollback support-bot --channel prod --dry-run",
        "check",
    )
    with ThreadPoolExecutor(max_workers=2) as pool:
        history, status, planned, check = pool.map(terminal.ask, questions)
    log = history["deployments"]
    told = [(entry["revision"], entry["kind"], entry["stable"]["version"]) for entry in log]
    expect(
        told == [(4, "rollback", "0.2.0"), (3, "promote", "0.2.1"), (2, "promote", "0.2.0"), (1, "promote", "0.1.0")],
        f"three promotions and a rollback on prod, not {told}",
    )
    expect(log[0]["stable"] == log[2]["stable"], "the rollback serves the very release of revision 2")
    expect(log[0]["from"]["version"] == "0.2.1", "the rollback left 0.2.1")
    apps = {app["app"]: app["channels"] for app in status["apps"]}
    expect(apps["support-bot"]["prod"]["stable"] == log[2]["stable"], "status and history agree")
    expect(apps["support-bot"]["staging"]["stable"]["version"] == "0.2.1", "staging was left alone")
    expect(list(apps["release-notes"]) == ["dev"], "the other app was left alone")
    expect(planned["stable"]["version"] == "0.1.0", "a second rollback would walk further back, not toggle")
    expect(check["errors"] == 0, "the workspace has no errors")


def farewell(terminal: Terminal) -> None:
    terminal.tell("It is yours now. For example:")
    here = shlex.quote(str(terminal.directory))
    print(f"""  export PATH={shlex.quote(str(terminal.program.parent))}:$PATH && cd {here}

  promptops rollback                              walks further back, to 0.1.0; a third one is refused
  promptops diff support-bot@0.2.0 support-bot@0.2.1
  promptops show support-bot:prod
  promptops render support-bot/summarise:prod -v transcript='customer: where is PW-4471-0093?'
  promptops history support-bot --channel prod --at '1m ago'
  promptops unquarantine support-bot@0.2.1 --channel prod --reason 'just looking'
  promptops audit
  promptops --help
""")


def be(terminal: Terminal, person: str) -> None:
    name, address = person.removesuffix(">").split(" <")
    terminal.quietly("git", "config", "user.name", name)
    terminal.quietly("git", "config", "user.email", address)


def copy(terminal: Terminal, *names: str) -> None:
    for name in names:
        source, target = EXAMPLE / name, terminal.directory / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copyfile(source, target)


def commit(terminal: Terminal, message: str) -> None:
    terminal.quietly("git", "add", "--all")
    terminal.quietly("git", "commit", "--quiet", "--message", message)


def edit(terminal: Terminal, path: str, old: str, new: str) -> None:
    file = terminal.directory / path
    text = file.read_text(encoding="utf-8")
    expect(text.count(old) == 1, f"{path} says once: {old}")
    file.write_text(text.replace(old, new), encoding="utf-8")


# --- the picture ---------------------------------------------------------------------------------


def draw(shown: list[Shown], path: Path) -> None:
    """An SVG of a terminal with these commands and their output, as rich draws it, without fonts from elsewhere."""
    import io

    from rich._export_format import CONSOLE_SVG_FORMAT
    from rich.console import Console
    from rich.text import Text

    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    for command in shown:
        console.print(Text.assemble(("$ ", "bold green"), (command.typed, "bold")))
        console.print(Text.from_ansi(command.output.rstrip("\n")), end="\n\n")
    template = re.sub(r"@font-face \{\{.*?\}\}\n", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    drawn = console.export_svg(title="promptops", code_format=template, unique_id="promptops-demo")
    path.write_text(re.sub(r"[ \t]+$", "", drawn, flags=re.MULTILINE), encoding="utf-8")
    print(f"Drew {path}")


def main() -> int:
    options = argparse.ArgumentParser(
        prog="make demo", description="The main job of promptops, on the example repository."
    )
    options.add_argument("--svg", type=Path, metavar="PATH", help="also draw the last commands as a terminal picture")
    chosen = options.parse_args()
    program = Path(sys.executable).with_name("promptops")
    if not program.exists():
        print(f"there is no {program}: `make demo` sets up what is needed", file=sys.stderr)
        return 1
    colour = bool(chosen.svg) or (sys.stdout.isatty() and "NO_COLOR" not in os.environ)
    terminal = Terminal(Path(tempfile.mkdtemp(prefix="promptops-demo-")).resolve(), program, colour)
    try:
        for chapter in (begin, first_release, second_release, bad_release):
            chapter(terminal)
        told = len(terminal.shown)
        roll_back(terminal)
        hold_to_it(terminal)
    except (Surprise, OSError, subprocess.SubprocessError, KeyError, ValueError) as problem:
        print(f"\nThe demo ends here. {problem}\nThe directory: {terminal.directory}", file=sys.stderr)
        return 1
    if chosen.svg:
        draw(terminal.shown[told - 1 :], chosen.svg)
    farewell(terminal)
    return 0


if __name__ == "__main__":
    sys.exit(main())
