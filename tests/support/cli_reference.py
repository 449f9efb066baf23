"""docs/cli.md, written from the commands themselves: ``python -m tests.support.cli_reference [--write]``.

Every command's help stands there as the terminal shows it, so that the page can be neither wrong nor behind.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import click

from promptops.cli.exit import EXIT_CODES
from promptops.cli.main import SECTIONS, cli
from promptops.config import VARIABLES
from promptops.core import errors
from tests.support.checkout import ROOT

PAGE = ROOT / "docs" / "cli.md"
_WIDTH = 100
_COMMON = "Common options:"

_HEAD = """\
# Command line

Written from the commands by `make docs`; `make check` fails where it is behind. Every command takes `--json`: one JSON
object on stdout and nothing else there; messages and errors go to stderr. The options of `promptops` itself can stand
before or after a command's name, and are listed once, here at the top.
"""


def commands() -> Iterator[tuple[click.Context, click.Command]]:
    """Every command with its context, groups before what is in them, in the order of `promptops --help`."""
    settings = {**cli.context_settings, "terminal_width": _WIDTH, "max_content_width": _WIDTH}
    yield from _walk(click.Context(cli, info_name="promptops", **settings), cli)


def _walk(ctx: click.Context, command: click.Command) -> Iterator[tuple[click.Context, click.Command]]:
    yield ctx, command
    if isinstance(command, click.Group):
        for name in command.list_commands(ctx):
            inner = command.get_command(ctx, name)
            assert inner is not None, f"{ctx.command_path} lists {name} and has none"
            yield from _walk(click.Context(inner, info_name=name, parent=ctx), inner)


def page() -> str:
    """The whole page."""
    parts = [_HEAD, _contents()]
    for ctx, command in commands():
        lines = [line.rstrip() for line in command.get_help(ctx).splitlines()]
        if _COMMON in lines:
            lines = lines[: lines.index(_COMMON)]
        parts.append(f"## {ctx.command_path}\n\n```text\n{chr(10).join(lines).strip()}\n```\n")
    parts += [_environment(), _exit_codes()]
    return "\n".join(parts)


def _contents() -> str:
    rows = [
        f"| {title} | " + ", ".join(f"[`{name}`](#promptops-{name})" for name in names) + " |"
        for title, names in SECTIONS.items()
    ]
    return "\n".join(["| | |", "|---|---|", *rows, ""])


def _environment() -> str:
    rows = [f"| `{name}` | {meaning.replace('<', '&lt;')} |" for name, meaning in VARIABLES.items()]
    return "\n".join(["## Environment", "", "| variable | what it is |", "|---|---|", *rows, ""])


def _exit_codes() -> str:
    kinds = sorted(errors.PromptopsError.__subclasses__(), key=lambda kind: EXIT_CODES[kind.kind])
    rows = [f"| {EXIT_CODES[kind.kind]} | {kind.kind} | {_meaning(kind)} |" for kind in kinds]
    return "\n".join(
        [
            "## Exit codes",
            "",
            "| code | kind | |",
            "|---|---|---|",
            "| 0 | | done; for `check`: no finding is an error |",
            "| 1 | Error | a bug in promptops: `PROMPTOPS_DEBUG=1` shows the traceback |",
            *rows,
            "| 130 | | interrupted with Ctrl-C |",
            "",
        ]
    )


def _meaning(kind: type[errors.PromptopsError]) -> str:
    first = (kind.__doc__ or "").strip().splitlines()[0]
    return first.split(". ")[0].rstrip(".").lower()


def main(arguments: list[str]) -> int:
    """Write the page, or say whether it is current."""
    if "--write" in arguments:
        PAGE.write_text(page(), encoding="utf-8")
        return 0
    if PAGE.is_file() and PAGE.read_text(encoding="utf-8") == page():
        return 0
    print(f"{PAGE.relative_to(ROOT)} is behind the commands: run `make docs`", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
