"""A type -> an example of its JSON, for the documentation: what a field is called says what stands in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import datetime
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Final, get_args, get_origin, get_type_hints

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
    "author": "Ada Brandt <ada@parcelwise.example>",
    "builder": "promptops 0.1.0",
    "changes": "answer: the system message changed",
    "channel": "prod",
    "channels": "prod",
    "client": "web-3:4711",
    "commit": "5f1f8a3c8f0b4e0c9a7d6b5c4d3e2f1a0b9c8d7e",
    "content": _CONTENT,
    "created_by": "Ada Brandt <ada@parcelwise.example> via token ci",
    "digest": _DIGEST,
    "field": "messages[0].content",
    "flaws": "quarantined by Ada Brandt: wrong refunds",
    "id": "t4fK0qZ8sLm2",
    "idle": "draft-bot",
    "key": "9b2f4f0e-6f0c-4f0e-9d7a-2f1f6f6f7c11",
    "lineage": "0b0e5f5c-7a43-4f0e-8a51-6c1d2b9f4e77",
    "name": "prod",
    "notes": "answers name their rule",
    "on_call": "#support-on-call",
    "owner": "support",
    "path": "apps/support-bot",
    "prefix": "pops_rt_7Hq2",
    "promote_from": "staging",
    "prompt": "answer",
    "quarantined": "wrong refunds",
    "reason": "wrong refunds",
    "registry": "parcelwise",
    "repository": "https://git.parcelwise.example/prompts.git",
    "secret": "pops_rt_…",
    "summary": "the system message changed",
    "title": "Support bot",
    "version": "0.2.1",
}
_ENDS: Final = "2026-05-30T18:30:05.120000+00:00"
_SHOWN: Final = frozenset(
    {"apps", "channels", "key", "on_call", "owner", "promote_from", "protected", "served", "title"}
)
"""Fields with a default that an example has all the same; an answer leaves out what is at its default."""

_MEMBERS: Final[Mapping[str, str]] = {"applied": "changed", "bump": "patch"}
_KEYS: Final[Mapping[str, str]] = {"flaws": _DIGEST, "quarantined": "prod", "revisions": "support-bot"}


def sample_of(hint: Any, name: str = "") -> Any:
    """An example of the JSON of a value of this type, in a field of this name."""
    if get_origin(hint) is Annotated:
        return sample_of(get_args(hint)[0], name)
    if get_origin(hint) is UnionType:
        some = next(part for part in get_args(hint) if part is not NoneType)
        return None if some is int else sample_of(some, name)
    if get_origin(hint) in (tuple, list):
        return [sample_of(get_args(hint)[0], name)]
    if get_origin(hint) in (Mapping, dict):
        return {_KEYS[name]: sample_of(get_args(hint)[1], name)}
    if is_dataclass(hint):
        hints = get_type_hints(hint)
        shown = [field for field in fields(hint) if field.default is MISSING or field.name in _SHOWN]
        return {field.name: sample_of(hints[field.name], field.name) for field in shown}
    if hint is datetime:
        return _ENDS if name == "expires_at" else "2026-03-01T18:30:05.120000+00:00"
    if isinstance(hint, type) and issubclass(hint, Enum):
        return _MEMBERS.get(name, next(iter(hint)).value)
    return {bool: True, int: 7}.get(hint, _TEXTS.get(name, "…"))
