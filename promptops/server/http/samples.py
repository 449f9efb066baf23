"""A type -> an example of its JSON, for the documentation: what a field is called says what stands in it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import Enum
from types import MappingProxyType, NoneType, UnionType
from typing import Annotated, Any, Final, cast, get_args, get_origin, get_type_hints

from promptops.core.digest import digest

_CONTENT: Final = (
    '{"app":"support-bot","prompts":{"answer":{"messages":[{"content":"You help with parcels.","role":"system"}]}},'
    '"schema":"promptops.release/1"}'
)
_DIGEST: Final = digest(_CONTENT.encode())
_TEXTS: Final[Mapping[str, str]] = {
    "action": "promote",
    "actor": "Ada Brandt <ada@parcelwise.example> via token on-call",
    "app": "support-bot",
    "apps": "support-bot",
    "arm": "candidate",
    "author": "Ada Brandt <ada@parcelwise.example>",
    "builder": "promptops 0.1.0",
    "bump": "patch",
    "change": "changed",
    "changes": "answer: the system message changed",
    "channel": "prod",
    "channels": "prod",
    "client": "web-3:4711",
    "commit": "5f1f8a3c8f0b4e0c9a7d6b5c4d3e2f1a0b9c8d7e",
    "content": _CONTENT,
    "created_by": "Ada Brandt <ada@parcelwise.example> via token ci",
    "digest": _DIGEST,
    "field": "messages[0].content",
    "id": "t4fK0qZ8sLm2",
    "kind": "promote",
    "key": "9b2f4f0e-6f0c-4f0e-9d7a-2f1f6f6f7c11",
    "lineage": "0b0e5f5c-7a43-4f0e-8a51-6c1d2b9f4e77",
    "name": "prod",
    "notes": "answers name their rule",
    "on_call": "#support-on-call",
    "outcome": "pass",
    "Row.outcome": "passed",
    "RunRowDocument.outcome": "passed",
    "owner": "support",
    "path": "apps/support-bot",
    "person": "ada@parcelwise.example",
    "plan": "eJyrVipWslIqVrJSqgUADzwDBQ==",
    "prefix": "pops_rt_7Hq2",
    "promote_from": "staging",
    "prompt": "answer",
    "purpose": "gate",
    "quarantined": "wrong refunds",
    "reason": "wrong refunds",
    "registry": "parcelwise",
    "repository": "https://git.parcelwise.example/prompts.git",
    "root": "0c1d2e3f4a5b6c7d8e9f0a1b2c3d4e5f6a7b8c9d",
    "secret": "pops_rt_…",
    "source": "run",
    "subject": "release",
    "summary": "the system message changed",
    "table": "eJyrVipWslIqVrJSqgUADzwDBQ==",
    "title": "Support bot",
    "yank_reason": "a customer's name is in it",
    "evidence": "4bf92f3577b34da6a3ce929d0e0e4736.1",
    "EvidenceDocument.id": "4bf92f3577b34da6a3ce929d0e0e4736.1",
    "EvidenceDocument.run": "4bf92f3577b34da6a3ce929d0e0e4736",
    "EvidenceDocument.check": "",
    "EvidenceDocument.note": "",
    "EvidenceDocument.token": "t4fK0qZ8sLm2",
    "EvidenceDocument.token_name": "ci",
    "EvidenceDocument.person": "",
    "OutcomeCountDocument.check": "",
    "GateCheckDocument.suite_digest": _DIGEST,
    "GateCheckDocument.against": _DIGEST,
    "MeasuredCaseDocument.run": "4bf92f3577b34da6a3ce929d0e0e4736",
    "RunDocument.id": "4bf92f3577b34da6a3ce929d0e0e4736",
    "RunStateDocument.run": "4bf92f3577b34da6a3ce929d0e0e4736",
    "Row.error": "",
    "Row.served_model": "gpt-4o-2024-08-06",
    "Row.fingerprint": "fp_44709d6fcb",
    "RunRowDocument.error": "",
    "SuiteRef.kind": "sample",
    "SuiteRef.name": "answer",
    "SuiteRef.judge_digest": "",
    "SuiteRef.held": "",
    "SuiteRef.cases": _DIGEST,
    "SuiteRef.prompts": "answer",
    "SuiteRefDocument.judge_digest": "",
    "SuiteRefDocument.held": "",
    "SuiteRefDocument.cases": _DIGEST,
    "SuiteRefDocument.prompts": "answer",
    "SuiteRefDocument.kind": "sample",
    "SuiteRefDocument.name": "answer",
    "TokenDocument.kind": "ci",
    "TokenDocument.name": "support-bot-prod",
    "TokenDocument.scopes": "read",
    "NewTokenDocument.kind": "ci",
    "NewTokenDocument.name": "support-bot-prod",
    "NewTokenDocument.scopes": "read",
    "LoggedDocument.flaw": "",
    "JournalKeyDocument.key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIF+7Ji40y+weuH0lqJbUieYckgsdmWY+ifHvBW0j+Pvu",
    "JournalKeyDocument.fingerprint": "SHA256:3WWYyXXHmQ3HwiAGj6/4mHhRkXxFdVDrCxusazirpH8",
    "JournalKeyDocument.mode": "on",
    "JournalKeyDocument.before": "",
    "WaiverDocument.check": "latency",
    "CallGroupDocument.key": "0.2.1",
    "CostDocument.prices": "genai-prices 0.2.3",
    "Declarations.outcomes": "ticket_resolved",
    "DeclaredScore.name": "helpful",
    "Limit.of": "openai",
    "LimitDocument.of": "openai",
    "CanaryStatusDocument.action": "start",
    "CanaryStatusDocument.nearest": "error again",
    "CanaryStatusDocument.rollout": "1.7",
    "CanaryLookDocument.reason": "advanced to 25 %: every guardrail shows it not to be worse",
    "CanaryLookDocument.rollout": "1.7",
    "CanaryLookDocument.verb": "advance",
    "CanaryLookDocument.why": "not-worse",
    "CanaryInsideDocument.guardrail": "refusal",
    "CanaryPlanDocument.headline": "error",
    "CanaryPlanDocument.stable": "0.2.0",
    "CanaryPlanGuardrailDocument.guardrail": "error",
    "CanaryPlanGuardrailDocument.state": "judges",
    "CanaryPlanGuardrailDocument.why": "",
    "CanarySightDocument.guardrail": "error",
    "CanarySideDocument.arm": "canary",
    "CanaryCoinDocument.coin": "again",
    "CanaryCoinDocument.guardrail": "error",
    "CanaryCoinDocument.off": "",
    "CanaryDecidedDocument.reason": "advanced to 25 %: every guardrail shows it not to be worse",
    "CanaryDecidedDocument.verb": "advance",
    "CanaryDecidedDocument.why": "not-worse",
    "CapturedDocument.until": "2026-03-01T18:29:00Z",
    "CapturedCaseDocument.id": "5f0c" * 16,
    "CapturedCaseDocument.cluster": "9a41c07b22de8f30",
    "AppLookDocument.code": "pin-mismatch",
    "AppLookDocument.text": "another model than the pinned one answered 3 of 48,211 calls",
    "LookDocument.code": "over-budget",
    "LookDocument.text": "a month costs $1,612.00 as it goes, and $1,500.00 is planned",
    "ends": "2027-01-14",
    "LiveModelDocument.model": "openai/gpt-4o-2024-08-06",
    "LiveModelDocument.source": "https://developers.openai.com/api/docs/deprecations",
    "ArchivedDocument.successor": "",
    "VanishedAppDocument.renamed_to": "help-desk",
    "LiveModelDocument.successor": "gpt-6-luna",
    "OutlookDocument.today": "2026-12-01",
    "ModelCostDocument.model": "openai/gpt-4o-2024-08-06",
    "OutcomeCostDocument.name": "ticket_resolved",
    "OutcomesDocument.by": "release",
    "OutcomesDocument.prices": "genai-prices 0.2.3",
    "ScoreDocument.name": "helpful",
    "Tag.name": "language",
    "Tag.values": "de",
    "WhyDocument.arm": "stable",
    "WhyDocument.call": "pc1:0b0e5f5c:support-bot:prod:3.17s:0db52f40:akVfAJqcaBn_MQ:AAECAwQFAqGlXrJQ",
    "WhyDocument.reason": "answers name their rule",
    "ErasureDocument.call": "",
    "ErasureDocument.units": "9f86d081884c7d65",
    "WhyBadnessDocument.kind": "refused",
    "WhyDocument.led_to": "ticket_resolved",
    "WhyDocument.others": "pc1:0b0e5f5c:support-bot:prod:3.17s:0db52f40:akVfAJqcaBn_MQ:AAECAwQFAqGlXrJQ",
    "WhyEvidenceDocument.check": "",
    "WhyEvidenceDocument.id": "4bf92f3577b34da6a3ce929d0e0e4736.1",
    "WhyKeptDocument.asked": "openai/gpt-4o-2024-08-06",
    "WhyKeptDocument.error": "",
    "WhyKeptDocument.finish": "stop",
    "WhyKeptDocument.flags": "bad",
    "WhyKeptDocument.kept": "bad",
    "WhyKeptDocument.model": "openai/gpt-4o-2024-08-06",
    "WhyKeptDocument.reason": "stable",
    "WhyKeptDocument.response": "chatcmpl-Cz1pN3",
    "WhyKeptDocument.trace": "4bf92f3577b34da6a3ce929d0e0e4736",
    "WhySentDocument.api": "chat",
    "WhySentDocument.body": '{"model":"gpt-4o-2024-08-06","messages":[{"role":"user","content":"Where is it?"}]}',
    "WhySentDocument.problem": "",
    "WhyToolDocument.error": "",
    "WhyToolDocument.name": "search",
    "version": "0.2.1",
}
EARLIER: Final = {"version": "0.2.0", "digest": digest(_CONTENT.replace("parcels", "letters").encode())}
LATER: Final = {"version": "0.2.1", "digest": _DIGEST}
"""Two releases of one app, as a deployment names them."""
_AT: Final = "2026-03-01T18:30:05.120000Z"
_TIMES: Final = {"expires_at": "2026-05-30T18:30:05.120000Z"}
_NULL: Final = frozenset({"verdict", "canary", "findings", "restores", "revoked", "yank", "yank_reason"})
"""Fields that are null in most answers, so that they are in an example."""
_USUAL: Final[Mapping[str, Any]] = {
    "from_": EARLIER,
    "rollback_to": EARLIER,
    "not_following": [],
    "warnings": [],
    "low_traffic": [],
    "kept_out": [],
    "inputs": {"answer": {}},
}
_FALSE: Final = frozenset({"canary", "dirty", "dry_run", "replayed", "yanked", "allow_dirty"})
_KEYS: Final[Mapping[str, str]] = {
    "on_trial": "prod",
    "quarantined": "staging",
    "revisions": "support-bot",
    "channels": "prod",
    "days": "2026-03-01",
    "error_classes": "openai.APITimeoutError",
    "unpriced": "acme/llama-3-70b",
}
"""A key of each mapping."""


def sample_of(hint: Any, name: str = "", values: Mapping[str, Any] = MappingProxyType({}), owner: str = "") -> Any:
    """An example of the JSON of a value of this type, in a field of this name of a document ``owner``.

    ``values`` has those of fields, by name, that are to be different from the usual ones.
    """
    if name in values:
        return values[name]
    if name in _USUAL:
        return _USUAL[name]
    if get_origin(hint) is Annotated:
        return sample_of(get_args(hint)[0], name, values)
    if get_origin(hint) is UnionType:
        some = next(part for part in get_args(hint) if part is not NoneType)
        return None if name in _NULL else sample_of(some, name, values)
    if get_origin(hint) in (tuple, list):
        return [sample_of(get_args(hint)[0], name, values, owner)]
    if get_origin(hint) in (Mapping, dict):
        inner = get_args(hint)[1]
        return json.loads(_CONTENT) if inner is object else {_KEYS[name]: sample_of(inner, name, values)}
    if is_dataclass(hint):
        hints, kind = get_type_hints(hint), cast("type", hint).__name__
        return {
            field.name.rstrip("_"): sample_of(hints[field.name], field.name, values, kind) for field in fields(hint)
        }
    if hint is datetime:
        return _TIMES.get(name, _AT)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return _TEXTS.get(f"{owner}.{name}", _TEXTS.get(name, next(iter(hint)).value))
    if hint is bool:
        return name not in _FALSE
    if hint in (int, float):
        return 7 if hint is int else 0.9
    return _TEXTS.get(f"{owner}.{name}", _TEXTS.get(name, "…"))
