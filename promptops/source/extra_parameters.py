"""Reports fields of ``extra`` that a parameter stands for: judged as if they were written as it, or with its name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from promptops.core.model import Json, Prompt
from promptops.core.models.refusal import Messages, Refusal
from promptops.core.models.refusals import refusals
from promptops.core.parameters import EXTRA, flaws
from promptops.core.requests.extra_fields import ExtraField, extra_fields
from promptops.source.parameters import problem_of
from promptops.source.text.fields import Fields


def check_extra(fields: Fields, prompt: Prompt, messages: Messages) -> None:
    """Reports fields of a prompt's ``extra`` that the API of its provider refuses, or that have a parameter."""
    found = extra_fields(prompt)
    if not found:
        return
    place = _places(fields)
    judged = {each.name: each for each in found if each.name not in prompt.parameters and not _problem(each)}
    refused = dict(_refused(prompt, judged, messages))
    taken = {flaw.name.partition(":")[2].strip() for flaw in flaws(prompt.model, prompt.parameters, prompt.own_facts)}
    for each in found:
        if each.path[0] in taken:  # another parameter says it, which is reported
            continue
        is_same = f"'{each.shown}' in `{EXTRA}` is the parameter '{each.name}'"
        if each.name in refused and judged[each.name] is each:
            refusal = refused[each.name]
            code = "request-refused" if refusal.sure else "request-doubtful"
            hint = f"{refusal.hint} {refusal.source}".strip()
            fields.report.add(code, place(each.path), f"{is_same}: {refusal.message}", hint)
        elif problem := _problem(each):
            fields.report.add("request-doubtful", place(each.path), f"{is_same}, which must be {problem}")
        else:
            hint = f"Write `{each.name}` beside `{EXTRA}`, where rules, comparisons and costs know it."
            fields.report.add("parameter-in-extra", place(each.path), is_same, hint)


def _refused(prompt: Prompt, judged: Mapping[str, ExtraField], messages: Messages) -> Iterator[tuple[str, Refusal]]:
    """Yields what would be refused of these fields as parameters, by their names."""
    own = {name: value for name, value in prompt.parameters.items() if name != EXTRA}
    parameters = own | {name: _plain(each) for name, each in judged.items()}
    for refusal in refusals(replace(prompt, parameters=parameters), messages):
        if refusal.place[0] in judged:
            yield str(refusal.place[0]), refusal
    for flaw in flaws(prompt.model, parameters, prompt.own_facts):
        name = flaw.name.partition(":")[0]
        if name in judged:
            yield name, Refusal(place=(name,), message=flaw.message, source="", hint=str(flaw.hint))


def _plain(each: ExtraField) -> Json:
    """The value as a parameter has it: Google writes levels of thinking in capitals."""
    return each.value.lower() if isinstance(each.value, str) and each.name == "reasoningEffort" else each.value


def _problem(each: ExtraField) -> str:
    return problem_of(each.name, _plain(each))


def _places(fields: Fields) -> Callable[[tuple[str, ...]], int]:
    """Returns what finds a field of ``extra`` in the file; the model, where its pin has the field."""

    def place(path: tuple[str, ...]) -> int:
        full = (*fields.path, "modelParameters", EXTRA, *path)
        if fields.document.node(full) is None:
            return fields.document.offset((*fields.path, "model"))
        return fields.document.key_offset(full)

    return place
