"""A request's headers -> what it may do. The format of a token is checked before anything is asked of the registry.

What the registry said of a token is kept until something changes there, and never longer than a second, so a token
that was taken back is worth nothing a second later on every server. When the registry cannot be asked, nobody comes in.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Final

from promptops.core.errors import (
    AppNotFound,
    ChannelNotFound,
    DeadlineExceeded,
    NotAllowed,
    NotAuthenticated,
    RegistryDamaged,
    RequestInvalid,
)
from promptops.core.token import Scope, Token, parse_token

FRESH_SECONDS: Final = 1.0
"""How long an answer about a token counts at most."""

_KEPT = 10_000
_PREFIX = b"bearer "
_LONGEST = 100

_AT_ONCE = 100
"""How many tokens one query looks up, which takes the registry some milliseconds."""

Find = Callable[[Sequence[str]], Awaitable[Mapping[str, Token | RegistryDamaged | None]]]
"""Asks the registry for the tokens of these digests of secrets; see :func:`promptops.operations.tokens.find_tokens`."""


@dataclass(frozen=True, slots=True)
class Access:
    """What a request may do: what its token allows, or everything where the server asks for none (``None``).

    ``digest`` is that of the token's secret: whoever stays connected has it looked up again.
    """

    token: Token | None
    digest: str = ""

    @property
    def owner(self) -> str:
        """Whose share of the server it takes, and whose keys and clients are its: the token's id, or empty."""
        return "" if self.token is None else self.token.id

    @property
    def everything(self) -> bool:
        """True where no channel and no app is out of sight."""
        return self.token is None or ("*" in self.token.channels and "*" in self.token.apps)

    def allows(self, scope: Scope, *, channel: str = "", app: str = "") -> bool:
        """Whether it may do this there."""
        return self.token is None or self.token.allows(scope, channel, app)

    def require(self, scope: Scope, *, channel: str = "", app: str = "") -> None:
        """Whether it may do this there, or the error that says no.

        Raises:
            NotAllowed: not anywhere.
            ChannelNotFound, AppNotFound: not there; the same as for what does not exist.
        """
        if self.token is None or self.token.allows(scope, channel, app):
            return
        if not self.token.allows(scope):
            raise NotAllowed(
                f"this token may not do that: it lacks the scope '{scope.value}'",
                scope=scope.value,
                hint="A token with that scope is made by: promptops token create",
            )
        if channel and not self.token.allows(scope, channel):
            raise ChannelNotFound(f"there is no channel '{channel}'")
        raise AppNotFound(f"there is no app '{app}' in this registry")

    def actor(self, claimed: str = "") -> str:
        """Who is recorded for what is done; ``claimed`` is who the caller says it is."""
        if self.token is None:
            return claimed or "anonymous"
        return self.token.actor(claimed)


@dataclass(frozen=True, slots=True)
class _Said:
    """The registry's answer about a digest, its time, and its round."""

    token: Token | None
    at: float
    round: int


class Tokens:
    """The registry's answers about tokens, kept for a second at most. Used on the event loop only.

    One query looks up all waiting tokens, known ones first, and only one query runs at a time. So a flood of invented
    tokens makes a valid one wait for at most two queries, and does not push out known tokens.
    """

    def __init__(self, find: Find) -> None:
        self._find = find
        self._known: OrderedDict[str, _Said] = OrderedDict()
        self._unknown: OrderedDict[str, _Said] = OrderedDict()
        self._waiting: dict[str, asyncio.Future[Token | None]] = {}
        self._asking: asyncio.Task[None] | None = None
        self._round = 0

    def forget(self) -> None:
        """Something changed in the registry: what was said before has to be asked again."""
        self._round += 1

    def seen(self, digest: str) -> bool:
        """True if the registry knew this token at the last lookup; does no lookup."""
        return digest in self._known

    async def of(self, digest: str, now: datetime) -> Token:
        """The valid token whose secret has this digest.

        Raises:
            NotAuthenticated: there is none; it is not said why.
            RegistryUnavailable: the registry could not be asked.
        """
        said = self._known.get(digest) or self._unknown.get(digest)
        if said is not None and said.round == self._round and time.monotonic() - said.at < FRESH_SECONDS:
            token = said.token
        else:
            token = await self._ask(digest)
        if token is None or token.flaw(now):
            raise unauthenticated()
        return token

    async def _ask(self, digest: str) -> Token | None:
        """Ask the registry; whoever comes with the same token meanwhile waits for the same answer."""
        answer = self._waiting.get(digest)
        if answer is None:
            answer = self._waiting[digest] = asyncio.get_running_loop().create_future()
            answer.add_done_callback(_look_at)
            if self._asking is None:
                self._asking = asyncio.create_task(self._ask_on())
        return await asyncio.shield(answer)

    async def _ask_on(self) -> None:
        """Look up the waiting tokens, until none waits."""
        try:
            while self._waiting:
                known = [digest for digest in self._waiting if digest in self._known]
                others = (digest for digest in self._waiting if digest not in self._known)
                asked = [*known, *islice(others, max(0, _AT_ONCE - len(known)))][:_AT_ONCE]
                answers = {digest: self._waiting.pop(digest) for digest in asked}
                try:
                    await self._answer(answers)
                except BaseException as error:
                    for answer in answers.values():
                        if not answer.done():
                            answer.set_exception(_unanswered(error))
                    if not isinstance(error, Exception):
                        raise
        finally:
            self._asking = None

    async def _answer(self, answers: Mapping[str, asyncio.Future[Token | None]]) -> None:
        round_, begun = self._round, time.monotonic()
        found = await self._find(tuple(answers))
        for digest, answer in answers.items():
            token = found[digest]
            if isinstance(token, RegistryDamaged):
                answer.set_exception(token)
                continue
            self._keep(digest, _Said(token, begun, round_))
            answer.set_result(token)

    def _keep(self, digest: str, said: _Said) -> None:
        kept, other = (self._unknown, self._known) if said.token is None else (self._known, self._unknown)
        other.pop(digest, None)
        kept[digest] = said
        kept.move_to_end(digest)
        if len(kept) > _KEPT:
            kept.popitem(last=False)


def _look_at(answer: asyncio.Future[Token | None]) -> None:
    if not answer.cancelled():
        answer.exception()  # mark it as read: all requests that waited may have left


def _unanswered(error: BaseException) -> BaseException:
    """The error for the waiting requests; each raises its own copy."""
    return error if isinstance(error, Exception) else DeadlineExceeded("the server ends; nothing was done")


def bearer(headers: Sequence[tuple[bytes, bytes]], known: Callable[[str], bool]) -> str:
    """The digest of the secret in the one Authorization header. Its format is checked, unless it is ``known``.

    Raises:
        NotAuthenticated: there is no header, or it holds no token.
        RequestInvalid: there are several.
    """
    given = [value for name, value in headers if name == b"authorization"]
    if len(given) > 1:
        raise RequestInvalid("the request has more than one Authorization header")
    if not given or given[0][:7].lower() != _PREFIX or len(given[0]) > _LONGEST:
        raise unauthenticated()
    secret = given[0][7:]
    digest = hashlib.sha256(secret).hexdigest()
    if not known(digest):
        try:
            parse_token(secret.decode("ascii"))
        except (NotAuthenticated, UnicodeDecodeError):
            raise unauthenticated() from None
    return digest


def unauthenticated() -> NotAuthenticated:
    """The one answer to every request without a valid token."""
    return NotAuthenticated(
        "this needs a valid token",
        hint="Send it as `Authorization: Bearer pops_…`. `promptops token create` makes one.",
    )
