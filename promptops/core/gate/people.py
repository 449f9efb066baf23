"""The checks that need no runs: ``approvals`` of people, ``freeze`` windows, ``external`` verdicts of others, and
``model_ends``."""

from __future__ import annotations

from datetime import timedelta

from promptops.core.duration import duration_text
from promptops.core.evidence.evidence import Evidence
from promptops.core.evidence.run import Source
from promptops.core.gate.given import GateInput
from promptops.core.gate.settings import External, GateSettings
from promptops.core.gate.verdict import CheckVerdict, approve
from promptops.core.models.ends import soon
from promptops.core.verdict import Outcome


def approvals(given: GateInput, settings: GateSettings) -> list[CheckVerdict]:
    """Returns whether enough people approved of the release."""
    rule = settings.approvals
    assert rule is not None
    people = given.approvers("release", settings)
    claimed = {one.person for one in given.approvals if one.subject == "release" and not one.proven} - people
    asked = f"{rule.count} {'proven ' if rule.proven else ''}{'approval' if rule.count == 1 else 'approvals'}"
    if len(people) >= rule.count:
        return [CheckVerdict(name="approvals", outcome=Outcome.PASS, got=", ".join(sorted(people)), asked=asked)]
    reason = f"{len(people)} of {rule.count} people approved"
    if claimed and rule.proven:
        reason += f"; {', '.join(sorted(claimed))} is claimed and not proven"
    return [
        CheckVerdict(
            name="approvals",
            outcome=Outcome.INCONCLUSIVE,
            got=", ".join(sorted(people)),
            asked=asked,
            reason=reason,
            hint=approve(given, "the release"),
        )
    ]


def freeze(given: GateInput, settings: GateSettings) -> list[CheckVerdict]:
    """Returns whether today, in UTC, is outside every freeze."""
    today = given.now.date()
    for window in settings.freeze:
        if window.first <= today <= window.last:
            return [
                CheckVerdict(
                    name="freeze",
                    outcome=Outcome.FAIL,
                    got=f"today is {today}",
                    asked=f"no promotion from {window.first} to {window.last}",
                    reason=f"{given.channel} is frozen until {window.last}",
                    hint=f"Promote from {window.last + timedelta(days=1)} on. A rollback is never asked.",
                )
            ]
    return [CheckVerdict(name="freeze", outcome=Outcome.PASS, got=f"today is {today}")]


def model_ends(given: GateInput, settings: GateSettings) -> list[CheckVerdict]:
    """Returns whether no model of the release ends within the time, as far as ends are known."""
    rule = settings.model_ends
    assert rule is not None
    today = given.now.date()
    asked = f"no model ends within {duration_text(rule.within)}"
    found = [each.words(today) for each in soon(given.candidate.ends, today, within=rule.within)]
    if not found:
        return [
            CheckVerdict(name="model_ends", outcome=Outcome.PASS, asked=asked, got="no end within that time is known")
        ]
    return [
        CheckVerdict(
            name="model_ends",
            outcome=Outcome.FAIL,
            got="; ".join(found),
            asked=asked,
            reason="; ".join(found),
            hint="Move to a model that lasts longer. A rollback is never asked.",
        )
    ]


def external(given: GateInput, settings: GateSettings) -> list[CheckVerdict]:
    """Returns the newest verdict of each other system on this digest, if it counts and has not ended."""
    return [_external(given, name, rule) for name, rule in sorted(settings.external.items())]


def _external(given: GateInput, name: str, rule: External) -> CheckVerdict:
    asked = f"a verdict of {name}" + (f" by {', '.join(rule.by)}" if rule.by else "")
    pieces = [piece for piece in given.evidence if _is_of(piece, given, name)]
    by = {name.casefold() for name in rule.by}
    counted = [one for one in pieces if not by or {one.token_name.casefold(), one.person.casefold()} & by]
    newest = max(counted, key=lambda piece: (piece.at, piece.id), default=None)
    reason = _why_not(given, rule, newest)
    if newest is not None and not reason:
        assert newest.verdict is not None
        return CheckVerdict(
            name=name,
            outcome=newest.verdict,
            got=newest.verdict.value,
            asked=asked,
            evidence=(newest.id,),
            reason="" if newest.verdict is Outcome.PASS else f"{name} says {newest.verdict.value}: {newest.note}",
        )
    if newest is None and pieces:
        reason = f"its verdict is by {pieces[-1].token_name or pieces[-1].actor}, whom the policy does not count"
    return CheckVerdict(
        name=name,
        outcome=Outcome.INCONCLUSIVE,
        asked=asked,
        reason=reason or f"there is no verdict of {name} on this release",
        hint=f"Let {name} give its verdict on {given.candidate.digest}.",
    )


def _is_of(piece: Evidence, given: GateInput, name: str) -> bool:
    own = piece.app == given.app and piece.digest == given.candidate.digest
    return own and piece.source is Source.EXTERNAL and piece.check == name


def _why_not(given: GateInput, rule: External, piece: Evidence | None) -> str:
    if piece is None:
        return ""
    if piece.expires_at is not None and piece.expires_at <= given.now:
        return f"the verdict ended at {piece.expires_at:%Y-%m-%d %H:%M}"
    if rule.max_age is not None and given.now - piece.at > rule.max_age:
        return f"the verdict is of {piece.at:%Y-%m-%d}, older than the policy takes"
    return ""
