"""The URL of a server: which may be used, and how any URL is shown. Clients and the command line check it here."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from promptops.core.errors import Invalid
from promptops.core.loopback import is_loopback

_NEVER = re.compile(r"[?#\s\\]")  # a query may hold a secret; the others end a URL early in some readers


def require_server_url(text: str, *, allow_http: bool = False) -> None:
    """Do nothing for ``https://HOST[:PORT][/PATH]``, and for ``http://`` at this machine.

    Raises:
        Invalid: for anything else. The message shows neither user, password nor query.
    """
    scheme, _, rest = text.partition("://")
    shown = f"{scheme}://{re.split(r'[/?#]', rest, maxsplit=1)[0].rpartition('@')[2]}"
    try:
        parts = urlsplit(text)
        host, user, _ = parts.hostname or "", parts.username, parts.port
    except ValueError as error:
        raise _no_url(shown) from error
    if user is not None:
        raise Invalid(
            f"'{shown}' has a user in it, and a server is shown a token",
            hint="Leave the user out, and put a token into PROMPTOPS_TOKEN. A client takes it as token= as well.",
        )
    if not host or _NEVER.search(text) or not text.isascii() or not text.isprintable():
        raise _no_url(shown)
    if scheme.lower() != "https" and not allow_http and not is_loopback(host):
        raise Invalid(
            f"'{shown}' is not encrypted: others on the way could read the token and change the prompts",
            hint=f"http is for this machine alone. Use https://{shown.partition('://')[2]}, with TLS before the server;"
            " a client takes allow_http=True where the network itself is trusted.",
        )


def hide_password(url: str) -> str:
    """The URL without its password, in the user part as well as in the query: fit to be shown."""
    shown = re.sub(r"(://[^:/@\s]*):[^/\s]*@", r"\1:***@", url)
    return re.sub(r"([?&][^=&\s]*password=)[^&\s]*", r"\1***", shown, flags=re.IGNORECASE)


def _no_url(shown: str) -> Invalid:
    hint = "https://HOST[:PORT][/PATH], for example https://prompts.example, in ASCII and without a query."
    return Invalid(f"{shown[:200]!r} is not the URL of a server", hint=hint)
