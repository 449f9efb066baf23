"""The JSON of an answer, read strictly and compared as JSON: ``1`` and ``1.0`` are one number, ``true`` is not."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NoReturn

from promptops.core.model import Json


def parse(text: str) -> Json:
    """Returns the value that a text is.

    Raises:
        ValueError: it is not JSON.
    """
    try:
        value: Json = json.loads(text, parse_constant=_refuse)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    return value


def same(wanted: Json, got: Json) -> bool:
    """Returns whether two values are the same JSON. Goes as deep as the wanted one."""
    if isinstance(wanted, bool) or isinstance(got, bool) or wanted is None or got is None:
        return wanted is got
    if isinstance(wanted, Mapping):
        fits = isinstance(got, Mapping) and wanted.keys() == got.keys()
        return fits and all(same(item, got[key]) for key, item in wanted.items())  # type: ignore[index, call-overload]
    if isinstance(wanted, list):
        return isinstance(got, list) and len(wanted) == len(got) and all(map(same, wanted, got))
    return type(got) in (int, float, str) and wanted == got


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
