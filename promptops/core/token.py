"""Tokens: their rights, and how their secrets are written, checked and digested. No I/O, no clock, no random source.

A secret is ``pops_<kind>_<32 of base62><6 of base62>``: 190 random bits, then the CRC-32 of everything before it. So
a scanner recognises a leaked secret by its form, and a typing error is refused before the database is read. The
registry keeps the SHA-256 of a secret and never the secret itself; a slow hash would add nothing to 190 random bits.

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
from datetime import datetime, timedelta
from enum import StrEnum

from promptops.core.advice import Action, Advice, Sentence
from promptops.core.errors import Invalid, NotAuthenticated
from promptops.core.model import is_name
from promptops.core.person import require_address
from promptops.core.timestamp import timestamp

LIFETIME = timedelta(days=90)
"""Lifetime of a token by default: long enough for a quarterly rotation, short enough that a lost one ends."""

_BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
_RANDOM, _CHECK, _SHOWN = 32, 6, 4
_SECRET = re.compile(r"pops_(?:rt|ci|op|ad)_[0-9A-Za-z]{38}")
_LENGTH = len("pops_rt_") + _RANDOM + _CHECK
_ID = re.compile(r"t[0-9A-Za-z]{11}")
_PREFIX = re.compile(r"pops_(?:rt|ci|op|ad)_[0-9A-Za-z]{4}")
_PATTERN = re.compile(r"[a-z0-9._*?-]{1,63}")
_MAX_PATTERNS = 50  # each request compares its channel and app with all of them

Draw = Callable[[int], int]
"""Returns an unpredictable number from 0 to below its argument: ``secrets.randbelow``."""


class Scope(StrEnum):
    """One thing a token may do. ``admin`` contains every other scope, and every scope contains ``read``."""

    READ = "read"
    REPORT = "report"
    RELEASE = "release"
    PROMOTE = "promote"
    ROLLBACK = "rollback"
    POLICY = "policy"
    AUDIT = "audit"
    EVIDENCE = "evidence"
    APPROVE = "approve"
    WAIVE = "waive"
    CONTENT = "content"
    ADMIN = "admin"


class TokenKind(StrEnum):
    """What a token is for, by the strongest of its scopes: a running application, CI, an operator, an administrator."""

    RUNTIME = "rt"
    PIPELINE = "ci"
    OPERATOR = "op"
    ADMIN = "ad"


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """Who revoked a token, when and why."""

    actor: str
    at: datetime
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A token as the registry knows it: all but its secret.

    ``id`` names it in public, ``prefix`` is how its secret begins. ``channels`` and ``apps`` are patterns.
    ``commitment`` is :func:`commit` of its secret, empty for a token that the first promptops made. ``has_secret`` is
    False after the registry was rebuilt from git, which never has secrets: such a token is
    only a record. ``person`` is the address of the one person who holds it; empty for a token of no person's.
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
    person: str = ""

    def __post_init__(self) -> None:
        """Raises Invalid: for a malformed or contradictory token."""
        if not is_name(self.name):
            raise Invalid(
                f"'{self.name[:80]}' is not the name of a token",
                hint="Lower case letters, digits, '-', '_' and '.', up to 63: ci-support-bot.",
            )
        if not _ID.fullmatch(self.id) or not _PREFIX.fullmatch(self.prefix):
            raise Invalid(f"the token '{self.name}' has an id or a prefix that no token has")
        if self.scopes != ordered(self.scopes) or not self.scopes:
            raise Invalid(f"the token '{self.name}' has no scopes, or not in order", hint=f"There are: {_SCOPES}.")
        require_patterns("channels", self.channels)
        require_patterns("apps", self.apps)
        if any(at is not None and at.tzinfo is None for at in (self.created_at, self.expires_at)):
            raise Invalid(f"the token '{self.name}' has a time without a zone")
        if self.expires_at is not None and self.expires_at <= self.created_at:
            raise Invalid(f"the token '{self.name}' would expire before it is made", hint="Give it a later time.")
        if self.person:
            require_address(self.person)

    @property
    def kind(self) -> TokenKind:
        """The purpose of the token."""
        return kind_of(self.scopes)

    @property
    def rights(self) -> frozenset[Scope]:
        """The token's scopes, with those that they contain."""
        return frozenset(Scope) if Scope.ADMIN in self.scopes else frozenset({Scope.READ, *self.scopes})

    def allows(self, scope: Scope, channel: str = "", app: str = "") -> bool:
        """Returns whether the token has a scope on a channel and an app; empty for an action that concerns none."""
        return (
            scope in self.rights
            and (not channel or any(matches(pattern, channel) for pattern in self.channels))
            and (not app or any(matches(pattern, app) for pattern in self.apps))
        )

    def reaches(self, other: Token) -> bool:
        """Returns whether this token has all rights of the other."""
        return (
            other.rights <= self.rights
            and all(any(matches(own, pattern) for own in self.channels) for pattern in other.channels)
            and all(any(matches(own, pattern) for own in self.apps) for pattern in other.apps)
        )

    def covers(self, other: Token) -> bool:
        """Returns whether this token may create the other: it has all its rights and expires no earlier."""
        if self.expires_at is not None and (other.expires_at is None or other.expires_at > self.expires_at):
            return False
        return self.reaches(other)

    def flaw(self, now: datetime) -> str:
        """Returns why the token is not valid any more; empty for a valid one."""
        if self.revoked is not None:
            return f"revoked by {self.revoked.actor}" + (f": {self.revoked.reason}" if self.revoked.reason else "")
        if self.expires_at is not None and now >= self.expires_at:
            return f"expired at {timestamp(self.expires_at)}"
        return "" if self.has_secret else "the registry came back from git, and secrets are not there"

    def actor(self, claimed: str = "") -> str:
        """Returns the actor for the audit log: ``Ada via token ci-bot``. The name before ``via`` is not verified."""
        return f"{claimed} via token {self.name}" if claimed else f"token {self.name}"

    def __str__(self) -> str:
        """Returns the line that the audit log keeps: all rights of the token, and different for every token."""
        expires = timestamp(self.expires_at) if self.expires_at else "never"
        rights = f"{','.join(self.scopes)} channels {','.join(self.channels)} apps {','.join(self.apps)}"
        of = f" of {self.person}" if self.person else ""
        return f"{self.id} {self.name} {self.prefix} scopes {rights} expires {expires}{of}"


_SCOPES = ", ".join(Scope)


# --- rights --------------------------------------------------------------------------------------


def ordered(scopes: tuple[Scope, ...]) -> tuple[Scope, ...]:
    """Returns each scope once, in the order of :class:`Scope`."""
    return tuple(scope for scope in Scope if scope in scopes)


def kind_of(scopes: tuple[Scope, ...]) -> TokenKind:
    """Returns the kind of a token with these scopes."""
    scope_set = set(scopes)
    if Scope.ADMIN in scope_set:
        return TokenKind.ADMIN
    if scope_set & {Scope.PROMOTE, Scope.ROLLBACK, Scope.POLICY, Scope.APPROVE, Scope.WAIVE, Scope.CONTENT}:
        return TokenKind.OPERATOR
    return TokenKind.PIPELINE if scope_set & {Scope.RELEASE, Scope.EVIDENCE} else TokenKind.RUNTIME


def matches(pattern: str, name: str) -> bool:
    """Returns whether a pattern matches the whole name.

    ``name`` may itself be a pattern; then the result is true only if every name that it matches also matches
    ``pattern``. Takes at most ``len(pattern) * len(name)`` steps for any pattern, unlike a regular expression.
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


def require_patterns(what: str, patterns: tuple[str, ...]) -> None:
    """Raises Invalid: a pattern is malformed, or there are none or too many."""
    wrong = next((pattern for pattern in patterns if not _PATTERN.fullmatch(pattern)), None)
    if wrong is not None:
        raise Invalid(
            f"'{wrong[:80]}' is not a pattern for {what}",
            hint="A name, in which * is any run of characters and ? is one: prod, staging-*, *.",
        )
    if not patterns or len(patterns) > _MAX_PATTERNS or len(set(patterns)) < len(patterns):
        raise Invalid(f"a token has 1 to {_MAX_PATTERNS} patterns for {what}, each once")


# --- secrets -------------------------------------------------------------------------------------


def is_token_id(text: str) -> bool:
    """Returns whether a text has the form of a token's public id."""
    return _ID.fullmatch(text) is not None


def new_id(draw: Draw) -> str:
    """Returns a new public id: 65 random bits, so that no two tokens share one."""
    return "t" + _drawn(11, draw)


def mint(kind: TokenKind, draw: Draw) -> str:
    """Returns a new secret. Show it once and store its :func:`secret_digest`."""
    text = f"pops_{kind.value}_{_drawn(_RANDOM, draw)}"
    return text + _check(text)


def parse_token(text: str) -> str:
    """Returns the text if it has the form of a secret. The token itself may not exist.

    The length is checked first, so that a text of any size is refused at the same cost.

    Raises:
        NotAuthenticated: the text is malformed. The message does not repeat it, because it may be a secret.
    """
    if len(text) == _LENGTH and _SECRET.fullmatch(text) and _check(text[:-_CHECK]) == text[-_CHECK:]:
        return text
    raise NotAuthenticated(
        "this is not a token: it is incomplete, has a typing error, or is something else",
        hint=Sentence(
            "A token begins with pops_ and has 46 characters. ",
            Advice(Action.CREATE_TOKEN, words="An administrator"),
            " makes one.",
        ),
    )


def secret_digest(text: str) -> str:
    """Returns the SHA-256 of a secret in hex, which the registry stores."""
    return hashlib.sha256(text.encode()).hexdigest()


def commit(id: str, secret_digest: str) -> str:
    """Returns the commitment to a token's secret for git and the audit log: it shows whether the database was changed.

    It reveals neither the digest nor the secret, because 190 random bits cannot be guessed.
    """
    return hashlib.sha256(f"promptops.token-secret/1|{id}|{secret_digest}".encode()).hexdigest()


def prefix_of(text: str) -> str:
    """Returns the beginning of a secret: enough to recognise it, too little to guess the rest."""
    return text[: len("pops_rt_") + _SHOWN]


def _drawn(length: int, draw: Draw) -> str:
    return "".join(_BASE62[draw(62)] for _ in range(length))


def _check(text: str) -> str:
    number, digits = zlib.crc32(text.encode()), ""
    for _ in range(_CHECK):
        number, digit = divmod(number, 62)
        digits = _BASE62[digit] + digits
    return digits
