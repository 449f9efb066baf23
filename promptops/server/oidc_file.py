"""The issuers of ID tokens that a server believes, and what it gives for them: a file of TOML.

::

    [[issuer]]
    url = "https://token.actions.githubusercontent.com"
    audience = "https://registry.internal"
    jwks = "https://token.actions.githubusercontent.com/.well-known/jwks"

    [[issuer.grant]]
    name = "prompts-main"
    claims = { repository = "acme/prompts", ref = "refs/heads/main" }
    scopes = ["release", "promote"]
    channels = ["staging"]
    lifetime = "15m"
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from promptops.core.duration import parse_duration
from promptops.core.errors import Invalid
from promptops.core.oidc import LIFETIME, Grant, Issuer
from promptops.core.server_url import require_server_url
from promptops.core.token import Scope, require_patterns

LARGEST: Final = 256 << 10
_ISSUER: Final = {"url", "audience", "jwks", "grant"}
_GRANT: Final = {"name", "claims", "scopes", "channels", "apps", "lifetime"}


def read_oidc(path: Path) -> tuple[Issuer, ...]:
    """Returns the issuers in a file. A relative path of keys begins at its folder.

    Raises:
        Invalid: the file cannot be read, or says something else; names where.
    """
    try:
        with path.open("rb") as file:
            document = tomllib.loads(file.read(LARGEST).decode())
    except OSError as error:
        raise Invalid(f"{path} cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise Invalid(f"{path} is no TOML: {error}") from error
    try:
        _only(document, {"issuer"}, "the file")
        issuers = tuple(_issuer(row, path) for row in _tables(document, "issuer", "the file"))
        if len({issuer.url for issuer in issuers}) < len(issuers):
            raise Invalid("two issuers have one url", hint="Put their grants under one [[issuer]].")
        return issuers
    except Invalid as error:
        raise Invalid(f"{path}: {error.message}", hint=error.hint) from error


def _issuer(row: Mapping[str, Any], path: Path) -> Issuer:
    where = f"the issuer {str(row.get('url', '?'))[:80]!r}"
    _only(row, _ISSUER, where)
    url, audience, keys = (_text(row, name, where) for name in ("url", "audience", "jwks"))
    if "://" in keys:
        require_server_url(keys)
    else:
        keys = str(path.parent / keys)
    grants = tuple(_grant(each, f"a grant of {where}") for each in _tables(row, "grant", where))
    return Issuer(url=url, audience=audience, keys=keys, grants=grants)


def _grant(row: Mapping[str, Any], where: str) -> Grant:
    _only(row, _GRANT, where)
    name = _text(row, "name", where)
    where = f"the grant '{name[:80]}'"
    claims = row.get("claims")
    if not isinstance(claims, dict):
        raise Invalid(f"{where} has no claims", hint='claims = { repository = "acme/prompts" }')
    try:
        scopes = tuple(Scope(scope) for scope in _texts(row, "scopes", where))
    except ValueError as error:
        raise Invalid(f"{where}: {error}", hint=f"There are: {', '.join(Scope)}.") from error
    patterns = {what: _texts(row, what, where) for what in ("channels", "apps") if what in row}
    for what, listed in patterns.items():
        require_patterns(what, listed)
    return Grant(
        name=name,
        claims={claim: _texts(claims, claim, f"{where}, claim {claim[:80]!r},") for claim in claims},
        scopes=scopes,
        lifetime=_lifetime(row, where),
        **patterns,
    )


def _lifetime(row: Mapping[str, Any], where: str) -> timedelta:
    return parse_duration(_text(row, "lifetime", where)) if "lifetime" in row else LIFETIME


def _only(row: Mapping[str, Any], known: set[str], where: str) -> None:
    if more := sorted(row.keys() - known):
        hint = f"It has: {', '.join(sorted(known))}."
        raise Invalid(f"{where} has a key that is not known: {more[0][:80]!r}", hint=hint)


def _tables(row: Mapping[str, Any], name: str, where: str) -> list[Mapping[str, Any]]:
    found = row.get(name)
    if not isinstance(found, list) or not found or not all(isinstance(each, dict) for each in found):
        raise Invalid(f"{where} has no [[{name}]]", hint="docs/tokens.md has an example.")
    return found


def _text(row: Mapping[str, Any], name: str, where: str) -> str:
    value = row.get(name)
    if not isinstance(value, str) or not value.strip():
        raise Invalid(f"{where} has no {name}, or one that is no text")
    return value


def _texts(row: Mapping[str, Any], name: str, where: str) -> tuple[str, ...]:
    """Returns one text or a list of them as a tuple."""
    value = row.get(name)
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list) or not listed or not all(isinstance(each, str) and each for each in listed):
        raise Invalid(f"{where} has no {name}, or one that is no text and no list of texts")
    return tuple(listed)
