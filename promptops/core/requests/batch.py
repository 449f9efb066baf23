"""A request as one of a batch file. Each API names the parts of a line in its own way.

- OpenAI and Azure: https://developers.openai.com/api/docs/guides/batch
- Anthropic: https://platform.claude.com/docs/en/build-with-claude/batch-processing
- Gemini: https://ai.google.dev/gemini-api/docs/batch-api
- Mistral: https://docs.mistral.ai/capabilities/batch
- Bedrock: https://docs.aws.amazon.com/bedrock/latest/userguide/batch-inference-data.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from promptops.core.errors import Invalid
from promptops.core.json_value import Json

MESSAGES: Final = "/v1/messages"
MISTRAL: Final = "mistral"
_OPENAI: Final = re.compile(r"(?:/openai)?(/v1/(?:chat/completions|responses|embeddings))")
_GEMINI: Final = re.compile(r".*:(?:generateContent|embedContent)")
_CONVERSE: Final = re.compile(r"/model/[^/]+/converse")


def batch_line(url_path: str, body: Mapping[str, Json], custom_id: str, *, provider: str) -> dict[str, Json]:
    """Returns the line of a request with this path and body.

    Raises:
        Invalid: the API has no batches.
    """
    if url_path == MESSAGES:
        return {"custom_id": custom_id, "params": dict(body)}
    if provider == MISTRAL:
        return {"custom_id": custom_id, "body": dict(body)}
    if path := _OPENAI.fullmatch(url_path):
        return {"custom_id": custom_id, "method": "POST", "url": path[1], "body": dict(body)}
    if _GEMINI.fullmatch(url_path):
        return {"key": custom_id, "request": dict(body)}
    if _CONVERSE.fullmatch(url_path):
        return {"recordId": custom_id, "modelInput": dict(body)}
    raise Invalid(f"requests to {url_path} have no batches", hint="Send them one by one.")
