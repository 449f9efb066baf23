"""`promptops render`: prints a prompt's messages as an application would send them."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from promptops.cli import complete
from promptops.cli.command import command
from promptops.cli.output.json_shapes import JsonObject
from promptops.cli.output.render import Line, Span
from promptops.cli.resolve import named
from promptops.cli.session import Session
from promptops.core.errors import Invalid, MissingVariable
from promptops.core.reference import parse_reference
from promptops.wire.codec import to_json
from promptops.wire.documents.commands import RenderedDocument

if TYPE_CHECKING:
    from promptops.core.model import Json, Prompt
    from promptops.operations.queries import Rendered

_MAX_VARS = 16 << 20
"""Bytes of the values that a prompt is rendered with: more than any model takes, and small beside a machine's memory.
"""
_OPEN_FILES = (Path("/dev/fd"), Path("/proc/self/fd"))
"""The folders of a process's own open files, which is what a shell's ``<(command)`` names."""


@command("render")
@click.argument("reference", metavar="APP/PROMPT[@VERSION|:CHANNEL]", shell_complete=complete.prompts)
@click.option("-v", "--var", "given", multiple=True, metavar="NAME=VALUE", help="A variable's value; repeat it.")
@click.option("--vars", "file", metavar="FILE", type=click.Path(), help="A JSON object with values; - is stdin.")
def render(session: Session, /, reference: str, given: tuple[str, ...], file: str | None) -> None:
    """Print a prompt's messages as an application sends them.

    Without @ or : it renders the files here. A value of -v is text, unless the prompt declares the variable as
    something else; then it is read as JSON. A field has its path: -v customer.name=Ann.

    \b
      promptops render support-bot/answer -v question="Where is my parcel?"
      promptops render support-bot/answer:prod --vars case.json --json
    """
    from promptops.operations import queries

    [subject] = named(session, parse_reference(reference))
    values = _values(subject.prompt(), given, file, session)
    try:
        rendered = queries.render(subject, values)
    except MissingVariable as missing:
        missing.hint = f"Give it one: -v {missing.name}=…, or --vars FILE."
        raise
    session.answer(lambda: _shape(rendered), lambda page: _lines(rendered))


def _values(prompt: Prompt, given: tuple[str, ...], file: str | None, session: Session) -> dict[str, Json]:
    """Returns the values of --vars, overridden by those of -v."""
    from promptops.core.published_inputs import published_inputs

    values = _from_file(file, session.path(file)) if file else {}
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


def _from_file(file: str, place: Path) -> dict[str, Json]:
    from promptops.client.disk.regular_file import read_regular
    from promptops.core.digest import parse_canonical

    try:
        if file == "-":
            data = _all(sys.stdin.buffer) if sys.stdin is not None else b""
        elif place.parent in _OPEN_FILES:  # the shell's <(command): a pipe with a writer
            with open(place, "rb") as pipe:
                data = _all(pipe)
        else:
            data = read_regular(place, _MAX_VARS)
    except OSError as error:
        raise Invalid(f"--vars {file}: {error.strerror or error}", hint="A JSON file, or - for stdin.") from error
    except Invalid as error:
        raise Invalid(f"--vars {file}: {error.message}", hint="Give the values of one prompt only.") from error
    try:
        value = parse_canonical(data)
    except Invalid as error:
        raise Invalid(f"--vars {file}: {error.message}", hint='A JSON object: {"question": "Where is it?"}') from error
    if not isinstance(value, Mapping):
        raise Invalid(f"--vars {file} is not a JSON object", hint='For example {"question": "Where is it?"}')
    return dict(value)


def _all(file: BinaryIO) -> bytes:
    """Returns the rest of a file.

    Raises:
        Invalid: it is longer than the limit.
    """
    data = file.read(_MAX_VARS + 1)
    if len(data) > _MAX_VARS:
        raise Invalid(f"it is over {_MAX_VARS:,} bytes")
    return data


def _shape(rendered: Rendered) -> JsonObject:
    release = rendered.named.release
    return to_json(
        RenderedDocument(
            app=rendered.named.content.app,
            prompt=rendered.prompt.name,
            version=release.version if release else None,
            digest=release.digest if release else None,
            model=rendered.prompt.model,
            parameters=rendered.prompt.parameters,
            messages=rendered.messages,
        )
    )


def _lines(rendered: Rendered) -> list[Line]:
    prompt = rendered.prompt
    settings = ", ".join(f"{name} {json.dumps(value)}" for name, value in sorted(prompt.parameters.items()))
    model = prompt.model or "the application chooses the model"
    head = f"{rendered.named.label} · {prompt.name} · {model}" + (f" · {settings}" if settings else "")
    lines: list[Line] = [[Span(head, "quiet")]]
    for message in rendered.messages:
        lines += ["", [Span(message["role"], "name")]]
        lines += message["content"].removesuffix("\n").split("\n")
        lines += [f"{key}: {json.dumps(item)}" for key, item in message.items() if key not in ("role", "content")]
    return lines
