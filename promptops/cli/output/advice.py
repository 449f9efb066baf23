"""Advice -> the command to paste, or the option to give: the one place that spells what errors suggest to do."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import Final

from promptops.core.advice import Action, Advice, Argument, worded

COMMANDS: Final[Mapping[Action, str]] = {
    Action.ABORT_CANARY: "canary abort {app} --channel {channel}",
    Action.APPLY_CHANNELS: "channels apply[ --take-over --reason {reason}]",
    Action.APPROVE: "approve {release} --channel {channel}[ --suite {suite}][ --rename {rename}]",
    Action.BACKUP: "db backup FILE",
    Action.CALIBRATE: "judge calibrate {app}",
    Action.CHECK: "check",
    Action.CONTINUE_RUN: "eval run --continue {run}",
    Action.CREATE_TOKEN: "token create NAME[ --scope {scope}][ --person {person}]",
    Action.DIFF: "diff {release}",
    Action.EVALUATE: "eval run {release} --channel {channel}[ --anchor {anchor}]",
    Action.FINISH_CANARY: "canary finish {app} --channel {channel}",
    Action.FSCK: "fsck",
    Action.GATE: "gate {release} --channel {channel}",
    Action.HISTORY: "history {app} --channel {channel}",
    Action.HOLD: "eval hold {app} {suite}",
    Action.INIT: "init",
    Action.LABEL: "judge label {run}",
    Action.LIST_TOKENS: "token list",
    Action.MAKE_SECRET: "notify secret",
    Action.MAKE_OVERRIDE: "override create {release} --channel {channel} --reason …",
    Action.PROMOTE: "promote {release}[ --from {source}] --channel {channel}[ --reason {reason}]",
    Action.READ_AUDIT: "audit --json",
    Action.REBUILD: "rebuild --from-git {place}",
    Action.RELEASE: "release[ {app}][ --version {version}]",
    Action.REPAIR: "fsck --repair",
    Action.RESTORE: "db restore BACKUP",
    Action.RETIRE: "retire {app} --channel {channel} --reason {reason}",
    Action.REVOKE_TOKEN: "token revoke {token}",
    Action.ROLLBACK: "rollback[ {app}][ --channel {channel}][ --to {version}][ --to-revision {revision}][ --at {at}]",
    Action.SHOW: "show {release}",
    Action.SHOW_OVERRIDE: "override show {file}",
    Action.SIGN_JOURNAL: "db journal[ --sign {mode}]",
    Action.START_CANARY: "canary start {release} --channel {channel}",
    Action.STATUS: "status[ {app}]",
    Action.SYNC: "sync[ --remote {remote}]",
    Action.TRANSFER_APP: "app transfer {app} --reason {reason}",
    Action.UNARCHIVE_APP: "app unarchive {app} --reason {reason}",
    Action.UNQUARANTINE: "unquarantine {release} --channel {channel} --reason {reason}",
    Action.SET_HOME: "db home[ {address}]",
    Action.UPGRADE: "db upgrade",
}
"""The command of each action. What is in brackets is left out where the advice does not have these arguments."""

_SPELLED: Final = {"weight": "percent"}
"""Options that a command has under another name than its request, since people type another unit."""

_OPTIONAL: Final = re.compile(r"\[([^\]]*)\]")
_ARGUMENT: Final = re.compile(r"\{(\w+)\}")
_PLACEHOLDER: Final = re.compile(r"[A-Z]+…?|…")
"""What stands for the reader's own words: ``VERSION``, ``…``, ``APP…``."""
_LABEL: Final = re.compile(r"(?:^|: )(?:promptops [^,;:`]*(?:, and |, | and | or |; ))*$")
"""What a command stands behind without quotes: nothing, or a colon, perhaps with other commands in between."""


def as_commands(text: str) -> str:
    """Returns a message or hint with its advice as commands: bare after a colon, in backticks within a sentence."""
    return worded(text, _command)


def _command(advice: Advice, before: str, after: str) -> str:
    if advice.action is Action.OPTION:
        name, value = str(advice.arguments["name"]), advice.arguments.get("value", "")
        spelled = _SPELLED.get(name, name.replace("_", "-"))
        return " ".join([f"--{spelled}", *([_typed(value)] if value else [])])
    template = COMMANDS[advice.action]
    if not _needed(template) <= advice.arguments.keys():
        return advice.words  # an older server or a newer one says less than the command needs
    command = f"promptops {_filled(template, advice.arguments)}"
    bare = _LABEL.search(before) if before else not after or after[0] in ",;"
    return command if bare else f"`{command}`"


def _filled(template: str, arguments: Mapping[str, Argument]) -> str:
    kept = _OPTIONAL.sub(
        lambda part: part[1] if all(name in arguments for name in _ARGUMENT.findall(part[1])) else "", template
    )
    return _ARGUMENT.sub(lambda name: _typed(arguments[name[1]]), kept)


def _needed(template: str) -> set[str]:
    return set(_ARGUMENT.findall(_OPTIONAL.sub("", template)))


def _typed(value: Argument) -> str:
    """The argument as it would be typed, quoted where a shell needs it: a server may have sent it."""
    words = (value,) if isinstance(value, str) else value
    return " ".join(word if _PLACEHOLDER.fullmatch(word) else shlex.quote(word) for word in words)
