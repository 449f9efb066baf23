"""What a rendered message or part is that has a cache mark (:mod:`promptops.core.cache_marks`)."""

from __future__ import annotations

from typing import Any


class Cached(dict[str, Any]):
    """A rendered message, or a part of one, up to whose end a provider is to cache.

    It has no key of its own: what ``render`` returns goes to chat completions as it is, which refuse a key that they do
    not know.
    """

    __slots__ = ()
