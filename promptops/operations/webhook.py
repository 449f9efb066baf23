"""Sends one notification: a POST to an address that was checked, and what came of it.

The host is resolved once, every address of it has to be allowed, and the connection goes to an address that was
checked: a name that changes its address between two look-ups leads nowhere else (DNS rebinding). Redirects are not
followed, and no proxy is asked, since a proxy would resolve the name again. One deadline bounds all of it.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, partial
from typing import Final

from promptops.core.backoff import retry_after
from promptops.core.errors import Invalid
from promptops.core.escape import one_line
from promptops.core.notifications.address import Network, Target, address_flaw

SECONDS: Final = 20.0
"""Seconds for one notification, with TLS and the answer: within the 15 to 30 that Standard Webhooks recommends."""

_CONNECTING: Final = 5.0  # seconds for one address: a host may have several, of which one does not answer

Resolve = Callable[[str, int], Sequence[str]]
"""Returns the addresses of a host. Raises OSError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of it: the status, 0 without an answer; why it did not arrive, if so; and how long to wait then."""

    status: int = 0
    error: str = ""
    wait: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """A notification on its way: to a target, which may be in these private networks."""

    target: Target
    headers: Mapping[str, str]
    body: bytes
    private: Sequence[Network] = ()


def resolve(host: str, port: int) -> Sequence[str]:
    """Returns the addresses of a host, as the system resolves it."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return list(dict.fromkeys(str(each[4][0]) for each in found))


def over_http(trust: Callable[[], ssl.SSLContext]) -> Callable[[Post], Answer]:
    """Returns what sends notifications; ``trust`` says whose certificates are believed, and is called once."""
    return partial(send, trust=cache(trust))


def send(
    post: Post, *, trust: Callable[[], ssl.SSLContext], seconds: float = SECONDS, resolver: Resolve = resolve
) -> Answer:
    """Send a notification and wait for the status of its answer, the rest of which is not read."""
    target, until = post.target, time.monotonic() + seconds
    try:
        addresses = resolver(target.host, target.port)
    except (OSError, UnicodeError):
        return Answer(error=f"the name {target.host} cannot be resolved")
    flaws = [flaw for address in addresses if (flaw := address_flaw(address, post.private))]
    if flaws or not addresses:
        return Answer(error=f"{target.host}: {flaws[0][0] if flaws else 'it has no address'}")
    line = _Line(until)
    try:
        line.connect(addresses, target, trust)
        return line.ask(post)
    except ssl.SSLCertVerificationError as error:
        return Answer(error=f"the certificate of {target.host} is not trusted: {one_line(error.verify_message, 100)}")
    except Invalid as error:
        return Answer(error=error.message)
    except (OSError, http.client.HTTPException, ValueError) as error:
        if line.is_late or isinstance(error, TimeoutError):
            return Answer(error=f"{target.host} did not answer within {seconds:g} s")
        reason = getattr(error, "strerror", None) or type(error).__name__
        return Answer(error=f"{target.host} gave no answer: {one_line(str(reason), 100)}")
    finally:
        line.close()


class _Line:
    """One connection, which ends at its deadline whatever it does then."""

    def __init__(self, until: float) -> None:
        self._until = until
        self._socket: socket.socket | None = None
        self._watchdog = threading.Timer(max(0.0, until - time.monotonic()), self._cut)
        self._watchdog.daemon = True
        self.is_late = False

    def connect(self, addresses: Sequence[str], target: Target, trust: Callable[[], ssl.SSLContext]) -> None:
        """Connect to the first address that answers, with TLS for https.

        Raises:
            OSError: none answers, or TLS fails. Invalid: it is not known whose certificates are believed.
        """
        self._watchdog.start()
        for place, address in enumerate(addresses, 1):
            try:
                self._socket = socket.create_connection((address, target.port), min(_CONNECTING, self._left()))
                break
            except OSError:
                if place == len(addresses):
                    raise
        assert self._socket is not None
        self._socket.settimeout(self._left())
        if target.scheme == "https":
            tls = trust().wrap_socket(self._socket, server_hostname=target.host, do_handshake_on_connect=False)
            self._socket = tls
            tls.do_handshake()

    def ask(self, post: Post) -> Answer:
        """Send the request and return what its answer says.

        Raises:
            OSError, HTTPException, ValueError: there is no such answer.
        """
        connection = http.client.HTTPConnection(post.target.host)
        connection.sock = self._socket
        usual = {"Host": post.target.place, "Content-Type": "application/json", "Accept-Encoding": "identity"}
        path = post.target.path if post.target.path.startswith("/") else f"/{post.target.path}"
        connection.request("POST", path, body=post.body, headers={**usual, "Connection": "close", **post.headers})
        answer = connection.getresponse()
        if self.is_late:  # the end of the connection was read as the end of the headers
            raise TimeoutError
        headers = {name.lower(): value for name, value in answer.getheaders()}
        if 200 <= answer.status < 300:
            return Answer(status=answer.status)
        what = ", and redirects are not followed" if 300 <= answer.status < 400 else ""
        error = f"{post.target.host} answered with status {answer.status}{what}"
        return Answer(status=answer.status, error=error, wait=retry_after(headers))

    def close(self) -> None:
        """Close the connection."""
        self._watchdog.cancel()
        if self._socket is not None:
            self._socket.close()

    def _left(self) -> float:
        left = self._until - time.monotonic()
        if left <= 0:
            self.is_late = True
            raise TimeoutError
        return left

    def _cut(self) -> None:
        self.is_late = True
        if self._socket is not None:
            with suppress(OSError):
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)  # past TLS, which another thread is using
