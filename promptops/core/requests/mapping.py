"""What the forms of requests share: parameters by a table of fields, system messages, the names of called tools."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from promptops.core.errors import Invalid, ParameterNotTaken
from promptops.core.json_value import Json
from promptops.core.model import Prompt
from promptops.core.parameters import Api, put
from promptops.core.provider_arguments import require_calls, require_messages
from promptops.core.template.values import plain

Messages: TypeAlias = Sequence[Mapping[str, Any]]

_UNMAPPED: Final = "Remove it, or write the API's own field in `extra`."


def mapped(
    api: Api,
    parameters: Mapping[str, Json],
    fields: Mapping[str, str],
    value_of: Callable[[str, Json], Json],
) -> dict[str, Json]:
    """Returns parameters at the paths that ``fields`` says, with dots, each in the form that ``value_of`` gives it.
    None leaves a parameter out: it is the API's default.

    Raises:
        ParameterNotTaken: a parameter has no field, or another one has its place.
    """
    call: dict[str, Json] = {}
    for name, value in parameters.items():
        if name not in fields:
            raise ParameterNotTaken(name, api, hint=_UNMAPPED)
        taken = value_of(name, plain(value))
        if taken is not None and not put(call, fields[name].split("."), taken):
            raise ParameterNotTaken(name, api, hint=f"Another parameter already says {fields[name]}. Keep one.")
    return call


def one_of(api: Api, name: str, value: Json, allowed: Mapping[str, Json]) -> Json:
    """Returns what a value is to the API.

    Raises:
        ParameterNotTaken: it is not one of those allowed.
    """
    if not isinstance(value, str) or value not in allowed:
        raise ParameterNotTaken(f"{name}: {str(value)[:80]}", api, hint=f"It takes {', '.join(allowed)}.")
    return allowed[value]


def as_list(value: Json) -> Json:
    """A single text as a list of it."""
    return [value] if isinstance(value, str) else value


def tool_names(messages: Messages) -> dict[str, str]:
    """Returns the name of the tool of each call, by the id of the call."""
    return {call["id"]: call["function"]["name"] for message in messages for call in message.get("tool_calls", ())}


def arguments_of(call: Mapping[str, Any]) -> Json:
    """Returns the arguments of a call of a tool as JSON."""
    value: Json = json.loads(call["function"]["arguments"])
    return value


def require_spoken(spoken: Messages, prompt: Prompt, api: Api) -> None:
    """Refuses messages that are all the system's, and what :func:`require_calls` does.

    Raises:
        Invalid: see above.
    """
    require_messages(spoken, prompt, api)
    if not spoken:
        raise Invalid(
            f"all messages of prompt '{prompt.name}' are the system's, and {api} needs one of the user",
            hint="Make the last one `role: user`.",
        )
    require_calls(spoken, api)
