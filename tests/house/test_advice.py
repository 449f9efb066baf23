"""Below the faces no text spells a command or an option of ours: what can be done is advice, and the faces word it.

Every string counts, parts of f-strings and texts for the log too. Docstrings and bare strings are comments, and do not
count; those of `server/api` do, since the server publishes them in its OpenAPI document. git and pg_dump have commands
and options of their own.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from promptops.cli.main import cli
from promptops.cli.options import global_options
from tests.support.checkout import Module, modules

PG_DUMP = Path("promptops/store/backups/pg_dump.py")
"""It spells the options of pg_dump, of which some are called like ours."""

BELOW = ("core", "evals", "operations", "store", "projection", "server")


def _commands(group: click.Group) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield name, command
        if isinstance(command, click.Group):
            yield from _commands(command)


COMMANDS = sorted(cli.list_commands(click.Context(cli)))
OPTIONS = sorted(
    {
        name
        for _, command in [("", cli), *_commands(cli)]
        for parameter in [*command.params, *global_options()]
        for name in (*parameter.opts, *parameter.secondary_opts)
        if name.startswith("--")
    }
)
SPELLED = re.compile(rf"promptops (?:{'|'.join(COMMANDS)})\b|(?<![\w-])(?:{'|'.join(OPTIONS)})(?![\w-])")


def _texts(module: Module) -> Iterator[tuple[int, str]]:
    comments = {id(node.value) for node in ast.walk(module.tree) if isinstance(node, ast.Expr)}
    if module.path.parts[1:3] == ("server", "api"):
        comments = set()
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in comments:
            yield node.lineno, node.value


def _spelled(module: Module) -> list[str]:
    return [f"{module.path}:{line}: {found[0]}" for line, text in _texts(module) if (found := SPELLED.search(text))]


def _module(text: str, path: str = "promptops/core/x.py") -> Module:
    return Module(path=Path(path), text=text)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("x = 'First: promptops promote bot'", True),
        ("x = f'First: promptops promote {bot} --channel {prod}'", True),
        ("x = f'{bot} --channel {prod}'", True),
        ("raise Invalid('--to and --at are two different targets')", True),
        ("log.warning('%s: see promptops fsck', x)", True),
        ("x = 'a newer promptops wrote it'", False),
        ("x = 'git push --force origin', 'git clone --mirror', '--strict-names'", False),
        ("def f():\n    'What `promptops promote --to` does.'", False),
    ],
)
def test_what_counts_as_spelled(text: str, found: bool) -> None:
    assert bool(_spelled(_module(text))) is found


def test_a_docstring_that_the_server_publishes_counts() -> None:
    text = "def f():\n    'What `promptops promote` does.'"
    assert _spelled(_module(text, "promptops/server/api/x.py"))


def test_no_text_below_the_faces_spells_a_command_or_an_option() -> None:
    assert {"promote", "fsck", "db"} <= set(COMMANDS)
    assert {"--to", "--channel", "--json", "--no-verify"} <= set(OPTIONS)
    below = [module for module in modules("promptops") if module.path.parts[1] in BELOW and module.path != PG_DUMP]
    spelled = [line for module in below for line in _spelled(module)]
    assert spelled == [], "say it with Advice of promptops.core.advice, and word it in cli/output/advice.py"
