"""A request's headers -> what it may do. The format of a token is checked before anything is asked of the registry.

What the registry said of a token is kept until something changes there, and never longer than a second, so a token
that was taken back is worth nothing a second later on every server. When the registry cannot be asked, nobody comes in.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from promptops.core.errors import AppNotFound, ChannelNotFound, NotAllowed, NotAuthenticated, RequestInvalid
from promptops.core.token import Scope, Token, parse_token

FRESH_SECONDS: Final = 1.0
"""How long an answer about a token counts at most."""

_KEPT = 10_000
_PREFIX = b"bearer "
_LONGEST = 100

Find = Callable[[str], Awaitable[Token | None]]
"""Asks the registry for the token of this digest of a secret."""


@dataclass(frozen=True, slots=True)
class Access:
    """What a request may do: what its token allows, or everything where the server asks for none (``None``).

    ``digest`` is that of the token's secret: whoever stays connected has it looked up again.
    """

    token: Token | None
    digest: str = ""

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


class Tokens:
    """What the registry said of tokens, for a second at most. Used on the event loop only."""

    def __init__(self, find: Find) -> None:
        self._find = find
        self._known: OrderedDict[str, tuple[Token | None, float]] = OrderedDict()
        self._asking: dict[str, asyncio.Task[Token | None]] = {}
        self._round = 0

    def forget(self) -> None:
        """Something changed in the registry: what was said before has to be asked again."""
        self._round += 1
        self._known = OrderedDict((digest, (token, -FRESH_SECONDS)) for digest, (token, _) in self._known.items())

    def seen(self, digest: str) -> bool:
        """Whether the registry knew this token when it was asked last; asks nobody."""
        found = self._known.get(digest)
        return found is not None and found[0] is not None

    async def of(self, digest: str, now: datetime) -> Token:
        """The valid token whose secret has this digest.

        Raises:
            NotAuthenticated: there is none; it is not said why.
            RegistryUnavailable: the registry could not be asked.
        """
        found = self._known.get(digest)
        if found is None or time.monotonic() - found[1] >= FRESH_SECONDS:
            token = await self._ask(digest)
        else:
            token = found[0]
        if token is None or token.flaw(now):
            raise unauthenticated()
        return token

    async def _ask(self, digest: str) -> Token | None:
        """Ask the registry; whoever comes with the same token meanwhile waits for the same answer."""
        task = self._asking.get(digest)
        if task is None:
            task = self._asking[digest] = asyncio.ensure_future(self._find_out(digest))
            task.add_done_callback(lambda done: self._asked(digest, done))
        return await asyncio.shield(task)

    def _asked(self, digest: str, done: asyncio.Task[Token | None]) -> None:
        self._asking.pop(digest, None)
        if not done.cancelled():
            done.exception()  # those who waited may all have left, and nobody else would look at it

    async def _find_out(self, digest: str) -> Token | None:
        asked, begun = self._round, time.monotonic()
        token = await self._find(digest)
        if asked == self._round:  # or something changed while the registry was asked
            self._known[digest] = token, begun
            while len(self._known) > _KEPT:
                self._known.popitem(last=False)
        return token


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
