"""Reads ``app.yml``: an app's name, people, pins, judges and shared inputs. An unknown key is an error."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from promptops.core.declarations import NOTHING, Declarations
from promptops.core.floating_models import floats
from promptops.core.model import VARIABLE, Json, OwnFacts, Profile, is_name, is_segment
from promptops.core.parts import MEDIA
from promptops.core.schema.media_schema import media_schema_flaw
from promptops.source.app_declarations import KEYS as DECLARED
from promptops.source.app_declarations import read_declarations
from promptops.source.parameters import read_parameters, refuse_untaken
from promptops.source.schemas import check_schema
from promptops.source.text.fields import Fields, read_fields, read_yaml
from promptops.source.text.findings import Near, Report, short
from promptops.source.text.strict_yaml import Document

APP_FILE = "app.yml"
KEYS = (
    "name",
    "title",
    "description",
    "owner",
    "on_call",
    "on-call",
    "runbook",
    "models",
    "judges",
    "inputs",
    *DECLARED,
)
MODEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._:@+/-]{0,198}[A-Za-z0-9._-])?")
PINNED_MODEL = re.compile(
    r"(?=.{3,200}\Z)[A-Za-z0-9][A-Za-z0-9._-]*(?::[A-Za-z0-9._-]*)?/[A-Za-z0-9._:@+/-]*[A-Za-z0-9._-]"
)
"""``provider/model``; the model may contain slashes."""

FLOATING_HINT = "Name a dated snapshot, so that it changes only when you release."

ALIAS = "alias"

_TEXT: Mapping[str, Json] = {"type": "string"}
_ALIAS = re.compile(r"[^\s{}][^{}\n]{0,98}(?<!\s)|[^\s{}]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """A named, exact model with its parameters."""

    model: str
    parameters: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class AppFile:
    """A read ``app.yml``; empty for an app without one, which has no ``document`` either.

    ``judges`` are models that judge answers in suites, by the names that checks call them; ``judge_pins`` are the pins
    among them. ``models`` are what the workspace says of models.
    """

    report: Report
    document: Document | None = None
    name: str = ""
    profile: Profile = field(default_factory=Profile)
    declared: Declarations = NOTHING
    pins: Mapping[str, Pin] = field(default_factory=dict)
    judges: Mapping[str, Pin] = field(default_factory=dict)
    judge_pins: frozenset[str] = frozenset()
    inputs: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)
    models: Mapping[str, OwnFacts] = field(default_factory=dict)


def read_app_file(report: Report, models: Mapping[str, OwnFacts] | None = None) -> AppFile:
    """Reads the text of a report as an ``app.yml``. Problems become findings of the report.

    ``models`` are what the workspace says of models.
    """
    models = models or {}
    document = read_yaml(report)
    report.suites = list(
        document.spans("judges")
    )  # of suites, as a prompt's evaluators are: no error there stops a release
    if document.root is None and not document.problems:
        # an empty file is allowed: every key is optional
        return AppFile(report=report, document=document, models=models)
    fields = read_fields(report, document, "app.yml")
    if fields is None:
        return AppFile(report=report, document=document, models=models)
    fields.refuse_unknown(KEYS)
    name = fields.text("name") or ""
    if name and not is_name(name):
        hint = "Lower case letters, digits, . _ and -. `title` is the name for people."
        fields.add("name-invalid", "name", f"'{name[:80]}' is not an app's name", hint)
    pins = _pins(fields, models)
    judges, judge_pins = _judges(fields, pins, models)
    return AppFile(
        report=report,
        document=document,
        name=name,
        profile=_profile(fields),
        declared=read_declarations(fields),
        pins=pins,
        judges=judges,
        judge_pins=judge_pins,
        inputs=read_input_schemas(fields),
        aliases=read_aliases(fields),
        models=models,
    )


def read_input_schemas(fields: Fields) -> dict[str, Mapping[str, Json]]:
    """Reads ``inputs``: a JSON Schema for each variable. An empty schema means text."""
    schemas: dict[str, Mapping[str, Json]] = {}
    for name, schema in fields.inner("inputs"):
        if not VARIABLE.fullmatch(name):
            offset = fields.document.key_offset(schema.path)
            hint = "Letters, digits, _ and -, not starting with a digit, up to 64."
            fields.report.add("name-invalid", offset, f"'{name[:80]}' is not a variable's name", hint)
            continue
        if ALIAS in schema.value:
            schema = schema.without(ALIAS)
        if schema.value.get("type") in list(MEDIA):
            if flaw := media_schema_flaw(schema.value):
                schema.add("schema-invalid", None, f"the schema of '{name}': {flaw}")
        else:
            check_schema(schema, f"the schema of '{name}'")
        schema.flag("private")
        schemas[name] = schema.value or _TEXT
    return schemas


def read_aliases(fields: Fields) -> dict[str, str]:
    """Reads each ``alias`` of ``inputs``: what else a message calls a variable, where that is no variable's name."""
    aliases: dict[str, str] = {}
    declared = fields.value.get("inputs")
    named = [name for name, schema in declared.items() if _has_alias(schema)] if isinstance(declared, Mapping) else []
    for name, schema in fields.inner("inputs") if named else ():
        for alias in (schema.texts(ALIAS) or ()) if name in named else ():
            if not _ALIAS.fullmatch(alias) or VARIABLE.fullmatch(alias):
                hint = "What stands between the braces, such as LANGUAGES/FRAMEWORKS. Other names need no alias."
                schema.add("wrong-value", ALIAS, f"'{short(alias)}' cannot be an alias", hint)
            elif alias in aliases:
                schema.add("name-taken", ALIAS, f"'{short(alias)}' is already an alias of '{aliases[alias]}'")
            else:
                aliases[alias] = name
    return aliases


def _has_alias(schema: Json) -> bool:
    return isinstance(schema, Mapping) and schema.get(ALIAS) is not None


def _profile(fields: Fields) -> Profile:
    if fields.value.get("on_call") is not None and fields.value.get("on-call") is not None:
        fields.add_at_key("duplicate-key", "on-call", "'on_call' and 'on-call' are the same key", "Keep one of them.")
    texts = {key: fields.text(key) or "" for key in ("title", "description", "owner", "on_call", "on-call", "runbook")}
    return Profile(
        title=texts["title"],
        description=texts["description"],
        owner=texts["owner"],
        on_call=texts["on_call"] or texts["on-call"],
        runbook=texts["runbook"],
    )


def _pins(fields: Fields, known: Mapping[str, OwnFacts]) -> dict[str, Pin]:
    """Reads ``models``: the pins by name, each with the model alone or with parameters."""
    models = fields.fields("models")
    pins: dict[str, Pin] = {}
    for name in models.value if models else ():
        if models is None:
            break
        if not is_segment(name):
            models.add_at_key("name-invalid", name, f"'{name[:80]}' is not a pin's name", "Letters, digits, . _ and -.")
        pin = _pin(models, name, known)
        if pin is not None:
            pins[name] = pin
    return pins


def _judges(
    fields: Fields, pins: Mapping[str, Pin], known: Mapping[str, OwnFacts]
) -> tuple[dict[str, Pin], frozenset[str]]:
    """Reads ``judges``: names for pins, or for models in place. Also returns the names of the pins that it uses."""
    named = fields.fields("judges")
    judges: dict[str, Pin] = {}
    used = set()
    for name, value in named.value.items() if named else ():
        assert named is not None
        if not is_segment(name):
            named.add_at_key(
                "name-invalid", name, f"'{name[:80]}' is not a judge's name", "Letters, digits, . _ and -."
            )
        if isinstance(value, str) and value in pins:
            judges[name] = pins[value]
            used.add(value)
        elif isinstance(value, str) and "/" not in value:
            hint = Near(value, pins, "The pins are", otherwise=f"{name}: provider/model-and-date")
            named.add("unknown-pin", name, f"'{value[:80]}' is neither a pin of `models` nor provider/model", hint)
        elif (judge := _pin(named, name, known)) is not None:
            judges[name] = judge
    return judges, frozenset(used)


def _pin(models: Fields, name: str, known: Mapping[str, OwnFacts]) -> Pin | None:
    value = models.value[name]
    parameters: dict[str, Json] = {}
    if isinstance(value, Mapping):
        fields = Fields(models.report, models.document, value, (*models.path, name))
        fields.refuse_unknown(("model", "parameters"))
        model = fields.text("model")
        if own := fields.fields("parameters"):
            parameters = read_parameters(own, unknown="unknown-setting")
            refuse_untaken(own, model, parameters, facts=known.get(model or ""))
        if value.get("model") is None:
            fields.add("missing-key", None, f"'{name}' names no `model`", "model: provider/model-and-date")
        key: tuple[Fields, str] = (fields, "model")
    elif value is None or isinstance(value, str):
        model, key = value, (models, name)
        if value is None:
            models.add("missing-key", name, f"'{name}' names no model", f"{name}: provider/model-and-date")
    else:
        models.wrong((*models.path, name), "provider/model, or a mapping of model and parameters", value)
        return None
    if model is None:
        return None
    if not PINNED_MODEL.fullmatch(model):
        key[0].add("wrong-value", key[1], f"'{model[:80]}' is not provider/model", "model: provider/model-and-date")
    elif floats(model, known.get(model)):
        key[0].add("floating-model", key[1], f"'{short(model)}' is a floating alias", FLOATING_HINT)
    return Pin(model=model, parameters=parameters)
