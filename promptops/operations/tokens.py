"""Tokens: make one, list them, take one back, find the one a secret belongs to.

A secret is made here, handed to whoever asked, and kept nowhere: the database gets its SHA-256, and git and the audit
log get neither. Whoever can write to the database may do all of this; ``by`` is the token of somebody who comes
through a server, and may then neither make, nor see, nor take back what goes beyond that token.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRequest:
    """What a token is to be called, may do, and where; ``lifetime`` is None for one that does not end by itself.

    ``capped``: it ends at the latest with the token that it is made with, and is not refused for that.
    """

    name: str
    scopes: tuple[Scope, ...] = (Scope.READ,)
    channels: tuple[str, ...] = ("*",)
    apps: tuple[str, ...] = ("*",)
    lifetime: timedelta | None = LIFETIME
    capped: bool = False

    def __post_init__(self) -> None:
        if self.lifetime is not None and not timedelta(seconds=1) <= self.lifetime <= _LONGEST:
            raise Invalid("a token lives for a second at least and a century at most", hint="90d is usual.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Minted:
    """A new token, and its secret: it is nowhere else, so show it once. It is not in the text form of this."""

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
    """Make a token. Asked for twice, the second is refused: the first secret cannot be shown again.

    Raises:
        Invalid: no such name, scopes, patterns or lifetime can be.
        TokenNameTaken: a live token has the name.
        NotAllowed: it would have more rights than ``by``, or live longer.
        NotAuthenticated: ``by`` has ended or was taken back meanwhile.
    """
    scopes = ordered(request.scopes)
    text = mint(kind_of(scopes), draw)
    id = new_id(draw)
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
    )
    if by is not None:
        _require_covered(by, token)

    def work(writer: Writer) -> None:
        writer.lock_tokens()
        known = writer.tokens()
        if any(each.id == token.id for each in known):
            return  # this very one, made by a try whose answer was lost
        _require_valid(writer, by, now)
        _require_free(token.name, known, now, by)
        writer.add_token(token, secret_digest(text))

    registry.write(work)
    return Minted(token=token, text=text)


def list_tokens(registry: Registry, *, by: Token | None = None) -> tuple[Token, ...]:
    """Every token that was ever made, oldest first, those that ended and were taken back too."""
    with registry.read() as reader:
        return tuple(token for token in reader.tokens() if by is None or by.reaches(token))


def revoke_token(
    registry: Registry, which: str, *, reason: str = "", actor: str, now: datetime, by: Token | None = None
) -> Token:
    """Take a token back, at once and for ever. Taken back already: the first time stands.

    ``which`` is its id, or its name: of several that had it, the newest.

    Raises:
        Invalid: the reason cannot be kept.
        TokenNotFound: there is none, or ``by`` may not know of it.
        NotAuthenticated: ``by`` has ended or was taken back meanwhile.
    """

    require_words(reason)

    def work(writer: Writer) -> Token:
        from promptops.store.facts.revocation import RevokedToken

        writer.lock_tokens()
        _require_valid(writer, by, now)
        token = _named(writer, which, by)
        if token.revoked is not None:
            return token
        revocation = Revocation(actor=actor, at=now, reason=reason)
        writer.record(RevokedToken(id=token.id, name=token.name, revocation=revocation))
        return replace(token, revoked=revocation)

    return registry.write(work)


def find_token(registry: Registry, secret_digest: str) -> Token | None:
    """The token whose secret has this digest. Whether it is still worth something: ``token.flaw(now)``."""
    with registry.read() as reader:
        return reader.token_by_secret(secret_digest)


def find_tokens(registry: Registry, secret_digests: Iterable[str]) -> Mapping[str, Token | RegistryDamaged | None]:
    """:func:`find_token` for each of them, in one transaction; a damaged row is an answer and troubles no other."""
    found: dict[str, Token | RegistryDamaged | None] = {}
    with registry.read() as reader:
        for digest in secret_digests:
            try:
                found[digest] = reader.token_by_secret(digest)
            except RegistryDamaged as error:
                found[digest] = error
    return found


def _end(request: TokenRequest, now: datetime, by: Token | None) -> datetime | None:
    ends = [None if request.lifetime is None else now + request.lifetime]
    if request.capped and by is not None:
        ends.append(by.expires_at)
    return min((end for end in ends if end is not None), default=None)


def _named(reader: Reader, which: str, by: Token | None) -> Token:
    try:
        found = reader.token(which)
    except TokenNotFound:
        found = None
    known: tuple[Token, ...] = (found,) if found else reader.tokens()
    seen = [token for token in known if by is None or by.reaches(token)]
    wanted = [token for token in seen if which in (token.id, token.name)]
    if not wanted:
        listed = [f"{token.id} ({token.name})" for token in seen if token.revoked is None] if found is None else []
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
    """Under the lock, so that a token that is taken back at this moment makes no other one."""
    if by is not None and reader.token(by.id).flaw(now):
        raise NotAuthenticated("the token is not valid any more", hint="Ask for a new one.")


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
