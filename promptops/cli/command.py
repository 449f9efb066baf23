"""Declares commands: a command is a function that gets a Session first, and takes the global options beside its own.

The rule it keeps: a command's one line of help is the first line of its docstring, and equals the table in main.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import update_wrapper
from typing import Concatenate, ParamSpec, Protocol

import click
from click.core import ParameterSource

from promptops.cli import complete
from promptops.cli.numbers import Whole
from promptops.cli.options import HelpfulGroup, global_options, typed
from promptops.cli.session import Session

P = ParamSpec("P")
_COMMON = global_options()


class Declare(Protocol):
    """Makes a command of a function that takes a Session first."""

    def __call__(self, function: Callable[Concatenate[Session, P], None], /) -> click.Command: ...


class Command(click.Command):
    """A command that also takes the global options; its help lists them apart."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        return [*super().get_params(ctx), *_COMMON]

    def get_help_option_names(self, ctx: click.Context) -> list[str]:
        return ["-h", "--help"]  # whatever the context: click keeps those of the first one that asks

    def invoke(self, ctx: click.Context) -> object:
        for param in self.params:
            if param.name in ctx.params and ctx.get_parameter_source(param.name) is ParameterSource.COMMANDLINE:
                ctx.params[param.name] = typed(ctx, param, ctx.params[param.name])
        return super().invoke(ctx)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        common = set(map(id, _COMMON))
        records: tuple[list[tuple[str, str]], list[tuple[str, str]]] = ([], [])
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx) if isinstance(param, click.Option) else None
            if record is not None:
                records[id(param) in common].append(record)
        for title, rows in zip(("Options", "Common options"), records, strict=True):
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows, col_max=26)


class NounGroup(Command, HelpfulGroup):
    """A command with subcommands, which takes the global options too."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        self.format_commands(ctx, formatter)
        Command.format_options(self, ctx, formatter)


def command(name: str, *, group: click.Group | None = None, cls: type[Command] = Command) -> Declare:
    """Declare a command. The function's first argument is the Session; the others come from click's own decorators."""

    def declare(function: Callable[Concatenate[Session, P], None]) -> click.Command:
        @click.pass_context
        def call(ctx: click.Context, /, *args: P.args, **kwargs: P.kwargs) -> None:
            function(Session.of(ctx), *args, **kwargs)

        declared = click.command(name, cls=cls)(update_wrapper(call, function))
        if group is not None:
            group.add_command(declared)
        return declared

    return declare


# --- options that several commands share ----------------------------------------------------------

channel_option = click.option(
    "--channel", metavar="NAME", shell_complete=complete.channels, help="The channel. [PROMPTOPS_CHANNEL]"
)
reason_option = click.option("--reason", "-m", default="", metavar="TEXT", help="Why; kept in the log.")
required_reason = click.option("--reason", "-m", required=True, metavar="TEXT", help="Why; kept in the log.")
dry_run_option = click.option("--dry-run", "-n", is_flag=True, help="Say what would happen; change nothing.")
expect_option = click.option(
    "--expect-revision",
    type=Whole(0),
    metavar="N",
    help="Refuse unless the channel is at this revision.",
)
waive_option = click.option(
    "--waive", multiple=True, metavar="CHECK", help="A check of the gate that it need not pass for a while."
)
waived_for_option = click.option("--expires", metavar="LENGTH", help="For how long it is waived: 12h, 3d.")
blind_option = click.option(
    "--blind", is_flag=True, help="Start a canary though no client reports what calls of the app do."
)
callers_option = click.option(
    "--callers-are-ready", is_flag=True, help="Promote what changes the contract to a protected channel; a --reason."
)
key_option = click.option(
    "--key", default="", metavar="KEY", help="Idempotency key: a retry with it is done once and gets the first answer."
)
limit_option = click.option(
    "--limit", type=Whole(1, 10_000_000), metavar="N", help="At most this many. [default: 20, with --json all]"
)


def waiver_words(
    waive: Sequence[str], expires: str | None, reason: str, *, at_once: bool = False, callers_are_ready: bool = False
) -> list[str]:
    """Returns the words of a command that take a person's word, as they were typed, and its reason; else none."""
    words = [word for check in waive for word in ("--waive", check)]
    words += ["--at-once"] if at_once else []
    words += ["--expires", expires or ""] if words else []
    words += ["--callers-are-ready"] if callers_are_ready else []
    return [*words, "--reason", reason] if words else []
