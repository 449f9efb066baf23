"""The prompts of a workspace  ->  a module of Python by which type checkers know their names and variables.

The first two lines say that promptops wrote it, for which apps, and the digest of the rest, so that ``check`` finds a
file that is behind. The text depends on the prompts and on the methods of a client's prompt, and on nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from promptops.core.digest import digest as digest_of
from promptops.core.model import Content, Json, Prompt
from promptops.core.published_inputs import published_inputs
from promptops.core.template.template import Template
from promptops.source.python_types import ANY, Entry, Names, Types, class_name, description_of, typed_dict

HEAD = '# Written by "promptops types" for '
_ALL = "all apps"
_HEADER = re.compile(
    rf"{HEAD}(?:{_ALL}|apps (?P<apps>[a-z0-9._, -]+)): edit the prompt files instead\.\n# (?P<digest>\S+)\n"
)
_MESSAGES = "Sequence[Mapping[str, Any]]"
_TEXT: Mapping[str, Json] = {"type": "string"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """A method of a client's prompt that takes its variables, or of a client that takes a prompt's name.

    ``parameters`` are the others as they are written, and ``returns`` the type, where ``@`` is that of the prompt.
    """

    name: str
    parameters: str
    returns: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Surface:
    """What of promptops the module is about: methods of prompts and clients, and the names that it may import."""

    prompt: Sequence[Method]
    client: Sequence[Method]
    exported: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """The header of such a module: the apps that it is for (none: all of them), and the digest of the rest."""

    apps: tuple[str, ...]
    digest: str


def read_header(text: str) -> Header | None:
    """Returns the header of a module that promptops wrote; None for any other text."""
    match = _HEADER.match(text.replace("\r\n", "\n"))
    if match is None:
        return None
    return Header(apps=tuple(filter(None, (match["apps"] or "").split(", "))), digest=match["digest"])


def types_module(contents: Sequence[Content], surface: Surface, *, apps: Sequence[str] = (), stub: bool = False) -> str:
    """Returns the text of the module. A ``stub`` (``.pyi``) has nothing that runs."""
    body = "\n".join(_body(contents, surface, stub=stub)) + "\n"
    named = f"apps {', '.join(sorted(apps))}" if apps else _ALL
    return f"{HEAD}{named}: edit the prompt files instead.\n# {digest_of(body.encode())}\n{body}"


def _body(contents: Sequence[Content], surface: Surface, *, stub: bool) -> Iterator[str]:
    names = Names({*surface.exported, *_TYPING, *_ABC, "Prompts", "typed", "cast", "TYPE_CHECKING"})
    prompts = sorted((f"{content.app}/{prompt.name}", prompt) for content in contents for prompt in content.prompts)
    typed = [(name, *_typed(name, prompt, names, surface)) for name, prompt in prompts]
    classes = "\n\n\n".join(text for *_, texts in typed for text in texts)
    checked = [*(_prompt_class(cls, variables, surface) for _, cls, variables, _ in typed), _client(typed, surface)]
    written = "\n\n\n".join("\n".join(lines) for lines in checked)
    imported = [
        name for name in surface.exported if re.search(rf"\b{name}\b", f"{classes}\n{written}\nClient AsyncClient")
    ]
    yield "# fmt: off\n# ruff: noqa\n# isort: skip_file\n"
    yield '"""The prompts and their variables, for type checkers."""\n'
    yield "from __future__ import annotations\n"
    yield f"from collections.abc import {', '.join(_ABC)}"
    yield f"from typing import TYPE_CHECKING, {', '.join(_TYPING)}, cast\n"
    yield f"from promptops import {', '.join(imported)}\n\n"
    if classes:
        yield f"{classes}\n\n"
    if stub:
        yield f"{written}\n\n\ndef typed(client: Client | AsyncClient) -> Prompts: ..."
        return
    yield "if TYPE_CHECKING:\n"
    yield "\n".join(f"    {line}" if line else "" for line in written.split("\n"))
    yield "\nelse:\n    Prompts = object"
    yield from (f"    {cls} = Prompt" for _, cls, _, _ in typed)
    yield "\n\ndef typed(client: Client | AsyncClient) -> Prompts:"
    yield '    """Returns the client itself, by which a type checker knows the prompts and their variables."""'
    yield '    return cast("Prompts", client)'


_TYPING = ("Any", "Literal", "NotRequired", "Protocol", "TypedDict", "Unpack", "overload")
_ABC = ("Mapping", "Sequence")


def _typed(name: str, prompt: Prompt, names: Names, surface: Surface) -> tuple[str, str, list[str]]:
    """Returns the class of a prompt, that of its variables, and the texts of the latter and of what it needs."""
    variables = names.take(class_name(name))
    cls = names.take(f"{variables}Prompt")
    texts: list[str] = []
    open_names = Template.compile(prompt).open_names
    histories = {each.name for each in prompt.placeholders}
    entries = []
    for item in published_inputs(prompt):
        media = class_name(str(item.schema.get("type")))
        if item.name in histories:
            kind = _MESSAGES
        elif item.name in open_names and item.schema == _TEXT:
            kind = ANY
        elif media in ("Image", "File", "Audio"):
            kind = f"{media} | bytes | Mapping[str, {ANY}]" if media in surface.exported else ANY
        else:
            kind = Types(item.schema, names, f"{variables}{class_name(item.name)}", texts).type()
        note = description_of(item.schema)
        entries.append(Entry(name=item.name, type=kind, required=item.required, note=note))
    return cls, variables, [*texts, "\n".join(typed_dict(variables, entries))]


def _prompt_class(cls: str, variables: str, surface: Surface) -> Iterator[str]:
    yield f"class {cls}(Prompt):"
    for method in surface.prompt:
        takes = ", ".join(filter(None, ("self", method.parameters, "/", f"**variables: Unpack[{variables}]")))
        yield f"    def {method.name}({takes}) -> {method.returns}: ...  # type: ignore[override]"


def _client(typed: Sequence[tuple[str, str, str, list[str]]], surface: Surface) -> Iterator[str]:
    """A client by its methods that take a prompt's name, which are the same in both kinds of client."""
    yield "class Prompts(Protocol):"
    for method in surface.client:
        for name, cls, _, _ in typed:
            if len(typed) > 1:
                yield "    @overload"
            returns = method.returns.replace("@", cls)
            yield f"    def {method.name}(self, name: Literal[{name!r}], {method.parameters}) -> {returns}: ..."
    if not typed:
        yield "    pass"
