"""A row of the table, and what follows from it: the check of rights, the operation, the request and the answer.

A row is all that a use case needs: the gateways and the server's routes know none by name. Apps and channels that a
request names are checked, and those that an answer names are filtered, by :mod:`promptops.core.visibility`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, field
from datetime import datetime
from operator import attrgetter
from typing import TYPE_CHECKING, Annotated, Any, Generic, TypeVar, cast, get_args, get_origin, get_type_hints

from promptops.core.errors import AppArchived, PromptopsError
from promptops.core.json_codec import to_json
from promptops.core.model import Json
from promptops.core.rights import EVERYTHING, Rights
from promptops.core.token import Scope
from promptops.use_cases.fields import Field, RequestPart

if TYPE_CHECKING:
    from promptops.store import Registry

Q = TypeVar("Q")
A = TypeVar("A")


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who makes a request, when, and with which rights."""

    now: datetime
    actor: str = ""
    rights: Rights = EVERYTHING


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A request as it goes over HTTP; ``names`` are the parts of its path that name something."""

    method: str
    path: str
    names: Mapping[str, str]
    query: Sequence[tuple[str, str]] = ()
    body: Mapping[str, Json] | None = None
    key: str = ""
    expect_revision: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerForm:
    """How an answer goes over HTTP that no document of ours is: a file, or a list that has a format of its own.

    ``write`` returns a JSON object, or the bytes of a file. ``schema`` and ``example`` are for the HTTP reference.
    """

    write: Callable[[Any], Mapping[str, Json] | bytes]
    read: Callable[[Mapping[str, Json]], Any]
    schema: Mapping[str, Any]
    example: Mapping[str, Json]


@dataclass(frozen=True, kw_only=True, eq=False)  # no slots: with them Python makes the class twice
class UseCase(Generic[Q, A]):
    """One thing that a registry does, for the command line and over HTTP.

    ``name`` is its operation id, ``doc`` its summary and description in the HTTP reference, ``tag`` its chapter there.
    ``request`` is the class of what ``run`` takes; None if it takes nothing. ``body`` are the name
    and the description of the JSON body's schema. ``errors`` are those beside the ones that every route may answer.
    ``require`` replaces the check of what the request names, and ``decode`` the way from the fields' values to it.
    ``instead`` is a scope with which some requests are taken too; ``require`` then says which.
    ``asks`` says that a POST changes nothing: it has a body because its question is too long for an address.
    ``resolve`` is what a gateway to a server asks first: it gets that gateway's ``run``, and the request.
    ``answer`` is the type that ``run`` returns, by which answers are filtered; a tuple goes as a list ``under`` a key.
    It becomes the document that :mod:`promptops.use_cases.documents` has for it, unless it has a ``form`` of its own.
    ``verify`` compares an answer of a server with the request. ``sample`` has values of fields in the example of the
    HTTP reference, where the usual ones would not fit.
    """

    name: str
    method: str
    path: str
    scope: Scope
    doc: str
    run: Callable[[Registry, Q, Caller], A]
    answer: Any
    under: str = ""
    form: AnswerForm | None = None
    verify: Callable[[A, Q], A] = lambda answer, request: answer
    status: int = 200
    asks: bool = False
    request: type[Q] | None = None
    fields: tuple[Field, ...] = ()
    body: tuple[str, str] = ("", "")
    tag: str = "Changes"
    errors: tuple[type[PromptopsError], ...] = ()
    largest: int = 0
    elements: int = 0
    sample: Mapping[str, Json] = field(default_factory=dict)
    instead: Scope | None = None
    require: Callable[[Q, Scope, Rights], None] | None = None
    decode: Callable[[Mapping[str, Any], Rights], Q] | None = None
    resolve: Callable[[Callable[..., Any], Q], Q] | None = None

    @property
    def changes(self) -> bool:
        """True if it may change the registry."""
        return self.method != "GET" and not self.asks

    def answer_to(self, registry: Registry, request: Q, caller: Caller) -> A:
        """Run the operation, with the caller's rights.

        Raises:
            PromptopsError: what the operation raises, or the caller may not do this.
        """
        if caller.rights.token is None:
            return self.run(registry, request, caller)
        from promptops.core.visibility import require_named, visible

        (self.require or require_named)(request, self.scope, caller.rights)
        try:
            answer = self.run(registry, request, caller)
        except AppArchived as refused:
            raise refused.limited(lambda app: caller.rights.sees(app=app)) from None
        return visible(answer, self.answer, caller.rights)

    # --- over HTTP ---------------------------------------------------------------------------------

    def send(self, request: Q) -> Sent:
        """The request as it goes over HTTP. Values at their defaults are left out."""
        values = {f.name: self._write(f, request) for f in self.fields}
        parts: dict[RequestPart, dict[str, Any]] = {place: {} for place in RequestPart}
        for f in self.fields:
            required, default = self.default_of(f)
            if required or f.place is RequestPart.PATH or values[f.name] != default:
                parts[f.place][f.name] = values[f.name]
        return Sent(
            method=self.method,
            path=self.path.format_map(parts[RequestPart.PATH]),
            names=parts[RequestPart.PATH],
            query=[pair for name, value in parts[RequestPart.QUERY].items() for pair in _pairs(name, value)],
            body=parts[RequestPart.BODY] if self.body[0] else None,
            key=parts[RequestPart.KEY].get("key", ""),
            expect_revision=parts[RequestPart.REVISION].get("expect_revision"),
        )

    def receive(self, values: Mapping[str, Any], rights: Rights) -> Q:
        """The request that has these values, which fit their hints; one with a key belongs to the caller's token.

        Raises:
            Invalid: the values fit no request.
        """
        if self.decode is not None:
            return self.decode(values, rights)
        if self.request is None:
            return cast("Q", None)
        given = {f.attribute: _read(f, values[f.name]) for f in self.fields}
        if any(f.place is RequestPart.KEY for f in self.fields):
            given["token"] = rights.owner
        return self.request(**given)

    def written(self, answer: A) -> Mapping[str, Json] | bytes:
        """The JSON object of an answer, or the bytes of a file."""
        from promptops.use_cases import documents

        if self.form is not None:
            return self.form.write(answer)
        if self.under:
            items = cast("tuple[Any, ...]", answer)
            return {self.under: [item if isinstance(item, str) else documents.written(item) for item in items]}
        return documents.written(answer)

    def read(self, document: Mapping[str, Json], request: Q) -> A:
        """The answer to a request, from the JSON object that a server sent.

        Raises:
            RegistryUnavailable: it is no such answer.
        """
        from promptops.use_cases import documents

        if self.form is not None:
            return cast("A", self.form.read(document))
        if self.under:
            items = document[self.under]
            return cast("A", documents.texts(items) if self.noun is str else documents.read_each(self.noun, items))
        return self.verify(documents.read(self.noun, document), request)

    @property
    def noun(self) -> Any:
        """The class of an answer, or of an item of the list."""
        noun = get_args(self.answer)[0] if self.under else self.answer
        return get_args(noun)[0] if get_origin(noun) is Annotated else noun

    def hint_of(self, declared: Field) -> Any:
        """The type of a field's value over HTTP."""
        if declared.form is not None:
            return declared.form.hint
        if declared.place is RequestPart.PATH:
            return str
        hint = get_type_hints(self.request)[declared.attribute]
        return list[get_args(hint)[0]] if get_origin(hint) is tuple else hint  # type: ignore[misc]

    def default_of(self, declared: Field) -> tuple[bool, Any]:
        """Whether every request has to give the field, and its value over HTTP where it is not given."""
        known: Mapping[str, Any] = getattr(self.request, "__dataclass_fields__", {})
        attribute = known.get(declared.attribute)
        if attribute is None or (attribute.default is MISSING and attribute.default_factory is MISSING):
            return True, None
        default = attribute.default_factory() if attribute.default is MISSING else attribute.default
        return False, declared.form.write(default) if declared.form else to_json(default)

    def _write(self, declared: Field, request: Q) -> Any:
        value = attrgetter(declared.attribute)(request)
        return declared.form.write(value) if declared.form else to_json(value)


def _read(declared: Field, value: Any) -> Any:
    if declared.form is not None:
        return declared.form.read(value)
    return tuple(value) if isinstance(value, list) else value


def _pairs(name: str, value: Any) -> list[tuple[str, str]]:
    return [(name, str(item)) for item in (value if isinstance(value, list) else [value])]
