"""The private key of this process: from the environment, as text or as the path of a file; never shown."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from promptops import config
from promptops.core.errors import Invalid
from promptops.core.signing import load_private_key

if TYPE_CHECKING:
    from promptops.core.signing import PrivateKey
    from promptops.operations.journal_key import JournalKey, KeyRequest

LARGEST = 16 << 10
"""Bytes of a file that are read; a key has four hundred."""


def signing_key() -> PrivateKey | None:
    """Returns the private key that the environment names; None where it names none.

    Raises:
        Invalid: it cannot be read, or is no key. ExtraMissing: the extra ``[sign]`` is not installed.
    """
    text, file = config.setting(config.SIGNING_KEY), config.setting(config.SIGNING_KEY_FILE)
    if text:
        return _loaded(text, config.SIGNING_KEY)
    return key_in(Path(file).expanduser(), config.SIGNING_KEY_FILE) if file else None


def key_in(file: Path, named_by: str) -> PrivateKey:
    """Returns the private key in a file; ``named_by`` is the variable or option that names it.

    Raises:
        Invalid: it cannot be read, or is no key. ExtraMissing: the extra ``[sign]`` is not installed.
    """
    try:
        with file.open("rb") as opened:
            text = opened.read(LARGEST).decode("utf-8", "replace")
    except OSError as error:
        raise Invalid(f"{named_by}: {file} cannot be read: {error.strerror or error}") from error
    return _loaded(text, f"{named_by}: {file}")


def _loaded(text: str, where: str) -> PrivateKey:
    try:
        return load_private_key(text)
    except Invalid as error:
        raise Invalid(f"{where}: {error.message}", hint=error.hint) from None


def first_key() -> KeyRequest | None:
    """Returns the request that signs a new registry with the key of this process; None without one."""
    key = signing_key()
    if key is None:
        return None
    from promptops.operations.journal_key import KeyRequest

    return KeyRequest(number=1, public_key=key.public)


def trust(state: JournalKey) -> None:
    """Remember the key in force on this machine, in place of those before: a rebuild believes it.

    Only with the registry's own answer is this right; one that was stolen must not be believed any longer.
    """
    from promptops.source import vouched

    keys = (state.key,) if state.key else ()
    vouched.update(state.lineage, lambda known: replace(known, keys=keys))


def why_locked(state: JournalKey) -> str:
    """Returns why this process cannot sign the journal; empty if it can, or need not."""
    if not state.key:  # as most registries: then what signs need not be imported
        return ""
    from promptops.projection.keyring import why_locked as why

    return why(state.key, signing_key)
