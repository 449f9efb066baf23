"""Exchanges an ID token of continuous integration for a token, at a server. The registry needs no token for that."""

from __future__ import annotations

from promptops.core.errors import NotAuthenticated, RegistryUnavailable
from promptops.gateway.http_answers import AnswerObject, parsed
from promptops.gateway.http_sender import SECONDS, Sender, ServerRequest
from promptops.operations.tokens import Minted
from promptops.use_cases.documents import read

PATH = "/v1/token-exchange"


def exchange(url: str, id_token: str) -> Minted:
    """Returns the token that the server gives for an ID token, which is good for one.

    Raises:
        NotAuthenticated: the server does not exchange it. RegistryUnavailable: it does not answer, or not with a token.
    """
    sender = Sender(url, token="", seconds=SECONDS)
    try:
        answer = parsed(sender.send(ServerRequest(method="POST", path=PATH, bearer=id_token)).body)
    except NotAuthenticated as error:
        if "ID token" not in error.message:  # the answer of a server that has no such address
            error.hint = f"Does {url} exchange ID tokens? `promptops serve --oidc FILE` does."
        raise
    except ValueError as error:
        raise RegistryUnavailable(f"the answer of {url} is no JSON") from error
    finally:
        sender.close()
    if not isinstance(answer, dict):
        raise RegistryUnavailable(f"the answer of {url} is no JSON object")
    return read(Minted, AnswerObject(answer))
