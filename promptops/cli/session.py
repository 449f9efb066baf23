"""What one command works with: its folder, the registry, the actor, the time, and the output.

In: global options and the settings of config.py. Out: the same few things for every command, created when first needed,
so that a rollback loads neither YAML nor git.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, tzinfo
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import click

from promptops import clock, config
from promptops.cli.git_identity import git_identity
from promptops.core.advice import Sentence
from promptops.core.errors import (
    ActorUnknown,
    Invalid,
    PromptopsError,
    RegistryDamaged,
    RegistryNotInitialised,
    RegistryUnavailable,
    WorkspaceNotFound,
)
from promptops.core.server_url import hide_password

if TYPE_CHECKING:
    from promptops.cli.output.render import Line, Page
    from promptops.core.model import Json
    from promptops.core.signing import PrivateKey
    from promptops.gateway import Gateway
    from promptops.store import Registry


SCREENFUL = 20
"""Rows that fit on a terminal of 24 lines, with a heading and the next steps."""


def require_database(url: str, doing: str) -> str:
    """Returns the URL if it is a database's.

    Raises:
        Invalid: it is a server's.
    """
    if config.is_server(url):
        raise Invalid(
            f"{doing} needs the registry's database itself, and {url} is a server",
            hint="Do it where the database is: --registry sqlite:///… or postgresql://…",
        )
    return url


def _signing_key() -> PrivateKey | None:
    from promptops.cli.signing_key import signing_key

    return signing_key()


def _paged(text: str, rows: int) -> bool:
    from promptops.cli.pager import paged

    return paged(text, rows=rows)


def _server_meant(url: str) -> str:
    """Advice if a file's path looks like a server's address that lacks its scheme."""
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
    pager: bool = True
    """Output that is longer than the terminal goes through a pager, where a command allows that."""
    now: datetime = field(default_factory=clock.now)
    zone: tzinfo = field(default_factory=clock.LocalZone)

    @classmethod
    def of(cls, ctx: click.Context) -> Session:
        """Returns the session of this command line's global options."""
        options = {key.removeprefix("promptops."): value for key, value in ctx.find_root().meta.items()}
        try:
            directory = Path(os.path.expanduser(options.get("directory") or ".")).absolute()
        except FileNotFoundError as error:
            raise Invalid(
                "the current folder no longer exists", hint="Go to another one, or name one: -C DIR."
            ) from error
        if not directory.is_dir():
            raise Invalid(f"-C {directory}: there is no such directory")
        return cls(
            directory=directory,
            registry_flag=options.get("registry"),
            actor_flag=options.get("actor"),
            json=bool(options.get("json")),
            color=options.get("color"),
            pager=not options.get("no_pager"),
        )

    def path(self, typed: str) -> Path:
        """Returns a typed path, relative to the session's folder."""
        return self.directory / os.path.expanduser(typed)

    def root(self) -> Path | None:
        """Returns the workspace around the session's folder, or None outside of one."""
        from promptops.source.workspace import find_root

        try:
            return find_root(self.directory)
        except WorkspaceNotFound:
            return None

    def require_root(self) -> Path:
        """Returns the workspace around the session's folder.

        Raises:
            WorkspaceNotFound: there is no workspace here.
        """
        from promptops.source.workspace import find_root

        return find_root(self.directory)

    def names_registry(self) -> bool:
        """Returns True if a flag or the environment names the registry, so that it is found without a workspace."""
        return bool(self.registry_flag or config.setting(config.REGISTRY))

    def registry_url(self) -> str:
        """Returns the URL of the registry, of a database or a server: by flag or environment, else the workspace's own
        if it is there, else that of the used context.
        """
        root = None if self.names_registry() else self.root()
        is_there = root is not None and (root / config.DEFAULT_REGISTRY).exists()
        if not self.names_registry() and not is_there:
            from promptops.cli import contexts

            if (used := contexts.load().used()) is not None:
                return used.registry
        return config.registry_url(self.registry_flag, root, self.directory)

    def database_url(self, doing: str) -> str:
        """Returns the URL of the registry's database, for commands that a server cannot do.

        Raises:
            Invalid: the registry is a server.
        """
        root = None if self.names_registry() else self.root()  # a context is always a server
        return require_database(config.registry_url(self.registry_flag, root, self.directory), doing)

    def direct(self) -> Session:
        """Returns the same session on the database itself, past the server.

        Raises:
            Invalid: the registry is a server, and no setting names its database.
        """
        url = config.direct_url(self.registry_url(), None, self.directory)
        return replace(self, registry_flag=url, is_direct=config.is_server(self.registry_url()))

    def load(self) -> None:
        """Import the code that :meth:`gateway` needs, so that a caller can measure the registry's own time."""
        if config.is_server(self.registry_url()):
            import promptops.gateway.remote
        else:
            import promptops.gateway.local
            import promptops.store  # noqa: F401

    @contextmanager
    def gateway(self, *, seconds: float | None = None, check_guards: bool = True) -> Iterator[Gateway]:
        """The registry, a database or a server, open for one command.

        ``seconds`` is how long to wait for a server. Only a command that looks for damage opens a database without
        ``check_guards``.
        """
        url = self.registry_url()  # before the slow imports, so that a missing registry is reported at once
        if config.is_server(url):
            from promptops.cli.credentials import credential
            from promptops.gateway.remote import Remote

            with self.reaching(url), Remote.open(url, token=credential(url), seconds=seconds) as remote:
                yield remote
        else:
            from promptops.gateway.local import Direct

            with self._opened(url, check_guards=check_guards) as registry:
                yield Direct(registry, now=self.now, unlock=_signing_key)

    @contextmanager
    def registry(self, doing: str) -> Iterator[Registry]:
        """The registry's database, open for a command that a server cannot do.

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
        """Adds to an error of the registry which registry it is and what named it, if the error has no advice of its
        own.
        """
        try:
            yield
        except (RegistryDamaged, RegistryNotInitialised, RegistryUnavailable) as error:
            if isinstance(error, RegistryNotInitialised) and self.names_registry():
                error.hint = Sentence(error.hint, f" It is {self._named()}.{_server_meant(url)}")
            elif not error.hint:
                error.hint = self._whereabouts(url)
            elif isinstance(error.__cause__, Exception) and not config.is_server(url):
                error.hint = Sentence(f"{self._whereabouts(url)} ", error.hint)
            raise

    def _named(self) -> str:
        """Returns what named the registry: a flag, a variable or the workspace."""
        if self.is_direct:
            return f"named by {config.DIRECT}"
        if self.registry_flag:
            return "named by --registry"
        if self.names_registry():
            return f"named by {config.REGISTRY}"
        return "the used context" if config.is_server(self.registry_url()) else "the workspace's own"

    def _whereabouts(self, url: str) -> str:
        file = url.removeprefix("sqlite:///")
        sentence = f"The registry is {hide_password(file)} ({self._named()})."
        if config.is_server(url):
            return f"{sentence} Past the server: promptops rollback --direct."
        if file != url and not (os.access(file, os.W_OK) and os.access(os.path.dirname(file), os.W_OK)):
            sentence += " SQLite has to write to that file and its folder, even to read, and this user may not."
        return sentence

    def person(self) -> str:
        """Returns the name of who makes a change, as a flag, the environment or git has it.

        Raises:
            ActorUnknown: none of the three has a name.
        """
        return config.actor(self.actor_flag, partial(git_identity, self.directory))

    def actor(self) -> str:
        """Returns who makes the change: a person, else the token that the environment has. For a server, which records
        the token itself, that is an empty text.

        Raises:
            ActorUnknown: there is neither.
        """
        try:
            return self.person()
        except ActorUnknown:
            from promptops.cli.credentials import credential, name_of_token

            url = self.registry_url()
            is_server = config.is_server(url)
            token = credential(url if is_server else "").current()
            if token and is_server:
                return ""
            if token:
                with suppress(PromptopsError), self._opened(url) as registry:
                    if name := name_of_token(registry, token, self.now):
                        return name
            raise

    def channel(self, flag: str | None) -> str:
        """Returns the channel that the flag or the environment names, or an empty string."""
        return (flag or "").strip() or config.setting(config.CHANNEL)

    def require_channel(self, flag: str | None) -> str:
        """Returns the channel that the flag or the environment names.

        Raises:
            Invalid: neither names one. Commands that can choose a channel do so in :mod:`promptops.cli.defaults`.
        """
        channel = self.channel(flag)
        if not channel:
            raise Invalid(
                "no channel is named",
                hint=f"Use --channel NAME or set {config.CHANNEL}. `promptops channels list` lists them.",
            )
        return channel

    def limit(self, flag: int | None) -> int | None:
        """Returns how many rows to show: the flag's number, else a screenful for people and all for a script (None)."""
        return flag or (None if self.json else SCREENFUL)

    def key(self, flag: str) -> str:
        """Returns the idempotency key of this change: the caller's own, or a new one."""
        return flag or str(uuid4())

    def answer(
        self, shape: Callable[[], Mapping[str, Json]], page: Callable[[Page], Iterable[Line]], *, long: bool = False
    ) -> None:
        """Print the answer to stdout: as one JSON object, or as lines for people. A ``long`` one may need a pager."""
        from promptops.cli.exit import writing
        from promptops.cli.output import render

        with writing():
            if self.json:
                render.print_json(shape())
            else:
                canvas = render.page(now=self.now, zone=self.zone, color=self.color)
                text = canvas.text(page(canvas))
                if not (long and self.pager and canvas.height and _paged(text, canvas.height)):
                    canvas.stream.write(text)

    def complain(self, text: str, hint: str = "") -> None:
        """Print an error on stderr, beside the answer to what was done all the same, with --json too."""
        from promptops.cli.output import render

        render.complain(text, hint)

    def note(self, text: str) -> None:
        """Print a note on stderr, beside the answer, with --json too."""
        from promptops.cli.output import render

        render.complain(text, "", label="note")
