"""The request that counts the tokens of another one's input.

- Anthropic: https://platform.claude.com/docs/en/api/messages-count-tokens
- OpenAI's responses: https://developers.openai.com/api/reference/resources/responses/subresources/input_tokens
- Gemini: https://ai.google.dev/api/tokens
- Bedrock: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_CountTokens.html
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from promptops.core.errors import Invalid
from promptops.core.json_value import Json
from promptops.core.requests.batch import MESSAGES

_MESSAGES: Final = frozenset(
    ("cache_control", "messages", "model", "output_config", "speed", "system", "thinking", "tool_choice", "tools")
)
_RESPONSES: Final = frozenset(
    (
        *("conversation", "input", "instructions", "model", "parallel_tool_calls", "previous_response_id"),
        *("reasoning", "text", "tool_choice", "tools", "truncation"),
    )
)
_CONVERSE: Final = frozenset(("messages", "system", "toolConfig", "additionalModelRequestFields"))


def counted(url_path: str, body: Mapping[str, Json]) -> tuple[str, dict[str, Json]]:
    """Returns the path and the body of the request that counts.

    Raises:
        Invalid: the API counts no tokens.
    """
    if url_path == MESSAGES:
        return f"{url_path}/count_tokens", _only(body, _MESSAGES)
    if url_path.endswith("/v1/responses"):
        return f"{url_path}/input_tokens", _only(body, _RESPONSES)
    model, of_gemini, _ = url_path.partition(":generateContent")
    if of_gemini:
        name = model.rpartition("/v1beta/")[2] or model.lstrip("/")
        return f"{model}:countTokens", {"generateContentRequest": {"model": name, **body}}
    if url_path.startswith("/model/") and url_path.endswith("/converse"):
        path = url_path.removesuffix("converse")
        return f"{path}count-tokens", {"input": {"converse": _only(body, _CONVERSE)}}
    raise Invalid(f"the API at {url_path} counts no tokens", hint="Its answers say how many there were.")


def _only(body: Mapping[str, Json], names: Collection[str]) -> dict[str, Json]:
    return {name: value for name, value in body.items() if name in names}
