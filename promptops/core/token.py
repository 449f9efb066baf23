"""Tokens: what one may do, and how its secret is written, checked and digested. No I/O, no clock, no random source.

A secret is ``pops_<kind>_<32 of base62><6 of base62>``: 190 random bits, then the CRC-32 of everything before it. So
a scanner finds one that leaked by its looks, and a typing error or garbage is refused before anything is asked. The
registry keeps the SHA-256 of it and never the secret itself; a slow hash would add nothing to 190 bits.

Rights are scopes, on channels and apps whose names fit one of the token's patterns: ``*`` is any run of characters,
``?`` is one.
"""

from __future__ import annotations

import hashlib
import re
import string
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from promptops.core.errors import Invalid, NotAuthenticated
from promptops.core.model import is_name

LIFETIME = timedelta(days=90)
"""How long a token lives where nobody says."""

_BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
_RANDOM, _CHECK, _SHOWN = 32, 6, 4
_SECRET = re.compile(r"pops_(?:rt|ci|op|ad)_[0-9A-Za-z]{38}")
_LENGTH = len("pops_rt_") + _RANDOM + _CHECK
_ID = re.compile(r"t[0-9A-Za-z]{11}")
_PREFIX = re.compile(r"pops_(?:rt|ci|op|ad)_[0-9A-Za-z]{4}")
_PATTERN = re.compile(r"[a-z0-9._*?-]{1,63}")
_MAX_PATTERNS = 50

Draw = Callable[[int], int]
"""A random number from 0 to below its argument, which nobody can guess: ``secrets.randbelow``."""


class Scope(StrEnum):
    """One thing a token may do. ``admin`` contains every other scope, and every scope contains ``read``."""

    READ = "read"
    RELEASE = "release"
    PROMOTE = "promote"
    ROLLBACK = "rollback"
    POLICY = "policy"
    AUDIT = "audit"
    ADMIN = "admin"


class TokenKind(StrEnum):
    """What a token is for, by the strongest of its scopes: a running application, CI, an operator, an administrator."""

    RUNTIME = "rt"
    PIPELINE = "ci"
    OPERATOR = "op"
    ADMIN = "ad"


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """Who took a token back, when and why."""

    actor: str
    at: datetime
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """What a registry knows of a token: everything but its secret.

    ``id`` names it in public, ``prefix`` is how its secret begins. ``channels`` and ``apps`` are patterns.
    ``commitment`` is :func:`commit` of its secret, empty for a token that the first promptops made. ``has_secret`` is
    False after the registry came back from git, where no secret ever goes: such a token only tells
    what there was.
    """

    id: str
    name: str
    scopes: tuple[Scope, ...]
    prefix: str
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    channels: tuple[str, ...] = ("*",)
    apps: tuple[str, ...] = ("*",)
    revoked: Revocation | None = None
    has_secret: bool = True
    commitment: str = ""

    def __post_init__(self) -> None:
        """Raises Invalid: for a token that cannot be."""
        if not is_name(self.name):
            raise Invalid(
                f"'{self.name[:80]}' is not the name of a token",
                hint="Lower case letters, digits, '-', '_' and '.', up to 63: ci-support-bot.",
            )
        if not _ID.fullmatch(self.id) or not _PREFIX.fullmatch(self.prefix):
            raise Invalid(f"the token '{self.name}' has an id or a prefix that no token has")
        if self.scopes != ordered(self.scopes) or not self.scopes:
            raise Invalid(f"the token '{self.name}' has no scopes, or not in order", hint=f"There are: {_SCOPES}.")
        _require_patterns("channels", self.channels)
        _require_patterns("apps", self.apps)
        if any(at is not None and at.tzinfo is None for at in (self.created_at, self.expires_at)):
            raise Invalid(f"the token '{self.name}' has a time without a zone")
        if self.expires_at is not None and self.expires_at <= self.created_at:
            raise Invalid(f"the token '{self.name}' would expire before it is made", hint="Give it a later time.")

    @property
    def kind(self) -> TokenKind:
        """What it is for."""
        return kind_of(self.scopes)

    @property
    def rights(self) -> frozenset[Scope]:
        """Its scopes, and those that they contain."""
        return frozenset(Scope) if Scope.ADMIN in self.scopes else frozenset({Scope.READ, *self.scopes})

    def allows(self, scope: Scope, channel: str = "", app: str = "") -> bool:
        """Whether it may do this there; without a channel or an app for what is about none."""
        return (
            scope in self.rights
            and (not channel or any(matches(pattern, channel) for pattern in self.channels))
            and (not app or any(matches(pattern, app) for pattern in self.apps))
        )

    def reaches(self, other: Token) -> bool:
        """Whether everything that the other may do, this one may do too."""
        return (
            other.rights <= self.rights
            and all(any(matches(own, pattern) for own in self.channels) for pattern in other.channels)
            and all(any(matches(own, pattern) for own in self.apps) for pattern in other.apps)
        )

    def covers(self, other: Token) -> bool:
        """:meth:`reaches`, and for as long: a token makes only such as have no more rights and no longer life."""
        if self.expires_at is not None and (other.expires_at is None or other.expires_at > self.expires_at):
            return False
        return self.reaches(other)

    def flaw(self, now: datetime) -> str:
        """Why it is worth nothing any more, or an empty string."""
        if self.revoked is not None:
            return f"revoked by {self.revoked.actor}" + (f": {self.revoked.reason}" if self.revoked.reason else "")
        if self.expires_at is not None and now >= self.expires_at:
            return f"expired at {_moment(self.expires_at)}"
        return "" if self.has_secret else "the registry came back from git, and secrets are not there"

    def actor(self, claimed: str = "") -> str:
        """Who is recorded for what is done with it: ``Ada via token ci-bot``; that it is Ada is only claimed."""
        return f"{claimed} via token {self.name}" if claimed else f"token {self.name}"

    def __str__(self) -> str:
        """All that it may do, in one line that says the same for no other token: what the audit log keeps."""
        expires = _moment(self.expires_at) if self.expires_at else "never"
        rights = f"{','.join(self.scopes)} channels {','.join(self.channels)} apps {','.join(self.apps)}"
        return f"{self.id} {self.name} {self.prefix} scopes {rights} expires {expires}"


_SCOPES = ", ".join(Scope)


# --- rights --------------------------------------------------------------------------------------


def ordered(scopes: tuple[Scope, ...]) -> tuple[Scope, ...]:
    """Each scope once, in the order of :class:`Scope`."""
    return tuple(scope for scope in Scope if scope in scopes)


def kind_of(scopes: tuple[Scope, ...]) -> TokenKind:
    """The kind of a token with these scopes."""
    given = set(scopes)
    if Scope.ADMIN in given:
        return TokenKind.ADMIN
    if given & {Scope.PROMOTE, Scope.ROLLBACK, Scope.POLICY}:
        return TokenKind.OPERATOR
    return TokenKind.PIPELINE if Scope.RELEASE in given else TokenKind.RUNTIME


def matches(pattern: str, name: str) -> bool:
    """Whether the whole name fits; of a second pattern: only where all that fits the second fits the first.

    At most as many steps as the lengths multiplied, whatever the pattern.
    """
    if pattern in ("*", name):
        return True
    at, here, star, retry = 0, 0, -1, 0
    while here < len(name):
        own = pattern[at] if at < len(pattern) else ""
        if own == "*":
            star, retry, at = at, here, at + 1
        elif own == name[here] or (own == "?" and name[here] != "*"):
            at, here = at + 1, here + 1
        elif star >= 0:
            retry, at = retry + 1, star + 1
            here = retry
        else:
            return False
    return pattern[at:].strip("*") == ""


def _require_patterns(what: str, patterns: tuple[str, ...]) -> None:
    wrong = next((pattern for pattern in patterns if not _PATTERN.fullmatch(pattern)), None)
    if wrong is not None:
        raise Invalid(
            f"'{wrong[:80]}' is not a pattern for {what}",
            hint="A name, in which * is any run of characters and ? is one: prod, staging-*, *.",
        )
    if not patterns or len(patterns) > _MAX_PATTERNS or len(set(patterns)) < len(patterns):
        raise Invalid(f"a token has 1 to {_MAX_PATTERNS} patterns for {what}, each once")


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


# --- secrets -------------------------------------------------------------------------------------


def is_token_id(text: str) -> bool:
    """True for what may be the public id of a token."""
    return _ID.fullmatch(text) is not None


def new_id(draw: Draw) -> str:
    """A public id that no other token has."""
    return "t" + _drawn(11, draw)


def mint(kind: TokenKind, draw: Draw) -> str:
    """A new secret. Show it once, keep :func:`secret_digest` of it."""
    text = f"pops_{kind.value}_{_drawn(_RANDOM, draw)}"
    return text + _check(text)


def parse_token(text: str) -> str:
    """The text, if it is written as a secret is; whether there is such a token is not asked here.

    The length is looked at first, so that a text of any size is refused at the same cost.

    Raises:
        NotAuthenticated: it is not. The error does not repeat it.
    """
    if len(text) == _LENGTH and _SECRET.fullmatch(text) and _check(text[:-_CHECK]) == text[-_CHECK:]:
        return text
    raise NotAuthenticated(
        "this is not a token: it is incomplete, has a typing error, or is something else",
        hint="A token begins with pops_ and has 46 characters. `promptops token create` makes one.",
    )


def secret_digest(text: str) -> str:
    """What the registry keeps of a secret: its SHA-256, in hex."""
    return hashlib.sha256(text.encode()).hexdigest()


def commit(id: str, secret_digest: str) -> str:
    """The commitment to a token's secret in git and the audit log: enough to see that the database has another one.

    It is of no use to who reads it: of 190 random bits neither the digest nor the secret can be found from it.
    """
    return hashlib.sha256(f"promptops.token-secret/1|{id}|{secret_digest}".encode()).hexdigest()


def prefix_of(text: str) -> str:
    """How a secret begins: enough to tell which one it is, and of no use to a guesser."""
    return text[: len("pops_rt_") + _SHOWN]


def _drawn(length: int, draw: Draw) -> str:
    return "".join(_BASE62[draw(62)] for _ in range(length))


def _check(text: str) -> str:
    number, digits = zlib.crc32(text.encode()), ""
    for _ in range(_CHECK):
        number, digit = divmod(number, 62)
        digits = _BASE62[digit] + digits
    return digits
