"""Where each provider's API is: its host, the path before ``/chat/completions``, and how it takes a key.

The addresses are those of the providers' documentation. Azure's are its customers' own:
https://learn.microsoft.com/azure/ai-foundry/openai/api-version-lifecycle (the path of version 1 of the API). Those of
GitHub are at https://docs.github.com/en/rest/models/inference.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

BEARER: Final = "authorization"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """The ``host`` of an API, the path that all of its ``chat`` begins with, and the ``header`` that a key goes into.

    ``key`` is the environment variable that the provider's own tools read. A host that is a customer's has its own
    variable, written as ``$NAME``. ``full_names``: models are named ``publisher/model`` there.
    """

    host: str
    key: str
    chat: str = "/v1"
    header: str = BEARER
    full_names: bool = False


ENDPOINTS: Final[Mapping[str, Endpoint]] = {
    "anthropic": Endpoint(host="https://api.anthropic.com", key="ANTHROPIC_API_KEY", header="x-api-key"),
    "azure": Endpoint(host="$AZURE_OPENAI_ENDPOINT", key="AZURE_OPENAI_API_KEY", chat="/openai/v1", header="api-key"),
    "bedrock": Endpoint(host="https://bedrock-runtime.$AWS_REGION.amazonaws.com", key="AWS_BEARER_TOKEN_BEDROCK"),
    "cerebras": Endpoint(host="https://api.cerebras.ai", key="CEREBRAS_API_KEY"),
    "deepseek": Endpoint(host="https://api.deepseek.com", key="DEEPSEEK_API_KEY"),
    "fireworks": Endpoint(host="https://api.fireworks.ai", key="FIREWORKS_API_KEY", chat="/inference/v1"),
    "gemini": Endpoint(host="https://generativelanguage.googleapis.com", key="GEMINI_API_KEY", header="x-goog-api-key"),
    "github": Endpoint(host="https://models.github.ai", key="GITHUB_TOKEN", chat="/inference", full_names=True),
    "groq": Endpoint(host="https://api.groq.com", key="GROQ_API_KEY", chat="/openai/v1"),
    "litellm": Endpoint(host="$LITELLM_PROXY_API_BASE", key="LITELLM_PROXY_API_KEY", full_names=True),
    "mistral": Endpoint(host="https://api.mistral.ai", key="MISTRAL_API_KEY"),
    "openai": Endpoint(host="https://api.openai.com", key="OPENAI_API_KEY"),
    "openrouter": Endpoint(host="https://openrouter.ai", key="OPENROUTER_API_KEY", chat="/api/v1", full_names=True),
    "together": Endpoint(host="https://api.together.xyz", key="TOGETHER_API_KEY"),
    "vertex": Endpoint(host="https://aiplatform.googleapis.com", key="GOOGLE_API_KEY", header="x-goog-api-key"),
    "xai": Endpoint(host="https://api.x.ai", key="XAI_API_KEY"),
}

_NAMES: Final = {
    "amazon": "bedrock",
    "amazon-bedrock": "bedrock",
    "aws": "bedrock",
    "azure-openai": "azure",
    "azureopenai": "azure",
    "bedrock-converse": "bedrock",
    "fireworks-ai": "fireworks",
    "github-models": "github",
    "google": "gemini",
    "google-ai-studio": "gemini",
    "google-genai": "gemini",
    "google-vertex": "vertex",
    "mistral-ai": "mistral",
    "mistralai": "mistral",
    "together-ai": "together",
    "togetherai": "together",
    "vertex-ai": "vertex",
    "vertexai": "vertex",
    "x-ai": "xai",
}
"""Other names of a provider, with ``-`` for ``_``."""
_SHORTEST: Final = 5
"""Letters of a name that may be misspelt: shorter ones are too near to each other."""


def canonical(provider: str) -> str:
    """Returns the name of a provider in :data:`ENDPOINTS`; any other name in lower case, with ``-`` for ``_``."""
    name = provider.strip().lower().replace("_", "-")
    return _NAMES.get(name, name)


def misspelt(provider: str, others: Collection[str] = ()) -> str:
    """Returns the provider, or one of ``others``, of which a name is one letter away, or two in another order; empty
    for a name that is known, and for one that is a provider of its own as far as one can see.
    """
    known = {*ENDPOINTS, *_NAMES, *others}
    if provider in known or len(provider) < _SHORTEST or not provider.isalpha():
        return ""
    near = get_close_matches(provider, known, n=3, cutoff=0.75)
    return next((name for name in near if _is_a_slip(provider, name)), "")


def _is_a_slip(word: str, right: str) -> bool:
    start = next((at for at, (one, other) in enumerate(zip(word, right, strict=False)) if one != other), len(word))
    rest, wanted = word[start:], right[start:]
    if len(word) == len(right):
        return rest[1:] == wanted[1:] or (rest[1::-1] == wanted[:2] and rest[2:] == wanted[2:])
    return rest[1:] == wanted or rest == wanted[1:]


def endpoint_of(provider: str) -> Endpoint:
    """Returns where a provider is. One that is not known has OpenAI's API at an address of its own."""
    if provider in ENDPOINTS:
        return ENDPOINTS[provider]
    stem = "".join(letter if letter.isalnum() and letter.isascii() else "_" for letter in provider.upper())
    return Endpoint(host=f"${stem}_BASE_URL", key=f"{stem}_API_KEY")
