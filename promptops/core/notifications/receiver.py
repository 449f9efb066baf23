"""Who receives notifications: the fact that a workspace declared it, and what ``notify:`` may say of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final, TypeVar, cast

from promptops.core.digest import canonical
from promptops.core.errors import Invalid
from promptops.core.json_value import Json
from promptops.core.names import is_name
from promptops.core.notifications.address import SECRET, Network, Target, read_networks, read_target
from promptops.core.notifications.event import EVENTS, GROUPS
from promptops.core.origin import Origin
from promptops.core.setting_values import Values
from promptops.core.token import matches

MAX_RECEIVERS: Final = 50
"""Receivers of a registry: each has a thread of its own while it is sent something."""
_MAX_SETTINGS: Final = 8 << 10
_PATTERN: Final = re.compile(r"[a-z0-9._*?-]{1,63}")
T = TypeVar("T")
_SLACK: Final = re.compile(r"https://hooks\.slack(?:-gov)?\.com/", re.IGNORECASE)


class Format(StrEnum):
    """The form of a notification: an event as JSON, or a text for Slack and what takes the same."""

    WEBHOOK = "webhook"
    SLACK = "slack"


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """A version of a receiver's settings, as a workspace declared them; without ``settings`` it was removed."""

    name: str
    version: int
    settings: Mapping[str, object] | None = field(hash=False)  # a mapping has no hash, and a fact has one
    actor: str
    at: datetime
    origin: Origin | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiverSettings:
    """What a receiver gets, and where. Empty ``events`` are all of them; channels and apps are patterns."""

    url: str
    target: Target
    format: Format = Format.WEBHOOK
    events: tuple[str, ...] = ()
    channels: tuple[str, ...] = ("*",)
    apps: tuple[str, ...] = ("*",)
    private: tuple[Network, ...] = ()

    def takes(self, kind: str, app: str, channel: str) -> bool:
        """True if it receives events of this kind about an app on a channel, which is empty for one that is on none."""
        wanted = not self.events or kind in self.events or kind.partition(".")[0] in self.events
        return (
            wanted
            and any(matches(pattern, app) for pattern in self.apps)
            and (not channel or any(matches(pattern, channel) for pattern in self.channels))
        )


def read_receiver(name: str, settings: Mapping[str, object]) -> ReceiverSettings:
    """Returns the settings of a receiver.

    Raises:
        Invalid: they cannot be one's; the message begins with the key, as ``notify.NAME.url``.
    """
    path = f"notify.{name}"
    if not is_name(name):
        raise Invalid(f"notify: '{name[:80]}' is not a receiver's name", hint="Lower case letters, digits, . _ and -.")
    canonical(cast("Json", settings), limit=_MAX_SETTINGS)
    values = Values(settings, path)
    url = values.text("url")
    events = values.texts("events")
    for event in events:
        if event not in EVENTS and event not in GROUPS:
            values.refuse("events", f"of {', '.join(GROUPS)}, or one of {', '.join(EVENTS)}")
    patterns = {key: values.texts(key, ("*",)) for key in ("channels", "apps")}
    for key, texts in patterns.items():
        if not all(map(_PATTERN.fullmatch, texts)):
            values.refuse(key, f"names of {key}, with * for any text")
    form = Format(values.choice("format", Format.WEBHOOK.value, [each.value for each in Format]))
    private = _about(f"{path}.private", lambda: read_networks(values.texts("private")))
    values.done()
    target = _about(f"{path}.url", lambda: read_target(url, private))
    if _SLACK.match(url) and SECRET not in url:
        raise Invalid(
            f"{path}.url is a URL of Slack, which is a secret by itself, and git shows it to every reader",
            hint=f"Write https://hooks.slack.com/services/{SECRET}, and the rest into the server's file of secrets.",
        )
    return ReceiverSettings(url=url, target=target, format=form, events=events, private=private, **patterns)


def _about(path: str, read: Callable[[], T]) -> T:
    try:
        return read()
    except Invalid as error:
        raise Invalid(f"{path}: {error.message}", hint=error.hint) from error


def receiver_flaw(name: str, settings: Mapping[str, object]) -> Invalid | None:
    """Returns why these cannot be the settings of a receiver; None if they can."""
    try:
        read_receiver(name, settings)
    except Invalid as error:
        return error
    return None
