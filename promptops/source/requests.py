"""Builds the request of a prompt with sample values, as an application will, and reports what its API would refuse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from promptops.core.cache_marks import too_many
from promptops.core.errors import ParameterNotTaken, PromptopsError
from promptops.core.model import LISTS, Engine, Json, Message, Placeholder, Prompt, Role
from promptops.core.models.refusal import Refusal
from promptops.core.models.refusals import refusals
from promptops.core.models.samples import sample_histories, sample_values
from promptops.core.parameters import EXTRA, OPENAI, flaws, provider_of
from promptops.core.part_forms import SPEAKERS, part_flaw
from promptops.core.parts import Part, PartType
from promptops.core.provider_arguments import openai_responses
from promptops.core.requests.embeddings import is_embedding
from promptops.core.requests.endpoints import canonical
from promptops.core.requests.routes import has_request, request_of
from promptops.core.system_places import SYSTEM
from promptops.core.template.template import Template
from promptops.core.tools import tool_flaw
from promptops.source.extra_parameters import check_extra
from promptops.source.parameters import camel
from promptops.source.suites.read_suite import ReadSuite
from promptops.source.text.fields import Fields

_RENDERED: Final = 16_384
"""Characters of a prompt up to which it is rendered: a larger one may cost what `check` must not, and is looked at as
it is written. Jinja gets made values alone, since it may loop over those of a case."""
_LIMIT: Final = 65_536
_OWN_API: Final = frozenset(("bedrock", "gemini", "vertex"))


def check_request(fields: Fields, prompt: Prompt, suite: ReadSuite | None) -> None:
    """Reports what the API of the prompt's provider would refuse, at the place that says it."""
    written = fields.value.get("messages")
    if isinstance(written, LISTS) and len(written) != len(prompt.messages):
        return  # of a message that cannot be read, which has its own finding
    if not provider_of(prompt.model)[0] or not prompt.messages:
        return
    messages = _rendered(prompt, suite)
    for refusal in refusals(prompt, messages):
        hint = f"{refusal.hint} {refusal.source}".strip()
        code = "request-refused" if refusal.sure else "request-doubtful"
        fields.report.add(code, _place(fields, refusal), refusal.message, hint)
    if EXTRA in prompt.parameters:
        check_extra(fields, prompt, messages)
    _build(fields, prompt, messages)
    _report_left_out(fields, prompt)


def _report_left_out(fields: Fields, prompt: Prompt) -> None:
    """Reports messages that have no content where the application leaves out what it may."""
    optional = {item.name for item in prompt.inputs if not item.required}
    if not optional:
        return
    for at, message in enumerate(prompt.messages):
        parts = message.parts if isinstance(message, Message) else ()
        names = [part.input for part in parts if part.input in optional]
        if names and len(names) == len(parts):
            place = fields.document.offset((*fields.path, "messages", at))
            without = " and ".join(f"'{name}'" for name in names[:3])
            problem = f"without {without}, this message has no content, which no API takes"
            fields.report.add("request-doubtful", place, problem, "Add a part of text.")


def _report_without_history(fields: Fields, prompt: Prompt) -> None:
    """Reports a conversation that may be left out of a prompt with no other message that its API needs."""
    for message in prompt.messages:
        if not message.optional if isinstance(message, Placeholder) else message.role not in SYSTEM:
            return
    if not prompt.placeholders:
        return
    try:
        request_of(prompt, as_written(prompt))
    except PromptopsError as error:  # since one with a conversation could be built
        at = next(at for at, message in enumerate(prompt.messages) if isinstance(message, Placeholder))
        place = fields.document.offset((*fields.path, "messages", at))
        hint = "Say `optional: false`, or add a message of role user."
        fields.report.add("request-doubtful", place, error.message, hint)


def _build(fields: Fields, prompt: Prompt, messages: Sequence[Mapping[str, str]]) -> None:
    """Builds the request. Too many cache marks, and a parameter or a tool that the API does not take, were reported
    where they are written."""
    if not has_request(prompt):
        return
    try:
        request_of(prompt, messages)
        _report_without_history(fields, prompt)
    except PromptopsError as error:
        if too_many(prompt) or any(True for _ in flaws(prompt.model, prompt.parameters, prompt.own_facts)):
            return
        if isinstance(error, ParameterNotTaken):
            _report_untaken(fields, prompt, error)
        else:
            _report_unbuilt(fields, prompt, messages, error)


def _report_untaken(fields: Fields, prompt: Prompt, flaw: ParameterNotTaken) -> None:
    """Reports a parameter that a provider's own API does not take: it may be sent to its chat completions, so it is a
    warning."""
    name = flaw.name.partition(":")[0].partition(" ")[0]
    if flaw.name.startswith(f"{EXTRA}:"):
        place = _place(fields, Refusal(place=(EXTRA,), message="", source=""))
        fields.report.add("parameter-not-taken", place, flaw.message, str(flaw.hint))
    elif canonical(provider_of(prompt.model)[0]) in _OWN_API or is_embedding(prompt.model):
        refusal = Refusal(place=(name,), message=flaw.message, source="", hint=str(flaw.hint))
        fields.report.add("request-doubtful", _place(fields, refusal), flaw.message, str(flaw.hint))


def _report_unbuilt(
    fields: Fields, prompt: Prompt, messages: Sequence[Mapping[str, str]], error: PromptopsError
) -> None:
    """Reports a request that cannot be built, for a reason that has no finding yet."""
    parts = [(message.role, part) for message in prompt.written for part in message.parts]
    has_tools = _has_tools_of_provider(prompt)
    if any(_has_finding(prompt, part, role) for role, part in parts):
        return
    if has_tools and any(tool_flaw(prompt.model, tool) for tool in prompt.tools):
        return
    if (parts or has_tools) and _is_for_responses(prompt, messages):
        return
    elsewhere = canonical(provider_of(prompt.model)[0]) in _OWN_API or any(part.input for _, part in parts)
    code = "request-doubtful" if has_tools or (parts and elsewhere) else "request-refused"
    fields.add(code, "messages" if parts else "model", error.message, str(error.hint))


def _has_finding(prompt: Prompt, part: Part, role: Role) -> bool:
    is_misplaced = part.type is not PartType.TEXT and role not in SPEAKERS
    return is_misplaced or bool(part_flaw(prompt.model, part, role))


def _has_tools_of_provider(prompt: Prompt) -> bool:
    return any(tool.type not in ("function", "custom") for tool in prompt.tools)


def _is_for_responses(prompt: Prompt, messages: Sequence[Mapping[str, str]]) -> bool:
    """Whether OpenAI's responses take what its chat completions do not: most of its own tools are theirs alone."""
    if provider_of(prompt.model)[0] not in OPENAI:
        return False
    try:
        openai_responses(prompt, messages)
    except PromptopsError:
        return False
    return True


def _rendered(prompt: Prompt, suite: ReadSuite | None) -> Sequence[Mapping[str, str]]:
    """The messages with the values of the first case, else with made ones; as they are written where neither fits."""
    if sum(len(text) for message in prompt.written for text in message.templates) <= _RENDERED:
        made, histories = sample_values(prompt), sample_histories(prompt)
        cases = suite.suite.cases[:1] if suite is not None and prompt.engine is Engine.SIMPLE else ()
        tries: list[Mapping[str, Json]] = [*({**made, **case.values(made), **histories} for case in cases), made]
        for values in tries:
            try:
                template = Template.compile(prompt, limit=_LIMIT)
                return template.render(template.values_of_case({name: values[name] for name in made}))
            except PromptopsError:  # a schema that samples cannot satisfy, or a template that has its own finding
                continue
    return as_written(prompt)


def as_written(prompt: Prompt) -> Sequence[Mapping[str, Any]]:
    """Returns the messages with their templates for texts, for a request that is only looked at."""
    return [{"role": str(message.role), "content": message.shown, **message.extras()} for message in prompt.written]


def _place(fields: Fields, refusal: Refusal) -> int:
    """The offset of what is refused: as it is written in the prompt, else that of the model, whose pin says it."""
    own = fields.value.get("modelParameters")
    written: Mapping[str, Json] = own if isinstance(own, Mapping) else {}
    first = refusal.place[0]
    for key in written:
        if camel(key) == first:
            return fields.document.key_offset((*fields.path, "modelParameters", key))
    if fields.value.get(str(first)) is not None:
        return fields.document.offset((*fields.path, *refusal.place))
    return fields.document.offset((*fields.path, "model"))
