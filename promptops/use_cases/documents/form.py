"""The form of an answer: its document, and both directions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

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
