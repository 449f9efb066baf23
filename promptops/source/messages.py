"""Reads the messages of a prompt file: each with its role, its text and its calls of tools, or the place of those that
the caller brings.

A placeholder is ``{role: placeholder, name: history, optional: true, max: 50}``. Langfuse writes ``type: placeholder``,
LangChain ``content: "{history}"``: both are findings that say how it is written here.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from promptops.core.message import MOST_MESSAGES, PLACEHOLDER
from promptops.core.model import VARIABLE, Engine, Message, Placeholder, Role
from promptops.core.template.simple import only_variables
from promptops.source import placeholders
from promptops.source.cache_twins import CACHE_TWINS
from promptops.source.message_extras import NO_EXTRAS, read_message_extras, require_calls
from promptops.source.origin import Origin
from promptops.source.partials import Expander
from promptops.source.parts import AppFiles, media_of, read_parts
from promptops.source.text.fields import Fields, shown
from promptops.source.text.findings import Near, near, short

_KEYS = ("role", "content", "tool_calls", "tool_call_id", "name", "cache")
_KEY_SET = frozenset(_KEYS)
_PLAIN = frozenset(("role", "content"))
_TWINS = {"text": "'content'", "prompt": "'content'", "message": "'content'", **CACHE_TWINS}
_ROLES = {role.value: role for role in Role}
_KNOWN = (*_ROLES, PLACEHOLDER)
_PLACEHOLDER_KEYS = ("role", "name", "optional", "max", "system", "private", "cache")
_OF_OTHERS = ("type", "content", "variable_name", "variableName", "variable")
"""Keys that a placeholder has in other tools."""
_SHAPES = frozenset((PLACEHOLDER, "messagesplaceholder", "messageplaceholder"))


def read_messages(
    fields: Fields, expand: Expander, files: AppFiles
) -> tuple[tuple[Message | Placeholder, ...], frozenset[str]]:
    """Returns the messages at ``messages``, and the names of the variables in their texts."""
    messages: list[Message | Placeholder] = []
    used: set[str] = set()
    if fields.value.get("messages") is None:
        fields.add("missing-key", None, "a prompt needs `messages`", "messages: a list of role and content.")
    elif fields.value["messages"] == []:
        fields.add("missing-key", "messages", "`messages` is empty", "Write at least one role and content.")
    for item in fields.each("messages"):
        if _is_placeholder(item):
            if (placeholder := _placeholder(item)) is not None:
                messages.append(placeholder)
        elif (read := _message(item, expand, files)) is not None:
            messages.append(read[0])
            used |= read[1]
    require_calls(fields, [message for message in messages if isinstance(message, Message)])
    _require_names(fields, messages, used | media_of(messages).keys())
    return tuple(messages), frozenset(used)


def read_body(fields: Fields, body: Origin, expand: Expander) -> tuple[tuple[Message, ...], frozenset[str]]:
    """Returns the only message of a Markdown prompt, and the names of its variables."""
    role = _role(fields, _ROLES) if fields.value.get("role") is not None else Role.USER
    if not body.text.strip():
        body.add("missing-key", 0, "the message below the front matter is empty")
    placeholders.scan(body)
    expanded = expand(body)
    if role is None or expanded is None:
        return (), frozenset()
    return (Message(role=role, content=expanded.text, cache=fields.flag("cache") or False),), expanded.names


def report_unknown_keys(fields: Fields, known: tuple[str, ...], twins: Mapping[str, str]) -> None:
    """Reports all unknown keys of a mapping in one warning, at the first of them. ``twins`` are known mistakes."""
    names = fields.unknown(known)
    if not names:
        return
    listed = names[:20]
    meant = {name: twins.get(name) or near(name, known).removeprefix("Did you mean ")[:-1] for name in listed}
    suggestions = [f"'{short(name)}' → {right}" for name, right in meant.items() if right]
    fields.add_at_key(
        "unknown-key",
        names[0],
        f"unknown {'key' if len(names) == 1 else 'keys'}{' of a message' if fields.path else ''}, not part of the "
        f"release: {', '.join(map(short, listed))}",
        f"Did you mean: {', '.join(suggestions)}?" if suggestions else "",
    )


def _message(item: Fields, expand: Expander, files: AppFiles) -> tuple[Message, frozenset[str]] | None:
    if not _KEY_SET.issuperset(item.value):
        report_unknown_keys(item, _KEYS, _TWINS)
    role = _role(item, _KNOWN)
    is_plain = _PLAIN.issuperset(item.value) and role is not Role.TOOL
    extras = NO_EXTRAS if is_plain else read_message_extras(item, role)
    if isinstance(item.value.get("content"), list):
        parts, names = read_parts(item, role, files, lambda where, key, text: _expanded(where, key, text, expand))
        return None if role is None or not parts else (replace(extras, role=role, parts=parts), names)
    content = item.written("content")
    if content is None:
        if item.value.get("content") is not None:
            return None
        if not item.value.get("tool_calls"):
            if role is not None or item.value.get("role") is None:  # a misspelled placeholder has no content
                item.add("missing-key", None, "a message needs `content`")
            return None
        content = ""
    expanded = _expanded(item, "content", content, expand)
    if role is None or expanded is None:
        return None
    return replace(extras, role=role, content=expanded[0]), expanded[1]


def _role(item: Fields, known: Collection[str]) -> Role | None:
    value = item.value.get("role")
    if isinstance(value, str) and value.lower() in _ROLES:
        return _ROLES[value.lower()]
    if value is None:
        item.add("missing-key", None, "a message needs a `role`", f"One of {', '.join(_ROLES)}.")
    elif item.text("role") is not None:
        item.add("wrong-value", "role", f"'{short(str(value))}' is not a role", Near(str(value), known, "One of"))
    return None


def _expanded(item: Fields, key: str, content: str, expand: Expander) -> tuple[str, frozenset[str]] | None:
    path = (*item.path, key)
    document = item.document
    origin = Origin(report=item.report, text=content, place=lambda offset: document.inside(path, offset))
    placeholders.scan(origin)
    if expand.engine is Engine.SIMPLE and "${{" not in content and (names := only_variables(content)) is not None:
        return content, names
    expanded = expand(origin)
    return None if expanded is None else (expanded.text, expanded.names)


# --- placeholders --------------------------------------------------------------------------------


def _is_placeholder(item: Fields) -> bool:
    value = item.value.get("role", item.value.get("type"))
    return isinstance(value, str) and value.lower().replace("_", "").replace("-", "") in _SHAPES


def _placeholder(item: Fields) -> Placeholder | None:
    role = item.value.get("role")
    if not isinstance(role, str) or role.lower() != PLACEHOLDER or any(key in item.value for key in _OF_OTHERS):
        _of_another_tool(item)
        return None
    item.refuse_unknown(_PLACEHOLDER_KEYS, CACHE_TWINS)
    name = item.text("name")
    most = item.value.get("max")
    if most is not None and (type(most) is not int or not 0 < most <= MOST_MESSAGES):
        item.add("wrong-value", "max", f"'max' is a number of messages from 1 to {MOST_MESSAGES:,}, got {shown(most)}")
        most = None
    if name is None:
        if item.value.get("name") is None:
            hint = "name: history, the variable in which the application gives the messages."
            item.add("missing-key", None, "a placeholder needs a `name`", hint)
        return None
    if not VARIABLE.fullmatch(name):
        hint = "Letters, digits, _ and -, not starting with a digit, up to 64."
        item.add("name-invalid", "name", f"'{short(name)}' is not a variable's name", hint)
        return None
    flags = {key: item.flag(key) or False for key in ("optional", "system", "private", "cache")}
    return Placeholder(name=name, most=most if isinstance(most, int) else None, **flags)


def _of_another_tool(item: Fields) -> None:
    """Reports a placeholder as other tools write it, with how it is written here."""
    texts = (item.value.get(key) for key in ("name", *_OF_OTHERS[1:]))
    names = (text.strip("{} ") for text in texts if isinstance(text, str))
    name = next((name for name in names if VARIABLE.fullmatch(name)), "history")
    flags = "".join(f", {key}: true" for key in ("optional",) if item.value.get(key) is True)
    message = "a placeholder for messages of the caller is written in another way here"
    item.add("wrong-value", None, message, f"Write {{role: placeholder, name: {name}{flags}}}.")


def _require_names(fields: Fields, messages: Sequence[Message | Placeholder], used: Collection[str]) -> None:
    """Reports placeholders whose name is that of another variable."""
    taken = dict.fromkeys(used, "a variable in the text of a message")
    inputs = fields.value.get("inputs")
    taken |= dict.fromkeys(inputs if isinstance(inputs, Mapping) else (), "an input")
    for message in messages:
        if isinstance(message, Placeholder):
            if message.name in taken:
                text = f"'{message.name}' is a placeholder, and {taken[message.name]}"
                hint = "Give it a name of its own, which no text and no entry of `inputs` has."
                fields.add("name-taken", "messages", text, hint)
            taken[message.name] = "another placeholder"
