"""A request as plain JSON, for any HTTP client, a gateway or a batch file. It has no key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from promptops.core.json_value import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A POST request: ``url_path`` begins with ``/`` and goes behind the host of the API, ``headers`` are those that it
    needs beside the key, with names in lower case, and ``body`` is JSON. The objects are the caller's own.
    ``provider`` is whose API it is.

    A key goes into a header of its own: ``authorization: Bearer …``, ``x-api-key`` at Anthropic, ``api-key`` at Azure,
    ``x-goog-api-key`` at Google; requests to Bedrock are signed, or have a Bearer token.
    """

    url_path: str
    headers: dict[str, str] = field(hash=False)
    body: dict[str, Json] = field(hash=False)
    provider: str = field(default="", compare=False)

    def batch_line(self, custom_id: str) -> dict[str, Json]:
        """Returns this request as one of a batch: a line of OpenAI's, Azure's, Gemini's, Mistral's and Bedrock's batch
        files, and one of ``requests`` of Anthropic's batches.

        Raises:
            Invalid: the API has no batches.
        """
        from promptops.core.requests.batch import batch_line

        return batch_line(self.url_path, self.body, custom_id, provider=self.provider)

    def count_tokens(self) -> Request:
        """Returns the request that counts the tokens of this one's input: of Anthropic, OpenAI's responses, Gemini and
        Bedrock. Its body is what ``client.messages.count_tokens(**body)`` of the package ``anthropic`` takes.

        Raises:
            Invalid: the API counts no tokens.
        """
        from promptops.core.requests.counting import counted

        path, body = counted(self.url_path, self.body)
        return Request(url_path=path, headers=dict(self.headers), body=body, provider=self.provider)


JSON_HEADERS: Mapping[str, str] = {"content-type": "application/json"}
"""The headers of every request."""
