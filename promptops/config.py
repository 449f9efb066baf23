"""Reads settings from a flag, the environment and the workspace, in that order. The only reader of the environment.

In: flags as typed, environment variables, the folder of the workspace. Out: the registry's URL, of a database or of a
server; the actor, the channel.
The rule it keeps: every environment variable promptops reads is a row of :data:`VARIABLES`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path

from promptops.core.actor import require_claim
from promptops.core.errors import ActorUnknown, Invalid, WorkspaceNotFound
from promptops.core.server_url import hide_password, require_server_url

REGISTRY = "PROMPTOPS_REGISTRY"
CHANNEL = "PROMPTOPS_CHANNEL"
ACTOR = "PROMPTOPS_ACTOR"
DEBUG = "PROMPTOPS_DEBUG"
SYNC = "PROMPTOPS_SYNC"
TOKEN = "PROMPTOPS_TOKEN"  # noqa: S105 the name of a setting
TOKEN_FILE = "PROMPTOPS_TOKEN_FILE"  # noqa: S105 the name of a setting
ID_TOKEN = "PROMPTOPS_ID_TOKEN"  # noqa: S105 the name of a setting
GITHUB_ID_TOKEN_URL = "ACTIONS_ID_TOKEN_REQUEST_URL"  # noqa: S105 the name of a setting
GITHUB_ID_TOKEN_BEARER = "ACTIONS_ID_TOKEN_REQUEST_TOKEN"  # noqa: S105 the name of a setting
DIRECT = "PROMPTOPS_DIRECT"
SIGNING_KEY = "PROMPTOPS_SIGNING_KEY"
SIGNING_KEY_FILE = "PROMPTOPS_SIGNING_KEY_FILE"
REGISTRY_KEY = "PROMPTOPS_REGISTRY_KEY"
HELD = "PROMPTOPS_HELD"
HELD_TOKEN = "PROMPTOPS_HELD_TOKEN"  # noqa: S105 the name of a setting
NOTIFY_SECRETS = "PROMPTOPS_NOTIFY_SECRETS"
GITHUB_ACTIONS = "GITHUB_ACTIONS"

VARIABLES: Mapping[str, str] = {
    REGISTRY: "the registry: an SQLite or PostgreSQL URL, the path of an SQLite file, or a server's URL; as --registry",
    TOKEN: "the token for a server; never an option, because a list of processes shows options",
    TOKEN_FILE: "the path of a file with that token, which is read anew when it changes; ignored if the token is set",
    ID_TOKEN: "the ID token of a CI job, for `promptops token exchange`; never shown",
    GITHUB_ID_TOKEN_URL: "where GitHub makes ID tokens for a job, as GitHub sets it",
    GITHUB_ID_TOKEN_BEARER: "what a job shows there, as GitHub sets it; sent nowhere else, and never shown",
    DIRECT: "the database behind the server, for `promptops rollback --direct`",
    CHANNEL: "the channel of commands that take --channel, and of an application's client",
    ACTOR: 'who is recorded for a change, "Name <address>"; as --actor',
    "PROMPTOPS_VERSION": "versions that a client serves, not the channel's: support-bot@1.3.0, with commas between",
    "PROMPTOPS_PIN": "the earlier name of PROMPTOPS_VERSION; ignored if both are set",
    "PROMPTOPS_BUNDLE": "what a client serves before it has reached anything: a folder that export-snapshot wrote",
    "PROMPTOPS_OVERRIDE": "where a client looks for overrides: a file, or a folder of *.override.json",
    "PROMPTOPS_CACHE": "where a client keeps the last good prompts: a folder, or off",
    "PROMPTOPS_OTEL_ALSO": "whose names spans get as well, with commas between: langfuse, openinference",
    SYNC: "when changes are brought to git: background (the default), now, or off; `promptops sync` does it anyway",
    SIGNING_KEY: "the private key that signs the journal, as text; never an option, and never shown",
    SIGNING_KEY_FILE: "the path of the file with that key; ignored if PROMPTOPS_SIGNING_KEY is set",
    REGISTRY_KEY: "the public keys that are trusted without the database, with commas between; as --key of rebuild",
    "PROVIDER_API_KEY": "the key of a model's provider for `promptops eval`, named after it: OPENAI_API_KEY",
    "PROVIDER_BASE_URL": "the address of its API: OPENAI_BASE_URL; only providers that promptops knows need none",
    HELD: "where held cases of suites are, for `promptops eval`: the address of a folder with https://, or its path",
    HELD_TOKEN: "the token for that address, which is sent nowhere else; never an option, and never shown",
    NOTIFY_SECRETS: "the path of the file with the secrets of receivers of notifications, for what sends them",
    GITHUB_ACTIONS: "true, as GitHub sets it: `promptops ci` prints nothing that GitHub's runner takes for a command",
    DEBUG: "1: show the traceback of an unexpected error",
    "PROMPTOPS_ALLOW_NETWORK_FS": "1: allow an SQLite registry on a network file system, at your own risk",
    "NO_COLOR": "set to anything: no colour (https://no-color.org)",
    "FORCE_COLOR": "set to anything: colour also into a pipe",
    "PROMPTOPS_PAGER": "the program that shows output which is longer than the terminal; cat: none",
    "PAGER": "the same, where PROMPTOPS_PAGER is not set; less where neither is",
    "COLUMNS": "the width of the output, if the terminal does not report it",
    "TERM": "dumb: a terminal without colour",
}
"""Every environment variable promptops reads, and what it means."""

DEFAULT_REGISTRY = Path(".promptops") / "registry.db"
"""Where the registry of a workspace is by default: beside ``promptops.yml``, ignored by git."""


def environment(defaults: Mapping[str, str]) -> dict[str, str]:
    """Returns the whole environment for another program, with these variables where they are not set."""
    return {**defaults, **os.environ}


def setting(name: str) -> str:
    """Returns the value of one of :data:`VARIABLES`, or an empty string."""
    if name not in VARIABLES:
        raise KeyError(f"{name} is not declared in promptops.config.VARIABLES")
    return os.environ.get(name, "").strip()


def provider(name: str) -> tuple[str, str]:
    """Returns the address and the key of a provider of models, empty if not set: ``MY_LAB_BASE_URL`` of ``my-lab``."""
    stem = re.sub(r"[^A-Z0-9]", "_", name.upper())
    address, key = (os.environ.get(f"{stem}_{ending}", "").strip() for ending in ("BASE_URL", "API_KEY"))
    return address, key


def environment_with(registry: str) -> dict[str, str]:
    """Returns the environment for a process of promptops that works with this registry.

    A URL may have a password, and a list of processes shows arguments, so the URL is in a variable.
    """
    return {**os.environ, REGISTRY: registry}


def registry_url(flag: str | None, root: Path | None, directory: Path) -> str:
    """Returns the URL of the registry: the flag, else ``PROMPTOPS_REGISTRY``, else the workspace's own file.

    A path is an SQLite file; a relative one starts at ``directory``. With http or https it is a server.

    Raises:
        WorkspaceNotFound: neither names a registry, and there is no ``root``.
        Invalid: a URL of a database that promptops does not know, or a server's URL with more than an address in it.
    """
    named = (flag or "").strip() or setting(REGISTRY)
    if named:
        return _as_url(named, directory)
    if root is None:
        raise WorkspaceNotFound(
            f"no registry is named, and there is no promptops.yml in {directory} or a folder above",
            hint=f"Go to a workspace, or name the registry: --registry URL, {REGISTRY}=URL, or promptops login URL."
            " `promptops init` makes a new workspace.",
        )
    return f"sqlite:///{root / DEFAULT_REGISTRY}"


def _as_url(named: str, directory: Path) -> str:
    scheme, separator, rest = named.partition("://")
    if not separator:
        return f"sqlite:///{(directory / os.path.expanduser(named)).resolve()}"
    if scheme == "sqlite":
        path = rest.removeprefix("/")
        return f"sqlite:///{(directory / os.path.expanduser(path)).resolve()}" if path else named
    if scheme.partition("+")[0] in ("postgresql", "postgres"):
        return named
    if is_server(named):
        return _server_url(named)
    raise Invalid(
        f"'{hide_password(named)}' is not a registry: promptops speaks to sqlite://, postgresql:// and https://",
        hint="For example sqlite:///registry.db, postgresql://user@host/promptops or https://prompts.example.",
    )


def is_server(url: str) -> bool:
    """Returns True for the URL of a server, False for a database's."""
    return url.lower().startswith(("https://", "http://"))


def _server_url(named: str) -> str:
    require_server_url(named, allow_http=True)  # whether http is allowed is checked before a token is sent
    scheme, _, rest = named.partition("://")
    return f"{scheme.lower()}://{rest.rstrip('/')}"


def direct_url(flag: str | None, root: Path | None, directory: Path) -> str:
    """Returns the URL of the database: the registry, or if that is a server, the database of ``PROMPTOPS_DIRECT``.

    Raises:
        Invalid: the registry is a server, and ``PROMPTOPS_DIRECT`` is not set.
    """
    url = registry_url(flag, root, directory)
    if is_server(url) and setting(DIRECT):
        url = _as_url(setting(DIRECT), directory)
    if is_server(url):
        raise Invalid(
            f"--direct needs the database itself, and {url} is a server",
            hint=f"Name the database: --registry postgresql://…, or once for all {DIRECT}=postgresql://…",
        )
    return url


def actor(flag: str | None, git_identity: Callable[[], str]) -> str:
    """Returns who is recorded for a change: the flag, else ``PROMPTOPS_ACTOR``, else git's user name and address.

    Raises:
        ActorUnknown: none of the three has a name. A command with a token then has the name of that.
        Invalid: the name is not one line of text, or has the word "via", which only a server writes.
    """
    name = (flag or "").strip() or setting(ACTOR) or git_identity()
    if not name:
        raise ActorUnknown(
            "it is unknown who makes this change",
            hint=f"Use --actor 'Name <address>', set {ACTOR}, or tell git: git config --global user.name 'Name'.",
        )
    return require_claim(name)
