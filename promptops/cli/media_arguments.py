"""Images, files and audio on the command line: ``-v photo=@shelf.png`` or ``-v photo=https://img.example.com/7.png``."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from pathlib import Path

from promptops.core.errors import Invalid
from promptops.core.media_values import MAX_BYTES
from promptops.core.model import Json

_HINT = "@PATH for a file here, a URL that the provider fetches, or JSON with `data` in base64 or `url`."


def media_argument(name: str, text: str, kind: str, place: Callable[[str], Path]) -> Json:
    """Returns the value of a variable of ``type: image`` and the like; ``place`` finds a path that was typed.

    Raises:
        Invalid: there is no such file, or it is no value.
    """
    if text.startswith(("http://", "https://")):
        return {"url": text}
    if text.startswith("@"):
        path = place(text[1:])
        said: dict[str, Json] = {"data": base64.b64encode(_read(name, path)).decode("ascii")}
        return {**said, "filename": path.name} if kind == "file" else said
    try:
        value: Json = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, Mapping):
        raise Invalid(f"-v {name}: '{text[:80]}' is no value of type {kind}", hint=_HINT)
    return value


def _read(name: str, path: Path) -> bytes:
    from promptops.client.disk.regular_file import read_regular

    try:
        return read_regular(path, MAX_BYTES)
    except OSError as error:
        raise Invalid(f"-v {name}: {path}: {error.strerror or error}", hint=_HINT) from error
    except Invalid as error:
        raise Invalid(f"-v {name}: {error.message}", hint="A larger one is given by its URL.") from error
