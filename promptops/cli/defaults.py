"""Chooses the channel and the app that a command line leaves out.

In: what was typed, and a registry. Out: exactly one channel and one app, or a refusal that lists the choices. The rules
it keeps: it only chooses where one answer is possible, and it needs no valid file in the workspace.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from promptops import config
from promptops.core.errors import ChannelNotFound, Invalid, NothingDeployed, ReferenceInvalid
from promptops.core.reference import Reference, parse_reference

if TYPE_CHECKING:
    from promptops.cli.session import Session
    from promptops.gateway import Gateway

USUAL = "prod"
"""The channel that is chosen first: a rollback in a hurry is nearly always for it."""
_APP_NAME = re.compile(r"^name:\s*[\"']?([a-z0-9][a-z0-9._-]*)[\"']?\s*(?:#.*)?$", re.MULTILINE)


def whole_release(text: str) -> Reference:
    """Read a reference to a whole release.

    Raises:
        ReferenceInvalid: the text is not a reference, or names a prompt: all prompts of a release go together.
    """
    reference = parse_reference(text)
    if reference.prompt:
        whole = str(replace(reference, prompt=""))
        raise ReferenceInvalid(
            f"'{text}' names a prompt, and a release is of a whole app: all of its prompts go together",
            hint=f"For all of them: {whole}",
        )
    return reference


def apps_and_channel(texts: Sequence[str], channel: str | None) -> tuple[tuple[str, ...], str | None]:
    """Read apps, each typed as ``app`` or ``app:channel``, and the one channel that they and ``--channel`` name.

    Raises:
        Invalid: as for :func:`app_and_channel`, or they name several channels.
    """
    names: list[str] = []
    typed = channel
    for text in texts:
        name, typed = app_and_channel(text, typed)
        names.append(name)
    return tuple(names), typed


def app_and_channel(text: str, channel: str | None) -> tuple[str, str | None]:
    """Read ``app`` or ``app:channel``, the form in which people copy it out of a status.

    Raises:
        Invalid: it names a release or a prompt, or another channel than ``--channel``.
    """
    reference = parse_reference(text)
    if reference.fixed:
        raise Invalid(
            f"'{text}' names a release, and an app is needed here",
            hint=f"To go back to it: promptops rollback {reference.app} --to {reference.version or reference.digest}",
        )
    if reference.prompt:
        raise Invalid(
            f"'{text}' names a prompt, and an app is needed here: all of its prompts go together",
            hint=f"Write {reference.app}.",
        )
    if reference.channel and channel and reference.channel != channel:
        raise Invalid(f"'{text}' and --channel {channel} name two channels", hint="Give one of them.")
    return reference.app, reference.channel or channel


def choose_channel(gateway: Gateway, named: str) -> str:
    """Returns the channel that is named, else ``prod``, else the registry's only channel.

    Raises:
        ChannelNotFound: the registry has no channels.
        Invalid: it has several, and none of them is called ``prod``.
    """
    if named:
        return named
    known = gateway.channel_names()
    if USUAL in known:
        return USUAL
    if len(known) == 1:
        return known[0]
    if not known:
        raise ChannelNotFound(
            "the registry has no channels yet", hint="Declare them in promptops.yml: promptops channels apply"
        )
    raise Invalid(
        f"which channel? The command names no channel, and there are {len(known)}: {', '.join(known)}",
        hint=f"Use --channel NAME or set {config.CHANNEL}.",
    )


def choose_app(gateway: Gateway, channel: str, session: Session, *, command: str, every: bool = False) -> str:
    """Returns the only app that is live on the channel, else the app whose folder this is.

    Raises:
        ChannelNotFound: there is no such channel.
        NothingDeployed: no app is live there.
        Invalid: several apps are live there, and this folder belongs to none of them.
    """
    live = gateway.live_on(channel)
    if len(live) == 1:
        return live[0]
    if not live:
        raise NothingDeployed(f"nothing was ever deployed on {channel}", hint="What is live where: promptops status")
    here = _app_of(session.directory, live)
    if here:
        return here
    shown = ", ".join(live[:20]) + (f" and {len(live) - 20} more" if len(live) > 20 else "")
    one = f"promptops {command} APP --channel {channel}"
    raise Invalid(
        f"which app? {len(live)} are live on {channel}: {shown}",
        hint=f"{one}, or all of them: promptops {command} --all --channel {channel}" if every else one,
    )


def _app_of(directory: Path, live: Sequence[str]) -> str:
    """Returns the app of the nearest folder above, by the name in its ``app.yml``, else by the folder's own name.

    A pattern reads the name, not the YAML reader: at 2 am the file may be half edited.
    """
    from promptops.source.tree import WorkingTree

    for folder in (directory, *directory.parents):
        name = folder.name
        try:
            match = _APP_NAME.search(WorkingTree(folder).read("app.yml")[:65_536].decode("utf-8", "replace"))
        except OSError:
            match = None
        if match:
            name = match[1]
        if name in live:
            return name
        if (folder / "promptops.yml").exists():
            return ""
    return ""
