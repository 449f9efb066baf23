"""What a caller may do and see: what its token allows, or everything where there is no token."""

from __future__ import annotations

from dataclasses import dataclass

from promptops.core.advice import Action, Advice, Sentence
from promptops.core.errors import AppNotFound, ChannelNotFound, NotAllowed
from promptops.core.token import Scope, Token


@dataclass(frozen=True, slots=True)
class Rights:
    """The rights of a caller. ``token`` is None for one that has the database itself, or a server without tokens."""

    token: Token | None = None

    @property
    def owner(self) -> str:
        """The owner of the caller's share of the server, idempotency keys and clients: the token's id, or empty."""
        return "" if self.token is None else self.token.id

    @property
    def everything(self) -> bool:
        """True if the caller may see every channel and every app."""
        return self.token is None or ("*" in self.token.channels and "*" in self.token.apps)

    def allows(self, scope: Scope, *, channel: str = "", app: str = "") -> bool:
        """Returns whether the caller may do this in that channel and app."""
        return self.token is None or self.token.allows(scope, channel, app)

    def sees(self, *, channel: str = "", app: str = "") -> bool:
        """Returns whether the caller may know of them."""
        return self.allows(Scope.READ, channel=channel, app=app)

    def require(self, scope: Scope, *, channel: str = "", app: str = "") -> None:
        """Check that the caller may do this in that channel and app.

        Raises:
            NotAllowed: its token lacks the scope.
            ChannelNotFound, AppNotFound: its token has the scope for others only. What does not exist gives the same.
        """
        if self.token is None or self.token.allows(scope, channel, app):
            return
        if not self.token.allows(scope):
            raise NotAllowed(
                f"this token may not do that: it lacks the scope '{scope.value}'",
                scope=scope.value,
                hint=Sentence(
                    "A token with that scope is made by: ",
                    Advice(Action.CREATE_TOKEN, words="an administrator", scope=scope.value),
                ),
            )
        if channel and not self.token.allows(scope, channel):
            raise ChannelNotFound(f"there is no channel '{channel}'")
        raise AppNotFound(f"there is no app '{app}' in this registry")


EVERYTHING = Rights()
"""The rights of a caller that has the database itself."""
