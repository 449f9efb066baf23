"""Reports fields of a variable that the schema of its input rules out: ``{{customer.nam}}`` where an object has no
property but ``name``. Every rendering fails there, and so would the first call in production.

Only what the schema says for sure counts: where it refers to another one, or has alternatives, nothing is reported.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Final

from promptops.core.model import LISTS, OBJECTS, Engine, Json, Message, Prompt
from promptops.core.template.simple import each_tag, fields_in
from promptops.source.text.fields import Fields
from promptops.source.text.findings import Near, near, short

_TEXT: Final[Mapping[str, Json]] = {"type": "string"}
"""What is inferred of a variable, too: with it, a variable whose fields are used takes an object."""


def check_input_fields(fields: Fields, prompt: Prompt, declared: Collection[str]) -> None:
    """Reports fields of ``declared`` inputs that no value can have, at the tag that uses them."""
    if prompt.engine is not Engine.SIMPLE:
        return
    schemas = {item.name: item.schema for item in prompt.inputs if item.name in declared}
    if not schemas:
        return
    for at, message in enumerate(prompt.messages):
        if not isinstance(message, Message):
            continue
        for text in message.templates:
            for name in sorted(fields_in(text)):
                if (root := name.partition(".")[0]) in schemas:
                    _check(fields, name, schemas[root], at)


def _check(fields: Fields, name: str, schema: Json, at: int) -> None:
    """``name`` is ``customer.name``."""
    root, *steps = name.split(".")
    offset = _offset(fields, name, at)
    if schema == _TEXT:
        message = f"the input '{short(root)}' is text, and a message uses its field '{short(name)}'"
        fields.report.add("field-of-text", offset, message, f"inputs: {{{short(root)}: {{type: object}}}}")
        return
    path = root
    for step in steps:
        if not isinstance(schema, OBJECTS):
            return
        if problem := _problem(schema, step):
            message = f"'{short(path)}' {problem[0]}, so '{short(name)}' has no value in any call"
            fields.report.add("field-ruled-out", offset, message, problem[1])
            return
        path = f"{path}.{step}"
        schema = _property(schema, step)


def _problem(schema: Mapping[str, Json], step: str) -> tuple[str, str | Near] | None:
    """Returns why no value of the schema has this property, with a hint; None where one may have it."""
    kinds = schema.get("type", "object")
    if not isinstance(kinds, LISTS):
        kinds = [kinds]
    if "object" not in kinds:
        return f"is {' or '.join(map(str, kinds))}", "Declare it with `type: object`, or use it without the field."
    known = schema.get("properties", {})
    is_closed = schema.get("additionalProperties") is False and not schema.get("patternProperties")
    if not is_closed or not isinstance(known, OBJECTS) or step in known:
        return None
    hint = near(step, known) or f"It has {', '.join(map(short, list(known)[:8])) or 'none'}."
    return f"has no property '{short(step)}'", hint


def _property(schema: Mapping[str, Json], step: str) -> Json:
    known = schema.get("properties")
    return known.get(step) if isinstance(known, OBJECTS) else None


def _offset(fields: Fields, name: str, at: int) -> int:
    """The offset of the tag where the file itself has it; of the message where a partial does."""
    for path, text in _texts(fields, at):
        for tag in each_tag(text):
            if tag.name == name:
                return fields.document.inside(path, tag.start)
    return fields.document.offset((*fields.path, "messages", at))


def _texts(fields: Fields, at: int) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Yields the texts of a message as they are written, each with its path."""
    written = fields.value.get("messages")
    item = written[at] if isinstance(written, LISTS) and len(written) > at else None
    content = item.get("content") if isinstance(item, OBJECTS) else None
    path = (*fields.path, "messages", at, "content")
    if isinstance(content, str):
        yield path, content
    for number, part in enumerate(content if isinstance(content, LISTS) else ()):
        for key in ("text", "url"):
            text = part.get(key) if isinstance(part, OBJECTS) else None
            if isinstance(text, str):
                yield (*path, number, key), text
