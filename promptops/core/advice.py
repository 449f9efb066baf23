"""What can be done about an error: an action with its arguments, which each face words in its own way.

A hint is a :class:`Sentence`: text with advice in it. As plain text every reader understands it; the command line puts
a command to paste in the place of each advice, and HTTP sends the advice beside the text, with its route. So nothing
below the faces knows how a command or an option is spelled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

Argument: TypeAlias = "str | tuple[str, ...]"


class Action(StrEnum):
    """What a person can do. OPTION names a parameter of the request, and is no action by itself."""

    ABORT_CANARY = "abort-canary"
    APPLY_CHANNELS = "apply-channels"
    APPROVE = "approve"
    BACKUP = "backup"
    CALIBRATE = "calibrate"
    CHECK = "check"
    CONTINUE_RUN = "continue-run"
    CREATE_TOKEN = "create-token"  # noqa: S105 an action
    DIFF = "diff"
    EVALUATE = "evaluate"
    FINISH_CANARY = "finish-canary"
    FSCK = "fsck"
    GATE = "gate"
    HISTORY = "history"
    HOLD = "hold"
    INIT = "init"
    LABEL = "label"
    LIST_TOKENS = "list-tokens"
    MAKE_OVERRIDE = "make-override"
    MAKE_SECRET = "make-secret"  # noqa: S105 an action
    OPTION = "option"
    PROMOTE = "promote"
    READ_AUDIT = "read-audit"
    REBUILD = "rebuild"
    RELEASE = "release"
    REPAIR = "repair"
    RESTORE = "restore"
    RETIRE = "retire"
    REVOKE_TOKEN = "revoke-token"  # noqa: S105 an action
    ROLLBACK = "rollback"
    SET_HOME = "set-home"
    SHOW = "show"
    SHOW_OVERRIDE = "show-override"
    SIGN_JOURNAL = "sign-journal"
    START_CANARY = "start-canary"
    STATUS = "status"
    SYNC = "sync"
    TRANSFER_APP = "transfer-app"
    UNARCHIVE_APP = "unarchive-app"
    UNQUARANTINE = "unquarantine"
    UPGRADE = "upgrade"


_WORDS: Final[Mapping[Action, str]] = {
    Action.ABORT_CANARY: "abort the canary of {app} on {channel}",
    Action.APPLY_CHANNELS: "apply the channels of this workspace",
    Action.APPROVE: "approve of {release} for {channel}",
    Action.BACKUP: "back up the registry",
    Action.CALIBRATE: "measure the judges of {app}",
    Action.CHECK: "check the files",
    Action.CONTINUE_RUN: "continue the run {run}",
    Action.CREATE_TOKEN: "create a token",
    Action.DIFF: "compare the contents",
    Action.EVALUATE: "evaluate {release} for {channel}",
    Action.FINISH_CANARY: "finish the canary of {app} on {channel}",
    Action.FSCK: "check the registry",
    Action.GATE: "see what the gate of {channel} says of {release}",
    Action.HISTORY: "read the history of {app} on {channel}",
    Action.HOLD: "see which digest the held cases of {suite} have",
    Action.INIT: "initialise the registry",
    Action.LABEL: "label answers of the run {run}",
    Action.LIST_TOKENS: "list the tokens",
    Action.MAKE_OVERRIDE: "make an override of {release} on {channel}",
    Action.MAKE_SECRET: "make a secret of a receiver",
    Action.PROMOTE: "promote {release} to {channel}",
    Action.READ_AUDIT: "read the audit log",
    Action.REBUILD: "rebuild the registry from git",
    Action.RELEASE: "release the files",
    Action.REPAIR: "repair the registry",
    Action.RESTORE: "restore a backup",
    Action.RETIRE: "take {app} off {channel}",
    Action.REVOKE_TOKEN: "revoke the token {token}",
    Action.ROLLBACK: "roll back {app} on {channel}",
    Action.SET_HOME: "name the home of the journal",
    Action.SHOW: "show the release",
    Action.SHOW_OVERRIDE: "show the override",
    Action.SIGN_JOURNAL: "see with which key the journal is signed",
    Action.START_CANARY: "start a canary of {release} on {channel}",
    Action.STATUS: "see what is live",
    Action.SYNC: "bring it to git",
    Action.TRANSFER_APP: "transfer {app} to this workspace",
    Action.UNARCHIVE_APP: "bring {app} back",
    Action.UNQUARANTINE: "end the quarantine of {release} on {channel}",
    Action.UPGRADE: "upgrade the registry",
}
"""The plain words of each action, unless the advice brings its own because the sentence needs others."""


@dataclass(frozen=True, slots=True, init=False)
class Advice:
    """One thing that can be done: ``Advice(Action.ROLLBACK, app="bot", channel="prod")``. ``words`` say it plainly."""

    action: Action
    words: str
    arguments: Mapping[str, Argument]

    def __init__(self, action: Action, /, *, words: str = "", **arguments: Argument) -> None:
        object.__setattr__(self, "action", action)
        object.__setattr__(self, "arguments", arguments)
        listed = {name: _listed(value) for name, value in arguments.items()}
        object.__setattr__(self, "words", words or _WORDS[action].format(**listed))


def option(name: str, words: str, *, value: str = "") -> Advice:
    """Returns the name of a parameter, ``words`` in plain text; ``value`` is an example or what stands for one."""
    return Advice(Action.OPTION, words=words, name=name, **({"value": value} if value else {}))


class Sentence(str):
    """A text with advice in it. As a string it is the plain words; :attr:`parts` are the text and the advice."""

    parts: tuple[str | Advice, ...]

    def __new__(cls, *parts: str | Advice) -> Sentence:
        flat = tuple(inner for part in parts for inner in (part.parts if isinstance(part, Sentence) else (part,)))
        made = super().__new__(cls, "".join(part.words if isinstance(part, Advice) else part for part in flat))
        made.parts = flat
        return made

    @classmethod
    def listed(cls, lead: str, steps: Iterable[Advice]) -> Sentence:
        """``lead``, and one step after the other."""
        return cls(lead, *[part for step in steps for part in ("; ", step)][1:])


def advice_in(text: str) -> tuple[Advice, ...]:
    """Returns the advice in a text, in its order; none for a plain text."""
    return tuple(part for part in _parts(text) if isinstance(part, Advice))


def worded(text: str, words: Callable[[Advice, str, str], str]) -> str:
    """Returns the text with each advice as ``words(advice, before, after)`` has it.

    ``before`` is the worded text in front of the advice, and ``after`` the plain text behind it.
    """
    parts, said = _parts(text), ""
    for place, part in enumerate(parts):
        said += words(part, said, str(Sentence(*parts[place + 1 :]))) if isinstance(part, Advice) else part
    return said


def _parts(text: str) -> tuple[str | Advice, ...]:
    return text.parts if isinstance(text, Sentence) else (text,)


def _listed(value: Argument) -> str:
    return value if isinstance(value, str) else ", ".join(value)


WHICH_REGISTRY: Final = Sentence(
    "Check ",
    option("registry", "the URL of the registry"),
    " and PROMPTOPS_REGISTRY; the name is `registry:` in promptops.yml.",
)
"""What to look at where a workspace and a registry do not belong together."""
