"""What `get_prompt` hands out can be named: the types of its fields, and of theirs, are exported from ``promptops``."""

from __future__ import annotations

import dataclasses
import inspect
import typing
from collections.abc import Iterator, Mapping, Sequence

import promptops
from promptops.client.calls.exposure import Exposure

_CLOSED = {Exposure}
"""A field's type that is exported, and has no fields for an application."""

_NAMES: dict[str, object] = {
    "Call": promptops.Call,
    "Mapping": Mapping,
    "Request": promptops.Request,
    "Sequence": Sequence,
}
"""What annotations name that their modules import for type checkers alone."""


def _named(hint: object) -> Iterator[type]:
    """The classes of ours in a type."""
    for part in (*typing.get_args(hint), typing.get_origin(hint)):
        yield from _named(part) if part is not None else ()
    if isinstance(hint, type) and hint.__module__.startswith("promptops."):
        yield hint


def _types_of(kind: type) -> Iterator[type]:
    """The classes of ours that the public fields and properties of a class have, and that its methods return."""
    annotated = typing.get_type_hints(kind, localns=_NAMES) if dataclasses.is_dataclass(kind) else {}
    hints = [hint for name, hint in annotated.items() if not name.startswith("_")]
    for name, member in vars(kind).items():
        function = member.fget if isinstance(member, property) else member
        if not name.startswith("_") and inspect.isfunction(function) and "return" in function.__annotations__:
            hints.append(typing.get_type_hints(function, localns=_NAMES)["return"])
    for hint in hints:
        yield from _named(hint)


def test_every_type_that_a_prompt_leads_to_is_exported() -> None:
    exported = {
        getattr(promptops, name) for name in promptops.__all__ if name not in ("Fallback", "Json", "Value", "Arguments")
    }
    waiting: list[type] = [promptops.Prompt, promptops.ServedRelease]
    seen: set[type] = set()
    while waiting:
        kind = waiting.pop()
        if kind not in seen:
            seen.add(kind)
            waiting += [] if kind in _CLOSED else _types_of(kind)
    assert {promptops.Prompt, promptops.Definition, promptops.Message, promptops.Role, promptops.Tool} < seen
    assert {kind.__qualname__ for kind in seen - exported} == set()
