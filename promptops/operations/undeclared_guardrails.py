"""Finds the guardrails that no call of a canary, or of the stable release beside it, could show.

A schema, or a check, that only one of the two releases has makes only the keys of one side bad, so it compares nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Final

from promptops.core.errors import PromptopsError
from promptops.core.outcomes.report import Guardrail, score_guardrail
from promptops.core.release_bytes import content_from_bytes

if TYPE_CHECKING:
    from promptops.core.model import Content, Prompt, ReleaseRef
    from promptops.store import Reader

_DECLARED: Final = {
    Guardrail.SCHEMA.value: "no prompt has a schema of its answers in both releases",
    Guardrail.CHECK.value: "no prompt has checks in both releases",
}


def undeclared(
    reader: Reader, app: str, releases: Collection[ReleaseRef], guardrails: Collection[str]
) -> Mapping[str, str]:
    """Returns which of these guardrails calls of the releases cannot show, each with the reason."""
    found = reader.declarations(app)
    scores = found.declared.scores if found is not None else ()
    passing = {score_guardrail(score.name) for score in scores if score.passes_from is not None}
    off = {
        name: "the app declares no such score with a passAt"
        for name in guardrails
        if name not in set(Guardrail) and name not in passing
    }
    wanted = _DECLARED.keys() & set(guardrails)
    contents = _contents(reader, releases) if wanted else []
    shared = set.intersection(*({each.name for each in content.prompts} for content in contents)) if contents else set()
    for name in sorted(wanted):
        if contents and not any(all(_declares(each.prompt(prompt), name) for each in contents) for prompt in shared):
            off[name] = _DECLARED[name]
    return off


def _contents(reader: Reader, releases: Collection[ReleaseRef]) -> list[Content]:
    """What the releases are made of; nothing where one cannot be read, so that no guardrail is off for that."""
    try:
        return [content_from_bytes(each.content) for each in reader.contents([each.digest for each in releases])]
    except PromptopsError:  # damaged, which `fsck` says, or of a later version
        return []


def _declares(prompt: Prompt | None, guardrail: str) -> bool:
    if prompt is None:
        return False
    return prompt.json_schema is not None if guardrail == Guardrail.SCHEMA else bool(prompt.checks)
