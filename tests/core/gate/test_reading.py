"""What a policy's `gate:` may say: read into nouns, or refused with the key and what it takes."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from promptops.core.errors import Invalid
from promptops.core.evidence.run import Source
from promptops.core.gate.reading import read_gate
from promptops.core.gate.settings import (
    Approvals,
    Bar,
    Cost,
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

WHOLE: dict[str, Any] = {
    "evidence": {"max_age": "14d", "sources": ["run"], "by": ["ci"], "max_errors": "2%"},
    "required": {"agree": "2 of 3", "regressions": 0},
    "not_worse": {"margin": "5%", "measure": "pass", "anchor": "best of 180d"},
    "bar": {"suite": "answer", "at_least": "90%"},
    "latency": {"p95_ms": 1200},
    "cost": {"per_call_usd": 0.002, "monthly_usd": 4000, "calls_a_day": 10_000, "growth": 10},
    "judges": {"labels": 100, "youden": 0.4},
    "external": {"red-team": {"by": ["red-team"], "max_age": "30d"}},
    "freeze": [{"from": "2026-12-23", "to": "2027-01-02"}],
    "model_ends": {"within": "30d"},
    "approvals": {"count": 1, "proven": True},
    "waivers": {"may": ["latency", "cost", "freeze"], "at_most": "7d"},
    "hosts": ["api.openai.com"],
    "looks": 3,
    "tries": 5,
    "apps": {"release-notes": {"not_worse": "off"}},
}


def test_everything_that_a_gate_may_say() -> None:
    gate = read_gate(WHOLE)
    assert gate.evidence.max_age == timedelta(days=14)
    assert (gate.evidence.sources, gate.evidence.by, gate.evidence.hosts) == (
        (Source.RUN,),
        ("ci",),
        ("api.openai.com",),
    )
    assert gate.evidence.max_errors == pytest.approx(0.02)
    assert gate.required == Required(agree=2, of=3, regressions=0)
    assert gate.not_worse == NotWorse(margin=0.05, measure=Measure.PASS, anchor=timedelta(days=180))
    assert gate.bar == (Bar(suite="answer", at_least=0.9),)
    assert gate.latency == Latency(p95_ms=1200)
    assert gate.cost == Cost(per_call_usd=0.002, monthly_usd=4000, calls_a_day=10_000, growth=10)
    assert gate.judges == Judges(labels=100, youden=0.4)
    assert gate.external == {"red-team": External(by=("red-team",), max_age=timedelta(days=30))}
    assert gate.freeze == (Freeze(first=date(2026, 12, 23), last=date(2027, 1, 2)),)
    assert gate.model_ends == ModelEnds(within=timedelta(days=30))
    assert gate.approvals == Approvals(count=1, proven=True)
    assert gate.waivers == Waivers(may=("latency", "cost", "freeze"), at_most=timedelta(days=7))
    assert (gate.looks, gate.tries, gate.levels) == (3, 5, (0.03, 0.015, 0.005))


def test_what_holds_where_a_gate_is_silent() -> None:
    gate = read_gate({"required": {}})
    assert gate == GateSettings(required=Required())
    assert (gate.evidence.sources, gate.evidence.by, gate.looks, gate.tries, gate.days) == ((Source.RUN,), (), 3, 5, 1)
    assert gate.waivers.may == ("latency", "cost", "freeze")
    assert gate.asks and not read_gate({"looks": 2, "evidence": {"by": ["ci"]}}).asks
    assert read_gate({"approvals": True}).approvals == Approvals()


def test_an_app_has_checks_of_its_own() -> None:
    assert read_gate(WHOLE, "release-notes").not_worse is None
    assert read_gate(WHOLE, "release-notes").required == read_gate(WHOLE).required
    assert read_gate(WHOLE, "bot").not_worse is not None
    own = {**WHOLE, "apps": {"bot": {"required": {"agree": "3 of 5"}, "looks": 1, "freeze": False}}}
    gate = read_gate(own, "bot")
    assert gate.required == Required(agree=3, of=5)  # replaced whole: no more `regressions`
    assert (gate.looks, gate.freeze, gate.latency) == (1, (), Latency(p95_ms=1200))


@pytest.mark.parametrize(
    ("gate", "message", "hint"),
    [
        ({"not_wrose": {"margin": "5%"}}, "gate has no key 'not_wrose'", "Did you mean 'not_worse'?"),
        ({"required": {"agre": "2 of 3"}}, "gate.required has no key 'agre'", "Did you mean 'agree'?"),
        ({"latency": {"p95_ms": 100, "zzz": 1}}, "gate.latency has no key 'zzz'", "Known are p95_ms."),
        ({"not_worse": {}}, "gate.not_worse lacks margin", "It takes the loss"),
        ({"not_worse": {"margin": 5}}, "gate.not_worse.margin is 5, and takes a share above 0% and up to 20%", ""),
        ({"not_worse": {"margin": "0%"}}, "gate.not_worse.margin is '0%'", ""),
        ({"not_worse": {"margin": "30%"}}, "gate.not_worse.margin is '30%'", ""),
        (
            {"not_worse": {"margin": "5%", "measure": "mean"}},
            "gate.not_worse.measure is 'mean', and takes one of pass",
            "",
        ),
        ({"not_worse": {"margin": "5%", "anchor": "180d"}}, "gate.not_worse.anchor is '180d'", ""),
        ({"not_worse": "on"}, "gate.not_worse is 'on', and takes keys", ""),
        ({"required": {"agree": "4 of 3"}}, "gate.required.agree is '4 of 3'", ""),
        ({"required": {"agree": 2}}, "gate.required.agree is 2", ""),
        ({"required": {"regressions": 1}}, "gate.required.regressions is 1, and takes 0", ""),
        ({"bar": {"suite": "a", "at_least": "100%"}}, "gate.bar.at_least is '100%'", ""),
        ({"bar": {"at_least": "90%"}}, "gate.bar lacks suite", ""),
        ({"latency": {}}, "gate.latency lacks p95_ms", ""),
        ({"latency": {"p95_ms": float("nan")}}, "gate.latency.p95_ms is nan", ""),
        ({"cost": {}}, "gate.cost lacks per_call_usd", ""),
        ({"cost": {"monthly_usd": 5}}, "gate.cost lacks calls_a_day", ""),
        ({"external": {"latency": {}}}, "gate.external.latency is not a name for a check of another system", ""),
        ({"model_ends": {}}, "gate.model_ends lacks within", "It takes the time in which"),
        ({"model_ends": {"within": 30}}, "gate.model_ends.within is 30", ""),
        ({"freeze": [{"from": "2027-01-02", "to": "2026-12-23"}]}, "gate.freeze.to is '2026-12-23'", ""),
        ({"freeze": [{"from": "23.12.2026", "to": "2026-12-24"}]}, "gate.freeze.from is '23.12.2026'", ""),
        ({"evidence": {"sources": ["external"]}}, "gate.evidence.sources is ['external']", ""),
        ({"evidence": {"max_age": "14"}}, "gate.evidence.max_age: '14' is not a length of time", ""),
        ({"waivers": {"may": ["latnecy"]}}, "gate.waivers.may has 'latnecy', which is no check", "Known are required"),
        ({"external": {"suites": {}}}, "gate.external.suites is not a name for a check of another system", ""),
        ({"looks": 4}, "gate.looks is 4, and takes a whole number from 1 to 3", ""),
        ({"looks": True}, "gate.looks is True", ""),
        ({"mode": "off"}, "gate.mode is 'off', and takes one of refuse, warn", ""),
        ({"apps": {"bot": {"mode": "warn"}}}, "gate.apps.bot has no key 'mode'", ""),
        ({"apps": {"bot": {"waivers": {"may": ["required"]}}}}, "gate.apps.bot has no key 'waivers'", ""),
        ({"apps": {"bot": {"apps": {}}}}, "gate.apps.bot has no key 'apps'", ""),
        ({"apps": {"Bot!": {}}}, "gate.apps.Bot! is not named like an app", ""),
    ],
)
def test_what_cannot_be_is_refused_by_name(gate: dict[str, Any], message: str, hint: str) -> None:
    with pytest.raises(Invalid) as caught:
        read_gate(gate)
    assert message in caught.value.message
    assert (caught.value.hint or "").startswith(hint)


def test_a_wrong_key_of_another_app_is_refused_too() -> None:
    with pytest.raises(Invalid, match=r"gate\.apps\.other\.required\.agree"):
        read_gate({"required": {}, "apps": {"other": {"required": {"agree": "x"}}}}, "bot")


def test_a_gate_that_may_waive_nothing() -> None:
    assert read_gate({"required": {}, "waivers": {"may": []}}).waivers.may == ()
    assert read_gate({"required": {}, "mode": "warn"}).warns
    assert read_gate({"required": {}, "tries_level": "shared", "days": 2, "renames": {"old": "new"}}).tries_shared
