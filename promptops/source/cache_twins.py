"""What APIs call a cache mark, which prompt files have as ``cache: true``."""

from __future__ import annotations

from typing import Final

CACHE_TWINS: Final = dict.fromkeys(
    (
        "cache_control",
        "cacheControl",
        "cache-control",
        "cache_point",
        "cachePoint",
        "cached",
        "caching",
        "prompt_cache_breakpoint",
        "promptCacheBreakpoint",
    ),
    "`cache: true`",
)
