"""Converts between the text that a user types to name something and a Reference.

``support-bot``                 an app
``support-bot@1.4.0``           a fixed release, by version
``support-bot@sha256:9f86…``    a fixed release, by digest (at least 8 hex digits)
``support-bot:prod``            the release that a channel serves now

Each may name a prompt: ``support-bot/answer``, ``support-bot/answer@1.4.0``. ``@`` always names the same
release, ``:`` follows the channel.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from promptops.core.errors import ReferenceInvalid
from promptops.core.model import is_name, is_segment

_FORMS = "Write app, app@1.4.0, app@sha256:<hex>, app:channel, or any of these with /prompt after the app."
# The official pattern of https://semver.org without build metadata, which has no precedence and so names nothing.
VERSION = re.compile(
    r"(?:0|[1-9]\d{0,8})\.(?:0|[1-9]\d{0,8})\.(?:0|[1-9]\d{0,8})"
    r"(?:-(?:0|[1-9]\d{0,8}|\d*[a-zA-Z-][0-9a-zA-Z-]*)(?:\.(?:0|[1-9]\d{0,8}|\d*[a-zA-Z-][0-9a-zA-Z-]*))*)?",
    re.ASCII,
)
DIGEST = re.compile(r"sha256:[0-9a-f]{8,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """An app, and at most one of version, digest and channel. ``prompt`` is empty for the whole app."""

    app: str
    prompt: str = ""
    version: str = ""
    digest: str = ""
    channel: str = ""

    @property
    def fixed(self) -> bool:
        """True where the reference names one release for ever."""
        return bool(self.version or self.digest)

    def __str__(self) -> str:
        name = f"{self.app}/{self.prompt}" if self.prompt else self.app
        if self.channel:
            return f"{name}:{self.channel}"
        return f"{name}@{self.version or self.digest}" if self.fixed else name


def require_text(name: object) -> None:
    """Does nothing for a text, which may be the name of an app or a prompt.

    Raises:
        ReferenceInvalid: it is something else.
    """
    if not isinstance(name, str):
        shown = repr(name)
        shown = shown if len(shown) <= 80 else f"{shown[:60]} … of type {type(name).__name__}"
        raise ReferenceInvalid(f"{shown} is not text, and so no name of an app or a prompt", hint=_FORMS)


def parse_reference(text: str) -> Reference:
    """Read one reference.

    Raises:
        ReferenceInvalid: with the part that is wrong and the forms that are right.
    """
    require_text(text)
    name, at, fixed = text.partition("@")
    channel = ""
    if not at:
        name, colon, channel = text.partition(":")
        if colon and not is_name(channel):
            raise ReferenceInvalid(f"'{text}': '{channel}' is not a channel's name", hint=_FORMS)
    app, slash, prompt = name.partition("/")
    if not is_name(app):
        raise ReferenceInvalid(
            f"'{text}': '{app}' is not an app's name (lower case letters, digits, . _ -)", hint=_FORMS
        )
    if slash and not all(is_segment(segment) for segment in prompt.split("/")):
        raise ReferenceInvalid(f"'{text}': '{prompt}' is not a prompt's name", hint=_FORMS)
    version, digest = "", ""
    if at:
        if VERSION.fullmatch(fixed.removeprefix("v")):
            version = fixed.removeprefix("v")
        elif DIGEST.fullmatch(fixed):
            digest = fixed
        else:
            raise ReferenceInvalid(f"'{text}': '{fixed}' is neither a version nor a digest", hint=_FORMS)
    return Reference(app=app, prompt=prompt, version=version, digest=digest, channel=channel)
