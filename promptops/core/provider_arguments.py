"""Converts a prompt and its rendered messages into the arguments of a provider's ``create``.

References: those of :mod:`promptops.core.parameters`; structured answers of OpenAI are described at
https://developers.openai.com/api/docs/guides/structured-outputs, those of Anthropic at
https://platform.claude.com/docs/en/build-with-claude/structured-outputs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from promptops.core.cache_marks import (
    BREAKPOINT,
    CONTROL,
    has_marks,
    mark,
    require_few_marks,
    stretches,
    takes_breakpoints,
    with_marks,
    without_marks,
)
from promptops.core.errors import Invalid, ParameterNotTaken
from promptops.core.model import Json, Prompt, ResponseFormat, Role
from promptops.core.parameters import EXTRA, Api, chat_api, provider_of, require_format, to_call
from promptops.core.part_forms import text_of, to_parts
from promptops.core.system_places import SYSTEM, split_system
from promptops.core.template.values import plain
from promptops.core.tools import to_tool

Messages = Sequence[Mapping[str, Any]]

_NAME = re.compile(r"[^A-Za-z0-9_-]")


def openai_chat(prompt: Prompt, messages: Messages) -> dict[str, Json]:
    """Returns the arguments of ``chat.completions.create``."""
    api = chat_api(prompt.model, prompt.parameters)
    require_messages(messages, prompt, api)
    if takes_breakpoints(prompt.model):
        messages = with_marks(BREAKPOINT, messages)
    call = {**_model(prompt), "messages": [_with_parts(api, message) for message in messages]}
    call |= to_call(api, prompt.parameters, model=prompt.model, own=prompt.own_facts)
    if prompt.tools:
        call["tools"] = [to_tool(api, tool) for tool in prompt.tools]
    if prompt.response_format is ResponseFormat.JSON_SCHEMA:
        call["response_format"] = {"type": "json_schema", "json_schema": envelope(prompt)}
    elif prompt.response_format is ResponseFormat.JSON_OBJECT:
        call["response_format"] = {"type": "json_object"}
    require_own(api, prompt, call)
    return call


def openai_responses(prompt: Prompt, messages: Messages) -> dict[str, Json]:
    """Returns the arguments of ``responses.create``."""
    leading = next((at for at, message in enumerate(messages) if message["role"] not in SYSTEM), len(messages))
    require_messages(messages[leading:], prompt, Api.OPENAI_RESPONSES)
    if takes_breakpoints(prompt.model):
        if has_marks(messages[:leading]):  # instructions are a text, which takes none
            leading = 0
        messages = with_marks(BREAKPOINT, messages)
    call: dict[str, Json] = _model(prompt)
    if leading:
        call["instructions"] = _joined(messages[:leading], Api.OPENAI_RESPONSES)
    call["input"] = [item for message in _spoken(messages[leading:], Api.OPENAI_RESPONSES) for item in _items(message)]
    call |= to_call(Api.OPENAI_RESPONSES, prompt.parameters, model=prompt.model, own=prompt.own_facts)
    if prompt.tools:
        call["tools"] = [to_tool(Api.OPENAI_RESPONSES, tool) for tool in prompt.tools]
    shape: dict[str, Json] = {}
    if prompt.response_format is ResponseFormat.JSON_SCHEMA:
        shape = {"type": "json_schema", **envelope(prompt)}
    elif prompt.response_format is ResponseFormat.JSON_OBJECT:
        shape = {"type": "json_object"}
    if shape:
        below(call, "text")["format"] = shape
    require_own(Api.OPENAI_RESPONSES, prompt, call)
    return call


def anthropic_create(prompt: Prompt, messages: Messages) -> dict[str, Json]:
    """Returns the arguments of ``messages.create``, without ``extra_headers``, which the caller may have: ``betas`` are
    an argument of ``beta.messages.create``, and the version of the API is a setting of the package's client.
    """
    call = anthropic_messages(prompt, messages)
    headers = call.pop("extra_headers", {})
    betas = headers.get("anthropic-beta") if isinstance(headers, Mapping) else None
    return {**call, "betas": betas.split(",")} if isinstance(betas, str) else call


def anthropic_messages(prompt: Prompt, messages: Messages) -> dict[str, Json]:
    """Returns the body of a request for messages, with what the package has no argument for in ``extra_body``, and the
    headers that the request needs in ``extra_headers``."""
    api = Api.ANTHROPIC
    require_format(api, prompt.response_format)
    require_few_marks(prompt)
    messages = with_marks(CONTROL, messages)
    system, spoken = split_system(messages, prompt.model or "")
    require_messages(spoken, prompt, api)
    call: dict[str, Json] = _model(prompt)
    call |= to_call(api, prompt.parameters, model=prompt.model, own=prompt.own_facts)
    if "max_tokens" not in call:
        raise Invalid(
            f"prompt '{prompt.name}' has no `maxTokens`, and {api} requires a limit for the answer",
            hint="Add it to modelParameters, or to the pin of the model, and release again.",
        )
    if system:
        call["system"] = _system(system)
    call["messages"] = _turns(_spoken(spoken, api))
    if prompt.tools:
        call["tools"] = [to_tool(api, tool) for tool in prompt.tools]
    if prompt.response_format is ResponseFormat.JSON_SCHEMA:
        below(call, "output_config")["format"] = {"type": "json_schema", "schema": envelope(prompt)["schema"]}
    require_own(api, prompt, call)
    return call


def require_own(api: Api, prompt: Prompt, call: Mapping[str, Json]) -> None:
    """Refuses an extra field that would take the place of what the prompt itself says, such as its model.

    Raises:
        ParameterNotTaken: see above.
    """
    extra = prompt.parameters.get(EXTRA)
    for name in extra if isinstance(extra, Mapping) else ():
        if name in call:
            raise ParameterNotTaken(f"{EXTRA}: {name}", api, hint="The prompt itself already says it. Remove it.")


def require_messages(messages: Messages, prompt: Prompt, api: Api) -> None:
    """Refuses a request without messages, which no API takes, where the caller left out those of a placeholder. A
    prompt that is only the system's may be sent with messages of the caller's own.

    Raises:
        Invalid: see above.
    """
    if messages or not prompt.placeholders:
        return
    names = " and ".join(f"'{each.name}'" for each in prompt.placeholders)
    raise Invalid(
        f"without messages in {names}, prompt '{prompt.name}' has none that {api} takes",
        hint="Give at least one message of the user there, or add one to the prompt.",
    )


def require_calls(messages: Messages, api: Api) -> None:
    """Refuses messages of tools without the id of the tool's call.

    Raises:
        Invalid: see above.
    """
    if any(message["role"] == Role.TOOL and "tool_call_id" not in message for message in messages):
        raise Invalid(
            f"a message of role 'tool' cannot be sent to {api}: it belongs to a call of a tool",
            hint="Give it the `tool_call_id` of a call in the assistant's message before.",
        )


def _model(prompt: Prompt) -> dict[str, Json]:
    return {"model": provider_of(prompt.model)[1]} if prompt.model else {}


def _joined(messages: Messages, api: Api) -> str:
    return "\n\n".join(text_of(message["content"], api) for message in messages)


def _system(messages: Messages) -> Json:
    """Returns system messages as one text; as blocks where there are marks, each up to a mark."""
    joined = _joined(messages, Api.ANTHROPIC)
    blocks: list[Json] = []
    texts: list[str] = []
    for text, is_marked in (each for message in messages for each in stretches(message["content"])):
        texts.append(text)
        if is_marked and any(texts):
            blocks.append({"type": "text", "text": "\n\n".join(texts), **mark(CONTROL)})
            texts = []
    if not blocks:
        return joined
    return [*blocks, {"type": "text", "text": "\n\n".join(texts)}] if any(texts) else blocks


def _with_parts(api: Api, message: Mapping[str, Any]) -> dict[str, Any]:
    """Copies a message, with its parts in the form of the API."""
    content = message["content"]
    if not isinstance(content, str):
        content = to_parts(api, content, message["role"]) or ""  # of parts without a character, as of such a text
    return {**message, "content": content}


def _spoken(messages: Messages, api: Api) -> list[dict[str, Any]]:
    """Copies messages, and refuses those of tools without the id of the tool's call, which these APIs need.

    The name of a speaker is left out: these APIs have none.
    """
    require_calls(messages, api)
    return [{key: value for key, value in _with_parts(api, message).items() if key != "name"} for message in messages]


def _items(message: Mapping[str, Any]) -> Iterator[Json]:
    """Yields what a message is to the Responses API: calls of tools and their answers are items of their own."""
    if message["role"] == Role.TOOL:
        yield {"type": "function_call_output", "call_id": message["tool_call_id"], "output": message["content"]}
        return
    calls = message.get("tool_calls", ())
    if message["content"] or not calls:
        yield {"role": message["role"], "content": message["content"]}
    for call in calls:
        yield {"type": "function_call", "call_id": call["id"], **call["function"]}


def _turns(messages: Sequence[Mapping[str, Any]]) -> list[Json]:
    """Returns what messages are to Anthropic: answers of tools in a row are blocks of one turn of the user."""
    turns: list[Json] = []
    results: list[Json] = []
    for message in messages:
        if message["role"] == Role.TOOL:
            if not results:
                turns.append({"role": "user", "content": results})
            answered = {"type": "tool_result", "tool_use_id": message["tool_call_id"]}
            content, marked = without_marks(message["content"])  # which is of the whole result
            results.append({**answered, "content": content, **marked})
            continue
        results = []
        calls = message.get("tool_calls", ())
        if not calls:
            turns.append({"role": message["role"], "content": message["content"]})
            continue
        text: list[Json] = message["content"]
        if isinstance(message["content"], str):
            text = [{"type": "text", "text": message["content"]}] if message["content"] else []
        uses: list[Json] = [
            {
                "type": "tool_use",
                "id": call["id"],
                "name": call["function"]["name"],
                "input": json.loads(call["function"]["arguments"]),
                **({CONTROL: call[CONTROL]} if CONTROL in call else {}),
            }
            for call in calls
        ]
        turns.append({"role": message["role"], "content": [*text, *uses]})
    return turns


def envelope(prompt: Prompt) -> dict[str, Json]:
    """Returns ``{"name", "schema", …}``: GitHub's ``jsonSchema`` as it is; a plain schema gets the prompt's name."""
    envelope = plain(prompt.json_schema or {})
    assert isinstance(envelope, dict)
    if not isinstance(envelope.get("schema"), dict):
        envelope = {"schema": envelope}
    name = _NAME.sub("_", str(envelope.pop("name", None) or prompt.name))[:64]
    return {"name": name, **{key: envelope[key] for key in ("description", "strict", "schema") if key in envelope}}


def below(call: dict[str, Json], key: str) -> dict[str, Json]:
    """Returns the object at a key of a call; a new one if there is nothing."""
    inner = call.setdefault(key, {})
    assert isinstance(inner, dict)
    return inner
