"""Whether the model that answered is the pinned one, although providers write one model in several ways.

Providers answer an alias with its dated name (``gpt-4o`` with ``gpt-4o-2024-08-06``), leave out prefixes that a pin
needs (``us.anthropic.claude-…-v1:0``), or add one (``models/gemini-…``). All else is another model: ``gpt-4o-mini`` is
not ``gpt-4o``.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

_DEPLOYMENTS: Final = frozenset({"azure", "azure-openai", "azure_openai"})
"""Providers whose names of models are those of a customer's deployments, and say nothing of the model behind."""
_VENDOR: Final = re.compile(r"(?:[a-z][a-z0-9]*\.)+(?=[a-z])")
_SUFFIX: Final = re.compile(
    r"(?:[-@:](?:20\d\d-?[01]\d-?[0-3]\d|[01]\d-20\d\d|[01]\d-[0-3]\d|\d{3,4}|v\d+|\d+|latest)(?![a-z0-9.]))+"
)
"""A date, a number of a version or a revision at the end of a name."""


@lru_cache(maxsize=1_000)  # an application calls a few models, a million times
def is_pinned_model(pinned: str, answered: str) -> bool:
    """Returns whether a model that answered, by the provider's own name, is the pinned one, ``provider/model``.

    True also where one of the two is not known: an empty text.
    """
    provider, _, rest = pinned.lower().partition("/")
    if not pinned or not answered or provider in _DEPLOYMENTS:
        return True
    return _is_same(_bare(rest or provider), _bare(answered.lower()))


def _bare(model: str) -> str:
    name = model.rpartition("/")[2]
    vendor = _VENDOR.match(name)
    return (name[vendor.end() :] if vendor else name).removesuffix("-latest")


def _is_same(one: str, other: str) -> bool:
    short, long = sorted((one, other), key=len)
    return long == short or (long.startswith(short) and _SUFFIX.fullmatch(long, len(short)) is not None)
