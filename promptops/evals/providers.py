"""Where a provider's API is, what goes over the wire, and what an answer is to a run.

References: chat completions of OpenAI, which most providers have, and messages of Anthropic; the addresses are those of
their documentation that :mod:`promptops.core.parameters` names. :mod:`promptops.core.answers.reader` reads the answers.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from promptops.core.advice import Sentence, option
from promptops.core.answers.reader import read
from promptops.core.answers.reading import Api, Finish, Reading
from promptops.core.errors import Invalid
from promptops.core.parameters import SAMPLING_VERSION
from promptops.core.server_url import require_server_url
from promptops.evals.request import Request
from promptops.evals.response import Response

ADDRESSES: Final[Mapping[str, str]] = {
    "openai": "https://api.openai.com/v1",
    "anthropic": "https://api.anthropic.com",
    "mistral": "https://api.mistral.ai/v1",
    "deepseek": "https://api.deepseek.com/v1",
    "groq": "https://api.groq.com/openai/v1",
    "xai": "https://api.x.ai/v1",
    "openrouter": "https://openrouter.ai/api/v1",
}
"""The address of each provider that needs none from the environment."""

_NO_LIMIT: Final = sys.maxsize  # of the text of an answer: the body is not longer than the caller takes
_UNNAMED: Final = (Finish.ERROR, Finish.OTHER)  # ends that the provider's own word explains better


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A provider's address, and the key for it. ``host`` is what evidence names."""

    url: str
    key: str
    host: str

    def target(self, api: Api) -> str:
        """Returns the URL that requests go to."""
        return f"{self.url}/v1/messages" if api is Api.MESSAGES else f"{self.url}/chat/completions"

    def headers(self, request: Request) -> dict[str, str]:
        """Returns the headers of a request, the key among them."""
        headers = {"content-type": "application/json", "accept": "application/json", **request.headers}
        if request.api is Api.MESSAGES:
            headers.setdefault("anthropic-version", SAMPLING_VERSION)
            return headers | ({"x-api-key": self.key} if self.key else {})
        return headers | ({"authorization": f"Bearer {self.key}"} if self.key else {})


def endpoint(provider: str, setting: Callable[[str], tuple[str, str]]) -> Endpoint:
    """Returns where a provider is. ``setting`` reads its address and key from the environment, empty if not set.

    Raises:
        Invalid: no address or no key is known, or the key would be sent unencrypted.
    """
    own, key = setting(provider)
    url = (own or ADDRESSES.get(provider, "")).rstrip("/")
    stem = variable(provider)
    if not url:
        raise Invalid(
            f"it is not known where the models of '{provider}' are",
            hint=f"Set {stem}_BASE_URL to the address of its API, which is OpenAI's: https://models.example/v1.",
        )
    require_server_url(url, allow_http=not key)
    host = url.partition("://")[2].partition("/")[0].rpartition("@")[2]
    if not key and not own:  # an address of one's own may need none
        raise Invalid(
            f"there is no key for {provider}, so nothing was asked",
            hint=Sentence(
                f"Set {stem}_API_KEY. Recorded answers need none: ", option("replay", "a replay", value="DIR"), "."
            ),
        )
    return Endpoint(url=url, key=key, host=host)


def variable(provider: str) -> str:
    """Returns how the names of a provider's variables begin: ``AZURE_OPENAI`` for ``azure-openai``."""
    return "".join(letter if letter.isalnum() and letter.isascii() else "_" for letter in provider.upper())


def read_answer(api: Api, body: bytes) -> Response:
    """Reads the body of an answer with status 200.

    Raises:
        ValueError: it is not an answer of this API.
    """
    try:
        value = json.loads(body)
    except RecursionError as error:
        raise ValueError(f"not an answer of {api}: nested too deeply") from error
    reading = read(value, api=api, limit=_NO_LIMIT)
    if reading is None:
        raise ValueError(f"not an answer of {api}")
    return Response(
        text=reading.text,
        tool_calls=reading.tool_calls,
        finish=_finish(reading),
        input_tokens=reading.usage.input_tokens,
        output_tokens=reading.usage.output_tokens,
        served_model=reading.model,
        fingerprint=reading.fingerprint,
    )


def _finish(reading: Reading) -> str:
    if reading.finish is None:  # a whole answer that does not say why it ended
        return Finish.TOOL_CALLS.value if reading.tool_calls else Finish.STOP.value
    return reading.finish_word if reading.finish in _UNNAMED else reading.finish.value
