"""Tokens, and the secret of a new one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from promptops.core.token import Token
from promptops.operations.tokens import Minted
from promptops.use_cases.documents.form import Form
from promptops.wire.documents.tokens import NewTokenDocument, TokenDocument


def _minted(made: Minted) -> NewTokenDocument:
    return NewTokenDocument.of(made.token, secret=made.text)


def _from_minted(document: NewTokenDocument) -> Minted:
    return Minted(token=document.token(), text=document.secret)


FORMS: Final[Mapping[type, Form[Any, Any]]] = {
    Token: Form(TokenDocument, TokenDocument.of, TokenDocument.token),
    Minted: Form(NewTokenDocument, _minted, _from_minted),
}
