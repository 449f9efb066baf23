"""Secrets of receivers, and the signature of a notification (Standard Webhooks 1.0.0, symmetric).

The signature is ``v1,`` and the base64 of HMAC-SHA256 over ``ID.TIMESTAMP.BODY``; a secret is ``whsec_`` and the base64
of 24 to 64 random bytes (https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md).

A server's file has a line for each receiver: its name, its URL as it was declared, and one secret or more. The URL is
part of the key: a receiver whose URL was changed has no secret until the operator of the server gives it one.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from promptops.core.advice import Action, Advice, Sentence
from promptops.core.errors import Invalid
from promptops.core.notifications.address import SECRET

PREFIX: Final = "whsec_"
_BYTES: Final = range(24, 65)
_FILL: Final = re.compile(r"[A-Za-z0-9._~%=&+/-]{8,500}")

Secrets = Mapping[tuple[str, str], tuple[str, ...]]
"""The secrets of receivers, by name and URL."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What a receiver's secrets are for: ``url`` is the address to send to, ``keys`` sign. Never shown."""

    url: str
    keys: tuple[bytes, ...]


def read_secrets(text: str) -> Secrets:
    """Returns the secrets of a file: lines of ``NAME URL SECRET…``; a line that begins with ``#`` is a comment.

    Raises:
        Invalid: a line has no secret. No message shows a line.
    """
    secrets: dict[tuple[str, str], tuple[str, ...]] = {}
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if len(words) < 3:
            raise Invalid(
                f"line {number} of the file of secrets is not complete", hint="NAME URL SECRET, with blanks between."
            )
        secrets[words[0], words[1]] = tuple(words[2:])
    return secrets


def credentials(name: str, url: str, secrets: Secrets) -> Credentials:
    """Returns the address and the keys of a receiver.

    Raises:
        Invalid: there are no secrets for this name and URL, or they are not what this URL needs. No message shows one.
    """
    found = secrets.get((name, url), ())
    if not found:
        other = any(known == name for known, _ in secrets)
        raise Invalid(
            f"the server has no secret for {name}" + (" with this URL" if other else ""),
            hint=f"A line in its file of secrets: {name} {url} {PREFIX if SECRET not in url else ''}…",
        )
    if SECRET in url:
        if not _FILL.fullmatch(found[0]):
            raise Invalid(f"the secret of {name} does not fit into a URL")
        url, found = url.replace(SECRET, found[0]), found[1:]
    return Credentials(url=url, keys=tuple(_key(name, secret) for secret in found))


def _key(name: str, secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith(PREFIX) or len(key) not in _BYTES:
        raise Invalid(
            f"a secret of {name} is not {PREFIX} and the base64 of 24 to 64 bytes",
            hint=Sentence(Advice(Action.MAKE_SECRET)),
        )
    return key


def new_secret(random: bytes) -> str:
    """Returns a secret of these random bytes, at least 24."""
    return PREFIX + base64.b64encode(random).decode()


def headers(id: str, at: int, body: bytes, keys: Sequence[bytes]) -> dict[str, str]:
    """Returns the headers of a notification that is sent at a time, in seconds since 1970, with a signature a key."""
    signed = b".".join((id.encode(), str(at).encode(), body))
    digests = [hmac.new(key, signed, hashlib.sha256).digest() for key in keys]
    signatures = " ".join(f"v1,{base64.b64encode(digest).decode()}" for digest in digests)
    return {"webhook-id": id, "webhook-timestamp": str(at), **({"webhook-signature": signatures} if keys else {})}
