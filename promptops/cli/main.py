"""The entry point: finds the command, runs it, and turns every outcome into an exit code.

In: the arguments of the process. Out: its exit code: 0, or 2 to 6 by the kind of error, 1 for a bug, 130 for Ctrl-C.
The rule it keeps: `--help` imports click and this table, nothing else of ours.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import NoReturn

import click

from promptops.cli.exit import Unwritten, writing
from promptops.cli.options import HelpfulGroup, global_options

SECTIONS: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "Write": {
        "init": ("promptops.cli.commands.init", "Set up a workspace and its registry."),
        "check": ("promptops.cli.commands.check", "Lint prompts and apps; needs no registry."),
        "render": ("promptops.cli.commands.prompt", "Print a prompt's messages, or its request to an API."),
        "ls": ("promptops.cli.commands.ls", "Apps, prompts, and variables with their types."),
        "types": ("promptops.cli.commands.types", "Write the types of prompts, for mypy and editors."),
        "ci": ("promptops.cli.commands.ci", "Say what a change does: apps, version, suites, findings."),
        "hooks": ("promptops.cli.commands.hooks", "Refuse pushes with errors, here or on the server."),
        "eval": ("promptops.cli.commands.eval", "Ask models the cases of suites, and grade what they answer."),
        "judge": ("promptops.cli.commands.judge", "Measure judges by what people say of the same answers."),
    },
    "Release": {
        "release": ("promptops.cli.commands.release", "Cut immutable releases from a commit."),
        "releases": ("promptops.cli.commands.releases", "List the releases of an app."),
        "show": ("promptops.cli.commands.releases", "Show what a release is made of."),
        "evidence": ("promptops.cli.commands.evidence", "What is known of a release, and how it comes in."),
        "diff": ("promptops.cli.commands.diff", "Compare two releases, channels or the working tree."),
        "yank": ("promptops.cli.commands.release", "Mark a release as never to be served again."),
    },
    "Live": {
        "status": ("promptops.cli.commands.status", "What is live where, since when, and what a rollback would do."),
        "incident": ("promptops.cli.commands.incident", "What is live, what changed, who is behind: on one screen."),
        "gate": ("promptops.cli.commands.gate", "What the gate of a channel says of a release, check by check."),
        "approve": ("promptops.cli.commands.approve", "Approve of a release for a channel, or take that back."),
        "promote": ("promptops.cli.commands.promote", "Make a release the live one of a channel."),
        "canary": ("promptops.cli.commands.canary", "Give a release to a part of the users first."),
        "models": ("promptops.cli.commands.models", "Which models of what is live end, and when."),
        "rollback": ("promptops.cli.commands.rollback", "Put the last good release back, in one transaction."),
        "retire": ("promptops.cli.commands.retire", "Take an app off a channel, in one transaction."),
        "clients": ("promptops.cli.commands.clients", "Which processes serve what right now."),
        "outcomes": ("promptops.cli.commands.outcomes", "What calls did: errors, latency, tokens, cost, results."),
        "cost": ("promptops.cli.commands.outcomes", "What an app's calls cost, and would cost with more of them."),
        "why": ("promptops.cli.commands.why", "Why one call came out as it did, and of which release."),
        "history": ("promptops.cli.commands.history", "Everything that was live on a channel, newest first."),
        "quarantine": ("promptops.cli.commands.quarantine", "Keep a release out of a channel."),
        "unquarantine": ("promptops.cli.commands.quarantine", "Let a quarantined release back in."),
        "override": ("promptops.cli.commands.override", "Serve a release from a file while the registry is away."),
    },
    "Registry": {
        "channels": ("promptops.cli.commands.channels", "List channels, apply those of promptops.yml, or remove one."),
        "notify": ("promptops.cli.commands.notify", "Send what happens to other services: webhooks and Slack."),
        "app": ("promptops.cli.commands.app", "Transfer, rename or archive an app."),
        "serve": ("promptops.cli.commands.serve", "Serve the registry over HTTP."),
        "login": (
            "promptops.cli.commands.context",
            "Keep a token for a server, and work with it from now on.",
        ),
        "logout": (
            "promptops.cli.commands.context",
            "Forget the token of a context, the used one by default.",
        ),
        "context": ("promptops.cli.commands.context", "List the servers that you logged in to, and choose one."),
        "token": ("promptops.cli.commands.token", "Make, list and revoke tokens."),
        "export-snapshot": (
            "promptops.cli.commands.export_snapshot",
            "Write a channel as plain files for a web server or CDN.",
        ),
        "erase": ("promptops.cli.commands.erase", "Remove what was captured of a user's calls, or of one call."),
        "audit": ("promptops.cli.commands.audit", "Who did what, when and why."),
        "sync": ("promptops.cli.commands.sync", "Bring changes to git, and exchange them with a remote."),
        "fsck": ("promptops.cli.commands.fsck", "Check that everything is there, in the database and in git."),
        "rebuild": ("promptops.cli.commands.rebuild", "Make a new registry from git alone."),
        "docs": ("promptops.cli.commands.docs", "The documentation of this version, page by page."),
        "db": ("promptops.cli.commands.db", "Back up, restore, upgrade or inspect the registry."),
    },
}
"""Every command: the module that has it, and its one line of help, by the sections of `promptops --help`."""

COMMANDS = {name: row for section in SECTIONS.values() for name, row in section.items()}

ALIASES: Mapping[str, str] = {"break-glass": "override"}
"""Earlier names of commands: scripts that use them go on working, and no help shows them."""


class LazyGroup(HelpfulGroup):
    """A group whose commands are imported when they are run, not when they are listed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        row = COMMANDS.get(cmd_name)
        if row is None:
            return None
        command = getattr(import_module(row[0]), cmd_name.replace("-", "_"))
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] in ALIASES:
            args = [ALIASES[args[0]], *args[1:]]
        name = args[0] if args else ""
        if name and name not in COMMANDS and not name.startswith("-"):
            ctx.fail(_unknown(name))
        return super().resolve_command(ctx, args)

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: object
    ) -> click.Context:
        with writing(BrokenPipeError):  # click itself would exit with 1, the code of a bug
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> object:
        with writing(BrokenPipeError):
            return super().invoke(ctx)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, rows in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(name, row[1]) for name, row in rows.items()], col_max=16)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[click.shell_completion.CompletionItem]:
        from click.shell_completion import CompletionItem

        rows = [CompletionItem(name, help=row[1]) for name, row in COMMANDS.items() if name.startswith(incomplete)]
        return rows or click.Command.shell_complete(self, ctx, incomplete)


def _unknown(name: str) -> str:
    from difflib import get_close_matches

    if name in ("help", "version"):
        return f"there is no command '{name}'. Did you mean '--{name}'?"
    close = get_close_matches(
        name.lower(), [*COMMANDS, "undo", "revert", "deploy", "publish", "log", "lint", "list"], n=1
    )
    meant = {
        "undo": "rollback",
        "revert": "rollback",
        "deploy": "promote",
        "publish": "release",
        "log": "history",
        "lint": "check",
        "list": "status",
    }
    suggestion = meant.get(close[0], close[0]) if close else ""
    return f"there is no command '{name}'." + (f" Did you mean '{suggestion}'?" if suggestion else "")


def _version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from promptops import __version__

        click.echo(f"promptops {__version__}")
        ctx.exit()


_TOP = """Release registry for LLM prompts.

Prompts in git become immutable releases; releases go live on channels; one command puts the last good one back.

\b
  promptops status                       what is live
  promptops rollback                     put the last good release back
  promptops promote APP@1.4.0 --channel prod
"""

cli = LazyGroup(
    name="promptops",
    help=_TOP,
    params=[
        *global_options(),
        click.Option(
            ["--version"],
            is_flag=True,
            expose_value=False,
            is_eager=True,
            callback=_version,
            help="Show the version and exit.",
        ),
    ],
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Every command has --help, and --json for scripts. `promptops docs` has all pages.",
)


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code; never raises."""
    try:
        code = cli.main(list(arguments), prog_name="promptops", standalone_mode=False)
        with writing():
            sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except Unwritten as lost:
        # Nothing more can be written; keep the interpreter's last flush from complaining.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(lost.__cause__, BrokenPipeError):
            return 141  # 128 + SIGPIPE: the reader (head, less) has left
        from promptops.cli.failures import report

        return report(lost, arguments)
    except BaseException as problem:  # noqa: BLE001 - the last frame: every exception becomes an exit code
        from promptops.cli.failures import report

        return report(problem, arguments)


def main() -> NoReturn:
    """The console script."""
    from promptops.cli import bash

    bash.register()
    # A command runs briefly and imports a lot. With the default thresholds, collecting garbage took a tenth of the time
    # of a rollback; with these it hardly ever starts: at 100,000, it did for a gate over 10,000 cases.
    gc.set_threshold(250_000, 20, 20)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # the parent process closed it
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 open until the process ends
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal that lacks a character must still show the rest
    code = run(sys.argv[1:])
    gc.freeze()  # or the interpreter collects once more at its end, which takes up to a tenth of a second
    sys.exit(code)
