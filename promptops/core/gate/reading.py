"""Reads the policy key ``gate:`` into :class:`~promptops.core.gate.settings.GateSettings`, strictly.

``gate`` holds for every app of the channel; ``apps:`` replaces single checks for one, and ``off`` takes one away.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Final

from promptops.core.duration import parse_duration
from promptops.core.errors import Invalid
from promptops.core.evidence.approval import NO_ABORT
from promptops.core.evidence.run import Source
from promptops.core.gate.settings import (
    LARGEST_MARGIN,
    LEVELS,
    Approvals,
    Bar,
    Cost,
    EvidenceRule,
    External,
    Freeze,
    GateSettings,
    Judges,
    Latency,
    Measure,
    ModelEnds,
    NotWorse,
    Required,
    Waivers,
)
from promptops.core.names import is_name
from promptops.core.setting_values import OFF, Values

CHECKS: Final = (
    "required",
    "not_worse",
    "bar",
    "latency",
    "cost",
    "judges",
    "external",
    "freeze",
    "model_ends",
    "approvals",
)
"""The checks of a gate, in the order in which a verdict lists them; no external check may be named like one."""

SUITES: Final = "suites"
"""The name of the verdict on suites that were taken away or weakened; it has no key of its own."""

ROLLOUT: Final = "rollout"
"""The check of a policy beside the gate that a person may waive as one of the gate: to go live without a canary."""

APART: Final = (ROLLOUT, NO_ABORT)
"""What a person may waive that is no check of a gate; no external check may be named like one."""

_AGREE: Final = re.compile(r"\s*([0-9]{1,2})\s+of\s+([0-9]{1,2})\s*")
_ANCHOR: Final = re.compile(r"\s*best\s+of\s+(\S.*)")
_MOST_REPEATS: Final = 25


def read_gate(gate: Mapping[str, object], app: str = "") -> GateSettings:
    """Returns what a gate asks of an app; without one, of every app that the gate does not name.

    Raises:
        Invalid: a key is not known, or a value has another form. The message names it: ``gate.not_worse.margin``.
    """
    values = Values(gate, "gate")
    every = _settings(values, without=())
    _require_checks(every)
    apps = Values(values.raw("apps"), "gate.apps") if "apps" in values else None
    values.done()
    chosen = every
    for name in apps.names() if apps is not None else ():
        settings = _of_app(gate, name, apps.raw(name) if apps is not None else None)
        chosen = settings if name == app else chosen
    return chosen


def may_be_waived(gate: Mapping[str, object] | None, check: str) -> bool:
    """Returns whether a person may waive what is no check of a gate: unless the gate lists others alone."""
    waivers = (gate or {}).get("waivers")
    may = waivers.get("may") if isinstance(waivers, Mapping) else None
    return may is None or may == check or (isinstance(may, list | tuple) and check in may)


def _require_checks(settings: GateSettings) -> None:
    """Raises Invalid: a check that may be waived does not exist, so it never could be."""
    known = [*CHECKS, SUITES, *APART, *settings.external]
    unknown = next((name for name in settings.waivers.may if name not in known), None)
    if unknown is not None:
        raise Invalid(
            f"gate.waivers.may has '{unknown[:60]}', which is no check", hint=f"Known are {', '.join(known)}."
        )


def _of_app(gate: Mapping[str, object], app: str, own: object) -> GateSettings:
    """Returns what holds for an app with settings of its own: each replaces that of all apps, whole."""
    path = f"gate.apps.{app}"
    values = Values(own, path)
    if not is_name(app):
        raise Invalid(f"{path} is not named like an app")
    _settings(values, without=("mode", "waivers"))
    values.done()
    assert isinstance(own, Mapping) or own is True
    merged = {**gate, **(own if isinstance(own, Mapping) else {})}
    return _settings(Values(merged, path), without=())


def _settings(values: Values, without: tuple[str, ...]) -> GateSettings:
    def part(name: str) -> Values | None:
        value = values.raw(name)
        return None if value in OFF else Values(value, f"{values.path}.{name}")

    def read(name: str, reader: Callable[[Values], object]) -> object:
        own = part(name)
        if own is None:
            return None
        made = reader(own)
        own.done()
        return made

    beside = {
        "evidence": read("evidence", _evidence) or EvidenceRule(),
        "waivers": Waivers() if "waivers" in without else read("waivers", _waivers) or Waivers(),
        "looks": values.whole("looks", 3, least=1, most=max(LEVELS)),
        "tries": values.whole("tries", 5, least=1),
        "tries_shared": values.choice("tries_level", "each", ("each", "shared")) == "shared",
        "days": values.whole("days", 1, least=1, most=30),
        "renames": _renames(part("renames")),
        "warns": "mode" not in without and values.choice("mode", "refuse", ("refuse", "warn")) == "warn",
    }
    hosts = values.texts("hosts")
    if hosts:
        beside["evidence"] = _with_hosts(beside["evidence"], hosts)
    checks = {name: read(name, _READERS[name]) for name in _READERS}
    several = {
        "bar": _bars(values),
        "freeze": _freezes(values),
        "external": _externals(part("external")),
    }
    return GateSettings(**beside, **checks, **several)  # type: ignore[arg-type]


def _with_hosts(rule: object, hosts: tuple[str, ...]) -> EvidenceRule:
    assert isinstance(rule, EvidenceRule)
    return EvidenceRule(max_age=rule.max_age, sources=rule.sources, by=rule.by, hosts=hosts, max_errors=rule.max_errors)


def _evidence(values: Values) -> EvidenceRule:
    default = EvidenceRule()
    names = [source.value for source in Source if source not in (Source.EXTERNAL, Source.LABELS)]
    sources = values.texts("sources", tuple(source.value for source in default.sources))
    if not set(sources) <= set(names):
        values.refuse("sources", f"some of {', '.join(names)}")
    return EvidenceRule(
        max_age=values.time("max_age", default.max_age),
        sources=tuple(Source(source) for source in sources),
        by=values.texts("by"),
        max_errors=values.share("max_errors", default.max_errors, most=0.5, zero=True),
    )


def _required(values: Values) -> Required:
    agree, of = 2, 3
    if "agree" in values:
        found = _AGREE.fullmatch(str(values.raw("agree")))
        agree, of = (int(found[1]), int(found[2])) if found else (0, 0)
        if not 1 <= agree <= of <= _MOST_REPEATS:
            values.refuse("agree", f"how many of at most {_MOST_REPEATS} repeats have to pass, such as '2 of 3'")
    regressions = values.whole("regressions", None, least=0)
    if regressions:
        values.refuse("regressions", "0: every case has to pass, so none that passes on live may fail now")
    return Required(agree=agree, of=of, regressions=regressions, suites=values.texts("suites"))


def _not_worse(values: Values) -> NotWorse:
    if "margin" not in values:
        values.refuse("margin", "the loss that is too much, such as 5%")
    anchor: timedelta | None = None
    if "anchor" in values:
        found = _ANCHOR.fullmatch(str(values.raw("anchor")))
        if found is None:
            values.refuse("anchor", "the time whose best release counts: best of 180d")
        anchor = parse_duration(found[1])
    return NotWorse(
        margin=values.share("margin", 0.0, most=LARGEST_MARGIN),
        measure=_measure(values),
        anchor=anchor,
        suites=values.texts("suites"),
    )


def _measure(values: Values) -> Measure:
    return Measure(values.choice("measure", Measure.PASS.value, [measure.value for measure in Measure]))


def _bars(values: Values) -> tuple[Bar, ...]:
    given = values.raw("bar")
    if given in OFF:
        return ()
    parts = [Values(one, f"{values.path}.bar") for one in (given if isinstance(given, list | tuple) else [given])]
    bars = []
    for part in parts:
        if "at_least" not in part:
            part.refuse("at_least", "the share of answers that pass, such as 90%")
        at_least = part.share("at_least", 0.0, most=0.999)
        bars.append(Bar(suite=part.text("suite"), at_least=at_least, measure=_measure(part)))
        part.done()
    return tuple(bars)


def _latency(values: Values) -> Latency:
    limit = values.number("p95_ms", None)
    if limit is None:
        values.refuse("p95_ms", "milliseconds, such as 1200")
    return Latency(p95_ms=limit)


def _cost(values: Values) -> Cost:
    cost = Cost(
        per_call_usd=values.number("per_call_usd", None),
        monthly_usd=values.number("monthly_usd", None),
        calls_a_day=values.whole("calls_a_day", None),
        growth=values.number("growth", None),
        source=Source(values.choice("source", Source.RUN.value, (Source.RUN.value, Source.MEASURED.value))),
    )
    if cost.by_traffic and cost.source is not Source.MEASURED:  # only what is measured keeps a plan honest
        values.refuse("calls_a_day", "how many calls a day cost monthly_usd; `source: measured` takes the traffic")
    if cost.per_call_usd is None and cost.monthly_usd is None and cost.growth is None:
        values.refuse("per_call_usd", "US dollars, such as 0.002; or set monthly_usd or growth")
    return cost


def _judges(values: Values) -> Judges:
    default = Judges()
    return Judges(
        labels=values.whole("labels", default.labels, least=1),
        youden=values.number("youden", default.youden, most=1.0),
        by=values.texts("by"),
    )


def _externals(values: Values | None) -> dict[str, External]:
    found: dict[str, External] = {}
    for name in values.names() if values is not None else ():
        assert values is not None
        if name in (*CHECKS, SUITES, *APART) or not is_name(name):
            raise Invalid(
                f"{values.path}.{name} is not a name for a check of another system",
                hint=f"Lower case letters, digits and '-', and none of {', '.join(CHECKS)}.",
            )
        own = Values(values.raw(name), f"{values.path}.{name}")
        found[name] = External(by=own.texts("by"), max_age=own.time("max_age", None))
        own.done()
    return found


def _freezes(values: Values) -> tuple[Freeze, ...]:
    given = values.raw("freeze")
    windows = []
    for one in [] if given in OFF else given if isinstance(given, list | tuple) else [given]:
        part = Values(one, f"{values.path}.freeze")
        window = Freeze(first=part.day("from"), last=part.day("to"))
        if window.last < window.first:
            part.refuse("to", f"a date from {window.first} on")
        windows.append(window)
        part.done()
    return tuple(windows)


def _model_ends(values: Values) -> ModelEnds:
    within = values.time("within", None)
    if within is None:
        values.refuse("within", "the time in which no model of a release may end, such as 30d")
    return ModelEnds(within=within)


def _approvals(values: Values) -> Approvals:
    return Approvals(count=values.whole("count", 1, least=1, most=20), proven=values.flag("proven", True))


def _waivers(values: Values) -> Waivers:
    default = Waivers()
    given = values.raw("may")
    may = () if given == [] else values.texts("may", default.may)
    return Waivers(may=tuple(may), at_most=values.time("at_most", default.at_most))


def _renames(values: Values | None) -> dict[str, str]:
    return {} if values is None else {old: values.text(old) for old in values.names()}


_READERS: Final[Mapping[str, Callable[[Values], object]]] = {
    "required": _required,
    "not_worse": _not_worse,
    "latency": _latency,
    "cost": _cost,
    "judges": _judges,
    "model_ends": _model_ends,
    "approvals": _approvals,
}
"""How a check's settings are read, where they are one mapping."""
