"""The ID token of this job: from a variable, or from GitHub, which makes one for each request."""

from __future__ import annotations

import json
from urllib.parse import quote

from promptops import config
from promptops.core.errors import Invalid, RegistryUnavailable, Unavailable

_SECONDS = 20.0
_LARGEST = 64 << 10  # bytes of GitHub's answer


def id_token(audience: str) -> str:
    """Returns the ID token of this job.

    ``audience`` is for whom GitHub makes it; one in ``PROMPTOPS_ID_TOKEN`` has its own.

    Raises:
        Invalid: this job has none. RegistryUnavailable: GitHub does not answer.
    """
    if text := config.setting(config.ID_TOKEN):
        return text
    url, bearer = config.setting(config.GITHUB_ID_TOKEN_URL), config.setting(config.GITHUB_ID_TOKEN_BEARER)
    if not url or not bearer:
        raise Invalid(
            "this job has no ID token",
            hint=f"On GitHub: permissions: id-token: write. On GitLab: id_tokens: {config.ID_TOKEN}: aud: URL.",
        )
    return _from_github(f"{url}&audience={quote(audience, safe='')}", bearer)


def _from_github(url: str, bearer: str) -> str:
    from promptops.client.sources.small_get import small_get

    hint = "Does the job have `permissions: id-token: write`?"
    try:
        body = small_get(url, seconds=_SECONDS, largest=_LARGEST, headers={"authorization": f"Bearer {bearer}"})
        value = json.loads(body)["value"]
    except Unavailable as error:
        raise RegistryUnavailable(f"GitHub gives no ID token: {error.message}", hint=hint) from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise RegistryUnavailable("GitHub's answer has no ID token", hint=hint) from error
    if not isinstance(value, str):
        raise RegistryUnavailable("GitHub's answer has no ID token", hint=hint)
    return value
