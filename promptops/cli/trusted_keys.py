"""The keys that a user trusts, for what is made of git without the database: public lines, fingerprints, or files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from promptops import config

if TYPE_CHECKING:
    from promptops.cli.session import Session

_FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")
_LARGEST = 16 << 10
"""Bytes of a file that are read; a key has a hundred."""

trusted_key_option = click.option(
    "--key",
    "keys",
    multiple=True,
    metavar="KEY",
    help="Trust this public key of the registry: its line, fingerprint or file. [PROMPTOPS_REGISTRY_KEY]",
)


def trusted(session: Session, typed: Sequence[str]) -> tuple[str, ...]:
    """Returns the fingerprints of the keys that were typed, or else that the environment names.

    Raises:
        Invalid: one is neither a key, nor a fingerprint, nor a file with keys.
    """
    named = [*typed] or [part for part in re.split(r"[,\n]", config.setting(config.REGISTRY_KEY)) if part.strip()]
    return tuple(dict.fromkeys(print_ for each in named for print_ in _fingerprints(session, each.strip())))


def _fingerprints(session: Session, text: str) -> list[str]:
    from promptops.core.errors import Invalid
    from promptops.core.signing import KIND, fingerprint, public_line

    if _FINGERPRINT.fullmatch(text):
        return [text]
    if text.startswith(f"{KIND} "):
        return [fingerprint(public_line(text))]
    try:
        with session.path(text).open("rb") as file:
            lines = file.read(_LARGEST).decode("utf-8", "replace").splitlines()
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no path"
        hint = "ssh-ed25519 AAAA…, SHA256:…, or a file with such lines."
        raise Invalid(f"'{text[:80]}' is no public key, and no file can be read there: {why}", hint=hint) from error
    # Of an allowed-signers file of ssh, a line has the names of people before the key.
    keys = [KIND + line.partition(KIND)[2] for line in lines if KIND in line and not line.lstrip().startswith("#")]
    if not keys:
        raise Invalid(f"{text} has no public line of an Ed25519 key", hint="ssh-keygen wrote it to FILE.pub.")
    return [fingerprint(public_line(key)) for key in keys]
