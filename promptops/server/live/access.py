"""Finds out what a request may do, from its headers. The format of a token is checked before the registry is queried.

The registry's answer about a token is kept until the registry changes, and for one second at most: so a revoked token
is refused by every server a second later. When the registry does not answer, requests with a token are refused.
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

from promptops.core.advice import Action, Advice, Sentence
from promptops.core.errors import DeadlineExceeded, NotAuthenticated, RegistryDamaged, RequestInvalid
from promptops.core.rights import Rights
from promptops.core.token import Token, parse_token

FRESH_SECONDS: Final = 1.0
"""Seconds that an answer about a token is used at most: so long may a revoked token still work."""

_KEPT = 10_000  # answers kept of known tokens, and of unknown ones: more than tokens in use, and a few MB of memory
_PREFIX = b"bearer "
_LONGEST = 100  # bytes of the header: no token is longer, and a longer text is refused before it is hashed

_AT_ONCE = 100
"""Tokens that one query looks up at most, so that a query takes milliseconds and a flood delays others little."""

Find = Callable[[Sequence[str]], Awaitable[Mapping[str, Token | RegistryDamaged | None]]]
"""Looks up the tokens of these digests of secrets; see :func:`promptops.operations.tokens.find_tokens`."""


@dataclass(frozen=True, slots=True)
class Access(Rights):
    """What a request may do. ``digest`` is that of the token's secret, by which a stream looks up its token again."""

    digest: str = ""

    def actor(self, claimed: str = "") -> str:
        """Returns the actor to record for a change; ``claimed`` is the name that the caller gave."""
        if self.token is None:
            return claimed or "anonymous"
        return self.token.actor(claimed)


@dataclass(frozen=True, slots=True)
class _Lookup:
    """The registry's answer about a digest, the time of the query, and the round: a count of the registry's changes."""

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
        self._known: OrderedDict[str, _Lookup] = OrderedDict()
        self._unknown: OrderedDict[str, _Lookup] = OrderedDict()
        self._waiting: dict[str, asyncio.Future[Token | None]] = {}
        self._asking: asyncio.Task[None] | None = None
        self._round = 0

    def forget(self) -> None:
        """Look up every token again, because the registry changed."""
        self._round += 1

    def seen(self, digest: str) -> bool:
        """True if the registry knew this token at the last lookup; does no lookup."""
        return digest in self._known

    async def of(self, digest: str, now: datetime) -> Token:
        """The valid token whose secret has this digest.

        Raises:
            NotAuthenticated: no valid token has it. The error does not say why.
            RegistryUnavailable: the registry did not answer.
        """
        lookup = self._known.get(digest) or self._unknown.get(digest)
        if lookup is not None and lookup.round == self._round and time.monotonic() - lookup.at < FRESH_SECONDS:
            token = lookup.token
        else:
            token = await self._ask(digest)
        if token is None or token.flaw(now):
            raise unauthenticated()
        return token

    async def _ask(self, digest: str) -> Token | None:
        """Look the token up. Requests with the same token meanwhile wait for the same answer."""
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
                batch = [*known, *islice(others, max(0, _AT_ONCE - len(known)))][:_AT_ONCE]
                answers = {digest: self._waiting.pop(digest) for digest in batch}
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
        tokens = await self._find(tuple(answers))
        for digest, answer in answers.items():
            token = tokens[digest]
            if isinstance(token, RegistryDamaged):
                answer.set_exception(token)
                continue
            self._keep(digest, _Lookup(token, begun, round_))
            answer.set_result(token)

    def _keep(self, digest: str, lookup: _Lookup) -> None:
        kept, other = (self._unknown, self._known) if lookup.token is None else (self._known, self._unknown)
        other.pop(digest, None)
        kept[digest] = lookup
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
    values = [value for name, value in headers if name == b"authorization"]
    if len(values) > 1:
        raise RequestInvalid("the request has more than one Authorization header")
    if not values or values[0][:7].lower() != _PREFIX or len(values[0]) > _LONGEST:
        raise unauthenticated()
    secret = values[0][7:]
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
        hint=Sentence(
            "Send it as `Authorization: Bearer pops_…`. ",
            Advice(Action.CREATE_TOKEN, words="An administrator"),
            " makes one.",
        ),
    )
