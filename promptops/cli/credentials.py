"""The token that the command line shows to a server, and the name that a token gives to a change.

In: the environment, else what `promptops login` kept for that server. The rule it keeps: a token is in no message, and
no option takes one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from promptops import config
from promptops.client.sources.credentials import FixedToken, TokenFile

if TYPE_CHECKING:
    from datetime import datetime

    from promptops.client.sources.credentials import Credential
    from promptops.store import Registry


def credential(url: str = "") -> Credential:
    """Returns the token of the environment, else the one that was kept for the server of this URL; empty for none.

    Raises:
        Invalid: one was kept, and cannot be read.
    """
    text, file = config.setting(config.TOKEN), config.setting(config.TOKEN_FILE)
    if text or file:
        return FixedToken(text) if text else TokenFile(file)
    if url:
        from promptops.cli import contexts

        context = contexts.load().of(url)
        if context is not None:
            return contexts.credential_of(context)
    return FixedToken()


def name_of_token(registry: Registry, text: str, now: datetime) -> str:
    """Returns the actor that a valid token of this registry stands for; empty if there is no such token.

    The database's own credentials decide who may write, so the token proves nothing here. It only has a name.
    """
    from promptops.core.errors import NotAuthenticated
    from promptops.core.token import parse_token, secret_digest
    from promptops.operations.tokens import find_token

    try:
        token = find_token(registry, secret_digest(parse_token(text)))
    except NotAuthenticated:
        return ""
    return token.actor() if token is not None and not token.flaw(now) else ""
