"""By what a person is known: an address, a name, a token. Two deeds that share one of them count as one person's.

A claim can only make two deeds the same person's, so it takes a right away and never gives one.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final, TypeAlias

from promptops.core.errors import Invalid

Marks: TypeAlias = frozenset[str]
"""By what it is known who did something, without case: addresses, a name that has no address, and ``token NAME``."""

NOBODY: Final[Marks] = frozenset()

_LONGEST: Final = 254
"""Characters of an address: https://www.rfc-editor.org/errata/eid1690."""

_ADDRESS: Final = re.compile(r"[^\s<>@,;:\"()\[\]\\]+@[^\s<>@,;:\"()\[\]\\]+")
_OUTSIDE: Final = re.compile(r"[\s<>]*[<>][\s<>]*")
_TOKEN: Final = re.compile(r"(?:^|.* via )token (?P<name>[a-z0-9._-]+)")


def require_address(text: str) -> str:
    """Returns the address of a person, as it was typed.

    Raises:
        Invalid: it is something else.
    """
    if len(text) > _LONGEST or not text.isprintable() or not _ADDRESS.fullmatch(text):
        raise Invalid(f"'{text[:80]}' is not the address of a person", hint="Such as ada@example.org, without a name.")
    return text


def folded(text: str) -> str:
    """Returns an address or a name without what tells no two persons apart: case, width and outer spaces."""
    return unicodedata.normalize("NFKC", text).casefold().strip()


def marks_of(actor: str) -> Marks:
    """Returns by what the actor of a change is known.

    That is every address in it, with and without its detail (:func:`mailbox`), or the name if it has none, and the
    token with which the change came.
    """
    token = token_of(actor)
    claimed = folded(actor.removesuffix(f"token {token}").removesuffix(" via ") if token else actor)
    addresses = frozenset(address.rstrip(".") for address in _ADDRESS.findall(claimed))
    # Git writes "Ada <>" for a person without an address.
    named = addresses | frozenset(map(mailbox, addresses)) or frozenset(_OUTSIDE.split(claimed)) - {""}
    return named | ({token_mark(token)} if token else set())


def mailbox(address: str) -> str:
    """Returns an address without case and without its detail: ``ada@example.org`` for ``Ada+git@example.org``.

    The detail, behind a plus, sorts the letters of one person: https://www.rfc-editor.org/rfc/rfc5233.
    """
    local, at, domain = folded(address).partition("@")
    return f"{local.partition('+')[0] or local}{at}{domain}"


def marks_of_all(actors: tuple[str, ...]) -> Marks:
    """Returns by what any of these is known."""
    return frozenset(mark for actor in actors for mark in marks_of(actor))


def token_mark(name: str) -> str:
    """Returns by what a deed is known that was done with the token of this name."""
    return f"token {name}"


def token_of(actor: str) -> str:
    """Returns the name of the token with which a change came; empty for a change made on the database."""
    found = _TOKEN.fullmatch(actor)
    return found["name"] if found else ""


def claimed_address(actor: str) -> str:
    """Returns the last address that an actor claims; empty without one."""
    return next(reversed(_ADDRESS.findall(actor)), "")
