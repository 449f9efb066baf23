"""Which apps and channels a request names, and what of an answer a caller may see.

Both follow from the types: a field that names an app or a channel is annotated :data:`AppName` or :data:`ChannelName`.
An item of a list that names something out of sight is left out, as if it were not there; a new list cannot forget it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Final, TypeAlias, TypeVar, cast, get_args, get_origin, get_type_hints

from promptops.core.heartbeat import LiveClient
from promptops.core.model import AuditEntry, Policy
from promptops.core.names import Names
from promptops.core.reference import Reference
from promptops.core.rights import Rights
from promptops.core.token import Scope, Token

T = TypeVar("T")

_HIDDEN: Final = object()
"""In place of a value that the caller may not see."""

_Filter: TypeAlias = Callable[[Any, Rights], Any]
"""A value -> the part of it that a caller may see, or _HIDDEN."""


def visible(value: T, hint: object, rights: Rights) -> T:
    """The part of an answer that a caller may see; ``hint`` is the type of the answer."""
    if rights.token is None:
        return value
    shown = (_filter(hint) or _as_it_is)(value, rights)
    assert shown is not _HIDDEN, "what a request names was checked before it was answered"
    return cast("T", shown)


def require_named(request: object, scope: Scope, rights: Rights) -> None:
    """Check that the caller may do this with every app and channel that a request names.

    A channel that a reference follows only has to be in sight.

    Raises:
        NotAllowed, ChannelNotFound, AppNotFound: see :meth:`Rights.require`.
    """
    named = list(_named(request)) if is_dataclass(request) else []
    channel = next((name for what, name in named if what is Names.CHANNEL), "")
    apps = [name for what, name in named if what is Names.APP]
    for app in apps or [""]:
        rights.require(scope, channel=channel, app=app)
    for reference in _references(request):
        if reference.channel:
            rights.require(Scope.READ, channel=reference.channel, app=reference.app)


def _named(request: object) -> Iterator[tuple[Names, str]]:
    if isinstance(request, Reference):
        yield Names.APP, request.app
        return
    for name, hint in _hints(cast("Any", type(request))).items():
        value = getattr(request, name)
        if is_dataclass(value):
            yield from _named(value)
        else:
            inner = get_args(hint)[0] if get_origin(hint) is tuple else hint
            if (what := _marked(inner)) is not None:
                yield from ((what, each) for each in (value if isinstance(value, tuple) else (value,)))


def _references(request: object) -> Iterator[Reference]:
    if isinstance(request, Reference):
        yield request
    elif is_dataclass(request):
        yield from (
            value
            for name in _hints(cast("Any", type(request)))
            if isinstance(value := getattr(request, name), Reference)
        )


@cache
def _hints(kind: Any) -> Mapping[str, Any]:
    return get_type_hints(kind, include_extras=True)


def _marked(hint: object) -> Names | None:
    """What a text of this type names, if anything."""
    marks = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
    return next((mark for mark in marks if isinstance(mark, Names)), None)


# --- filters, made once for each type --------------------------------------------------------------


@cache
def _filter(hint: object) -> _Filter | None:
    """The filter for values of a type; None where all of it may be seen."""
    if get_origin(hint) is Annotated:
        return _BY_MARK.get(mark) if (mark := _marked(hint)) else _filter(get_args(hint)[0])
    if get_origin(hint) is UnionType:
        inner = _filter(next(part for part in get_args(hint) if part is not NoneType))
        return inner and _optional(inner)
    if get_origin(hint) is tuple:
        item = _filter(get_args(hint)[0])
        return item and (lambda value, rights: tuple(_kept(value, item, rights)))
    if get_origin(hint) is Mapping:
        key = _filter(get_args(hint)[0])
        return key and (lambda value, rights: {name: value[name] for name in _kept(value, key, rights)})
    if isinstance(hint, type) and hint in _BY_TYPE:
        return _BY_TYPE[hint]
    return _of_fields(hint) if isinstance(hint, type) and is_dataclass(hint) else None


def _optional(inner: _Filter) -> _Filter:
    return lambda value, rights: None if value is None else inner(value, rights)


def _kept(values: Iterable[T], inner: _Filter, rights: Rights) -> Iterator[T]:
    return (shown for value in values if (shown := inner(value, rights)) is not _HIDDEN)


def _of_fields(kind: type) -> _Filter | None:
    hints = _hints(kind)
    inner = {field.name: found for field in fields(kind) if (found := _filter(hints[field.name]))}
    if not inner:
        return None

    def shown(value: Any, rights: Rights) -> Any:
        parts = {name: found(getattr(value, name), rights) for name, found in inner.items()}
        return _HIDDEN if _HIDDEN in parts.values() else replace(value, **parts)

    return shown


def _as_it_is(value: Any, rights: Rights) -> Any:
    return value


def _entry(entry: AuditEntry, rights: Rights) -> object:
    """Lines about the registry as a whole are for callers that see everything."""
    concerned = entry.app or entry.channel
    seen = rights.sees(channel=entry.channel, app=entry.app) if concerned else rights.everything
    return entry if seen else _HIDDEN


def _token(token: Token, rights: Rights) -> object:
    return token if rights.token is None or rights.token.reaches(token) else _HIDDEN


def _client(client: LiveClient, rights: Rights) -> object:
    """The clients of the caller's own token in full, of others only what concerns its apps."""
    if not rights.sees(channel=client.beat.channel):
        return _HIDDEN
    if client.beat.token == rights.owner:
        return client
    other = client if rights.everything else client.limited(lambda app: rights.sees(app=app))
    return _HIDDEN if other is None else other.under_another_id()


def _policy(policy: Policy, rights: Rights) -> object:
    """The channels that it takes from, and the apps that its gate names, as far as the caller may know of them."""
    sources = tuple(source for source in policy.promote_from if rights.sees(channel=source))
    gate, apps = policy.gate, (policy.gate or {}).get("apps")
    if gate is not None and isinstance(apps, Mapping):
        gate = {**gate, "apps": {name: settings for name, settings in apps.items() if rights.sees(app=name)}}
    return replace(policy, promote_from=sources, gate=gate)


_BY_MARK: Final[Mapping[Names, _Filter]] = {
    Names.APP: lambda name, rights: name if rights.sees(app=name) else _HIDDEN,
    Names.CHANNEL: lambda name, rights: name if rights.sees(channel=name) else _HIDDEN,
    Names.EVERYTHING: lambda value, rights: value if rights.everything else 0 if isinstance(value, int) else None,
}
_BY_TYPE: Final[Mapping[type, _Filter]] = {
    AuditEntry: _entry,
    Token: _token,
    LiveClient: _client,
    Policy: _policy,
}
