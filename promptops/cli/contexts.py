"""Contexts: the servers that a person works with, by name, and where the token for each is kept.

In: ``contexts.json`` and the folder ``tokens`` in ``$XDG_CONFIG_HOME/promptops`` (or ``~/.config/promptops``), for the
owner alone; the system's keyring, where the package ``keyring`` is installed and finds one. The rule it keeps: a token
goes only to the server that it was kept for.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from promptops import files
from promptops.client.sources.credentials import FixedToken, TokenFile
from promptops.core.errors import Invalid, NotFound
from promptops.core.model import is_name

if TYPE_CHECKING:
    from promptops.client.sources.credentials import Credential

_FILE: Final = "contexts.json"
_SERVICE: Final = "promptops"
_LARGEST: Final = 1 << 20  # bytes

_FIRST: Final = "Make the first: promptops login URL"

KEYRING: Final = "keyring"
TOKEN_FILE: Final = "file"  # noqa: S105 the name of a place


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """A server by its URL. ``token`` is where the token for it is kept: ``keyring``, ``file``, or empty for nowhere."""

    name: str
    registry: str
    token: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contexts:
    """All contexts, by name, and the name of the one that is used; empty for none."""

    current: str = ""
    known: Mapping[str, Context] = field(default_factory=dict)

    def named(self, name: str) -> Context:
        """Returns the context of this name.

        Raises:
            NotFound: there is no such context; lists those that exist.
        """
        if not name:
            raise NotFound("no context is used", known=sorted(self.known), hint="" if self.known else _FIRST)
        if name not in self.known:
            first = "" if self.known else _FIRST
            raise NotFound(f"there is no context '{name[:80]}'", known=sorted(self.known), hint=first)
        return self.known[name]

    def used(self) -> Context | None:
        """Returns the context that is used."""
        return self.known.get(self.current)

    def of(self, url: str) -> Context | None:
        """Returns the context of a server: the used one if it is that, else the first that has a token."""
        found = [each for each in self.known.values() if each.registry == url]
        return next((each for each in found if each.name == self.current), None) or next(
            (each for each in found if each.token), None
        )

    def using(self, context: Context) -> Contexts:
        """Returns them with this context, which is used from then on."""
        return Contexts(current=context.name, known={**self.known, context.name: context})

    def without(self, name: str) -> Contexts:
        """Returns them without this context."""
        known = {key: context for key, context in self.known.items() if key != name}
        return Contexts(current="" if self.current == name else self.current, known=known)


# --- the file ---------------------------------------------------------------------------------------


def load() -> Contexts:
    """Returns the contexts of this user.

    Raises:
        Invalid: the file cannot be read, or is not ours.
    """
    folder = files.config_folder()
    if folder is None:
        return Contexts()
    path = folder / _FILE
    try:
        with path.open("rb") as file:
            document = json.loads(file.read(_LARGEST))
        known = {name: Context(name=name, **row) for name, row in document["contexts"].items()}
        return Contexts(current=document.get("current", ""), known=known)
    except FileNotFoundError:
        return Contexts()
    except OSError as error:
        raise Invalid(f"{path} cannot be read: {error.strerror or error}", hint=_BESIDE) from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Invalid(f"{path} is no list of contexts", hint=f"Delete it, and log in again. {_BESIDE}") from error


_BESIDE: Final = "Flags and the environment go before it: --registry URL, PROMPTOPS_REGISTRY and PROMPTOPS_TOKEN."


@contextmanager
def changing() -> Iterator[list[Contexts]]:
    """The contexts, to be replaced in the list; they are written at the end, and others who change them wait.

    Raises:
        Invalid: the folder or the file cannot be written.
    """
    folder = files.config_folder()
    if folder is None:
        raise Invalid("there is no home folder for contexts", hint="Set HOME, or XDG_CONFIG_HOME.")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with files.locked_folder(folder):
            held = [load()]
            yield held
            rows = {name: _row(context) for name, context in sorted(held[-1].known.items())}
            text = json.dumps({"current": held[-1].current, "contexts": rows}, indent=2, ensure_ascii=False)
            files.replace_file(folder / _FILE, f"{text}\n".encode())
    except OSError as error:
        raise Invalid(f"{folder} cannot be written: {error.strerror or error}", hint=_BESIDE) from error


def _row(context: Context) -> Mapping[str, Any]:
    return {key: value for key, value in asdict(context).items() if key != "name"}


def require_context_name(name: str) -> str:
    """Returns the name if it is one, since it becomes part of a path.

    Raises:
        Invalid: it is no name.
    """
    if not is_name(name):
        raise Invalid(
            f"'{name[:80]}' is not the name of a context",
            hint="Lower case letters, digits, '-', '_' and '.', up to 63: --name prod-eu.",
        )
    return name


# --- tokens -----------------------------------------------------------------------------------------


def keep(context: Context, token: str, *, in_keyring: bool) -> Context:
    """Keep a token, and return the context with its place: in the keyring if there is one, else in a file.

    Raises:
        OSError: the file cannot be written.
    """
    forget(context)
    if in_keyring and (keyring := _keyring()) is not None:
        with suppress(Exception):  # what a desktop raises: locked, cancelled, no bus; the file is always there
            keyring.set_password(_SERVICE, context.name, token)
            return replace(context, token=KEYRING)
    path = _path(context)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    files.replace_file(path, f"{token}\n".encode())
    return replace(context, token=TOKEN_FILE)


def forget(context: Context) -> Context:
    """Forget the token of a context, and return the context without it."""
    if context.token == KEYRING and (keyring := _keyring()) is not None:
        with suppress(Exception):  # it is not there any more
            keyring.delete_password(_SERVICE, context.name)
    with suppress(FileNotFoundError):
        _path(context).unlink()
    return replace(context, token="")


def credential_of(context: Context) -> Credential:
    """Returns the token that was kept for a context; empty without one.

    Raises:
        Invalid: other users may read the file, or the keyring does not answer.
    """
    if context.token == KEYRING:
        return FixedToken(_from_keyring(context), f"the keyring for the context {context.name}")
    if context.token != TOKEN_FILE:
        return FixedToken("", "the environment")
    path = _path(context)
    with suppress(FileNotFoundError):
        mode = stat.S_IMODE(path.stat().st_mode)
        if os.name == "posix" and mode & 0o077:
            raise Invalid(f"other users may read the token file {path}: its mode is {mode:o}", hint=f"chmod 600 {path}")
    return TokenFile(path)


def _path(context: Context) -> Path:
    folder = files.config_folder()
    if folder is None:
        raise Invalid("there is no home folder for tokens", hint="Set HOME, or XDG_CONFIG_HOME.")
    return folder / "tokens" / require_context_name(context.name)


def _from_keyring(context: Context) -> str:
    hint = f"PROMPTOPS_TOKEN goes before it. To keep it in a file: promptops login {context.registry} --no-keyring"
    if (keyring := _keyring()) is None:
        raise Invalid(f"the token for {context.registry} is in a keyring that is not here", hint=hint)
    try:
        token = keyring.get_password(_SERVICE, context.name)
    except Exception as error:
        raise Invalid(f"the keyring does not give the token for {context.registry}: {error}", hint=hint) from error
    if not token:
        raise Invalid(f"the keyring has no token for {context.registry} any more", hint=hint)
    return str(token)


def _keyring() -> Any:
    """Returns the module `keyring` if it has a keyring of the system behind it; None where it only has a makeshift."""
    try:
        import keyring
    except ImportError:
        return None
    try:
        return keyring if keyring.get_keyring().priority >= 1 else None
    except Exception:  # noqa: BLE001 a backend that cannot start
        return None
