"""The token that a server is shown: a text, or a file that others replace while this process runs.

Secrets of Kubernetes, Vault and systemd are files: a token is rotated there without a restart. The file is looked at
before each request, behind all links, since a mount swaps a link; and read again after a refusal, since a file system
may keep its times by the second. While it cannot be read, the token that was read last is used: what replaces a file
may take it away for a moment. Its mode is not judged: Kubernetes mounts secrets that all users of the container may
read.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from promptops.client.disk.regular_file import Unsafe, read_regular
from promptops.core.errors import Invalid

TOKEN: Final = re.compile(r"[\x21-\x7e]{1,500}")
"""What can be a token of some server, in a header."""

_LARGEST: Final = 4096  # bytes of a file; a token has 46


class Credential(Protocol):
    """A token for one server. Safe for threads."""

    @property
    def name(self) -> str:
        """Where it is from, fit to be shown."""

    def current(self) -> str:
        """Returns the token for the next request; empty for none.

        Raises:
            Invalid: what is named has no token; the message shows nothing of it.
        """

    def renewed(self, refused: str) -> str:
        """Returns another token than the one that was refused; empty if there is no other."""


@dataclass(frozen=True, slots=True)
class FixedToken:
    """A token that stays as it is."""

    text: str = field(default="", repr=False)
    name: str = "PROMPTOPS_TOKEN"

    def current(self) -> str:
        return self.text

    def renewed(self, refused: str) -> str:
        return ""


class TokenFile:
    """A file with one token and nothing else but white space around it."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(os.path.abspath(os.path.expanduser(path)))
        self._read: tuple[tuple[int, ...], str] = ((), "")  # what `stat` said, and the token: replaced together

    @property
    def name(self) -> str:
        return str(self._path)

    def current(self) -> str:
        """Returns the token in the file, or the last one that was there.

        Raises:
            Invalid: the file has no token, and had none before.
        """
        before, token = self._read
        try:
            about = _about(self._path)
            if about != before:  # looked at first: what is written meanwhile is read the next time
                token = _token_in(self._path)
                self._read = about, token
        except Invalid as error:
            if not token:
                raise Invalid(f"the token file {self._path} {error.message}", hint=error.hint) from None
        return token

    def renewed(self, refused: str) -> str:
        self._read = (), self._read[1]
        try:
            token = self.current()
        except Invalid:
            return ""
        return token if token != refused else ""


def _about(path: Path) -> tuple[int, ...]:
    try:
        about = os.stat(path)
    except OSError as error:
        raise _unreadable(error) from error
    if stat.S_ISDIR(about.st_mode):
        raise Invalid("is a folder", hint="Name the file in it.")
    return about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns


def _token_in(path: Path) -> str:
    """Raises Invalid: what is wrong with the file, to be read after its name."""
    try:
        token = read_regular(path, _LARGEST).decode("ascii", "replace").strip()
    except Unsafe as error:
        raise Invalid("is not a regular file", hint="A pipe or a device is not read.") from error
    except OSError as error:
        raise _unreadable(error) from error
    except Invalid as error:
        raise Invalid(f"is over {_LARGEST:,} bytes, and no token", hint="Write the token into it alone.") from error
    if not token:
        raise Invalid("is empty", hint="Write the token into it.")
    if not TOKEN.fullmatch(token):
        raise Invalid("has something else in it than one token", hint="Write the token into it alone, on one line.")
    return token


def _unreadable(error: OSError) -> Invalid:
    if isinstance(error, FileNotFoundError):
        return Invalid("is missing", hint="Is the secret mounted there, and is the path right?")
    return Invalid(f"cannot be read: {error.strerror or error}", hint="This user has to be allowed to read it.")
