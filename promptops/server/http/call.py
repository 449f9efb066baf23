"""What a handler is handed: the request after the gate has judged it, and everything it may need to answer it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Final

from fastapi import Depends, Request

from promptops import clock
from promptops.core.actor import require_claim
from promptops.core.errors import Invalid, RequestInvalid, TooManyRequests
from promptops.core.model import Json
from promptops.core.token import Scope
from promptops.server.live.access import Access

if TYPE_CHECKING:
    from promptops.server.live.server_state import ServerState
    from promptops.server.live.turns import Turns
    from promptops.store import Registry

IN_SCOPE: Final = "promptops.call"
"""Where the gate leaves the call for FastAPI to find."""

_MAX_WORDS = 200  # characters of a header with text, such as the actor's name and address
_REVISION = re.compile(r'"[0-9]{1,15}"')


Hold = Callable[[bool], bool]
"""Says of a request that nothing of it is done yet (True) or that its work begins (False): until then, its connection
may give way to another on a full server. Returns whether the connection is still there."""


def never_gone(waits: bool) -> bool:
    """The :data:`Hold` of a request that has no connection of its own to give way."""
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request. ``path`` and ``query`` are decoded and checked; ``document`` is the JSON of its body, read strictly,
    and ``body`` are its bytes where a route takes another format. The names of ``headers`` are in lower case.

    The token may use this route; where the address names a channel or an app, it may do so there.
    """

    state: ServerState
    access: Access
    method: str
    path: Mapping[str, str]
    query: Mapping[str, tuple[str, ...]]
    headers: Mapping[bytes, bytes]
    document: Json = None
    body: bytes = b""
    hold: Hold = never_gone

    async def take_turn(self, turns: Turns, seconds: float, held: ExitStack) -> None:
        """Wait for a turn, which ``held`` gives back.

        Raises:
            DeadlineExceeded: it did not come in time. TooManyRequests: the connection gave way. Nothing was done.
        """
        owner = self.access.owner
        self.hold(True)
        try:
            await turns.take(owner, seconds)
        finally:
            there = self.hold(False)
        held.callback(turns.give, owner)
        if not there:
            raise TooManyRequests("this server is full, and this connection gave way to another", retry_after=5)

    @property
    def registry(self) -> Registry:
        """The registry; to be asked from a worker thread, which is where a plain ``def`` handler runs."""
        return self.state.registry

    @property
    def now(self) -> datetime:
        """The time, for operations that record it."""
        return clock.now()

    @property
    def actor(self) -> str:
        """Who is recorded for a change: the token, and whom ``Promptops-Actor`` names.

        Raises:
            RequestInvalid: the name is not valid.
        """
        claimed = self.words("promptops-actor")
        try:
            return self.access.actor(require_claim(claimed))
        except Invalid as error:
            raise RequestInvalid(f"the header promptops-actor: {error.message}", hint=error.hint) from error

    @property
    def key(self) -> str:
        """The ``Idempotency-Key``, or an empty string."""
        return self.words("idempotency-key")

    @property
    def expect_revision(self) -> int | None:
        """The revision that ``If-Match: "7"`` names.

        Raises:
            RequestInvalid: it names none.
        """
        value = self.header("if-match")
        if value is None:
            return None
        if not _REVISION.fullmatch(value):
            raise RequestInvalid("If-Match holds the revision a channel is expected to be at", hint='If-Match: "7"')
        return int(value[1:-1])

    def header(self, name: str) -> str | None:
        """Returns the value of a header; None if the request has no such header."""
        value = self.headers.get(name.encode("ascii"))
        return None if value is None else value.decode("latin-1")

    def words(self, header: str) -> str:
        """Returns a header with one line of text in UTF-8; an empty string if the request has no such header.

        Raises:
            RequestInvalid: its value is not such a line.
        """
        value = self.headers.get(header.encode("ascii"), b"")
        try:
            text = value.decode("utf-8").strip()
        except UnicodeDecodeError:
            text = "\0"
        if len(text) > _MAX_WORDS or not text.isprintable():
            raise RequestInvalid(f"the header {header} is not one line of at most {_MAX_WORDS} printable characters")
        return text

    def require(self, scope: Scope, *, channel: str = "", app: str = "") -> None:
        """Checks a right that the address does not show, such as for the apps of a body; see :meth:`Access.require`."""
        self.access.require(scope, channel=channel, app=app)

    def sees(self, *, channel: str = "", app: str = "") -> bool:
        """Returns whether the caller may see them; lists leave out what it may not see."""
        return self.access.allows(Scope.READ, channel=channel, app=app)


async def _call(request: Request) -> Call:
    call = request.scope[IN_SCOPE]
    assert isinstance(call, Call)
    return call


CallOf = Annotated[Call, Depends(_call)]
"""The annotation with which a handler gets its call."""
