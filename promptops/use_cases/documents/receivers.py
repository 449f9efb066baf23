"""Receivers of notifications, what applying did to them, and tests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Final, TypeVar

from promptops.operations.notify import ReceiverChange, ReceiverState, TestAsked
from promptops.use_cases.documents.form import Form
from promptops.wire.documents.receivers import ReceiverChangeDocument, ReceiverStateDocument, ReceiverTestDocument

A = TypeVar("A")
D = TypeVar("D")


def _alike(answer: type[A], document: type[D]) -> Form[A, D]:
    """The form of an answer whose document has the same fields."""

    def copied(value: Any, kind: type[Any]) -> Any:
        return kind(**{each.name: getattr(value, each.name) for each in fields(kind)})

    return Form(document, lambda value: copied(value, document), lambda value: copied(value, answer))


FORMS: Final[Mapping[type, Form[Any, Any]]] = {
    ReceiverChange: _alike(ReceiverChange, ReceiverChangeDocument),
    ReceiverState: _alike(ReceiverState, ReceiverStateDocument),
    TestAsked: _alike(TestAsked, ReceiverTestDocument),
}
