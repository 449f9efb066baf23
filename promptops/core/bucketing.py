"""Who gets the canary: ``promptops/bucket-v1``, frozen.

::

    hash   = murmur3_x86_32(utf8(salt + ":" + key), seed 0)     0 … 2^32 - 1
    bucket = (hash * 10000) >> 32                               0 … 9999
    canary if bucket < weight                                   weight in basis points

The salt is ``app#channel#rollout``: one for the whole ramp of a canary, so raising the weight only ever adds keys, and
a new one for each canary, so it is not always the same users who try things first. murmur3 is defined at
https://github.com/aappleby/smhasher/wiki/MurmurHash3; golden vectors for other languages are in ``docs/bucketing.md``.
A lone surrogate, which is no text, counts as U+FFFD, as it does for ``TextEncoder`` in a browser.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from promptops.core.deployment_parts import WHOLE as WHOLE
from promptops.core.errors import Invalid


def bucket(salt: str, key: str) -> int:
    """The bucket of a key, 0 to 9999: the same in every process and language."""
    return (_murmur3()(utf8(f"{salt}:{key}"), 0) * WHOLE) >> 32


def key_hash(salt: str, key: str) -> int:
    """The hash of a key, 0 to 2^32 - 1, of which :func:`bucket` is the upper end."""
    return _murmur3()(utf8(f"{salt}:{key}"), 0)


def utf8(text: str) -> bytes:
    """Returns the bytes of a text that holds a key, with U+FFFD for each lone surrogate."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()


@cache
def _murmur3() -> Callable[[bytes, int], int]:
    """Returns the hash function. Imported for the first canary only: most clients never have one."""
    import mmh3

    return mmh3.mmh3_32_uintdigest


def is_canary(salt: str, key: str, weight: int) -> bool:
    """Returns whether a key gets the canary at this weight, in basis points."""
    return bucket(salt, key) < weight


def rollout_salt(app: str, channel: str, rollout: str) -> str:
    """Returns the salt of one canary, the same from its start to its end."""
    return f"{app}#{channel}#{rollout}"


def percent(weight: int) -> str:
    """Returns a weight as people read it: ``5 %``, ``0.25 %``."""
    return f"{weight / (WHOLE // 100):g} %"


def require_weight(weight: int) -> int:
    """Returns the weight if it is valid.

    Raises:
        Invalid: not within 0 to 10,000 basis points.
    """
    if not 0 <= weight <= WHOLE:
        raise Invalid(f"a canary's weight is 0 to {WHOLE:,} basis points, not {weight}")
    return weight
