"""Reads a file of held cases, from outside the repository: only a runner that is given the place and the token can.

A token goes to the address that the environment names, and nowhere else: who writes prompts may change what a suite
names. No redirect is followed.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from promptops._version import __version__
from promptops.core.advice import Sentence, option
from promptops.core.errors import Invalid, Unavailable
from promptops.core.escape import one_line
from promptops.core.server_url import require_server_url

MAX_HELD: Final = 16 << 20
"""Bytes of a file of held cases, as of one beside its suite."""

_LOCAL: Final = option("local", "A local run")
_SECONDS: Final = 60.0  # for the whole file: 16 MiB take a slow line about as long


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldPlaces:
    """What a runner knows of held cases: the ``base`` of relative places, a folder or a URL, and the token for it.

    ``repository`` is the folder of the repository, outside of which they are. ``trust`` says whose certificates count.
    """

    base: str
    token: str
    repository: Path
    trust: Callable[[Collection[str]], ssl.SSLContext]


def fetch_held(place: str, known: HeldPlaces) -> bytes:
    """Returns the bytes of a file of held cases.

    Raises:
        Invalid: the place cannot be one: it is in the repository, or relative to nothing.
        Unavailable: it cannot be reached or read here.
    """
    where = _resolved(place, known.base)
    if "://" not in where:
        return _from_file(where, known.repository)
    require_server_url(where)
    base = f"{known.base.rstrip('/')}/"
    return _from_url(where, known.token if "://" in base and where.startswith(base) else "", known)


def _resolved(place: str, base: str) -> str:
    if "://" in place or place.startswith("/"):
        return place
    if not base or ("://" not in base and not base.startswith("/")):
        raise Invalid(
            f"the held cases {place} are below PROMPTOPS_HELD, which is not set to a URL or to the path of a folder",
            hint=Sentence("Set it where the suite is run. ", _LOCAL, " leaves them out."),
        )
    return f"{base.rstrip('/')}/{place}"


def _from_file(where: str, repository: Path) -> bytes:
    try:
        path = Path(where).resolve(strict=True)
        if path.is_relative_to(repository.resolve()):
            raise Invalid(
                f"the held cases {where} are in the repository, so who writes prompts can try them out",
                hint="Keep them elsewhere, or name the file by `cases`.",
            )
        if not path.is_file():
            raise _unreadable(where, "not a file")
        with path.open("rb") as file:
            data = file.read(MAX_HELD + 1)
    except OSError as error:
        raise _unreadable(where, error.strerror or type(error).__name__) from error
    _require_small(data, where)
    return data


def _from_url(where: str, token: str, known: HeldPlaces) -> bytes:
    headers = {"user-agent": f"promptops/{__version__}", "accept-encoding": "identity"}
    headers |= {"authorization": f"Bearer {token}"} if token else {}
    end = time.monotonic() + _SECONDS
    try:
        with (
            httpx.Client(verify=known.trust([where]), follow_redirects=False, timeout=_SECONDS) as client,
            client.stream("GET", where, headers=headers) as got,
        ):
            if got.status_code != 200:
                raise _unreadable(where, _said(got.status_code, with_token=bool(token)))
            return _body(got, where, end)
    except (httpx.TransportError, httpx.DecodingError) as error:
        raise _unreadable(where, one_line(str(error)) or type(error).__name__) from error
    except (ValueError, ImportError, httpx.InvalidURL) as error:
        raise Invalid(f"the proxy that the environment names cannot be used: {error}") from error


def _body(got: httpx.Response, where: str, end: float) -> bytes:
    data = bytearray()
    for piece in got.iter_raw():
        data += piece
        _require_small(data, where)
        if time.monotonic() > end:
            raise _unreadable(where, f"not whole within {_SECONDS:.0f} s")
    return bytes(data)


def _said(status: int, *, with_token: bool) -> str:
    if status in (401, 403, 404) and not with_token:
        return (
            f"{status}; no token was sent, which takes PROMPTOPS_HELD_TOKEN, and an address above it in PROMPTOPS_HELD"
        )
    return f"a redirect ({status}), and none is followed" if 300 <= status < 400 else str(status)


def _require_small(data: bytes | bytearray, where: str) -> None:
    if len(data) > MAX_HELD:
        raise Invalid(f"the held cases {where} are over {MAX_HELD >> 20} MiB", hint="Split the file, and the suite.")


def _unreadable(where: str, why: str) -> Unavailable:
    return Unavailable(
        f"the held cases {where} cannot be read here: {why}",
        hint=Sentence("Only the machine that runs evaluations for a gate has to. ", _LOCAL, " leaves them out."),
    )
