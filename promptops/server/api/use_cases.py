"""A row of the table of use cases -> its route: what FastAPI has to know of it, and the one handler of all of them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from functools import reduce
from operator import or_
from types import NoneType, UnionType
from typing import Annotated, Any, Final, get_args, get_origin, get_type_hints

import pydantic
from fastapi import Path, Query
from starlette.responses import Response

from promptops.core.errors import RequestInvalid
from promptops.server.api.arguments import Digits
from promptops.server.http.call import Call, CallOf
from promptops.server.http.json_schema import ACTOR, EXPECTED, KEY, answered, answers, object_of
from promptops.server.http.routing import Body, Route
from promptops.server.http.samples import EARLIER, LATER, sample_of
from promptops.use_cases.documents import form_of
from promptops.use_cases.fields import Field, RequestPart, Rules
from promptops.use_cases.table import TABLE
from promptops.use_cases.use_case import Caller, UseCase
from promptops.wire.codec import schema_of

Constraint: Any = pydantic.Field  # its keywords come from rows
_HEADERS: Final = {RequestPart.KEY: KEY, RequestPart.REVISION: EXPECTED}


def route_of(case: UseCase[Any, Any]) -> Route:
    """The route of a use case."""
    return Route(
        method=case.method,
        path=case.path,
        scope=case.scope,
        instead=case.instead,
        handler=_handler(case),
        tag=case.tag,
        errors=case.errors,
        largest=case.largest,
        elements=case.elements,
        settings=_settings(case),
    )


def _handler(case: UseCase[Any, Any]) -> Callable[..., Response]:
    """The function that FastAPI calls, with the parameters that the row says."""

    def handle(call: Call, **given: Any) -> Response:
        body = given.pop("body", None)
        values = given if body is None else given | {name: getattr(body, name) for name in type(body).model_fields}
        for field in case.fields:
            if field.place is RequestPart.KEY:
                values[field.name] = _key(call)
            elif field.place is RequestPart.REVISION:
                values[field.name] = call.expect_revision
        caller = Caller(now=call.now, actor=call.actor if case.changes else "", rights=call.access)
        request = case.receive(values, call.access)
        return answered(case.written(case.answer_to(call.registry, request, caller)), status=case.status)

    handle.__name__, handle.__doc__ = case.name, case.doc
    handle.__signature__ = inspect.Signature([_parameter("call", CallOf), *_parameters(case)])  # type: ignore[attr-defined]
    return handle


def _key(call: Call) -> str:
    """The key of a change.

    Raises:
        RequestInvalid: the request has no key.
    """
    if not call.key:
        raise RequestInvalid(
            "a change needs an Idempotency-Key, so that a retry is done once",
            hint="Idempotency-Key: a UUID, or the number of your pipeline's run.",
        )
    return call.key


# --- what FastAPI reads ----------------------------------------------------------------------------


def _parameter(name: str, hint: Any, default: Any = inspect.Parameter.empty) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=hint, default=default)


def _parameters(case: UseCase[Any, Any]) -> list[inspect.Parameter]:
    found = []
    for field in case.fields:
        required, default = case.default_of(field)
        if field.place is RequestPart.PATH:
            found.append(_parameter(field.name, Annotated[str, Path()]))
        elif field.place is RequestPart.QUERY:
            hint = case.hint_of(field)
            whole = (Digits,) if int in (hint, *get_args(hint)) else ()
            annotated = Annotated[(hint, *whole, Query(**field.rules))]  # type: ignore[valid-type]
            found.append(_parameter(field.name, annotated, inspect.Parameter.empty if required else default))
    if case.body[0]:
        found.append(_parameter("body", _body(case)))
    return found


def _body(case: UseCase[Any, Any]) -> type[Body]:
    taken = {}
    for field in case.fields:
        if field.place is RequestPart.BODY:
            required, default = case.default_of(field)
            examples = {} if field.example is None else {"examples": [field.example]}
            taken[field.name] = _key_of(case.hint_of(field), {**field.rules, **examples}, required, default)
    return _model(*case.body, taken)


def _model(name: str, doc: str, taken: Mapping[str, Any]) -> type[Body]:
    return pydantic.create_model(name, __base__=Body, __doc__=doc, **taken)


def _key_of(hint: Any, rules: Mapping[str, Any], required: bool, default: Any) -> tuple[Any, Any]:
    """A key of a body, as pydantic takes it."""
    strict = {} if _is_strict(hint) else {"strict": False}
    if required:
        return _converted(hint), Constraint(**rules, **strict)
    if isinstance(default, (list, dict)):
        return _converted(hint), Constraint(default_factory=lambda: default, **rules, **strict)
    return _converted(hint), Constraint(default=default, **rules, **strict)


def _is_strict(hint: Any) -> bool:
    """Whether JSON has values of this type itself; the members of an enumeration are texts there."""
    return not any(isinstance(part, type) and issubclass(part, Enum) for part in (hint, *get_args(hint)))


def _converted(hint: Any) -> Any:
    """The type with pydantic's models in place of dataclasses."""
    if get_origin(hint) is Annotated:
        inner, *marks = get_args(hint)
        rules = [Constraint(**mark) for mark in marks if isinstance(mark, Rules)]
        return Annotated[(_converted(inner), *rules)] if rules else _converted(inner)
    if get_origin(hint) is UnionType:
        return reduce(or_, (part if part is NoneType else _converted(part) for part in get_args(hint)))
    if get_origin(hint) in (list, tuple):
        return list[_converted(get_args(hint)[0])]  # type: ignore[misc]
    if get_origin(hint) is dict:
        return dict[str, _converted(get_args(hint)[1])]  # type: ignore[misc]
    if is_dataclass(hint):
        return _nested(hint)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return Annotated[hint, Constraint(strict=False)]
    return hint


def _nested(kind: Any) -> type[Body]:
    hints, taken = get_type_hints(kind, include_extras=True), {}
    for field in fields(kind):
        default = list(field.default) if isinstance(field.default, tuple) else field.default
        taken[field.name] = _key_of(hints[field.name], {}, default is MISSING, default)
    return _model(kind.__name__, inspect.cleandoc(kind.__doc__ or ""), taken)


# --- what the documentation has ---------------------------------------------------------------------


def _settings(case: UseCase[Any, Any]) -> dict[str, Any]:
    schema, example = _answer(case)
    headers = [_HEADERS[field.place] for field in case.fields if field.place in _HEADERS]
    taken = {field.name: _example(case, field) for field in case.fields if field.place is RequestPart.BODY}
    return answers(
        schema,
        example,
        takes={name: value for name, value in taken.items() if value is not None} if taken else None,
        headers=[*headers, *([ACTOR] if case.changes else [])],
        status=case.status,
    )


def _answer(case: UseCase[Any, Any]) -> tuple[Mapping[str, Any], Any]:
    """The schema and an example of what a use case answers."""
    if case.form is not None:
        return case.form.schema, case.form.example
    kind = str if case.noun is str else form_of(case.noun).document
    back = {"stable": EARLIER, "from_": LATER} if case.sample.get("kind") == "rollback" else {}
    schema, example = schema_of(kind), sample_of(kind, case.under, {**back, **case.sample})
    if not case.under:
        return schema, example
    return object_of(**{case.under: {"type": "array", "items": schema}}), {case.under: [example]}


def _example(case: UseCase[Any, Any], field: Field) -> Any:
    required, _ = case.default_of(field)
    if field.example is None and required:
        return sample_of(case.hint_of(field), field.name)
    return field.example


routes: tuple[Route, ...] = tuple(route_of(case) for case in TABLE)
"""Everything that the command line does through a server, but for pages and streams."""
