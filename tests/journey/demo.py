"""The main job from prompt files to a rollback and to canaries, told on the real command line: `make demo`.

A copy of example-repo/ becomes a git repository with a few commits, and every step of the story is a command that is
run as a reader would type it, on SQLite and offline. What must hold is asserted through `--json`; the first surprise
ends the demo with a message and exit code 1. The directory stays, to play with. `--svg PATH` also draws a picture.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.journey.canarying import finish_a_good_one
from tests.journey.following import follow
from tests.journey.model_server import served
from tests.journey.sentiment import evaluate
from tests.journey.terminal import WIDTH, Shown, Surprise, Terminal, copy, edit, expect

MARTA = "Marta Lindqvist <marta@parcelwise.example>"
JONAS = "Jonas Weber <jonas@parcelwise.example>"


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
    edit(terminal, "apps/support-bot/app.yml", "openai/gpt-5.4-2026-03-05", "openai/gpt-5.2-2025-12-11")
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


def gated(terminal: Terminal) -> None:
    evaluate(terminal, 'git commit --quiet --all --message "{}"')


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
    expect(list(apps["release-notes"]) == ["dev"], "the other apps were left alone")
    expect(apps["sentiment"]["desk"]["stable"]["version"] == "0.3.0", "what passed its gate is live on desk")
    expect(planned["stable"]["version"] == "0.1.0", "a second rollback would walk further back, not toggle")
    expect(check["errors"] == 0, "the workspace has no errors")


def farewell(terminal: Terminal) -> None:
    terminal.tell("It is yours now; what the moved clock dated is of tomorrow. For example:")
    here = shlex.quote(str(terminal.directory))
    print(f"""  export PATH={shlex.quote(str(terminal.program.parent))}:$PATH && cd {here}

  promptops rollback                              puts 0.2.3 back
  promptops diff support-bot@0.2.0 support-bot@0.2.1
  promptops show support-bot:prod
  promptops render support-bot/summarise:prod -v transcript='customer: where is PW-4471-0093?'
  promptops history support-bot --channel prod --at '1m ago'
  promptops unquarantine support-bot@0.2.1 --channel prod --reason 'just looking'
  promptops canary start support-bot@0.2.2 --channel prod --percent 10
  promptops audit
  promptops --help
""")


def be(terminal: Terminal, person: str) -> None:
    name, address = person.removesuffix(">").split(" <")
    terminal.quietly("git", "config", "user.name", name)
    terminal.quietly("git", "config", "user.email", address)


def commit(terminal: Terminal, message: str) -> None:
    terminal.quietly("git", "add", "--all")
    terminal.quietly("git", "commit", "--quiet", "--message", message)


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
        for chapter in (begin, first_release, second_release, gated, bad_release):
            chapter(terminal)
        told = len(terminal.shown)
        roll_back(terminal)
        hold_to_it(terminal)
        picture = terminal.shown[told - 1 :]
        with served() as model:
            follow(terminal, model)
            finish_a_good_one(terminal, model)
    except (Surprise, OSError, subprocess.SubprocessError, KeyError, ValueError) as problem:
        print(f"\nThe demo ends here. {problem}\nThe directory: {terminal.directory}", file=sys.stderr)
        return 1
    if chosen.svg:
        draw(picture, chosen.svg)
    farewell(terminal)
    return 0


if __name__ == "__main__":
    sys.exit(main())
