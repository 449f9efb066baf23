"""One GET of a small document from a server that is no registry: the keys of an issuer, an ID token of GitHub.

https, except to this machine; no redirects; a limit of time and of size. What the system trusts is trusted, and a proxy
of the environment is used, as by the command line.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

import httpx

from promptops.client.sources.trust import machine_trust, no_trust
from promptops.core.errors import Unavailable
from promptops.core.server_url import require_server_url


def small_get(url: str, *, seconds: float, largest: int, headers: Mapping[str, str]) -> bytes:
    """Returns the body of a document; ``largest`` is in bytes.

    Raises:
        Invalid: the URL is not of a server, or not encrypted. Unavailable: there is no such answer; names the reason.
    """
    require_server_url(url.partition("?")[0])
    local = url.lower().startswith("http:")
    until, body = time.monotonic() + seconds, bytearray()
    plain = {"accept": "application/json", "accept-encoding": "identity", **headers}
    try:
        with (
            httpx.Client(verify=no_trust() if local else machine_trust(), trust_env=not local) as client,
            client.stream("GET", url, headers=plain, timeout=seconds, follow_redirects=False) as got,
        ):
            if got.status_code != 200:
                raise Unavailable(f"it answered {got.status_code}")
            for piece in got.iter_raw():
                body += piece
                if len(body) > largest:
                    raise Unavailable(f"its answer is over {largest:,} bytes")
                if time.monotonic() > until:
                    raise Unavailable("it took too long")
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, ImportError) as error:
        raise Unavailable(f"it does not answer ({type(error).__name__})") from error
    return bytes(body)
