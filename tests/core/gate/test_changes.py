"""What loosens a gate: a table of settings before and after. What is not known to be as strict counts as looser."""

from __future__ import annotations

from typing import Any

import pytest

from promptops.core.gate.changes import HIDDEN, differences, loosened

MARGIN: dict[str, Any] = {"not_worse": {"margin": "5%"}}


@pytest.mark.parametrize(
    ("before", "after", "loosens"),
    [
        (MARGIN, MARGIN, ()),
        (MARGIN, None, ("gate",)),
        (MARGIN, {"bar": {"suite": "a", "at_least": "90%"}}, ("gate.not_worse",)),
        (MARGIN, {"not_worse": {"margin": "6%"}}, ("gate.not_worse.margin",)),
        (MARGIN, {"not_worse": {"margin": "4%"}}, ()),
        (MARGIN, {"not_worse": "off", "latency": {"p95_ms": 1}}, ("gate.not_worse",)),
        (MARGIN, {**MARGIN, "latency": {"p95_ms": 900}}, ()),  # one more check
        (MARGIN, {"not_worse": {"margin": "5%", "measure": "score"}}, ("gate.not_worse.measure",)),
        (MARGIN, {"not_worse": {"margin": "5%", "anchor": "best of 180d"}}, ()),
        ({"not_worse": {"margin": "5%", "anchor": "best of 180d"}}, MARGIN, ("gate.not_worse.anchor",)),
        (MARGIN, {"not_worse": {"margin": "5%", "suites": ["a"]}}, ("gate.not_worse.suites",)),
        # What counts where the gate does not say.
        (MARGIN, {**MARGIN, "evidence": {"sources": ["run", "replay"]}}, ("gate.evidence.sources",)),
        (MARGIN, {**MARGIN, "evidence": {"max_age": "30d", "max_errors": "1%"}}, ("gate.evidence.max_age",)),
        (MARGIN, {**MARGIN, "evidence": {"by": ["ci"]}, "hosts": ["api.openai.com"]}, ()),
        ({**MARGIN, "evidence": {"by": ["ci"]}}, MARGIN, ("gate.evidence.by",)),
        ({**MARGIN, "hosts": ["a"]}, {**MARGIN, "hosts": ["a", "b"]}, ("gate.hosts",)),
        (MARGIN, {**MARGIN, "waivers": {"may": ["latency", "not_worse"]}}, ("gate.waivers.may",)),
        (MARGIN, {**MARGIN, "waivers": {"may": []}}, ()),
        (MARGIN, {**MARGIN, "waivers": {"at_most": "8d"}}, ("gate.waivers.at_most",)),
        (MARGIN, {**MARGIN, "mode": "warn"}, ("gate.mode",)),
        ({**MARGIN, "mode": "warn"}, MARGIN, ()),
        (MARGIN, {**MARGIN, "looks": 1}, ("gate.looks",)),  # not known to be as strict
        (MARGIN, {**MARGIN, "tries": 6}, ("gate.tries",)),
        (MARGIN, {**MARGIN, "tries_level": "shared", "days": 2}, ()),
        ({**MARGIN, "tries_level": "shared"}, MARGIN, ("gate.tries_level",)),
        (MARGIN, {**MARGIN, "renames": {"old": "new"}}, ("gate.renames",)),
        # Checks of one number, of several, of windows.
        ({"required": {"agree": "2 of 3"}}, {"required": {"agree": "3 of 3"}}, ()),
        ({"required": {"agree": "2 of 3"}}, {"required": {"agree": "3 of 5"}}, ("gate.required.agree",)),
        ({"required": {"regressions": 0}}, {"required": {}}, ("gate.required.regressions",)),
        ({"bar": {"suite": "a", "at_least": "90%"}}, {"bar": [{"suite": "a", "at_least": "91%"}]}, ()),
        ({"bar": {"suite": "a", "at_least": "90%"}}, {"bar": {"suite": "b", "at_least": "99%"}}, ("gate.bar",)),
        ({"cost": {"per_call_usd": 1}}, {"cost": {"growth": 2}}, ("gate.cost.per_call_usd",)),
        ({"external": {"legal": {}}}, {"external": {"legal": {}, "red-team": {}}}, ()),
        ({"external": {"legal": {"by": ["l"]}}}, {"external": {"legal": {}}}, ("gate.external.legal.by",)),
        ({"external": {"legal": {}}, **MARGIN}, MARGIN, ("gate.external.legal",)),
        (
            {"freeze": [{"from": "2026-12-23", "to": "2027-01-02"}]},
            {"freeze": {"from": "2026-12-20", "to": "2027-01-02"}},
            (),
        ),
        (
            {"freeze": {"from": "2026-12-23", "to": "2027-01-02"}},
            {"freeze": {"from": "2026-12-24", "to": "2027-01-02"}},
            ("gate.freeze",),
        ),
        ({"model_ends": {"within": "30d"}}, {"model_ends": {"within": "60d"}}, ()),
        ({"model_ends": {"within": "30d"}}, {"model_ends": {"within": "29d"}}, ("gate.model_ends.within",)),
        ({"approvals": {"count": 2}}, {"approvals": {"count": 1}}, ("gate.approvals.count",)),
        ({"approvals": {}}, {"approvals": {"proven": False}}, ("gate.approvals.proven",)),
        # An app of its own.
        (MARGIN, {**MARGIN, "apps": {"notes": {"not_worse": "off"}}}, ("gate.apps.notes.not_worse",)),
        ({**MARGIN, "apps": {"notes": {"not_worse": "off"}}}, MARGIN, ()),
        ({**MARGIN, "apps": {"notes": {"not_worse": {"margin": "1%"}}}}, MARGIN, ("gate.apps.notes.not_worse.margin",)),
        # What an older or newer promptops wrote and this one cannot read.
        ({"hypnosis": True}, MARGIN, ("gate",)),
        ({"hypnosis": True}, {"hypnosis": True}, ()),
    ],
)
def test_what_loosens_a_gate(before: dict[str, Any], after: dict[str, Any] | None, loosens: tuple[str, ...]) -> None:
    assert loosened(before, after) == loosens


def test_a_change_is_said_setting_by_setting() -> None:
    before = {"not_worse": {"margin": "3%"}, "hosts": ["a"], "cost": {"growth": 2}}
    after = {"not_worse": {"margin": "5%"}, "hosts": ["a", "b"], "mode": "warn"}
    assert differences(before, after) == [
        "gate.not_worse.margin: 3% → 5%",
        "gate.hosts: [a] → [a, b]",
        "gate.cost.growth: 2 → none",
        "gate.mode: none → warn",
    ]
    assert differences(None, {"not_worse": {"margin": "3%"}}) == ["gate: none → {not_worse: {margin: 3%}}"]
    [long] = differences(None, {"any_of": ["word"] * 60})
    assert long.endswith(" …}"), "what is cut says so"


def test_of_an_app_that_the_caller_may_not_see_nothing_is_said_but_that_something_differs() -> None:
    before = {**MARGIN, "apps": {"secret": {"not_worse": {"margin": "1%"}}, "notes": {"looks": 1}}}
    after = {**MARGIN, "apps": {"secret": {"not_worse": "off"}, "notes": {"looks": 2}}}

    def sees(app: str) -> bool:
        return app != "secret"

    assert differences(before, after, sees) == ["gate.apps.notes.looks: 1 → 2", HIDDEN]
    assert differences(None, after, sees)[1:] == [HIDDEN]
    assert "secret" not in str(differences(None, after, sees)) + str(differences(after, None, sees))
    assert loosened(before, after, sees) == ("gate.apps.notes.looks", HIDDEN)
    same = {**after, "apps": {"secret": before["apps"]["secret"], "notes": {"looks": 2}}}
    assert (differences(before, same, sees), loosened(before, same, sees)) == (
        ["gate.apps.notes.looks: 1 → 2"],
        ("gate.apps.notes.looks",),
    )
