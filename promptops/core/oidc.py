"""ID tokens of continuous integration: which issuers are believed, and what their claims allow. No I/O, no clock.

An ID token is a JWT that a CI system signs for a job (OpenID Connect Core 1.0, section 2). Its signature is checked by
:mod:`promptops.server.live.id_tokens`; here its claims are judged: issuer, audience, times, and which grant they fit.
The first grant that fits decides; grants are not added up, so a token has no right that one grant does not have.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlsplit

from promptops.core.errors import Invalid, NotAuthenticated
from promptops.core.escape import one_line
from promptops.core.model import Json, is_name
from promptops.core.token import Scope, matches

LIFETIME: Final = timedelta(minutes=15)
LONGEST: Final = timedelta(hours=12)
"""Lifetime of a token that was exchanged: by default, and at most."""

LEEWAY: Final = timedelta(seconds=60)
"""How far the clocks of an issuer and of the server may be apart."""

OLDEST: Final = timedelta(hours=24)
"""Lifetime of an ID token at most: so long is it remembered that it was exchanged."""

_OWNERS: Final[Mapping[str, frozenset[str]]] = {
    "token.actions.githubusercontent.com": frozenset(
        {"sub", "repository", "repository_id", "repository_owner", "repository_owner_id"}
    ),
    "gitlab.com": frozenset({"sub", "project_path", "project_id", "namespace_path", "namespace_id"}),
    "agent.buildkite.com": frozenset({"sub", "organization_slug", "organization_id"}),
    "api.bitbucket.org": frozenset({"sub", "workspaceUuid", "repositoryUuid"}),
}
"""Issuers that sign for everyone, and the claims that say for whom."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What an ID token is exchanged for if its claims fit: for each claim one of the patterns, ``*`` and ``?`` as in
    those of tokens. ``name`` begins the names of the tokens.
    """

    name: str
    claims: Mapping[str, tuple[str, ...]]
    scopes: tuple[Scope, ...]
    channels: tuple[str, ...] = ("*",)
    apps: tuple[str, ...] = ("*",)
    lifetime: timedelta = LIFETIME

    def __post_init__(self) -> None:
        """Raises Invalid: it would let everyone in, or its token could not be made."""
        if not is_name(self.name) or len(self.name) > 50:
            raise Invalid(f"'{self.name[:80]}' is not the name of a grant", hint="Lower case letters, digits and '-'.")
        if not self.claims or not all(self.claims.values()):
            raise Invalid(f"the grant '{self.name}' names no claim, so every job of the issuer would have its rights")
        if any(not pattern.strip("*?") for patterns in self.claims.values() for pattern in patterns):
            raise Invalid(f"the grant '{self.name}' has a claim that fits everything", hint="Name what it has to be.")
        if not self.scopes or Scope.ADMIN in self.scopes:
            raise Invalid(
                f"the grant '{self.name}' has no scopes, or has `admin`, which no job is given",
                hint='For example scopes = ["release", "promote"].',
            )
        if not timedelta(seconds=1) <= self.lifetime <= LONGEST:
            raise Invalid(
                f"a token of the grant '{self.name}' lives from a second to {LONGEST // timedelta(hours=1)} h"
            )

    def fits(self, claims: Mapping[str, Json]) -> bool:
        """Returns whether every claim that it names is a text that fits one of its patterns."""
        return all(
            isinstance(value := claims.get(name), str) and any(matches(pattern, value) for pattern in patterns)
            for name, patterns in self.claims.items()
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """An issuer that is believed. ``keys`` is where its JSON Web Key Set is: an https URL, or the path of a file."""

    url: str
    audience: str
    keys: str
    grants: tuple[Grant, ...]

    def __post_init__(self) -> None:
        """Raises Invalid: it would believe others than those that are meant."""
        if not self.url or not self.audience or not self.keys or not self.grants:
            raise Invalid("an issuer has a url, an audience, jwks and at least one grant")
        owners = _OWNERS.get(urlsplit(self.url).hostname or "")
        for grant in self.grants:
            if owners is not None and not any(
                _names_owner(name, pattern, owners) for name, patterns in grant.claims.items() for pattern in patterns
            ):
                raise Invalid(
                    f"{self.url} signs for everyone, and the grant '{grant.name}' does not say for whom",
                    hint=f"Name one of {', '.join(sorted(owners))}, without * before the first /.",
                )

    def judge(self, claims: Mapping[str, Json], now: datetime) -> Grant:
        """Returns the first grant that these claims fit; the signature was checked already.

        Raises:
            NotAuthenticated: the claims are not of this issuer, for this audience, or of now; or no grant fits.
        """
        audience = claims.get("aud")
        if claims.get("iss") != self.url:
            raise refused("it is of another issuer")
        if self.audience not in (audience if isinstance(audience, list) else [audience]):
            raise refused("its audience (aud) is another one")
        now_s, slack = now.timestamp(), LEEWAY.total_seconds()
        end, made = _moment(claims, "exp"), _moment(claims, "iat")
        if end is None or made is None:
            raise refused("it lacks exp or iat, so when it ends is not known")
        begin = made if "nbf" not in claims else _moment(claims, "nbf")
        if now_s >= end + slack:
            raise refused("it has expired")
        if begin is None or now_s < max(begin, made) - slack:
            raise refused("it is not valid yet")
        if end - made > OLDEST.total_seconds():
            raise refused(f"it lives for more than {OLDEST // timedelta(hours=1)} hours")
        grant = next((grant for grant in self.grants if grant.fits(claims)), None)
        if grant is None:
            raise refused("no grant of this server fits its claims")
        return grant


def refused(reason: str) -> NotAuthenticated:
    """The error for an ID token that is not exchanged; it shows nothing of the token."""
    return NotAuthenticated(
        f"this ID token is not exchanged: {reason}", hint="The operator of the server says which are, and for what."
    )


def subject(claims: Mapping[str, Json]) -> str:
    """Returns whom an ID token is of, for the audit log: ``repo:acme/prompts:ref:refs/heads/main at https://…``."""
    who, issuer = (one_line("_".join(str(claims.get(name, "?")).split()), 120) for name in ("sub", "iss"))
    return f"{who} at {issuer[:70]}"


def exchange_key(claims: Mapping[str, Json], text: str) -> str:
    """Returns what an ID token is remembered by once it was exchanged: its ``jti``, else all of it."""
    jti = claims.get("jti")
    signed = text.rpartition(".")[0]  # a signature can have several forms
    known = f"jti|{claims.get('iss')}|{jti}" if isinstance(jti, str) and jti else f"text|{signed}"
    return f"oidc-{hashlib.sha256(known.encode('utf-8', 'surrogatepass')).hexdigest()}"


def _moment(claims: Mapping[str, Json], name: str) -> float | None:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e12:
        return None
    return float(value)


def _names_owner(name: str, pattern: str, owners: frozenset[str]) -> bool:
    """Whether a pattern of a claim says for whom an issuer signs: nothing before its first slash is left open."""
    owner = pattern.split("/")[0].removeprefix("repo:")
    return name in owners and bool(owner) and not set("*?") & set(owner)
