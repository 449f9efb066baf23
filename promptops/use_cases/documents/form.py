"""The form of an answer: its document, and both directions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, Generic, TypeVar

N = TypeVar("N")
D = TypeVar("D")


@dataclass(frozen=True, slots=True)
class Form(Generic[N, D]):
    """How a class of answers becomes a document and comes back.

    ``read`` may raise ValueError or Invalid for a document that no answer has.
    """

    document: type[D]
    write: Callable[[N], D]
    read: Callable[[D], N]


def alike(answer: type[N], document: type[D]) -> Form[N, D]:
    """The form of an answer whose document has the same fields."""

    def copied(value: Any, kind: type[Any]) -> Any:
        return kind(**{each.name: getattr(value, each.name) for each in fields(kind)})

    return Form(document, lambda value: copied(value, document), lambda value: copied(value, answer))
