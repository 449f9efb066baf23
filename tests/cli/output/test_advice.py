"""Advice as commands: each one is a real command with real options, quoted so that it can be pasted."""

from __future__ import annotations

import re
import shlex

import click
import pytest

from promptops.cli.main import cli
from promptops.cli.options import global_options
from promptops.cli.output.advice import COMMANDS, as_commands
from promptops.core.advice import Action, Advice, Sentence, option

FSCK, UPGRADE = Advice(Action.FSCK), Advice(Action.UPGRADE)


@pytest.mark.parametrize(
    ("text", "worded"),
    [
        ("Give one of them.", "Give one of them."),
        (Sentence(FSCK), "promptops fsck"),  # the whole hint is a command
        (Sentence("Look closer: ", FSCK), "Look closer: promptops fsck"),  # after a colon it stands bare
        (Sentence("Look: ", FSCK, ", and ", UPGRADE, "."), "Look: promptops fsck, and promptops db upgrade."),
        (Sentence("Look: ", FSCK, "; then mend: ", UPGRADE), "Look: promptops fsck; then mend: promptops db upgrade"),
        # within a sentence it is quoted
        (Sentence("Then ", UPGRADE, " mends it."), "Then `promptops db upgrade` mends it."),
        (Sentence(FSCK, " lists all."), "`promptops fsck` lists all."),
        (Sentence("See: a. ", FSCK, " lists all."), "See: a. `promptops fsck` lists all."),
        (Sentence("Give ", option("to", "a version"), "."), "Give --to."),
        (Sentence(option("expect_revision", "x", value="4")), "--expect-revision 4"),
        (Sentence(option("actor", "x", value="Ada <a@b>")), "--actor 'Ada <a@b>'"),
        (Sentence(Advice(Action.ROLLBACK, app=("a", "b"), channel="prod")), "promptops rollback a b --channel prod"),
        (Sentence(Advice(Action.ROLLBACK, app="APP…", channel="prod")), "promptops rollback APP… --channel prod"),
        (Sentence(Advice(Action.ROLLBACK, words="x", app="bot")), "promptops rollback bot"),
        (
            Sentence(Advice(Action.UNQUARANTINE, release="bot@1.0.0", channel="prod", reason="…")),
            "promptops unquarantine bot@1.0.0 --channel prod --reason …",
        ),
    ],
)  # fmt: skip
def test_how_a_sentence_is_worded(text: str, worded: str) -> None:
    assert as_commands(text) == worded


@pytest.mark.parametrize("value", ["$(X)", "A;RM -RF ~", "`X`", "a b", "'", "X\nY"])
def test_what_a_server_sent_cannot_become_another_command(value: str) -> None:
    said = as_commands(Sentence(Advice(Action.REVOKE_TOKEN, token=value)))
    assert shlex.split(said) == ["promptops", "token", "revoke", value]


def test_advice_without_what_the_command_needs_stays_in_plain_words() -> None:
    assert as_commands(Sentence("First: ", Advice(Action.REVOKE_TOKEN, words="revoke it"))) == "First: revoke it"


def test_every_action_has_a_command() -> None:
    assert set(COMMANDS) == set(Action) - {Action.OPTION}


@pytest.mark.parametrize("pattern", [r"[\[\]]", r"\[[^\]]*\]"], ids=["with all parts", "with what is needed"])
@pytest.mark.parametrize("action", COMMANDS)
def test_every_command_can_be_pasted(action: Action, pattern: str) -> None:
    command: click.Command = cli
    words = re.sub(pattern, " ", COMMANDS[action]).split()
    while isinstance(command, click.Group) and not words[0].startswith("--"):
        found = command.get_command(click.Context(command), words.pop(0))
        assert found is not None
        command = found
    given = [word for word in words if not word.startswith("--")]
    options = {name: parameter for parameter in [*command.params, *global_options()] for name in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= options.keys()
    needed = [parameter for parameter in command.params if parameter.required]
    assert all(set(option.opts) & set(words) for option in needed if isinstance(option, click.Option))
    values = sum(
        not (isinstance(option, click.Option) and option.is_flag) for name, option in options.items() if name in words
    )
    assert len(given) - values >= sum(isinstance(argument, click.Argument) for argument in needed)
