"""``json_schema``: the answer is JSON that fits a schema. ``$response`` is the schema that the prompt declares."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache

from promptops.core.checks.json_text import parse
from promptops.core.errors import TemplateInvalid
from promptops.core.model import Json
from promptops.core.schema.input_schema import Check, compile_check, flaw_of
from promptops.core.suite.answer import Answer, Scope
from promptops.core.suite.result import PASSED, Result, failed, unscored

RESPONSE = "$response"


def problem(wanted: Json) -> str:
    """Returns what is wrong with a schema; empty if nothing is."""
    if wanted == RESPONSE:
        return ""
    if not isinstance(wanted, Mapping):
        return f"'json_schema' must be a schema, or '{RESPONSE}' for that of the prompt"
    try:
        compile_check(wanted)
        return flaw_of(wanted)
    except TemplateInvalid as error:
        return error.message


def verdict(wanted: Json, answer: Answer, scope: Scope) -> Result:
    """Returns whether an answer is JSON of the schema."""
    schema = scope.response_schema if wanted == RESPONSE else wanted
    if not isinstance(schema, Mapping):
        return unscored("the prompt has no `jsonSchema`")
    if wanted == RESPONSE:  # GitHub Models has the schema in an envelope with its name
        schema = schema.get("schema", schema)
    try:
        value = parse(answer.text)
    except ValueError as error:
        return failed(f"the answer is not JSON: {error}")
    flaw = _check(json.dumps(schema, sort_keys=True))(value)
    return failed(f"the answer does not fit the schema: {flaw}") if flaw else PASSED


@lru_cache(maxsize=64)  # a suite asks one schema for each of its answers
def _check(encoded: str) -> Check:
    return compile_check(json.loads(encoded))
