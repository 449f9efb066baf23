"""Reads one prompt file as a Prompt and its suite.

Format of GitHub Models (``*.prompt.yml``, ``*.prompt.yaml``), which means here what it means there:
https://docs.github.com/en/github-models/use-github-models/storing-prompts-in-github-repositories
promptops adds ``inputs``, ``tools``, ``template`` and ``checks``, all optional. ``*.prompt.md`` has the same keys as
front matter; its body is the only message, whose ``role`` is user by default.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from promptops.core.model import Engine, Json, Message, OwnFacts, Placeholder, Prompt, ResponseFormat, Role
from promptops.core.template.simple import has_escapes
from promptops.source.answer_checks import read_answer_checks
from promptops.source.app_file import Pin
from promptops.source.cache_twins import CACHE_TWINS
from promptops.source.declared import read_inputs, read_model, read_tools
from promptops.source.input_fields import check_input_fields
from promptops.source.messages import read_body, read_messages, report_unknown_keys
from promptops.source.names import Names
from promptops.source.origin import Origin
from promptops.source.parameters import read_parameters, refuse_untaken, refuse_untaken_format
from promptops.source.partials import Expander, Partials
from promptops.source.parts import AppFiles, check_media, media_of, refuse_untaken_parts
from promptops.source.requests import check_request
from promptops.source.schemas import read_json_schema
from promptops.source.suites.own import SUITE_KEYS, read_own_suite
from promptops.source.suites.read_suite import ReadSuite
from promptops.source.text.fields import Fields, read_fields, read_yaml
from promptops.source.text.findings import Near, Report, short
from promptops.source.text.strict_yaml import Document
from promptops.source.text.suppression import in_text, without

ENDINGS = (".prompt.yml", ".prompt.yaml", ".prompt.md")
KEYS = (
    "name",
    "description",
    "model",
    "modelParameters",
    "messages",
    "responseFormat",
    "jsonSchema",
    "testData",
    "evaluators",
    "inputs",
    "tools",
    "template",
    "checks",
)
_KEYS = frozenset(KEYS)
_MARKDOWN_KEYS = (*(key for key in KEYS if key != "messages"), "role", "cache")
_TWINS = {
    "variables": "'inputs'",
    "parameters": "'modelParameters'",
    "input": "'inputs'",
    "tests": "'testData'",
    **dict.fromkeys(("prompt", "human"), "a message of role user"),
    **dict.fromkeys(("ai", "bot"), "a message of role assistant"),
    **dict.fromkeys(
        ("instructions", "system_prompt", "systemPrompt", "system_message", "systemMessage"), "a message of role system"
    ),
    **{f"{role}_prompt": f"a message of role {role}" for role in (Role.USER, Role.ASSISTANT)},
    **{role.value: f"a message of role {role}" for role in (Role.SYSTEM, Role.DEVELOPER, Role.USER, Role.ASSISTANT)},
}
_TWINS |= dict.fromkeys(("cache", *CACHE_TWINS), "`cache: true` on a message, a part or a tool")
_MARKDOWN_TWINS = {**_TWINS, **CACHE_TWINS}
_FRONT = re.compile(r"---[ \t]*\n(.*?)(?:^---[ \t]*(?:\n|\Z))", re.DOTALL | re.MULTILINE)
_E = TypeVar("_E", Engine, ResponseFormat)


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """The parts of an app that its prompts share: pins, judges, shared inputs and their aliases, partials,
    files.

    ``models`` are what the workspace says of models.
    """

    pins: Mapping[str, Pin] = field(default_factory=dict)
    judges: Mapping[str, Pin] = field(default_factory=dict)
    inputs: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)
    partials: Partials = field(default_factory=lambda: Partials({}))
    models: Mapping[str, OwnFacts] = field(default_factory=dict)
    files: AppFiles = field(default_factory=AppFiles)


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptFile:
    """A read prompt file. ``prompt`` may be there although the file has errors: look at the report.

    ``pin`` is the name of the app's pin it uses, ``variables`` the names its messages use. ``model_at`` is where
    the file names its model.
    """

    report: Report
    name: str
    prompt: Prompt | None = None
    suite: ReadSuite | None = None
    pin: str = ""
    variables: frozenset[str] = frozenset()
    model_at: int = 0


def read_prompt(report: Report, name: str, around: Around) -> PromptFile:
    """Reads the text of a report as the prompt of this name. Problems become findings of the report."""
    body: Origin | None = None
    known: tuple[str, ...] = KEYS
    if report.path.endswith(".md"):
        front, body = _front_matter(report)
        known = _MARKDOWN_KEYS
        if front is None:
            return _assemble(Fields(report, read_yaml(report, end=0), {}, ()), body, name, around)
        document = read_yaml(report, start=front[0], end=front[1], optional=partial(_optional, report, around))
        report.suppressions = [*report.suppressions, *in_text(report.text[front[1] :], front[1], report)]
        if document.value is None and not document.problems:
            return _assemble(Fields(report, document, {}, ()), body, name, around)
    else:
        document = read_yaml(report, optional=partial(_optional, report, around))
    report.suites = sorted([*document.left_out, *(span for key in SUITE_KEYS for span in document.spans(key))])
    fields = read_fields(report, document, "a prompt")
    if fields is None or _is_of_copilot(fields, around.pins):
        return PromptFile(report=report, name=name)
    if not (_KEYS.issuperset(fields.value) if body is None else set(known).issuperset(fields.value)):
        report_unknown_keys(fields, known, _TWINS if body is None else _MARKDOWN_TWINS)
    return _assemble(fields, body, name, around)


def _optional(report: Report, around: Around) -> tuple[str, ...]:
    """The keys without which the prompt is the same: test data says what ``${{ name }}`` is."""
    return ("evaluators",) if "${{" in report.text or around.partials.has_dollar else SUITE_KEYS


def read_values(report: Report, name: str, document: Document, around: Around) -> PromptFile:
    """Reads a mapping with a prompt file's keys, which the document holds though it was never text."""
    assert isinstance(document.value, Mapping)
    fields = Fields(report, document, document.value, ())
    if not _KEYS.issuperset(fields.value):
        report_unknown_keys(fields, KEYS, _TWINS)
    return _assemble(fields, None, name, around)


def _is_of_copilot(fields: Fields, pins: Mapping[str, Pin]) -> bool:
    """Reports a prompt file of Copilot in VS Code, which is Markdown with other keys, in one finding.

    It names its models for people: ``GPT-5 (copilot)``, or several. Ours are pins, or have their provider.
    Format: https://code.visualstudio.com/docs/copilot/customization/prompt-files
    """
    tools = fields.value.get("tools")
    names = isinstance(tools, list) and bool(tools) and all(isinstance(tool, str) for tool in tools)
    modes = [key for key in ("mode", "agent") if isinstance(fields.value.get(key), str)]
    model = fields.value.get("model")
    is_ours = isinstance(model, str) and ("/" in model or model in pins)
    if "messages" in fields.value or is_ours or not (names or modes):
        return False
    fields.add_at_key(
        "other-format",
        modes[0] if modes else "tools",
        "this is a prompt file of Copilot in VS Code, which has another format",
        "Keep it outside the app's folder, or remove `mode`, `agent` and `tools` and name a `model`.",
    )
    return True


def _assemble(fields: Fields, body: Origin | None, name: str, around: Around) -> PromptFile:
    fields.written("name")
    fields.written("description")
    engine = _choice(fields, "template", Engine) or Engine.SIMPLE
    names = Names.of(fields, around.inputs, around.aliases, has_dollar=around.partials.has_dollar)
    expand = Expander(around.partials, engine, names)
    messages, used = read_messages(fields, expand, around.files) if body is None else read_body(fields, body, expand)
    model, pin = read_model(fields, around.pins, around.models)
    own_facts = around.models.get(model or "")
    parameters = _parameters(fields, model, around.pins[pin].parameters if pin else {}, own_facts)
    response = _choice(fields, "responseFormat", ResponseFormat)
    refuse_untaken_format(fields, model, response)
    schema = read_json_schema(fields, "jsonSchema")
    if response is ResponseFormat.JSON_SCHEMA and fields.value.get("jsonSchema") is None:
        fields.add("json-schema-missing", "responseFormat", "`responseFormat: json_schema` needs a `jsonSchema`")
    elif schema is not None and response is not ResponseFormat.JSON_SCHEMA:
        hint = "Set `responseFormat: json_schema`, or remove it."
        fields.add_at_key("json-schema-unused", "jsonSchema", "`jsonSchema` has no effect here", hint)
    places = {message.name for message in messages if isinstance(message, Placeholder)}
    parts = media_of(messages)
    read = read_inputs(fields, around.inputs, {*used, *places, *parts}, parts)
    inputs = tuple(item for item in read if item.name not in places)
    check_media(fields, inputs, used, parts)
    prompt = Prompt(
        name=name,
        messages=messages,
        model=model,
        parameters=parameters,
        engine=engine,
        inputs=inputs,
        tools=read_tools(fields, model),
        response_format=response or ResponseFormat.TEXT,
        json_schema=schema,
        checks=read_answer_checks(fields, [*places, *(item.name for item in inputs)]),
        escapes=engine is Engine.SIMPLE
        and any(isinstance(message, Message) and any(map(has_escapes, message.templates)) for message in messages),
        own_facts=own_facts,
    )
    suite = None
    if not fields.document.left_out:
        suite = read_own_suite(fields, prompt, around.judges, names.aliases, around.files)
    refuse_untaken_parts(fields, prompt)
    own = fields.value.get("inputs")
    if own or around.inputs:
        check_input_fields(fields, prompt, {*around.inputs, *(own if isinstance(own, Mapping) else ())})
    check_request(fields, prompt, suite)
    return PromptFile(
        report=fields.report,
        name=name,
        prompt=prompt,
        suite=suite,
        pin=pin,
        variables=used | parts.keys(),
        model_at=fields.document.offset((*fields.path, "model")),
    )


def _parameters(
    fields: Fields, model: str | None, inherited: Mapping[str, Json], facts: OwnFacts | None
) -> dict[str, Json]:
    """Returns the pin's parameters, overridden by the prompt's own."""
    own = fields.fields("modelParameters")
    if not own:
        return dict(inherited)
    parameters = read_parameters(own, unknown="unknown-parameter")
    refuse_untaken(own, model, parameters, inherited, facts=facts)
    return {**inherited, **parameters}


def _front_matter(report: Report) -> tuple[tuple[int, int] | None, Origin]:
    """Returns begin and end of the front matter, if any, and the body without the empty lines around it."""
    match = _FRONT.match(report.text)
    start = match.end() if match else 0
    if not match:
        report.suppressions = in_text(report.text, 0, report)
    text, places = without(report.text[start:])
    empty = len(text) - len(text.lstrip("\n"))

    def place(offset: int) -> int:
        return start + places.at(empty + offset)

    return (match.span(1) if match else None), Origin(report=report, text=text.strip("\n"), place=place)


def _choice(fields: Fields, key: str, kind: type[_E]) -> _E | None:
    value = fields.text(key)
    if value is None:
        return None
    known = [member.value for member in kind]
    if value in known:
        return kind(value)
    fields.add("wrong-value", key, f"'{short(value)}' is not a {key}", Near(value, known, "One of"))
    return None
