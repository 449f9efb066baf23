"""A release's content -> its prompts, ready to be rendered. The only way to compile a release.

Clients compile with this, and so does every check that accepts a release: a release that passes here loads in every
client, and one that a client could not load is refused, with its place, before any client follows it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from promptops.core.errors import Invalid, PromptopsError, TemplateInvalid, Unloadable
from promptops.core.limits import INPUTS, PATTERNS, PROMPTS, RELEASE_NODES, TAGS, VALUES, values_in
from promptops.core.model import Content, Engine, Input, Json, Message, Prompt
from promptops.core.release_bytes import content_from_bytes, content_to_json
from promptops.core.schema import input_schema as schemas
from promptops.core.schema.input_schema import is_open, is_text
from promptops.core.schema.meta_schema import patterns, require_schema
from promptops.core.template.simple import openings
from promptops.core.template.template import Template

_SMALLER = "Split the app, or make its prompts smaller."


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledPrompt:
    """A prompt and its template, compiled."""

    definition: Prompt
    template: Template

    @property
    def notes(self) -> tuple[str, ...]:
        """The parts of it that are not evaluated: constructs of patterns that need more than linear time."""
        return tuple(f"prompt '{self.definition.name}', {note}" for note in self.template.notes)


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledRelease:
    """A release ready to be served: its prompts by their names within the app."""

    app: str
    digest: str
    prompts: Mapping[str, CompiledPrompt]


def compile_release(data: bytes, *, digest: str) -> CompiledRelease:
    """Compile a release's canonical bytes. Does not check them against the digest.

    Raises:
        Invalid: they are not a release.
        Unloadable: they are a release that no client could load.
    """
    content = content_from_bytes(data)
    return CompiledRelease(app=content.app, digest=digest, prompts=compile_content(content))


def flaw_of(data: bytes) -> str:
    """Why no client could load a release's canonical bytes; empty where every client can."""
    try:
        compile_release(data, digest="")
    except Invalid as error:
        return error.message
    return ""


def compile_content(content: Content) -> Mapping[str, CompiledPrompt]:
    """Every prompt of a content, compiled, by its name within the app.

    Raises:
        Unloadable: naming the prompt and the place.
    """
    _require_small(content)
    prompts: dict[str, CompiledPrompt] = {}
    nodes = 0
    for prompt in content.prompts:
        prompts[prompt.name] = _compile(content.app, prompt)
        nodes += prompts[prompt.name].template.nodes
        if nodes > RELEASE_NODES:
            problem = (
                f"'{content.app}' has more than {RELEASE_NODES:,} tags and parts of expressions in its Jinja messages"
            )
            raise Unloadable(problem, prompt=prompt.name, hint=_SMALLER)
    return prompts


def require_loadable(content: Content) -> None:
    """Do nothing for a content that every client can load, and of which it uses everything.

    A pattern that RE2 does not take, or a reference to nothing, loads and is not evaluated or fails: that is for
    releases that exist already.

    Raises:
        Unloadable: naming the prompt and the place.
    """
    _require_small(content)
    compile_content(replace(content, prompts=tuple(prompt for prompt in content.prompts if not _is_plain(prompt))))
    named_schemas = (
        ((prompt.name, what), schema)
        for prompt in content.prompts
        for what, schema in (*_schemas(prompt), *((f"input '{item.name}'", item.schema) for item in prompt.inputs))
        if isinstance(schema, Mapping) and not is_text(schema) and not is_open(schema)
    )
    if first := schemas.first_flaw(named_schemas):
        (name, what), flaw = first
        raise Unloadable(f"prompt '{content.app}/{name}': {what}: {flaw}", prompt=name)


def _is_plain(prompt: Prompt) -> bool:
    """True for a prompt that compiles whatever its texts are: most prompts, so most of a release is not compiled."""
    simple = prompt.engine is Engine.SIMPLE and not prompt.tools and prompt.json_schema is None
    return simple and not prompt.placeholders and all(item.required and is_text(item.schema) for item in prompt.inputs)


def _require_small(content: Content) -> None:
    prompts = content.prompts
    inputs = [
        item for prompt in prompts for item in prompt.inputs if not (is_text(item.schema) or is_open(item.schema))
    ]
    for count, most, what in (
        (values_in(content_to_json(content)), VALUES, "values"),
        (len(prompts), PROMPTS, "prompts"),
        (len(inputs), INPUTS, "inputs with a schema that says more than `type: string`"),
        (sum(map(openings, _templates(prompts))), TAGS, "tags"),
        (len(_patterns(prompts, inputs)), PATTERNS, "different regular expressions in its schemas"),
    ):
        if count > most:
            raise Unloadable(f"'{content.app}' has {count:,} {what}, and at most {most:,} are allowed", hint=_SMALLER)


def _templates(prompts: Sequence[Prompt]) -> Iterator[str]:
    for prompt in prompts:
        for message in prompt.written:
            yield from message.templates


def _patterns(prompts: Sequence[Prompt], inputs: Sequence[Input]) -> set[str]:
    schemas = [schema for prompt in prompts for _, schema in _schemas(prompt)]
    schemas += [item.schema for item in inputs]
    return {pattern for schema in schemas for pattern in patterns(schema)}


def _compile(app: str, prompt: Prompt) -> CompiledPrompt:
    name = f"{app}/{prompt.name}"
    try:
        for what, schema in _schemas(prompt):
            _require_schema(what, schema)
        return CompiledPrompt(definition=prompt, template=Template.compile(prompt))
    except PromptopsError as error:
        problem = f"prompt '{name}'{_place(prompt, error)}: {error.message}"
        raise Unloadable(problem, prompt=prompt.name, hint=error.hint) from error
    except Exception as error:  # any exception here would stop a client in the same way
        problem = f"{type(error).__name__}: {error}"[:200]
        raise Unloadable(f"prompt '{name}' cannot be compiled: {problem}", prompt=prompt.name) from error


def _schemas(prompt: Prompt) -> list[tuple[str, Json]]:
    """The schemas of a prompt that are handed to the model's API as they are."""
    schemas: list[tuple[str, Json]] = [(f"tool '{tool.name}'", tool.parameters) for tool in prompt.tools]
    if prompt.json_schema is not None:
        # GitHub Models has the schema in an envelope with its name.
        schemas.append(("the schema of the answer", prompt.json_schema.get("schema", prompt.json_schema)))
    return schemas


def _require_schema(what: str, schema: Json) -> None:
    try:
        require_schema(schema)
    except TemplateInvalid as error:
        raise TemplateInvalid(f"{what}: {error.message}", hint=error.hint) from error


def _place(prompt: Prompt, error: PromptopsError) -> str:
    """The place in the prompt: the message, and the line in it."""
    if not isinstance(error, TemplateInvalid) or error.number < 0:
        return ""
    message = prompt.messages[error.number]
    if not isinstance(message, Message) or message.parts:  # a part has lines of its own
        return f", messages[{error.number}]"
    return f", messages[{error.number}], line {message.content.count(chr(10), 0, error.offset) + 1}"
