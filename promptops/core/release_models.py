"""``models`` of a release: what its workspace says of the models that its prompts name."""

from __future__ import annotations

from collections.abc import Mapping

from promptops.core.errors import Invalid
from promptops.core.model import OBJECTS, Json, OwnFacts
from promptops.core.own_facts import KINDS, MOST_MODELS, is_reason


def models_to_json(models: tuple[OwnFacts, ...]) -> dict[str, Json]:
    """Returns the JSON object of what is said, by model.

    Raises:
        Invalid: two things are said of one model.
    """
    written: dict[str, Json] = {own.model: {"reason": own.reason, **own.facts} for own in models}
    if len(written) != len(models):
        raise Invalid("two things are said of one model")
    return written


def models_from_json(value: Json, prompts: Mapping[str, Json]) -> Mapping[str, OwnFacts]:
    """Reads what is said, in order of the models. ``prompts`` are those of the release, as JSON.

    Raises:
        Invalid: naming the path (``$.models.openai/gpt-4o.ends``) of what is wrong.
    """
    named = {prompt.get("model") for prompt in prompts.values() if isinstance(prompt, OBJECTS)}
    if not isinstance(value, OBJECTS) or not 0 < len(value) <= MOST_MODELS:
        raise Invalid(f"$.models is not an object of 1 to {MOST_MODELS} models")
    if unused := sorted(value.keys() - named):
        raise Invalid(f"$.models has {unused[0][:80]!r}, which no prompt names")
    return {model: _own_facts(model, value[model], f"$.models.{model}") for model in sorted(value)}


def _own_facts(model: str, value: Json, path: str) -> OwnFacts:
    if not isinstance(value, OBJECTS) or not is_reason(value.get("reason")):
        raise Invalid(f"{path} is not an object with a reason of one line")
    facts = {name: fact for name, fact in value.items() if name != "reason"}
    for name, fact in facts.items():
        if name not in KINDS:
            raise Invalid(f"{path} has the unknown key {name!r}", hint="A newer promptops may have written it.")
        expected, right = KINDS[name]
        if not right(fact):
            raise Invalid(f"{path}.{name} is not {expected}")
    return OwnFacts(model=model, reason=str(value["reason"]), facts=facts)
