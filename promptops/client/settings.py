"""The settings of a client: arguments first, then the environment. The only module of the client that reads it.

An argument that is given wins over its variable, also if it is empty.
"""

from __future__ import annotations

import logging
import os
import re
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any, TypeVar

from promptops.client.sources.configured import SourceOption, find_sources
from promptops.client.sources.source import SourcePlace
from promptops.client.state.release_set import Required
from promptops.client.status import log
from promptops.core.errors import Invalid
from promptops.core.model import is_name
from promptops.core.reference import Reference, parse_reference

if TYPE_CHECKING:
    import ssl

REGISTRY = "PROMPTOPS_REGISTRY"
CHANNEL = "PROMPTOPS_CHANNEL"
TOKEN = "PROMPTOPS_TOKEN"  # noqa: S105 the name of a variable
TOKEN_FILE = "PROMPTOPS_TOKEN_FILE"  # noqa: S105 the same
VERSION = "PROMPTOPS_VERSION"
EARLIER_VERSION = "PROMPTOPS_PIN"  # its name until 0.2, still read
BUNDLE = "PROMPTOPS_BUNDLE"
OVERRIDE = "PROMPTOPS_OVERRIDE"
CACHE = "PROMPTOPS_CACHE"
OTEL_ALSO = "PROMPTOPS_OTEL_ALSO"

T = TypeVar("T")

_NONE = frozenset({"", "0", "off", "no", "none", "false"})
_OFF = frozenset({"off", "false", "none"})
_HOOK = "Give a plain function; in asyncio it can make a task: asyncio.create_task(work())."


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientSettings:
    """All settings of a client, checked. The places have the tokens, which are in no repr."""

    places: tuple[SourcePlace, ...]
    channels: tuple[str, ...]
    apps: tuple[str, ...] = ()
    required: Required = ()
    fixed: tuple[Reference, ...] = ()
    versions: tuple[Reference, ...] = ()
    bundle: str = ""
    override: str = ""
    cache: str | None = None
    caching: bool = True
    poll: float = 30.0
    timeout: float = 5.0
    start_timeout: float = 1.5
    max_stale: float | None = None
    strict: bool = False
    heartbeat: bool = True
    name: str = ""
    proxy: str | None = field(default=None, repr=False)
    verify: bool | str | ssl.SSLContext = True

    def __post_init__(self) -> None:
        for seconds, name, least in (
            (self.poll, "poll", 0.05),
            (self.timeout, "timeout", 0.01),
            (self.start_timeout, "start_timeout", 0.0),
            (self.max_stale if self.max_stale is not None else 1.0, "max_stale", 0.0),
        ):
            if not least <= seconds <= 86_400 * 366:
                raise Invalid(f"{name} is {seconds!r}, not a number of seconds of at least {least:g}")
        if self.strict and self.max_stale is None:
            raise Invalid(
                "strict=True refuses prompts that are too old, and needs max_stale to know which are",
                hint="max_stale=…",
            )


def variable(name: str) -> str:
    """Returns the value of a variable of the environment, or an empty text."""
    return os.environ.get(name, "").strip()


def channels_of(channel: str | Sequence[str] | None) -> tuple[str, ...]:
    """Returns the channels that are followed; the first is the process's own.

    Raises:
        Invalid: none is named, or what is named cannot be a channel.
    """
    given = variable(CHANNEL) if channel is None else channel
    listed = (given,) if isinstance(given, str) else tuple(given)
    named = tuple(dict.fromkeys(name for name in listed if name))
    if not named:
        raise Invalid("a client follows a channel, and none is named", hint=f"Client(…, channel='prod') or {CHANNEL}.")
    for name in named:
        if not is_name(name):
            raise Invalid(f"{name[:80]!r} is not a channel's name")
    return named


def places_of(
    source: SourceOption | Sequence[SourceOption] | None,
    token: str | os.PathLike[str] | None = None,
    *,
    allow_http: bool,
) -> tuple[SourcePlace, ...]:
    """Returns the places that are read from, in order, with their tokens. A path is that of a file with the token.

    Raises:
        Invalid: none is named, or one cannot be read from.
    """
    tokens, file = [token] if isinstance(token, str) and token else [], ""
    if token is None:
        tokens = variable(TOKEN).split()
        file = "" if tokens else variable(TOKEN_FILE)
    elif not isinstance(token, str):
        file = os.fspath(token)
    named = variable(REGISTRY) if source is None else source
    return find_sources(named, tokens, file=_absolute(file), allow_http=allow_http)


def apps_of(apps: Sequence[str] | None) -> tuple[str, ...]:
    """Returns the apps that are wanted, in order; all of them if none is named.

    Raises:
        Invalid: a name that cannot be an app's.
    """
    names = tuple(sorted(set(apps or ())))
    if isinstance(apps, str) or not all(map(is_name, names)):
        raise Invalid(f"apps is {apps!r}, not a list of names of apps")
    return names


def references_of(listed: Sequence[str] | str | None, what: str) -> tuple[Reference, ...]:
    """Returns versions of apps, ``support-bot@1.3.0``; a text may name several, between commas or white space.

    Raises:
        Invalid: for what is no version of an app.
    """
    texts = re.split(r"[,\s]+", listed) if isinstance(listed, str) else list(listed or ())
    references = []
    for text in texts:
        if text == "":
            continue
        reference = parse_reference(text)
        if not reference.version or reference.prompt:
            raise Invalid(
                f"{what} names {text[:80]!r}, which is not a version of an app", hint="For example bot@1.3.0."
            )
        references.append(reference)
    return tuple(references)


def fixed_versions() -> tuple[Reference, ...]:
    """Returns the version that the environment fixes for each app: of ``PROMPTOPS_VERSION``, else of its earlier name.

    Raises:
        Invalid: a text that is not a version of an app, or two versions of one app.
    """
    name = EARLIER_VERSION if variable(EARLIER_VERSION) and not variable(VERSION) else VERSION
    if name == VERSION and variable(EARLIER_VERSION):
        log(logging.WARNING, "setting-ignored", "%s is ignored, because %s is set too", EARLIER_VERSION, VERSION)
    fixed: dict[str, Reference] = {}
    for reference in references_of(variable(name), name):
        other = fixed.setdefault(reference.app, reference)
        if other != reference:
            raise Invalid(
                f"{name} fixes '{reference.app}' at {other.version} and at {reference.version}", hint="Keep one."
            )
    return tuple(fixed.values())


def required_of(required: Required) -> Required:
    """Returns the prompts that an application cannot do without, each with the variables it gives, if it names them.

    Raises:
        Invalid: a text is not the name of a prompt. It would be lacking for ever, and nothing would be followed.
    """
    if isinstance(required, str):
        raise Invalid(f"required is {required[:80]!r}, not a list of prompts", hint=f"required=[{required[:80]!r}]")
    for name in required:
        reference = parse_reference(name)
        if not reference.prompt or reference.fixed or reference.channel:
            raise Invalid(f"required names {name[:80]!r}, which is not a prompt", hint="For example bot/answer.")
    if not isinstance(required, Mapping):
        return tuple(required)
    for name, given in required.items():
        if isinstance(given, str):
            raise Invalid(f"required gives '{name}' {given[:80]!r}, not a list of variables", hint=f"[{given[:80]!r}]")
    return {name: tuple(given) for name, given in required.items()}


def fallbacks_of(given: object) -> Mapping[str, Any]:
    """Returns what is given for each prompt when there is nothing to serve.

    Raises:
        Invalid: it is no mapping, or one is not for a prompt.
    """
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise Invalid("fallbacks is not a mapping", hint="fallbacks={'bot/answer': 'We will be back.'}")
    for name in given:
        reference = parse_reference(name)
        if not reference.prompt or reference.fixed or reference.channel:
            raise Invalid(f"fallbacks names {name[:80]!r}, which is not a prompt", hint="For example bot/answer.")
    return given


def hook_of(hook: T, name: str) -> T:
    """Returns a hook of the application, to be called.

    Raises:
        Invalid: it is a coroutine function, and a call of it would never be awaited.
    """
    if iscoroutinefunction(hook) or iscoroutinefunction(getattr(hook, "__call__", None)):  # noqa: B004
        raise Invalid(f"{name} is a coroutine function, and is called without being waited for", hint=_HOOK)
    return hook


def cache_of(cache_dir: str | os.PathLike[str] | bool | None) -> tuple[bool, str | None]:
    """Returns whether there is a cache on disk, and the folder that is named for it; None for the default place."""
    if cache_dir is None:
        value = variable(CACHE)
        return (True, None) if CACHE not in os.environ else (value.lower() not in _NONE, _absolute(value) or None)
    if isinstance(cache_dir, bool):
        return cache_dir, None
    if isinstance(cache_dir, str) and cache_dir.lower() in _OFF:
        return False, None
    return True, _absolute(os.fspath(cache_dir)) or None


def path_of(given: str | os.PathLike[str] | None, name: str) -> str:
    """Returns the given path, else that of the variable; empty if there is neither."""
    return _absolute(variable(name) if given is None else os.fspath(given))


def _absolute(path: str) -> str:
    """Returns the absolute path, because some processes change their directory when they begin to work."""
    return os.path.abspath(os.path.expanduser(path)) if path else ""


def name_of(given: str | None) -> str:
    """Returns the name of a process in ``promptops clients``: the given one, else ``host:pid``."""
    return (given or f"{socket.gethostname()}:{os.getpid()}")[:200]
