"""Two contents -> the list of changes between them, and how much they change the contract with the calling code.

MAJOR   what a caller relied on is gone or different: a required input more, an input removed, retyped or no longer
        optional, and the same of placeholders, a prompt or tool removed, a tool's parameters or the shape of the answer
        changed
MINOR   something else decides the answer, or there is more to use: model, parameters, roles or number of messages,
        a default, an optional input, a prompt or a tool added, whether a tool is strict, and settings of the
        provider's tools, the features that a client needs
PATCH   wording: the text of messages, descriptions, the template language, the order of tools; the checks of answers;
        what the workspace says of a model; cache marks

Everything is compared in canonical form, so there is a change exactly if the digest differs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import is_dataclass, replace
from difflib import SequenceMatcher
from typing import cast

from promptops.core.digest import canonical
from promptops.core.message import PLACEHOLDER
from promptops.core.model import (
    LISTS,
    OBJECTS,
    Bump,
    Change,
    Content,
    Input,
    Json,
    Message,
    OwnFacts,
    Placeholder,
    Prompt,
    Tool,
)
from promptops.core.parts import Part
from promptops.core.published_inputs import input_of
from promptops.core.release_bytes import content_from_bytes, content_to_json
from promptops.core.schema.input_schema import ANNOTATIONS, constraints


def compare(old: Content | None, new: Content) -> tuple[Change, ...]:
    """Returns every change from ``old`` to ``new``, the biggest first, then by prompt and field; for a first release
    none.
    """
    if old is None:
        return ()
    changes = [] if old.app == new.app else [_change(Bump.MAJOR, "", "app", "another app", old.app, new.app)]
    if old.requires != new.requires:
        was, now = (", ".join(content.requires) or None for content in (old, new))
        changes.append(_change(Bump.MINOR, "", "requires", f"clients need {now or 'no feature'}", was, now))
    changes += _own_facts(old.models, new.models)
    before = {prompt.name: prompt for prompt in old.prompts}
    after = {prompt.name: prompt for prompt in new.prompts}
    for name in before.keys() | after.keys():
        if name not in after:
            changes.append(_change(Bump.MAJOR, name, "", "prompt removed", _messages_text(before[name]), None))
        elif name not in before:
            changes.append(_change(Bump.MINOR, name, "", "prompt added", None, _messages_text(after[name])))
        elif not _same(before[name], after[name]):
            changes += _prompt(before[name], after[name])
    return tuple(sorted(changes, key=lambda change: (-change.bump.rank, change.prompt, change.field)))


def compare_release(data: bytes, new: Content) -> tuple[Change, ...]:
    """Returns every change from the content of a release's bytes to ``new``, as :func:`compare` does.

    Prompts that are the same, as most are, are compared as JSON: to read them takes longer.

    Raises:
        Invalid: the bytes are not a release.
    """
    written = cast("Mapping[str, Mapping[str, Json]]", content_to_json(new))["prompts"]
    same = set()

    def is_other(name: str, prompt: Json) -> bool:
        if name in written and _same(prompt, written[name]):
            same.add(name)
        return name not in same

    old = content_from_bytes(data, is_other)
    return compare(old, replace(new, prompts=tuple(prompt for prompt in new.prompts if prompt.name not in same)))


def bump_of(changes: Iterable[Change]) -> Bump:
    """Returns the biggest bump of the changes; NONE without changes."""
    return max((change.bump for change in changes), key=lambda bump: bump.rank, default=Bump.NONE)


def _prompt(old: Prompt, new: Prompt) -> Iterator[Change]:
    name = new.name
    if old.model != new.model:
        summary = f"model {old.model or '(none)'} → {new.model or '(none)'}"
        yield _change(Bump.MINOR, name, "model", summary, old.model, new.model)
    yield from _parameters(name, old.parameters, new.parameters)
    if old.engine is not new.engine:
        summary = f"template language {old.engine} → {new.engine}"
        yield _change(Bump.PATCH, name, "template", summary, str(old.engine), str(new.engine))
    if old.escapes != new.escapes:
        before, after = _text(old.escapes), _text(new.escapes)
        yield _change(Bump.PATCH, name, "escapes", f"escapes of braces: {after}", before, after)
    yield from _messages(name, old.messages, new.messages)
    yield from _inputs(name, _variables(old), _variables(new))
    yield from _tools(name, old.tools, new.tools)
    yield from _answer(name, old, new)


def _own_facts(old: tuple[OwnFacts, ...], new: tuple[OwnFacts, ...]) -> Iterator[Change]:
    before, after = ({own.model: _text({"reason": own.reason, **own.facts}) for own in side} for side in (old, new))
    for model in before.keys() | after.keys():
        was, now = before.get(model), after.get(model)
        if was != now:
            summary = f"what the workspace says of {model}"
            yield _change(Bump.PATCH, "", f"models.{model}", summary, was, now)


def _parameters(prompt: str, old: Mapping[str, Json], new: Mapping[str, Json]) -> Iterator[Change]:
    for key in old.keys() | new.keys():
        before = _text(old[key]) if key in old else None
        after = _text(new[key]) if key in new else None
        if before != after:
            summary = f"{key} {before or '(unset)'} → {after or '(unset)'}"
            yield _change(Bump.MINOR, prompt, f"parameters.{key}", summary, before, after)


_Spoken = Message | Placeholder


def _variables(prompt: Prompt) -> tuple[Input, ...]:
    return (*prompt.inputs, *map(input_of, prompt.placeholders))


def _messages(prompt: str, old: tuple[_Spoken, ...], new: tuple[_Spoken, ...]) -> Iterator[Change]:
    """Messages are matched as lines are in a diff, so that a message in front does not change all that follow.

    What a placeholder takes is compared as an input is: here it has a place and nothing else.
    """
    old, new = tuple(map(_place, old)), tuple(map(_place, new))
    for _, start, end, new_start, new_end in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if old[start:end] == new[new_start:new_end]:
            continue
        pairs = min(end - start, new_end - new_start)
        for before, after in zip(old[start : start + pairs], new[new_start : new_start + pairs], strict=True):
            yield from _message(prompt, new_start, before, after)
            new_start += 1
        for place, message in enumerate(old[start + pairs : end], start + pairs):
            summary = f"{_role(message)} message removed"
            yield _change(Bump.MINOR, prompt, f"messages[{place}]", summary, _content(message), None)
        for place, message in enumerate(new[new_start:new_end], new_start):
            summary = f"{_role(message)} message added"
            yield _change(Bump.MINOR, prompt, f"messages[{place}]", summary, None, _content(message))


def _place(message: _Spoken) -> _Spoken:
    return Placeholder(name=message.name, cache=message.cache) if isinstance(message, Placeholder) else message


def _role(message: _Spoken) -> str:
    return PLACEHOLDER if isinstance(message, Placeholder) else message.role


def _content(message: _Spoken) -> str:
    return message.name if isinstance(message, Placeholder) else message.shown


def _parts(message: _Spoken) -> tuple[Part, ...]:
    """Returns the parts of a message without their cache marks."""
    return tuple(replace(part, cache=False) for part in message.parts) if isinstance(message, Message) else ()


def _marks(message: _Spoken) -> str | None:
    """Returns the cache marks of a message: which of its parts have one, and whether it has one itself."""
    parts = message.parts if isinstance(message, Message) else ()
    marked = [f"part {number}" for number, part in enumerate(parts, 1) if part.cache]
    return ", ".join([*marked, *(["message"] if message.cache else [])]) or None


def _without_text(message: _Spoken) -> list[Part]:
    """Returns the parts of a message with nothing in those that are text."""
    return [replace(part, text="") for part in _parts(message)]


def _message(prompt: str, place: int, old: _Spoken, new: _Spoken) -> Iterator[Change]:
    if _role(old) != _role(new):
        summary = f"role {_role(old)} → {_role(new)}"
        yield _change(Bump.MINOR, prompt, f"messages[{place}].role", summary, _role(old), _role(new))
    if _content(old) != _content(new) or _parts(old) != _parts(new):
        field = f"messages[{place}].content"
        is_wording = _without_text(old) == _without_text(new)
        summary = f"{'wording' if is_wording else 'parts'} of the {_role(new)} message"
        bump = Bump.PATCH if is_wording else Bump.MINOR
        yield _change(bump, prompt, field, summary, _content(old), _content(new))
    if _marks(old) != _marks(new):
        summary = f"cache marks of the {_role(new)} message"
        yield _change(Bump.PATCH, prompt, f"messages[{place}].cache", summary, _marks(old), _marks(new))
    if isinstance(old, Placeholder) or isinstance(new, Placeholder):
        return
    before, after = _text(old.extras()), _text(new.extras())
    if before != after:
        summary = f"calls of tools or name of the {new.role} message"
        yield _change(Bump.MINOR, prompt, f"messages[{place}]", summary, before, after)


def _inputs(prompt: str, old: tuple[Input, ...], new: tuple[Input, ...]) -> Iterator[Change]:
    before = {item.name: item for item in old}
    after = {item.name: item for item in new}
    for name in before.keys() | after.keys():
        field = f"inputs.{name}"
        if name not in after:
            yield _change(Bump.MAJOR, prompt, field, f"input '{name}' removed", _text(before[name].schema), None)
        elif name not in before:
            required = after[name].required
            summary = f"{'required' if required else 'optional'} input '{name}' added"
            yield _change(
                Bump.MAJOR if required else Bump.MINOR, prompt, field, summary, None, _text(after[name].schema)
            )
        else:
            yield from _input(prompt, field, before[name], after[name])


def _input(prompt: str, field: str, old: Input, new: Input) -> Iterator[Change]:
    before, after = _text(old.schema), _text(new.schema)
    if before == after:
        return
    name = new.name
    kinds = []
    if _differ(constraints(old.schema), constraints(new.schema)):
        kinds.append((Bump.MAJOR, f"input '{name}' retyped"))
    if old.required != new.required:
        now = (Bump.MAJOR, "required") if new.required else (Bump.MINOR, "optional")
        kinds.append((now[0], f"input '{name}' is now {now[1]}"))
    elif not new.required and _differ(old.schema["default"], new.schema["default"]):
        kinds.append((Bump.MINOR, f"default of input '{name}' changed"))
    if old.private != new.private:
        kinds.append((Bump.PATCH, f"input '{name}' is {'now' if new.private else 'no longer'} private"))
    for bump, summary in kinds or [(Bump.PATCH, f"description of input '{name}'")]:
        yield _change(bump, prompt, field, summary, before, after)


def _tools(prompt: str, old: tuple[Tool, ...], new: tuple[Tool, ...]) -> Iterator[Change]:
    before = {tool.name: tool for tool in old}
    after = {tool.name: tool for tool in new}
    for name in before.keys() - after.keys():
        text = _text(before[name].parameters)
        yield _change(Bump.MAJOR, prompt, f"tools.{name}", f"tool '{name}' removed", text, None)
    for name in after.keys() - before.keys():
        yield _change(Bump.MINOR, prompt, f"tools.{name}", f"tool '{name}' added", None, _text(after[name].parameters))
    for name in before.keys() & after.keys():
        yield from _tool(prompt, before[name], after[name])
    if [name for name in before if name in after] != [name for name in after if name in before]:
        yield _change(Bump.PATCH, prompt, "tools", "tools in another order", ", ".join(before), ", ".join(after))


def _tool(prompt: str, old: Tool, new: Tool) -> Iterator[Change]:
    field = f"tools.{new.name}"
    if old.description != new.description:
        summary = f"description of tool '{new.name}'"
        yield _change(Bump.PATCH, prompt, f"{field}.description", summary, old.description, new.description)
    if old.type != new.type:
        summary = f"tool '{new.name}' is a {new.type} now, was a {old.type}"
        yield _change(Bump.MAJOR, prompt, f"{field}.type", summary, old.type, new.type)
    if old.strict != new.strict:
        before, after = _text(old.strict), _text(new.strict)
        yield _change(Bump.MINOR, prompt, f"{field}.strict", f"strict of tool '{new.name}'", before, after)
    if _differ(old.settings, new.settings):
        summary = f"settings of tool '{new.name}'"
        yield _change(Bump.MINOR, prompt, f"{field}.settings", summary, _text(old.settings), _text(new.settings))
    if old.cache != new.cache:
        before, after = _text(old.cache), _text(new.cache)
        yield _change(Bump.PATCH, prompt, f"{field}.cache", f"cache mark of tool '{new.name}'", before, after)
    before, after = _text(old.parameters), _text(new.parameters)
    if before != after:
        breaks = _differ(constraints(old.parameters), constraints(new.parameters))
        summary = f"parameters of tool '{new.name}' changed" if breaks else f"descriptions in tool '{new.name}'"
        yield _change(Bump.MAJOR if breaks else Bump.PATCH, prompt, f"{field}.parameters", summary, before, after)


def _answer(prompt: str, old: Prompt, new: Prompt) -> Iterator[Change]:
    """The shape of the answer: the response format, its schema, and what is checked of it."""
    if old.response_format is not new.response_format:
        before, after = str(old.response_format), str(new.response_format)
        summary = f"response format {before} → {after}"
        yield _change(Bump.MAJOR, prompt, "response_format", summary, before, after)
    schema_before = None if old.json_schema is None else _text(old.json_schema)
    schema_after = None if new.json_schema is None else _text(new.json_schema)
    if schema_before != schema_after:
        breaks = _differ(_shape(old.json_schema), _shape(new.json_schema))
        summary = "output schema changed" if breaks else "names and descriptions in the output schema"
        bump = Bump.MAJOR if breaks else Bump.PATCH
        yield _change(bump, prompt, "json_schema", summary, schema_before, schema_after)
    checks_before, checks_after = _checks_text(old), _checks_text(new)
    if checks_before != checks_after:
        yield _change(Bump.PATCH, prompt, "checks", "checks of the answer", checks_before, checks_after)


def _checks_text(prompt: Prompt) -> str | None:
    return _text([{check.kind: check.wanted} for check in prompt.checks]) if prompt.checks else None


def _shape(schema: Mapping[str, Json] | None) -> Json:
    """Returns what constrains the answer.

    GitHub's ``jsonSchema`` is an envelope of ``name``, ``strict`` and ``schema``.
    """
    if schema is None or not isinstance(schema.get("schema"), Mapping):
        return constraints(schema)
    envelope = {key: value for key, value in schema.items() if key not in ANNOTATIONS and key != "name"}
    return {**envelope, "schema": constraints(schema["schema"])}


def _same(old: object, new: object) -> bool:
    """True only for values with the same canonical form: unlike ``==``, it does not take 1 for True.

    A release has few prompts that changed, and this is ten times as fast as the canonical form of the others.
    """
    # In the order of how many values each line decides, and of how long Python takes for it.
    if old is new:
        return True
    if isinstance(old, str):
        return isinstance(new, str) and old == new
    if isinstance(old, OBJECTS) and isinstance(new, OBJECTS):
        return old.keys() == new.keys() and all(map(_same, old.values(), map(new.__getitem__, old)))
    if isinstance(old, LISTS) and isinstance(new, LISTS):
        return len(old) == len(new) and all(map(_same, old, new))
    if is_dataclass(old):
        return type(old) is type(new) and all(
            _same(getattr(old, name), getattr(new, name)) for name in old.__dataclass_fields__
        )
    return type(old) is type(new) and old == new


def _differ(old: Json, new: Json) -> bool:
    return canonical(old) != canonical(new)


def _text(value: Json) -> str:
    return canonical(value).decode()


def _messages_text(prompt: Prompt) -> str:
    return "\n\n".join(f"[{_role(message)}]\n{_content(message)}" for message in prompt.messages)


def _change(bump: Bump, prompt: str, field: str, summary: str, before: str | None, after: str | None) -> Change:
    return Change(bump=bump, prompt=prompt, field=field, summary=summary, before=before, after=after)
