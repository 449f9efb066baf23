"""What one command works with: where it runs, the registry, who acts, what time it is, and how it answers.

In: global options and the settings of config.py. Out: the same few things for every command, made when first needed, so
that a rollback loads neither YAML nor git.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, tzinfo
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import click

from promptops import clock, config
from promptops.cli.git_identity import git_identity
from promptops.core.errors import (
    Invalid,
    RegistryDamaged,
    RegistryNotInitialised,
    RegistryUnavailable,
    WorkspaceNotFound,
)
from promptops.core.server_url import hide_password

if TYPE_CHECKING:
    from promptops.cli.output.render import Line, Page
    from promptops.core.model import Json
    from promptops.gateway import Gateway
    from promptops.store import Registry


SCREENFUL = 20


def require_database(url: str, doing: str) -> str:
    """The URL, if it is a database's.

    Raises:
        Invalid: it is a server's.
    """
    if config.is_server(url):
        raise Invalid(
            f"{doing} needs the registry's database itself, and {url} is a server",
            hint="Do it where the database is: --registry sqlite:///… or postgresql://…",
        )
    return url


def _server_meant(url: str) -> str:
    """Advice for who wrote a server's address without its scheme, which is the path of a file then."""
    place = re.fullmatch(r"sqlite:///.*?([\w.-]+:\d{1,5})", url)
    return f" If it is a server: https://{place[1]}, or http:// on this machine." if place else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One run of one command."""

    directory: Path
    registry_flag: str | None = None
    actor_flag: str | None = None
    is_direct: bool = False
    """The registry is the database that ``PROMPTOPS_DIRECT`` names."""
    json: bool = False
    color: bool | None = None
    now: datetime = field(default_factory=clock.now)
    zone: tzinfo = field(default_factory=clock.LocalZone)

    @classmethod
    def of(cls, ctx: click.Context) -> Session:
        """The session that the global options of this command line ask for."""
        given = {key.removeprefix("promptops."): value for key, value in ctx.find_root().meta.items()}
        try:
            directory = Path(os.path.expanduser(given.get("directory") or ".")).absolute()
        except FileNotFoundError as error:
            raise Invalid(
                "the folder this runs in exists no more", hint="Go to another one, or name one: -C DIR."
            ) from error
        if not directory.is_dir():
            raise Invalid(f"-C {directory}: there is no such directory")
        return cls(
            directory=directory,
            registry_flag=given.get("registry"),
            actor_flag=given.get("actor"),
            json=bool(given.get("json")),
            color=given.get("color"),
        )

    def path(self, typed: str) -> Path:
        """A path as it was typed, from where this runs."""
        return self.directory / os.path.expanduser(typed)

    def root(self) -> Path | None:
        """The workspace this runs in, or None outside of one."""
        from promptops.source.workspace import find_root

        try:
            return find_root(self.directory)
        except WorkspaceNotFound:
            return None

    def require_root(self) -> Path:
        """The workspace this runs in.

        Raises:
            WorkspaceNotFound: there is none here.
        """
        from promptops.source.workspace import find_root

        return find_root(self.directory)

    def names_registry(self) -> bool:
        """True where a flag or the environment names the registry, so that no workspace is needed to find it."""
        return bool(self.registry_flag or config.setting(config.REGISTRY))

    def registry_url(self) -> str:
        """Where the registry is, by flag, environment or workspace: a database or a server."""
        root = None if self.names_registry() else self.root()
        return config.registry_url(self.registry_flag, root, self.directory)

    def database_url(self, doing: str) -> str:
        """Where the registry's database is, for what only a database can do.

        Raises:
            Invalid: the registry is a server.
        """
        return require_database(self.registry_url(), doing)

    def direct(self) -> Session:
        """The same session with the database itself, past the server, if there is one.

        Raises:
            Invalid: the registry is a server, and nothing says where its database is.
        """
        root = None if self.names_registry() else self.root()
        url = config.direct_url(self.registry_flag, root, self.directory)
        return replace(self, registry_flag=url, is_direct=config.is_server(self.registry_url()))

    def load(self) -> None:
        """Load the code that :meth:`gateway` takes, for who counts only the registry's own time."""
        if config.is_server(self.registry_url()):
            import promptops.gateway.remote
        else:
            import promptops.gateway.local
            import promptops.store  # noqa: F401

    @contextmanager
    def gateway(self, *, seconds: float | None = None, check_guards: bool = True) -> Iterator[Gateway]:
        """The registry, a database or a server, open for one command.

        ``seconds`` is how long a server is waited for; only a command that looks for damage does without the guards of
        a database.
        """
        url = self.registry_url()  # before the imports: who has no registry is told so at once
        if config.is_server(url):
            from promptops.gateway.remote import Remote

            with self.reaching(url), Remote.open(url, token=config.setting(config.TOKEN), seconds=seconds) as remote:
                yield remote
        else:
            from promptops.gateway.local import Direct

            with self._opened(url, check_guards=check_guards) as registry:
                yield Direct(registry, now=self.now)

    @contextmanager
    def registry(self, doing: str) -> Iterator[Registry]:
        """The registry's database, open for what only a database can do.

        Raises:
            Invalid: the registry is a server.
        """
        with self._opened(self.database_url(doing)) as registry:
            yield registry

    @contextmanager
    def _opened(self, url: str, *, check_guards: bool = True) -> Iterator[Registry]:
        from promptops.store import Registry

        allow = config.setting("PROMPTOPS_ALLOW_NETWORK_FS") == "1"
        with self.reaching(url):
            try:
                registry = Registry.open(url, allow_network_fs=allow, check_guards=check_guards)
            except PermissionError as error:
                raise RegistryUnavailable("the registry cannot be used: permission denied") from error
            try:
                yield registry
            finally:
                registry.close()

    @contextmanager
    def reaching(self, url: str) -> Iterator[None]:
        """What goes wrong with a registry says which one it is and who named it, where it does not say what to do."""
        try:
            yield
        except (RegistryDamaged, RegistryNotInitialised, RegistryUnavailable) as error:
            if isinstance(error, RegistryNotInitialised) and self.names_registry():
                error.hint = f"{error.hint} It is {self._named()}.{_server_meant(url)}"
            elif not error.hint:
                error.hint = self._whereabouts(url)
            elif isinstance(error.__cause__, Exception) and not config.is_server(url):
                error.hint = f"{self._whereabouts(url)} {error.hint}"
            raise

    def _named(self) -> str:
        """Who says where the registry is."""
        if self.is_direct:
            return f"named by {config.DIRECT}"
        if self.registry_flag:
            return "named by --registry"
        return f"named by {config.REGISTRY}" if self.names_registry() else "the workspace's own"

    def _whereabouts(self, url: str) -> str:
        file = url.removeprefix("sqlite:///")
        said = f"The registry is {hide_password(file)} ({self._named()})."
        if config.is_server(url):
            return f"{said} Past the server: promptops rollback --direct."
        if file != url and not (os.access(file, os.W_OK) and os.access(os.path.dirname(file), os.W_OK)):
            said += " SQLite has to write to that file and beside it, even to read, and whoever runs this may not."
        return said

    def actor(self) -> str:
        """Who makes the change."""
        return config.actor(self.actor_flag, partial(git_identity, self.directory))

    def channel(self, flag: str | None) -> str:
        """The channel that is named by the flag or the environment, or an empty string."""
        return (flag or "").strip() or config.setting(config.CHANNEL)

    def require_channel(self, flag: str | None) -> str:
        """The channel that is named by the flag or the environment.

        Raises:
            Invalid: none is named; commands that guess one do so by themselves.
        """
        channel = self.channel(flag)
        if not channel:
            raise Invalid(
                "no channel is named",
                hint=f"Use --channel NAME or set {config.CHANNEL}. `promptops channels list` lists them.",
            )
        return channel

    def limit(self, flag: int | None) -> int | None:
        """How many rows are wanted: a screenful for people, all of them for a script, unless it is said."""
        return flag or (None if self.json else SCREENFUL)

    def key(self, flag: str) -> str:
        """The idempotency key of this change: the caller's own, or a new one."""
        return flag or str(uuid4())

    def answer(self, shape: Callable[[], Mapping[str, Json]], page: Callable[[Page], Iterable[Line]]) -> None:
        """Print the answer to stdout: as one JSON object, or as lines for people."""
        from promptops.cli.exit import writing
        from promptops.cli.output import render

        with writing():
            if self.json:
                render.print_json(shape())
            else:
                canvas = render.page(now=self.now, zone=self.zone, color=self.color)
                canvas.print(page(canvas))

    def note(self, text: str) -> None:
        """Say something beside the answer, on stderr, with --json too."""
        from promptops.cli.output import render

        render.complain(text, "", label="note")
