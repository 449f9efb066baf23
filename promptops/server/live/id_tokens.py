"""Checks the signatures of ID tokens, with keys that each issuer publishes as a JSON Web Key Set (RFC 7517).

A request with an ID token has no token yet, so nothing in it makes the server work: only issuers of the settings are
asked, each by one request at a time, and again after :data:`PAUSE` at the earliest, whatever keys are named. Keys are
read in threads of their own, with a limit of time and size, so an issuer that is slow holds up only those who wait for
its keys. Of a token's header only `alg` and `kid` are used; keys or addresses in it are not.
"""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import math
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from anyio import CapacityLimiter, to_thread

from promptops.core.errors import NotAuthenticated, RegistryUnavailable
from promptops.core.escape import one_line
from promptops.core.model import Json
from promptops.core.oidc import Grant, Issuer, refused

ALGORITHMS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), "RSA"),
    **dict.fromkeys(("ES256", "ES384", "ES512"), "EC"),
    "EdDSA": "OKP",
}
"""The signatures that are believed, with the type of their key. All have a public key: no shared secret, not `none`."""

PAUSE: Final = 60.0
FRESH: Final = 600.0
OLD: Final = 86_400.0
"""Seconds until an issuer is asked again at the earliest, is asked anyway, and until its keys are not believed."""

SECONDS: Final = 5.0
"""For one look at the keys of an issuer."""

LARGEST: Final = 512 << 10
_MOST_KEYS: Final = 100
_SMALLEST: Final = 2048  # bits of an RSA key
_log = logging.getLogger("promptops.server")

Read = Callable[[str], Awaitable[bytes]]
"""Reads a key set from its URL or path."""


@dataclass(slots=True)
class _Keys:
    """The keys of one issuer as they are known. Times are of the monotonic clock."""

    issuer: Issuer
    known: Mapping[str, Any] = field(default_factory=dict)
    asked_at: float = -math.inf
    read_at: float = -math.inf
    asking: asyncio.Task[None] | None = None

    def named(self, kid: str, now: float) -> Any:
        """Returns the key of an id, and without one the only key that there is; None if there is no such key."""
        if now - self.read_at >= OLD:
            return None
        return next(iter(self.known.values())) if not kid and len(self.known) == 1 else self.known.get(kid)


class IdTokens:
    """Judges ID tokens. Used on the event loop only."""

    def __init__(self, issuers: tuple[Issuer, ...], read: Read | None = None) -> None:
        self._keys = {issuer.url: _Keys(issuer) for issuer in issuers}
        self._read = read or read_keys

    async def judge(self, text: str, now: datetime) -> tuple[Grant, Mapping[str, Json]]:
        """Returns the grant that an ID token fits, and its claims.

        Raises:
            NotAuthenticated: it is not exchanged. RegistryUnavailable: the issuer's keys are not known.
        """
        header, claims = _unverified(text)
        issuer = claims.get("iss")
        keys = self._keys.get(issuer) if isinstance(issuer, str) else None
        if keys is None:
            raise refused("no issuer that this server believes has made it")
        algorithm, kid = header.get("alg"), header.get("kid", "")
        if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
            raise refused("its signature (alg) is of no kind that is believed")
        if not isinstance(kid, str):
            raise refused("its key (kid) is no text")
        key = await self._key(keys, kid)
        claims = _verified(text, key, algorithm)
        return keys.issuer.judge(claims, now), claims

    async def close(self) -> None:
        """Wait for no key any more."""
        for keys in self._keys.values():
            if keys.asking is not None:
                keys.asking.cancel()

    async def _key(self, keys: _Keys, kid: str) -> Any:
        now = time.monotonic()
        is_known = keys.named(kid, now) is not None
        if now - keys.asked_at >= PAUSE and (not is_known or now - keys.read_at >= FRESH) and keys.asking is None:
            keys.asked_at = now
            keys.asking = asyncio.create_task(self._ask(keys))
        if not is_known and keys.asking is not None:
            await asyncio.wait({keys.asking})
        if (key := keys.named(kid, time.monotonic())) is not None:
            return key
        if keys.read_at == -math.inf:
            raise RegistryUnavailable(
                "the keys of the issuer of this ID token are not known", hint="Try again in a minute."
            )
        raise refused("its key is not one of its issuer's")

    async def _ask(self, keys: _Keys) -> None:
        try:
            async with asyncio.timeout(SECONDS + 1):
                keys.known = key_set(await self._read(keys.issuer.keys))
            keys.read_at = time.monotonic()
        except Exception as error:  # noqa: BLE001 whatever is wrong there, the keys that are known stay
            reason = one_line(str(error) or type(error).__name__)
            _log.warning("the keys of %s cannot be read from %s: %s", keys.issuer.url, keys.issuer.keys, reason)
        finally:
            keys.asking = None


def key_set(data: bytes) -> Mapping[str, Any]:
    """Returns the keys of a key set that can check a signature, by their ids; others in it are left out.

    Raises:
        ValueError: it is no key set, or has no such key.
    """
    from joserfc.errors import JoseError
    from joserfc.jwk import JWKRegistry

    document = json.loads(data)
    listed = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(listed, list) or len(listed) > _MOST_KEYS:
        raise ValueError("it is no JSON Web Key Set")
    found: dict[str, Any] = {}
    for each in listed:
        if not _is_public(each):
            continue
        try:
            found[each["kid"]] = JWKRegistry.import_key(each)
        except (JoseError, ValueError, TypeError, KeyError):
            continue
    if not found:
        raise ValueError("it has no key that checks a signature")
    return found


def _is_public(each: object) -> bool:
    return (
        isinstance(each, dict)
        and each.get("kty") in ALGORITHMS.values()
        and each.get("use", "sig") == "sig"
        and isinstance(each.get("kid"), str)
        and "d" not in each  # a private key, published by mistake
        and (each["kty"] != "RSA" or len(str(each.get("n", ""))) * 6 >= _SMALLEST)  # base64: 6 bits a character
    )


def _unverified(text: str) -> tuple[Mapping[str, Json], Mapping[str, Json]]:
    """Returns the header and the claims of a JWT, before its signature is checked."""
    parts = text.split(".")
    try:
        if len(parts) != 3:
            raise ValueError
        header, claims = (json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))) for part in parts[:2])
    except (ValueError, RecursionError):
        raise refused("it is no JWT") from None
    if not isinstance(header, dict) or not isinstance(claims, dict):
        raise refused("it is no JWT")
    return header, claims


def _verified(text: str, key: Any, algorithm: str) -> Mapping[str, Json]:
    from joserfc import jwt
    from joserfc.errors import JoseError

    if key.key_type != ALGORITHMS[algorithm] or key.get("alg", algorithm) != algorithm:
        raise refused("its signature (alg) is of another kind than its key")
    try:
        return jwt.decode(text, key, algorithms=[algorithm]).claims
    except (JoseError, ValueError, TypeError):
        raise refused("its signature is not its issuer's") from None


# --- reading keys -----------------------------------------------------------------------------------

_THREADS: Final = CapacityLimiter(4)


async def read_keys(place: str) -> bytes:
    """Returns the bytes of a key set, from an https URL or a file, in a thread of its own.

    Raises:
        OSError, Unavailable: it cannot be read.
    """
    read = _fetch if "://" in place else _file
    return await to_thread.run_sync(read, place, limiter=_THREADS, abandon_on_cancel=True)


def _file(place: str) -> bytes:
    with Path(place).open("rb") as file:
        return file.read(LARGEST)


def _fetch(url: str) -> bytes:
    from promptops.client.sources.small_get import small_get

    return small_get(url, seconds=SECONDS, largest=LARGEST, headers={})


def id_token(headers: Mapping[bytes, bytes]) -> str:
    """Returns the text of the ID token in the Authorization header of a request.

    Raises:
        NotAuthenticated: it is missing.
    """
    value = headers.get(b"authorization", b"")
    if value[:7].lower() != b"bearer " or not value.isascii():
        raise NotAuthenticated("an ID token is needed", hint="Send it as `Authorization: Bearer eyJ…`.")
    return value[7:].decode("ascii").strip()
