"""Receivers of notifications, what applying did to them, and tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from promptops.operations.notify import ReceiverChange, ReceiverState, TestAsked
from promptops.use_cases.documents.form import Form, alike
from promptops.wire.documents.receivers import ReceiverChangeDocument, ReceiverStateDocument, ReceiverTestDocument

FORMS: Final[Mapping[type, Form[Any, Any]]] = {
    ReceiverChange: alike(ReceiverChange, ReceiverChangeDocument),
    ReceiverState: alike(ReceiverState, ReceiverStateDocument),
    TestAsked: alike(TestAsked, ReceiverTestDocument),
}
