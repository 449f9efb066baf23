"""Fields of a JSON object, read strictly: each of its type, and an error that has the path of what is wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from promptops.core.errors import Invalid
from promptops.core.model import Json
from promptops.wire.extensions import EXTENSIONS, require_extensions

T = TypeVar("T")
Name = TypeVar("Name", bound=str)


def located(path: str, make: Callable[..., T], *arguments: Any) -> T:
    """Calls ``make``, and puts the path before the message of an error that has none."""
    try:
        return make(*arguments)
    except Invalid as error:
        if error.message.startswith("$"):
            raise
        raise Invalid(f"{path}: {error.message}", hint=error.hint) from error


def mapping_of(value: Json, keys: frozenset[str], path: str, *, extensible: bool = False) -> Mapping[str, Json]:
    if not isinstance(value, Mapping):
        raise Invalid(f"{path} is not an object")
    require_keys(value, keys, path, extensible=extensible)
    return value


def require_keys(document: Mapping[str, Json], keys: frozenset[str], path: str, *, extensible: bool = False) -> None:
    if extensible:
        require_extensions(document, path)
        keys |= {EXTENSIONS}
    if unknown := sorted(document.keys() - keys):
        raise Invalid(f"{path} has the unknown key {unknown[0][:80]!r}", hint="A newer promptops may read it.")


def object_at(document: Mapping[str, Json], key: str, path: str) -> Mapping[str, Json]:
    """The object of a key, empty without one."""
    value = document.get(key, {})
    if not isinstance(value, Mapping):
        raise Invalid(f"{path}.{key[:80]} is not an object")
    return value


def list_at(document: Mapping[str, Json], key: str, path: str) -> Sequence[Json]:
    """The list of a key, empty without one."""
    value = document.get(key, [])
    if not isinstance(value, list):
        raise Invalid(f"{path}.{key[:80]} is not a list")
    return value


def texts_at(document: Mapping[str, Json], key: str, path: str) -> tuple[str, ...]:
    texts = []
    for place, text in enumerate(list_at(document, key, path)):
        if not isinstance(text, str):
            raise Invalid(f"{path}.{key[:80]}[{place}] is not text")
        texts.append(text)
    return tuple(texts)


def numbers_at(document: Mapping[str, Json], key: str, path: str) -> dict[str, int]:
    numbers = object_at(document, key, path)
    return {name: number_at(numbers, name, f"{path}.{key[:80]}") for name in numbers}


def known_names(names: Mapping[str, Name], values: Mapping[str, T], path: str) -> dict[Name, T]:
    if unknown := sorted(values.keys() - names.keys()):
        raise Invalid(f"{path} has the unknown key {unknown[0][:80]!r}", hint="A newer promptops may read it.")
    return {names[name]: value for name, value in values.items()}


def text_at(document: Mapping[str, Json], key: str, path: str, default: str | None = None) -> str:
    value = document.get(key, default)
    if not isinstance(value, str):
        raise Invalid(f"{path}.{key[:80]} is not text" if key in document else f"{path} has no '{key}'")
    return value


def number_at(document: Mapping[str, Json], key: str, path: str) -> int:
    value = document.get(key)
    if type(value) is not int:
        raise Invalid(f"{path}.{key[:80]} is not a whole number" if key in document else f"{path} has no '{key}'")
    return value
