"""What of a prompt, or of a case, a comparison belongs to: looks and pools follow it through releases and suites.

White space is normalised: a blank is no new content, and so opens no new looks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Final

from promptops.core.digest import canonical, digest
from promptops.core.errors import PromptNotFound
from promptops.core.model import Content, Json
from promptops.core.release_bytes import content_to_json

_LIMIT: Final = 64 << 20  # bytes of the variables of a case: a file of cases may have as many


def prompt_content(content: Content, prompt: str) -> str:
    """Returns the digest of all that a prompt of an app sends: messages, pin, parameters, schema, tools, template.

    Raises:
        PromptNotFound: the app has no such prompt.
    """
    document = content_to_json(content)
    assert isinstance(document, Mapping)
    prompts = document["prompts"]
    assert isinstance(prompts, Mapping)
    if prompt not in prompts:
        raise PromptNotFound(f"{content.app} has no prompt '{prompt}'", known=sorted(prompts))
    return digest(canonical(normalised(prompts[prompt])))


def case_key(variables: Mapping[str, Json]) -> str:
    """Returns the digest of a case's variables, by which a case is known whatever its id and its suite."""
    return digest(canonical(normalised(variables), limit=_LIMIT))


def share_of(case: str, content: str, days: int) -> int:
    """Returns on which of so many days, from 0, a case is put to a content: no one chooses it.

    It follows from the case's id and the prompt's content alone, so every release that a content is compared with, and
    every suite that has the case, gives the same answer.
    """
    if days == 1:
        return 0
    lot = hashlib.sha256(f"{content}\n{case}".encode("utf-8", "backslashreplace")).digest()
    return int.from_bytes(lot[:8], "big") % days


def normalised(value: Json) -> Json:
    """Returns a JSON value in whose texts every run of white space is one blank, and none is at an end."""
    if isinstance(value, str):
        return " ".join(value.split())
    if isinstance(value, Mapping):
        return {key: normalised(item) for key, item in value.items()}
    if isinstance(value, Sequence):
        return [normalised(item) for item in value]
    return value
