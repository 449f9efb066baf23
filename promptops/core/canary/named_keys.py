"""Keys that get a canary first, whatever their bucket is: those of colleagues. They are known by their hashes alone."""

from __future__ import annotations

from collections.abc import Collection

from promptops.core.bucketing import key_hash
from promptops.core.errors import Invalid
from promptops.core.trial import MAX_KEYS

LONGEST_KEY = 500
"""Characters of a key that is named: more than any id of a user has."""


def keys_of(data: bytes) -> tuple[str, ...]:
    """Returns the keys of a file, one a line, each once. Empty lines are passed over, and nothing else is changed.

    Raises:
        Invalid: it is not text, has no keys, or too many.
    """
    try:
        lines = data.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise Invalid("the file of keys is not UTF-8", hint="Write one key a line, as text.") from error
    keys = tuple(dict.fromkeys(line for line in lines if line))
    if not keys:
        raise Invalid("the file of keys has none", hint="Write one key a line, as the application gives it.")
    require_keys(keys)
    return keys


def require_keys(keys: Collection[str]) -> None:
    """Checks keys that are named.

    Raises:
        Invalid: they are too many, or one is empty or too long. The message has no key.
    """
    if len(keys) > MAX_KEYS:
        raise Invalid(
            f"there are {len(keys):,} keys, and at most {MAX_KEYS:,} get a canary first",
            hint="Name colleagues. Users come by percentage.",
        )
    if not all(0 < len(key) <= LONGEST_KEY for key in keys):
        raise Invalid(f"a key that gets a canary first has 1 to {LONGEST_KEY} characters")


def hashes_of(keys: Collection[str], salt: str) -> str:
    """Returns the hashes of keys with the salt of a canary: 8 hex digits each, each once and in order."""
    return "".join(sorted({f"{key_hash(salt, key):08x}" for key in keys}))


def hashes_in(text: str) -> frozenset[int]:
    """Returns the hashes in such a text."""
    return frozenset(int(text[place : place + 8], 16) for place in range(0, len(text), 8))
