"""The rows of the table fit their requests, and nothing that names an app or a channel goes unmarked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from types import NoneType
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import pytest

from promptops.core.heartbeat import LiveClient
from promptops.core.model import AuditEntry
from promptops.core.names import AppName, ChannelName, Names
from promptops.core.reference import Reference
from promptops.core.rights import EVERYTHING, Rights
from promptops.core.token import Scope, Token
from promptops.core.visibility import visible
from promptops.use_cases.documents import form_of
from promptops.use_cases.fields import RequestPart
from promptops.use_cases.table import TABLE
from promptops.use_cases.use_case import UseCase
from tests.support import factory

NAMING = {"app", "apps", "channel", "channels", "idle", "promote_from", "quarantined"}
"""What fields that name apps and channels are called."""

BY_HAND = {AuditEntry, LiveClient, Token, Reference}
"""Types with a rule of their own in core/visibility.py, and what a request named itself."""


def unmarked(hint: Any, where: str) -> Iterator[str]:
    """The fields below a type that name an app or a channel by what they are called, and not by their type."""
    if get_origin(hint) is not None:
        for part in get_args(hint):
            yield from unmarked(part, where)
    elif isinstance(hint, type) and is_dataclass(hint) and hint not in BY_HAND:
        hints = get_type_hints(hint, include_extras=True)
        for field in fields(hint):
            place = f"{where}.{field.name}"
            if field.name in NAMING and not is_dataclass(hints[field.name]) and not _marked(hints[field.name]):
                yield place
            yield from unmarked(hints[field.name], place)


def _marked(hint: Any) -> bool:
    if get_origin(hint) is Annotated:
        return any(isinstance(mark, Names) for mark in get_args(hint))
    return any(_marked(part) for part in get_args(hint) if part is not NoneType)


def named(case: UseCase[Any, Any]) -> str:
    return case.name


@pytest.mark.parametrize("case", TABLE, ids=named)
def test_every_name_in_an_answer_is_marked_so_that_it_is_filtered(case: UseCase[Any, Any]) -> None:
    assert list(unmarked(case.answer, case.name)) == []


@pytest.mark.parametrize("case", TABLE, ids=named)
def test_every_attribute_of_a_request_is_a_field_of_its_row(case: UseCase[Any, Any]) -> None:
    sent = {field.attribute.partition(".")[0] for field in case.fields}
    attributes = {} if case.request is None else case.request.__dataclass_fields__
    assert attributes.keys() - sent <= {"token", "prompt", *({"channel"} if case.name == "yank" else ())}
    assert any(field.place is RequestPart.KEY for field in case.fields) == ("key" in attributes)


def test_the_names_and_addresses_of_the_rows_are_their_own() -> None:
    assert len({case.name for case in TABLE}) == len({(case.method, case.path) for case in TABLE}) == len(TABLE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgetful:
    """A list whose author did not say that it names apps."""

    app: str
    channels: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What is inside of it."""

    app: AppName


@dataclass(frozen=True, slots=True, kw_only=True)
class Careful:
    """The same, marked."""

    app: AppName
    channels: tuple[ChannelName, ...]
    reasons: Mapping[ChannelName, str]
    latest: Part | None = None


def test_a_list_that_forgets_to_mark_its_names_is_found() -> None:
    assert list(unmarked(tuple[Forgetful, ...], "toy")) == ["toy.app", "toy.channels"]
    assert list(unmarked(tuple[Careful, ...], "toy")) == []


def test_what_is_marked_is_filtered_at_every_depth() -> None:
    def item(app: str, latest: str = "") -> Careful:
        part = Part(app=latest) if latest else None
        return Careful(app=app, channels=("dev", "prod"), reasons={"dev": "a", "prod": "b"}, latest=part)

    answer: tuple[Careful, ...] = (item("bot"), item("other"), item("bot", "bot"), item("bot", "other"))
    token = Token(
        id="t4fK0qZ8sLm2",
        name="narrow",
        scopes=(Scope.READ,),
        prefix="pops_rt_7Hq2",
        created_at=factory.START,
        created_by="Ada",
        expires_at=None,
        channels=("prod",),
        apps=("bot",),
    )
    shown = visible(answer, tuple[Careful, ...], Rights(token))
    one = Careful(app="bot", channels=("prod",), reasons={"prod": "b"})
    assert shown == (one, replace(one, latest=Part(app="bot")))
    assert visible(answer, tuple[Careful, ...], EVERYTHING) == answer


@pytest.mark.parametrize("case", [case for case in TABLE if case.form is None and case.noun is not str], ids=named)
def test_every_answer_has_a_document_so_that_renaming_a_field_inside_changes_no_key(case: UseCase[Any, Any]) -> None:
    assert form_of(case.noun).document is not case.noun
