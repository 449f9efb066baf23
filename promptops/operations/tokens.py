"""Makes, lists and revokes tokens, and finds the token of a secret.

A secret is made here, returned to the caller, and stored nowhere: the database gets its SHA-256, and git and the audit
log get neither. A caller with the database may do all of this. A caller through a server has the token ``by``, and can
neither make, nor see, nor revoke a token with more rights than that.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from promptops.core.advice import Action, Advice, Sentence
from promptops.core.errors import (
    Invalid,
    NotAllowed,
    NotAuthenticated,
    RegistryDamaged,
    TokenNameTaken,
    TokenNotFound,
)
from promptops.core.free_text import require_words
from promptops.core.token import (
    LIFETIME,
    Draw,
    Revocation,
    Scope,
    Token,
    commit,
    kind_of,
    mint,
    new_id,
    ordered,
    prefix_of,
    secret_digest,
)

if TYPE_CHECKING:
    from promptops.store import Reader, Registry, Writer

_LONGEST = timedelta(days=36_525)
"""A century: longer lifetimes are meant as `never`, and their end could be past the largest date."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRequest:
    """The name of a new token, what it may do, and where; one that does not end by itself has no ``lifetime``.

    ``capped``: it ends at the latest with the token ``by``, and is not refused for a longer lifetime. ``person`` is the
    address of the one person who holds it; empty: it is no person's.
    """

    name: str
    scopes: tuple[Scope, ...] = (Scope.READ, Scope.REPORT)
    channels: tuple[str, ...] = ("*",)
    apps: tuple[str, ...] = ("*",)
    lifetime: timedelta | None = LIFETIME
    capped: bool = False
    person: str = ""

    def __post_init__(self) -> None:
        if self.lifetime is not None and not timedelta(seconds=1) <= self.lifetime <= _LONGEST:
            raise Invalid("a token lives for a second at least and a century at most", hint="90d is usual.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Minted:
    """A new token, and its secret, which is stored nowhere, so show it once. ``repr`` leaves it out."""

    token: Token
    text: str = field(repr=False)


def create_token(
    registry: Registry,
    request: TokenRequest,
    *,
    actor: str,
    now: datetime,
    by: Token | None = None,
    draw: Draw = secrets.randbelow,
) -> Minted:
    """Make a token. A second request for the same name is refused: the first secret cannot be shown again.

    Raises:
        Invalid: the name, the scopes, the patterns or the lifetime are not valid.
        TokenNameTaken: a live token has the name.
        NotAllowed: it would have more rights than ``by``, or live longer.
        NotAuthenticated: ``by`` has ended or was revoked meanwhile.
    """
    token, text = _minted(request, new_id(draw), actor=actor, now=now, by=by, draw=draw)
    if by is not None:
        _require_covered(by, token)

    def work(writer: Writer) -> None:
        writer.lock_log()
        known = writer.tokens()
        if any(each.id == token.id for each in known):
            return  # an earlier try of this call made it, and its answer was lost
        _require_valid(writer, by, now)
        _require_free(token.name, known, now, by)
        writer.add_token(token, secret_digest(text))

    registry.write(work)
    return Minted(token=token, text=text)


def exchange_token(
    registry: Registry, request: TokenRequest, *, key: str, actor: str, now: datetime, draw: Draw = secrets.randbelow
) -> Minted:
    """Make a token for an ID token, once. Its name is that of the request with an end of its own.

    ``key`` is what the ID token is remembered by: in the table of idempotency, with no answer, since a secret is
    returned once.

    Raises:
        NotAuthenticated: the ID token was exchanged already.
    """
    id = new_id(draw)
    named = replace(request, name=f"{request.name}-{id.lower()}")
    token, text = _minted(named, id, actor=actor, now=now, by=None, draw=draw)

    def work(writer: Writer) -> None:
        writer.lock_log()
        used = writer.answer(key)
        if used is not None and used.request == token.id:
            return  # an earlier try of this call made it
        if used is not None:
            raise NotAuthenticated(
                "this ID token was exchanged already", hint="Each is good for one token. Ask for another, or keep that."
            )
        writer.add_token(token, secret_digest(text))
        writer.remember(key, token.id, b"[]", now)

    registry.write(work)
    return Minted(token=token, text=text)


def _minted(
    request: TokenRequest, id: str, *, actor: str, now: datetime, by: Token | None, draw: Draw
) -> tuple[Token, str]:
    """Returns a new token and its secret."""
    scopes = ordered(request.scopes)
    text = mint(kind_of(scopes), draw)
    token = Token(
        id=id,
        name=request.name,
        scopes=scopes,
        channels=tuple(dict.fromkeys(request.channels)),
        apps=tuple(dict.fromkeys(request.apps)),
        prefix=prefix_of(text),
        created_at=now,
        created_by=actor,
        expires_at=_end(request, now, by),
        commitment=commit(id, secret_digest(text)),
        person=request.person,
    )
    return token, text


def list_tokens(registry: Registry, *, by: Token | None = None) -> tuple[Token, ...]:
    """Returns every token that was ever made, oldest first, also ended and revoked ones."""
    with registry.read() as reader:
        return tuple(token for token in reader.tokens() if by is None or by.reaches(token))


def revoke_token(
    registry: Registry, which: str, *, reason: str = "", actor: str, now: datetime, by: Token | None = None
) -> Token:
    """Revoke a token, at once and for ever. If it is revoked already, the first time stays.

    ``which`` is its id, or its name: of several with the name, the newest.

    Raises:
        Invalid: the reason cannot be stored.
        TokenNotFound: there is no such token, or ``by`` may not see it.
        NotAuthenticated: ``by`` has ended or was revoked meanwhile.
    """

    require_words(reason)

    def work(writer: Writer) -> Token:
        from promptops.store.facts.revocation import RevokedToken

        writer.lock_log()
        _require_valid(writer, by, now)
        token = _named(writer, which, by)
        if token.revoked is not None:
            return token
        revocation = Revocation(actor=actor, at=now, reason=reason)
        writer.record(RevokedToken(id=token.id, name=token.name, revocation=revocation))
        return replace(token, revoked=revocation)

    return registry.write(work)


def find_token(registry: Registry, secret_digest: str) -> Token | None:
    """Returns the token whose secret has this digest; ``token.flaw(now)`` is empty if it is valid."""
    with registry.read() as reader:
        return reader.token_by_secret(secret_digest)


def find_tokens(registry: Registry, secret_digests: Iterable[str]) -> Mapping[str, Token | RegistryDamaged | None]:
    """:func:`find_token` for each of them, in one transaction; a damaged row is an answer and troubles no other."""
    tokens: dict[str, Token | RegistryDamaged | None] = {}
    with registry.read() as reader:
        for digest in secret_digests:
            try:
                tokens[digest] = reader.token_by_secret(digest)
            except RegistryDamaged as error:
                tokens[digest] = error
    return tokens


def _end(request: TokenRequest, now: datetime, by: Token | None) -> datetime | None:
    ends = [None if request.lifetime is None else now + request.lifetime]
    if request.capped and by is not None:
        ends.append(by.expires_at)
    return min((end for end in ends if end is not None), default=None)


def _named(reader: Reader, which: str, by: Token | None) -> Token:
    try:
        by_id = reader.token(which)
    except TokenNotFound:
        by_id = None
    known: tuple[Token, ...] = (by_id,) if by_id else reader.tokens()
    seen = [token for token in known if by is None or by.reaches(token)]
    wanted = [token for token in seen if which in (token.id, token.name)]
    if not wanted:
        listed = [f"{token.id} ({token.name})" for token in seen if token.revoked is None] if by_id is None else []
        raise TokenNotFound(f"there is no token '{which[:80]}'", known=listed)
    return wanted[-1]


def _require_covered(by: Token, token: Token) -> None:
    if not by.covers(token):
        limit = f", until {by.expires_at:%Y-%m-%d %H:%M} UTC" if by.expires_at else ""
        raise NotAllowed(
            f"the token '{by.name}' cannot make one with more rights than its own, or one that lives longer",
            scope=Scope.ADMIN.value,
            hint=f"It may do: {', '.join(by.scopes)} on channels {', '.join(by.channels)} and apps "
            f"{', '.join(by.apps)}{limit}.",
        )


def _require_valid(reader: Reader, by: Token | None, now: datetime) -> None:
    """Checks ``by`` under the lock, so that a token which is being revoked makes no other one."""
    if by is not None and reader.token(by.id).flaw(now):
        raise NotAuthenticated("the token is not valid any more", hint="Get a new one from an administrator.")


def _require_free(name: str, known: tuple[Token, ...], now: datetime, by: Token | None) -> None:
    taken = next((token for token in known if token.name == name and not token.flaw(now)), None)
    if taken is not None:
        if by is not None and not by.reaches(taken):
            raise TokenNameTaken(f"a token cannot have the name '{name}'", hint="It is taken. Choose another one.")
        raise TokenNameTaken(
            f"there is a live token '{name}' already: {taken.id}, made by {taken.created_by}",
            hint=Sentence(
                "Its secret cannot be shown again. To replace it: make one under another name, bring that to where it "
                "is used, then ",
                Advice(Action.REVOKE_TOKEN, token=taken.id),
            ),
        )
