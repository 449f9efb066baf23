"""In words what differs between two mappings of settings, setting by setting: ``gate.not_worse.margin: 3% → 5%``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, TypeAlias

Settings: TypeAlias = Mapping[str, object]

_SHOWN: Final = 200
"""Characters of a setting that a message shows."""


def differences(name: str, before: Settings | None, after: Settings | None) -> list[str]:
    """Returns in words every setting below ``name`` that differs, in the order of the settings before."""
    if before is None or after is None:
        return [] if before is after else [f"{name}: {_said(before)} → {_said(after)}"]
    old, new = dict(_leaves(before)), dict(_leaves(after))
    return [
        f"{name}.{path}: {_said(old.get(path))} → {_said(new.get(path))}"
        for path in dict.fromkeys((*old, *new))
        if old.get(path) != new.get(path)
    ]


def _leaves(settings: Settings, prefix: str = "") -> Iterator[tuple[str, object]]:
    for name, value in settings.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _said(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, Mapping):
        return "{" + _short(", ".join(f"{name}: {_said(inner)}" for name, inner in value.items())) + "}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + _short(", ".join(_said(_in_order(item)) for item in value)) + "]"
    return value if isinstance(value, str) else json.dumps(value)


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]} …"


def _in_order(value: object) -> object:
    """A mapping in a list, by name: what is stored is, and a file may have another order."""
    return dict(sorted(value.items())) if isinstance(value, Mapping) else value
