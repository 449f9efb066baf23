"""A gate's settings -> sentences that say what it asks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta

from promptops.core.evidence.run import Source
from promptops.core.gate.reading import read_gate
from promptops.core.gate.settings import Cost, External, GateSettings, NotWorse, Required


def sentences(gate: Mapping[str, object], app: str = "") -> list[str]:
    """Returns what a gate asks of an app, or of all that it does not name.

    Raises:
        Invalid: the settings cannot be read by this version.
    """
    return list(_sentences(read_gate(gate, app)))


def _sentences(settings: GateSettings) -> Iterator[str]:
    if settings.warns:
        yield "It only warns: every release passes, and what the gate says is kept in the audit log."
    if settings.required is not None:
        yield _required(settings.required)
    if settings.not_worse is not None:
        yield from _not_worse(settings.not_worse, settings)
    for bar in settings.bar:
        yield f"At least {bar.at_least:.1%} of the answers to the suite {bar.suite} pass, whatever is live."
    if settings.latency is not None:
        yield f"95 of 100 calls take at most {settings.latency.p95_ms:g} ms."
    if settings.cost is not None:
        yield from _cost(settings.cost)
    if settings.judges is not None:
        judges = settings.judges
        yield (
            f"A judge counts with {judges.labels} labelled answers, a third of them of the release's own, and at least "
            f"{judges.youden:g} of sensitivity + specificity − 1."
            + (f" Labels of {', '.join(judges.by)} count." if judges.by else "")
        )
    for name, rule in sorted(settings.external.items()):
        yield _external(name, rule)
    for window in settings.freeze:
        yield f"Nothing is promoted from {window.first} to {window.last} (UTC). A rollback is never asked."
    if settings.model_ends is not None:
        yield f"No model of the release ends within {_time(settings.model_ends.within)}, as far as ends are known."
    if settings.approvals is not None:
        asked = settings.approvals
        who = "person" if asked.count == 1 else "people"
        proof = ", proven by a token of theirs" if asked.proven else ", proven or claimed"
        yield f"{asked.count} {who} who had no part in the release approve of it{proof}."
    yield from _evidence(settings)
    may = settings.waivers.may
    if may:
        yield f"A person may waive {_listed(may)}, for {_time(settings.waivers.at_most)} at most."
    else:
        yield "No check can be waived."


def _required(rule: Required) -> str:
    which = f"of {_listed(rule.suites)}" if rule.suites else "of the required suites"
    text = f"Every case {which} passes in {rule.agree} of {rule.of} repeats"
    return f"{text}." if rule.regressions is None else f"{text}, and no case that passes on live fails."


def _not_worse(rule: NotWorse, settings: GateSettings) -> Iterator[str]:
    what = "pass" if rule.measure.value == "pass" else "score"
    yield f"No changed prompt is worse than live by {rule.margin:.1%} ({what}), with at most 5 % of chance to be wrong."
    if rule.anchor is not None:
        yield f"Nor is it worse by that than the best release of the last {_time(rule.anchor)}."
    levels = ", ".join(f"{level:.1%}" for level in settings.levels)
    yield f"A content has {settings.looks} looks, which spend {levels}; {settings.tries} contents in 30 days are tried."
    if settings.tries_shared:
        yield "They share the level: the first has half of it, the second a quarter, and so on."
    if settings.days > 1:
        yield f"Its cases are asked on {settings.days} days, a part of them on each, and together that is one look."
    for old, new in sorted(settings.renames.items()):
        yield f"The prompt {new} is {old} under another name."


def _cost(rule: Cost) -> Iterator[str]:
    if rule.per_call_usd is not None:
        yield f"A call costs at most {rule.per_call_usd:g} US dollars on average."
    if rule.monthly_usd is not None:
        calls = "the traffic, planned or measured," if rule.by_traffic else f"{rule.calls_a_day or 0:,} calls a day"
        yield f"A month of {calls} costs at most {rule.monthly_usd:,.0f} US dollars."
    if rule.growth is not None:
        yield f"A call costs at most {rule.growth:g} times what it costs live."
    if rule.source is Source.MEASURED:
        yield "What calls cost is measured: of the release's calls of seven days, frozen when the gate is asked."


def _external(name: str, rule: External) -> str:
    who = f" by {_listed(rule.by)}" if rule.by else ""
    age = f", at most {_time(rule.max_age)} old" if rule.max_age is not None else ""
    return f"{name} gave the verdict pass{who}{age}."


def _evidence(settings: GateSettings) -> Iterator[str]:
    rule = settings.evidence
    sources = _listed([source.value for source in rule.sources])
    who = f" by {_listed(rule.by)}" if rule.by else ""
    hosts = f" that called {_listed(rule.hosts)} only" if rule.hosts else ""
    yield (
        f"Evidence counts from {sources}{who}{hosts}, at most {_time(rule.max_age)} old and with at most "
        f"{rule.max_errors:.1%} errors."
    )


def _listed(names: Sequence[str]) -> str:
    return " and ".join(part for part in (", ".join(names[:-1]), *names[-1:]) if part)


def _time(length: timedelta) -> str:
    if length % timedelta(days=1):
        return f"{length / timedelta(hours=1):g} hours"
    days = length // timedelta(days=1)
    return "a day" if days == 1 else f"{days} days"
