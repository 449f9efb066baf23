"""A prompt as a mapping with the keys of a prompt file  ->  the prompt, read as the file is.

Fallbacks and tests are written in this way. What is another thing than in a file: a name that means nothing here may be
left out, a model may float or be missing, and a typing error in a key is an error, because no `check` shows a warning.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from promptops.core.errors import Invalid, PromptopsError
from promptops.core.finding import Severity
from promptops.core.model import LISTS, OBJECTS, Json, Prompt
from promptops.core.models.samples import sample_values
from promptops.core.parameters import ANTHROPIC, provider_of
from promptops.core.provider_arguments import openai_chat, openai_responses
from promptops.core.requests.routes import request_of
from promptops.core.template.template import Template
from promptops.source.prompt_file import Around, read_values
from promptops.source.requests import as_written
from promptops.source.text.findings import Report
from promptops.source.text.strict_yaml import Document, Path

_OURS = {
    "parameters": "modelParameters",
    "engine": "template",
    "response_format": "responseFormat",
    "json_schema": "jsonSchema",
}
"""Keys of a release, which a mapping may have in place of those of a file."""

_UNUSED = frozenset(("name", "description", "testData", "evaluators"))
_REFUSED = frozenset(("unknown-key", "unknown-parameter"))
_TAKEN = frozenset(("unknown-tag", "request-refused"))
"""Errors of a file that can be suppressed there: literal text, and what a table knows of a model."""


@dataclass(frozen=True)
class _Places(Document):
    """A document that was never text: the offset of a finding is the number of its path."""

    paths: list[Path] = field(default_factory=list)

    def offset(self, path: Path) -> int:
        self.paths.append(path)
        return len(self.paths) - 1

    key_offset = offset

    def inside(self, path: Path, offset: int) -> int:
        return self.offset(path)


def read_mapping(name: str, value: Mapping[str, Json]) -> Prompt:
    """Returns the prompt that a mapping of plain values describes, under its name within the app.

    Raises:
        Invalid: a file could not hold it either, or the API of its model's provider does not take it.
    """
    document = _Places(text=str(value), value=_as_in_files(value))
    cases = value.get("testData")
    named = {key for case in (cases if isinstance(cases, LISTS) else ()) if isinstance(case, OBJECTS) for key in case}
    report = Report("", document.text.replace("\n", " "))
    file = read_values(report, name, document, Around(inputs={key: {"type": "string"} for key in named}))
    for finding in report.findings(lint=False):
        wrong = finding.severity is Severity.ERROR and finding.code not in _TAKEN
        if wrong or finding.code in _REFUSED:
            raise Invalid(f"{_shown(document.paths[finding.column - 1])}{finding.message}", hint=finding.hint)
    assert file.prompt is not None  # every file without errors has one
    _require_sent(file.prompt)
    return file.prompt


def _as_in_files(value: Mapping[str, Json]) -> dict[str, Json]:
    for ours, of_file in _OURS.items():
        if ours in value and of_file in value:
            raise Invalid(f"'{ours}' and '{of_file}' are the same key", hint="Keep one of them.")
    document = {_OURS.get(key, key): item for key, item in value.items() if key not in _UNUSED}
    if isinstance(document.get("messages"), str):
        document["messages"] = [{"role": "user", "content": document["messages"]}]
    return document


def _require_sent(prompt: Prompt) -> None:
    """Builds the request with sample values. What no API of the provider takes would be refused in the outage."""
    provider, _ = provider_of(prompt.model)
    if not provider:
        return
    try:
        messages: Sequence[Mapping[str, Json]] = Template.compile(prompt).render(sample_values(prompt))
    except PromptopsError:  # a schema that samples do not fit
        messages = as_written(prompt)
    flaws = []
    for request in (request_of,) if provider in ANTHROPIC else (request_of, openai_chat, openai_responses):
        try:
            request(prompt, messages)
        except PromptopsError as error:
            flaws.append(error)
        else:
            return
    raise flaws[0]


def _shown(path: Path) -> str:
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")
    return f"{text}: " if text else ""
