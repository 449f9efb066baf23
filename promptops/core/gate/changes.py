"""What a new version of a gate's settings changes, and by which of them it opens to more than before.

What is not known to be as strict counts as looser: a person then says that it is meant.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any, Final, TypeAlias

from promptops.core import setting_changes
from promptops.core.errors import Invalid
from promptops.core.gate.reading import read_gate
from promptops.core.gate.settings import (
    Approvals,
    Bar,
    Cost,
    EvidenceRule,
    External,
    Freeze,
    GateSettings,
    Judges,
    Latency,
    ModelEnds,
    NotWorse,
    Required,
    Waivers,
)
from promptops.core.setting_changes import Settings

Rule: TypeAlias = Callable[[Any, Any], bool]
"""Whether the second is as strict as the first."""

HIDDEN: Final = "gate.apps.…"
"""In place of all settings of apps that a caller does not see."""


def _at_most(old: Any, new: Any) -> bool:
    """As strict where the limit is not higher. Without one, anything goes."""
    return old is None or (new is not None and new <= old)


def _at_least(old: Any, new: Any) -> bool:
    return old is None or (new is not None and new >= old)


def _among(old: Collection[object], new: Collection[object]) -> bool:
    """As strict where only some of the same are taken. None listed: any is."""
    return not old or (bool(new) and set(new) <= set(old))


def _some_of(old: Collection[object], new: Collection[object]) -> bool:
    """As strict where some of the same are named. None named is another rule, which is not known to be as strict."""
    return set(old) == set(new) or (bool(new) and set(new) <= set(old))


def _all_of(old: Collection[object], new: Collection[object]) -> bool:
    """As strict where the same are asked, and perhaps more. None listed: those of the default, which are others."""
    return set(old) == set(new) or (bool(old) and set(new) >= set(old))


def _same(old: object, new: object) -> bool:
    return old == new


def _not_set(old: bool, new: bool) -> bool:
    return old or not new


def _still_set(old: bool, new: bool) -> bool:
    return new or not old


def _frozen(old: Sequence[Freeze], new: Sequence[Freeze]) -> bool:
    return all(any(two.first <= one.first and one.last <= two.last for two in new) for one in old)


def _bars(old: Sequence[Bar], new: Sequence[Bar]) -> bool:
    """As strict where each suite still has to reach as much."""
    return all(
        any((two.suite, two.measure) == (one.suite, one.measure) and two.at_least >= one.at_least for two in new)
        for one in old
    )


def _fewer_renames(old: Mapping[str, str], new: Mapping[str, str]) -> bool:
    return new.items() <= old.items()


_RULES: Final[Mapping[type, Mapping[str, Rule]]] = {
    EvidenceRule: {
        "max_age": _at_most,
        "sources": lambda old, new: set(new) <= set(old),
        "by": _among,
        "hosts": _among,
        "max_errors": _at_most,
    },
    Required: {"agree": _at_least, "of": _same, "regressions": _at_most, "suites": _all_of},
    NotWorse: {"margin": _at_most, "measure": _same, "anchor": _at_least, "suites": _all_of},
    Latency: {"p95_ms": _at_most},
    Cost: {
        "per_call_usd": _at_most,
        "monthly_usd": _at_most,
        "calls_a_day": _at_least,
        "growth": _at_most,
        "source": _same,
        "by_traffic": _still_set,
    },
    Judges: {"labels": _at_least, "youden": _at_least, "by": _some_of},
    External: {"by": _among, "max_age": _at_most},
    ModelEnds: {"within": _at_least},
    Approvals: {"count": _at_least, "proven": _still_set},
    Waivers: {"may": lambda old, new: set(new) <= set(old), "at_most": _at_most},
    GateSettings: {
        "bar": _bars,
        "freeze": _frozen,
        "looks": _same,
        "tries": _at_most,
        "tries_shared": _still_set,
        "days": _at_least,
        "renames": _fewer_renames,
        "warns": _not_set,
    },
}
"""How strict two settings are, by the class and field. Of any other field, only the same value is as strict."""

_KEYS: Final = {
    "by_traffic": "calls_a_day",
    "tries_shared": "tries_level",
    "warns": "mode",
    "of": "agree",
    "evidence.hosts": "hosts",
}
"""Keys of the file whose field has another name."""


def loosened(
    before: Settings, after: Settings | None, sees: Callable[[str], bool] = lambda app: True
) -> tuple[str, ...]:
    """Returns the settings by which ``after`` opens to releases that ``before`` refuses; none if it is as strict.

    Of apps that the caller does not see, by ``sees``, it says no more than :data:`HIDDEN`.
    """
    if after is None:
        return ("gate",)
    found: dict[str, None] = {}
    for app in ("", *sorted({*_apps(before), *_apps(after)})):
        try:
            looser = list(_looser(read_gate(before, app), read_gate(after, app)))
        except Invalid:
            return () if before == after else ("gate",)
        prefix = f"gate.apps.{app}." if app else "gate."
        looser = [prefix + path for path in looser if not app or f"gate.{path}" not in found]
        found |= dict.fromkeys(looser if not app or sees(app) else looser and [HIDDEN])
    return tuple(found)


def differences(
    before: Settings | None, after: Settings | None, sees: Callable[[str], bool] = lambda app: True
) -> list[str]:
    """Returns in words every setting that differs: ``gate.not_worse.margin: 3% → 5%``.

    Of apps that the caller does not see, by ``sees``, it says no more than :data:`HIDDEN`.
    """
    (seen, hidden), (seen_after, hidden_after) = _parted(before, sees), _parted(after, sees)
    hint = [HIDDEN] if hidden != hidden_after else []
    return [*setting_changes.differences("gate", seen, seen_after), *hint]


def _parted(gate: Settings | None, sees: Callable[[str], bool]) -> tuple[Settings | None, Settings]:
    """Returns a gate without the settings of apps that the caller does not see, and those settings."""
    hidden = {app: own for app, own in _apps(gate or {}).items() if not sees(app)}
    if gate is None or not hidden:
        return gate, {}
    apps = {app: own for app, own in _apps(gate).items() if app not in hidden}
    others = {name: value for name, value in gate.items() if name != "apps"}
    return others | ({"apps": apps} if apps else {}), hidden


def _apps(gate: Settings) -> Mapping[str, object]:
    apps = gate.get("apps")
    return apps if isinstance(apps, Mapping) else {}


def _looser(old: object, new: object, prefix: str = "") -> Iterator[str]:
    """The settings of one class, at or below a path, by which the new ones are looser."""
    rules = _RULES.get(type(old), {})
    for name in dict.fromkeys((*(each.name for each in fields(old)), *rules)):  # type: ignore[arg-type]
        before, after = getattr(old, name), getattr(new, name)
        path = prefix + _KEYS.get(prefix + name, _KEYS.get(name, name))
        if name in rules:
            if not rules[name](before, after):
                yield _KEYS.get(path, path)
        elif isinstance(before, Mapping):
            for key, inner in before.items():
                yield from _looser_check(inner, after.get(key), f"{path}.{key}")
        else:
            yield from _looser_check(before, after, path)


def _looser_check(before: object, after: object, path: str) -> Iterator[str]:
    """The same of a check, which may not be asked before or after."""
    if before is None:
        return
    if type(before) is not type(after) or type(before) not in _RULES:
        if before != after:
            yield path
        return
    yield from _looser(before, after, f"{path}.")
