"""The values that a prompt is rendered with: those of -v, of --vars, and the cases of a file."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from promptops.core.errors import Invalid

if TYPE_CHECKING:
    from promptops.cli.session import Session
    from promptops.core.model import Json, Prompt

_MAX_VARS = 16 << 20
"""Bytes of the values that a prompt is rendered with: more than any model takes, and small beside a machine's memory.
"""
_MAX_CASES = 256 << 20
"""Bytes of a file of cases: a batch of OpenAI, the largest, is of at most 200 MB."""
_OPEN_FILES = (Path("/dev/fd"), Path("/proc/self/fd"))
"""The folders of a process's own open files, which is what a shell's ``<(command)`` names."""


def with_given(prompt: Prompt, values: Mapping[str, Json], given: tuple[str, ...], session: Session) -> dict[str, Json]:
    """Returns values, overridden by those of -v.

    Raises:
        Invalid: one is not NAME=VALUE, or names a field of what has none.
    """
    from promptops.cli.media_arguments import media_argument
    from promptops.core.parts import MEDIA
    from promptops.core.published_inputs import published_inputs

    values = dict(values)
    schemas = {item.name: item.schema for item in published_inputs(prompt)}
    for pair in given:
        name, equals, text = pair.partition("=")
        name = name.strip()
        if not equals or not name:
            raise Invalid(f"'{pair}' is not NAME=VALUE", hint="For example -v question='Where is my parcel?'")
        root, *fields = name.split(".")
        place, schema = values, schemas.get(root, {})
        for step, field in pairwise((root, *fields)):
            inner = place.get(step, {})
            if not isinstance(inner, dict):
                hint = f"Give '{root}' as JSON, or its fields one by one."
                raise Invalid(f"'{name}' is a field, and '{step}' has another value already", hint=hint)
            place[step] = place = dict(inner)
            schema = _property(schema, field)
        if schema.get("type") in list(MEDIA):
            place[root] = media_argument(name, text, str(schema["type"]), session.path)
        else:
            place[fields[-1] if fields else root] = _typed(text, schema)
    return values


def _property(schema: Mapping[str, Json], field: str) -> Mapping[str, Json]:
    properties = schema.get("properties")
    inner = properties.get(field) if isinstance(properties, Mapping) else None
    return inner if isinstance(inner, Mapping) else {}


def _typed(text: str, schema: Mapping[str, Json]) -> Json:
    kind = schema.get("type", "string")
    if kind == "string" or (isinstance(kind, list) and "string" in kind):
        return text
    try:
        value: Json = json.loads(text)
    except ValueError:
        return text  # the schema's own error names the type that is needed
    return value


def read_values(file: str, session: Session) -> dict[str, Json]:
    """Returns the values of --vars.

    Raises:
        Invalid: it cannot be read, or is no JSON object.
    """
    value = _json(_bytes("--vars", file, session, _MAX_VARS), f"--vars {file}")
    if not isinstance(value, Mapping):
        raise Invalid(f"--vars {file} is not a JSON object", hint='For example {"question": "Where is it?"}')
    return dict(value)


def read_cases(file: str, session: Session) -> Iterator[dict[str, Json]]:
    """Yields the values of each case of --cases: a JSON object a line, or one list of them.

    Raises:
        Invalid: it cannot be read, or has something else.
    """
    data = _bytes("--cases", file, session, _MAX_CASES)
    if data.lstrip().startswith(b"["):
        listed = _json(data, f"--cases {file}", len(data))
        assert isinstance(listed, list)
        found = [(f"case {number}", value) for number, value in enumerate(listed, 1)]
    else:
        lines = [(f"line {number}", line) for number, line in enumerate(data.splitlines(), 1) if line.strip()]
        found = [(place, _json(line, f"--cases {file}, {place}")) for place, line in lines]
    if not found:
        raise Invalid(f"--cases {file} has no case", hint='A JSON object a line: {"question": "Where is it?"}')
    for place, value in found:
        if not isinstance(value, Mapping):
            raise Invalid(f"--cases {file}, {place}: not a JSON object", hint='A line: {"question": "Where is it?"}')
        yield dict(value)


def _bytes(option: str, file: str, session: Session, limit: int) -> bytes:
    from promptops.client.disk.regular_file import read_regular

    place = session.path(file)
    try:
        if file == "-":
            return _all(sys.stdin.buffer, limit) if sys.stdin is not None else b""
        if place.parent in _OPEN_FILES:  # the shell's <(command): a pipe with a writer
            with open(place, "rb") as pipe:
                return _all(pipe, limit)
        return read_regular(place, limit)
    except OSError as error:
        raise Invalid(f"{option} {file}: {error.strerror or error}", hint="A JSON file, or - for stdin.") from error
    except Invalid as error:
        hint = "Give the values of one prompt only." if option == "--vars" else "Give them in several files."
        raise Invalid(f"{option} {file}: {error.message}", hint=hint) from error


def _json(data: bytes, place: str, limit: int = 1 << 20) -> Json:
    from promptops.core.digest import parse_canonical

    try:
        return parse_canonical(data, limit=limit)
    except Invalid as error:
        raise Invalid(f"{place}: {error.message}", hint='A JSON object: {"question": "Where is it?"}') from error


def _all(file: BinaryIO, limit: int) -> bytes:
    """Returns the rest of a file.

    Raises:
        Invalid: it is longer than the limit.
    """
    data = file.read(limit + 1)
    if len(data) > limit:
        raise Invalid(f"it is over {limit:,} bytes")
    return data
