"""Reads ``models`` of ``promptops.yml``: what a workspace says of models that the table of promptops does not know."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from promptops.core.floating_models import floats_by_name
from promptops.core.model import LISTS, OBJECTS, Json, OwnFacts
from promptops.core.own_facts import BOUNDS, KINDS, LONGEST_REASON, MOST_MODELS, is_reason
from promptops.core.parameters import ANTHROPIC, OPENAI, TABLE, Api, provider_of
from promptops.source.app_file import PINNED_MODEL
from promptops.source.parameters import PARAMETERS
from promptops.source.text.fields import Fields, shown
from promptops.source.text.findings import Near, Report, short
from promptops.source.text.strict_yaml import parse

KEYS: Final = ("reason", *KINDS)
_LISTS: Final = ("takes", "refuses", "refuses_while_reasoning")


def read_own_models(fields: Fields) -> Mapping[str, OwnFacts]:
    """Returns what is said of models, by ``provider/model``. What is wrong becomes a finding and is left out."""
    found: dict[str, OwnFacts] = {}
    for model, said in fields.inner("models"):
        if not PINNED_MODEL.fullmatch(model):
            hint = "models of promptops.yml are facts of models; pins of an app are `models` of its app.yml."
            offset = fields.document.key_offset(said.path)
            fields.report.add("name-invalid", offset, f"'{short(model)}' is not provider/model", hint)
            continue
        said.refuse_unknown(KEYS)
        facts = {key: value for key, value in said.value.items() if key in KINDS and _is_right(said, model, key)}
        if not is_reason(said.value.get("reason")):
            _without_reason(said, model)
        elif not facts:
            said.add("missing-key", None, f"nothing is said of '{short(model)}'", "pinned: true, ends: 2027-06-30, …")
        else:
            found[model] = OwnFacts(model=model, reason=str(said.value["reason"]), facts=facts)
    if len(found) > MOST_MODELS:
        fields.add("wrong-value", "models", f"there are {len(found)} models, and at most {MOST_MODELS} fit")
    return dict(list(found.items())[:MOST_MODELS])


def _without_reason(said: Fields, model: str) -> None:
    hint = "reason: The provider's page says that the id is a snapshot."
    if said.value.get("reason") is None:
        said.add("missing-key", None, f"'{short(model)}' has no `reason`, which releases carry", hint)
    else:
        problem = f"'reason' must be a text in one line of at most {LONGEST_REASON} characters"
        said.add("wrong-value", "reason", f"{problem}, got {shown(said.value['reason'])}", hint)


def _is_right(said: Fields, model: str, key: str) -> bool:
    value = said.value[key]
    if value is None:
        return False
    expected, right = KINDS[key]
    names: Collection[str] = ()
    if key in _LISTS and isinstance(value, LISTS):
        names = [name for name in value if isinstance(name, str)]
    elif key == "bounds" and isinstance(value, OBJECTS):
        names = list(value)
    if unknown := [name for name in names if name not in PARAMETERS]:
        hint = Near(unknown[0], PARAMETERS)
        said.add("unknown-setting", key, f"'{key}': unknown parameter '{short(unknown[0])}'", hint)
        return False
    if key == "bounds" and (wrong := [end for end in _ends(value) if end not in BOUNDS]):
        said.add(
            "unknown-setting", key, f"'{key}': unknown key '{short(wrong[0])}'", Near(wrong[0], BOUNDS, "Its keys are")
        )
        return False
    if not right(value):
        said.add("wrong-value", key, f"'{key}' must be {expected}, got {shown(value)}")
        return False
    if key == "pinned" and value is True and floats_by_name(model):
        said.add("wrong-value", key, f"'{short(model)}' floats by its name", "Name the snapshot that it stands for.")
        return False
    return key != "takes" or all(_has_field(said, model, name) for name in names)


def _ends(bounds: Json) -> list[str]:
    """The keys of each parameter's bounds."""
    ranges = bounds.values() if isinstance(bounds, OBJECTS) else ()
    return [end for each in ranges if isinstance(each, OBJECTS) for end in each]


def _has_field(said: Fields, model: str, name: str) -> bool:
    """Whether the API of a provider has a field for a parameter; what it has besides is written as ``extra``."""
    provider = provider_of(model)[0]
    fields = TABLE[name]
    api, has = (
        (Api.OPENAI_CHAT, bool(fields.chat or fields.responses))
        if provider in OPENAI
        else (Api.ANTHROPIC, bool(fields.anthropic) or provider not in ANTHROPIC)
    )
    if not has:
        hint = "What it takes besides goes into `modelParameters: {extra: {…}}`."
        said.add("wrong-value", "takes", f"{api} have no field for '{name}' here", hint)
    return has


def report_unused(report: Report, models: Mapping[str, OwnFacts], named: Collection[str]) -> None:
    """Reports models that no pin and no prompt names, with the one that is meant."""
    unused = [model for model in models if model not in named]
    document = parse(report.text, words=("on",)) if unused else None
    for model in unused:
        assert document is not None
        hint = Near(model, named, otherwise="Remove it.")
        offset = document.key_offset(("models", model))
        report.add("unused-model", offset, f"no pin and no prompt names '{short(model)}'", hint)
