"""Where files come from: a repository and a path in it; which origins are the same; and to which one an app belongs.

A repository with an address (the URL of its remote) is known by that; a fork has the first commit of another, and an
address of its own. Where one of two repositories has no address, their first commits decide.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from unicodedata import normalize

from promptops.core.names import AppName

_SCP = re.compile(r"(?:[^/:]*@)?(?P<host>\[[0-9A-Fa-f:.]+\]|[^/:@\[\]]{2,}):(?P<path>.*)")
"""git's short form of an ssh address. One letter before a colon is a drive of Windows."""
_PORT = re.compile(r":\d*$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """A ``path`` in a ``repository``: its remote's URL, or its folder's name where it has none.

    ``root`` is the id of the repository's first commit; empty where that is not known: in a shallow clone, and in what
    earlier versions recorded.
    """

    repository: str
    path: str
    root: str = ""

    @property
    def address(self) -> str:
        """``host/path`` of the remote, the same for every way to write it; empty where others cannot reach it."""
        return address_of(self.repository)

    @property
    def is_known(self) -> bool:
        """True if the repository can be recognised: a folder's name says nothing."""
        return bool(self.address or self.root)

    def same_repository(self, other: Origin) -> bool:
        """True if both are in one repository, as far as can be known."""
        if self.address and other.address:
            return self.address == other.address
        if self.root and other.root:
            return self.root == other.root
        return not self.address and not other.address and self.repository == other.repository

    def same(self, other: Origin) -> bool:
        """True if both are the same path of one repository."""
        here, there = (normalize("NFC", path).strip("/") for path in (self.path, other.path))
        return here == there and self.same_repository(other)

    def __str__(self) -> str:
        first = f", whose first commit is {self.root[:12]}" if self.root else ""
        repository = self.address or f"the repository '{self.repository}' without a remote{first}"
        return f"{repository}, path {self.path or '.'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """The origin that an app belongs to, since when, and by which release; by a transfer where that is empty."""

    origin: Origin
    at: datetime
    version: str = ""

    @property
    def since(self) -> str:
        return f"since release {self.version}" if self.version else f"since its transfer on {self.at:%Y-%m-%d}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ownership:
    """To which origin an app belongs after a transfer, and ``before``: None if that was not known."""

    app: AppName
    origin: Origin
    before: Origin | None

    @property
    def changed(self) -> bool:
        return self.before is None or not self.before.same(self.origin)


def address_of(url: str) -> str:
    """``host/path`` of a remote's URL, without scheme, user, port and ``.git``; the host in lower case.

    Empty for a path of this machine.
    """
    scheme, is_url, rest = url.partition("://")
    if is_url:
        host, _, path = _without_user(rest).partition("/")
        host = "" if scheme.lower() == "file" else _PORT.sub("", host)
    elif short := _SCP.fullmatch(url):
        host, path = short["host"], short["path"]
    else:
        return ""
    path = "/".join(part for part in path.split("/") if part).removesuffix(".git").rstrip("/")
    return f"{host.casefold().rstrip('.')}/{path}" if host else ""


def without_password(url: str) -> str:
    """A remote's URL without password. The user of an ssh URL is part of the address; another's may be a token."""
    scheme, is_url, rest = url.partition("://")
    if not is_url:
        return url
    kept = _without_user(rest)
    user = rest[: len(rest) - len(kept)].partition(":")[0].rstrip("@") if "ssh" in scheme.lower() else ""
    return f"{scheme}://{user}{'@' if user else ''}{kept}"


def _without_user(rest: str) -> str:
    """What follows the scheme, without user and password, in which a password may have any ``@`` and even a slash."""
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    end = authority.rfind("@")
    if end < 0 and not authority.startswith("[") and re.search(r":(?!\d*$)", authority):  # no port: a password
        end = rest.rfind("@")
    return rest[end + 1 :]


def owner_among(places: Iterable[Owner]) -> Owner | None:
    """To whom an app belongs that came from these places, oldest first: the first one that can be recognised.

    If it had no address then, it has the first one that the same repository had later.
    """
    owner: Owner | None = None
    for place in places:
        if owner is None:
            owner = place if place.origin.is_known else None
        elif place.origin.address and place.origin.root == owner.origin.root:
            return replace(owner, origin=replace(owner.origin, repository=place.origin.repository))
        if owner is not None and owner.origin.address:
            return owner
    return owner
