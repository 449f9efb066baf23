"""What is no part of a revision  <->  JSON in ``extensions`` of an app's entry in a snapshot.

::

    {"outcomes": {…}, "withdrawn": ["sha256:…"], "held_from": 12,
     "canary": {"sample": [4294967296, 429496730], "keys": [3137606129],
                "limits": {"answer": {"slow_ms": 5300, "dear_micro_usd": 12300}}}}

``outcomes`` is what the app declares of its calls (:mod:`promptops.wire.declarations`). No conversation stays on a
release that is ``withdrawn``, or that it was assigned before the revision ``held_from``. ``canary`` is what the start
of a canary froze (:mod:`promptops.core.trial`). What is empty is left out. Reading is lenient, as of every extension: a
part that cannot be read is as if it were not there, and then no conversation stays on anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Final

from promptops.core.declarations import NOTHING
from promptops.core.model import Json
from promptops.core.snapshot import MAX_REVISION, Pointer
from promptops.core.trial import MAX_KEYS, Limits, Trial
from promptops.wire.declarations import DECLARED, declarations_from_json, declarations_to_json

_WITHDRAWN: Final = "withdrawn"
_HELD_FROM: Final = "held_from"
_CANARY: Final = "canary"
_WHOLE: Final = 2**32
_LIMITS: Final = tuple(field.name for field in fields(Limits))


def extensions_to_json(pointer: Pointer) -> dict[str, Json]:
    """Returns the extensions of an app's entry, without what is empty."""
    parts: dict[str, Json] = {
        DECLARED: declarations_to_json(pointer.declared),
        _WITHDRAWN: list(pointer.withdrawn),
        _HELD_FROM: pointer.held_from,
        _CANARY: {} if pointer.trial is None else _trial_to_json(pointer.trial),
    }
    return {name: part for name, part in parts.items() if part}


def with_extensions(pointer: Pointer, extensions: Json) -> Pointer:
    """Returns a pointer with what the extensions of its entry say."""
    if not isinstance(extensions, Mapping) or not extensions:
        return pointer
    withdrawn, held_from = extensions.get(_WITHDRAWN, []), extensions.get(_HELD_FROM, 0)
    if not isinstance(withdrawn, list) or type(held_from) is not int or not 0 <= held_from <= MAX_REVISION:
        withdrawn, held_from = [], pointer.revision
    return replace(
        pointer,
        declared=declarations_from_json(extensions),
        withdrawn=tuple(digest for digest in withdrawn if isinstance(digest, str)),
        held_from=held_from,
        trial=_trial(extensions.get(_CANARY)),
    )


def bare(pointer: Pointer) -> Pointer:
    """Returns a pointer with as few extensions as there can be: what apps declare stops no channel."""
    return replace(
        pointer, declared=NOTHING, withdrawn=(), held_from=pointer.revision if pointer.withdrawn else 0, trial=None
    )


def _trial_to_json(trial: Trial) -> dict[str, Json]:
    limits = {
        prompt: {name: limit for name in _LIMITS if (limit := getattr(found, name)) is not None}
        for prompt, found in trial.limits.items()
    }
    parts: dict[str, Json] = {
        "sample": list(trial.sample or ()),
        "keys": sorted(trial.keys),
        "limits": {prompt: found for prompt, found in limits.items() if found},
    }
    return {name: part for name, part in parts.items() if part}


def _trial(document: Json) -> Trial | None:
    if not isinstance(document, Mapping):
        return None
    sample, keys, limits = document.get("sample"), document.get("keys"), document.get("limits")
    thresholds = _numbers(sample) if isinstance(sample, list) and len(sample) == 2 else []
    return Trial(
        sample=(thresholds[0], thresholds[1]) if len(thresholds) == 2 else None,
        keys=frozenset(_numbers(keys[:MAX_KEYS])) if isinstance(keys, list) else frozenset(),
        limits={name: _limits(each) for name, each in limits.items()} if isinstance(limits, Mapping) else {},
    )


def _numbers(values: list[Json]) -> list[int]:
    return [value for value in values if type(value) is int and 0 <= value <= _WHOLE]


def _limits(document: Json) -> Limits:
    found = document if isinstance(document, Mapping) else {}
    return Limits(**{name: limit for name in _LIMITS if type(limit := found.get(name)) is int and limit >= 0})
