"""Writes `promptops/core/models/listed.json`: what is known of each model of the providers, each row with its source.

    python -m tests.support.model_table litellm-….whl

The base is LiteLLM's table of models, one file of its wheel: no other that a project keeps has the ends, limits,
efforts and refused parameters of all providers, with the address of the provider's page for each row. The packages of
OpenAI and Anthropic announce the ends of their models too; where they do, theirs counts. A row keeps the date when it
was first written as it is now, so newer packages change only the rows that say something else.
"""

from __future__ import annotations

import calendar
import json
import re
import sys
import zipfile
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

FILE = Path(__file__).parents[2] / "promptops" / "core" / "models" / "listed.json"
_PRICES = "litellm/model_prices_and_context_window_backup.json"
_PROVIDERS = {
    "openai": "openai",
    "anthropic": "anthropic",
    "gemini": "google",
    "mistral": "mistral",
    "deepseek": "deepseek",
    "xai": "xai",
    "groq": "groq",
    "bedrock": "bedrock",
    "bedrock_converse": "bedrock",
}
"""LiteLLM's name of a provider -> the one of `promptops/core/models/table.py`."""
_EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
_REGION = re.compile(r"(?:us|eu|apac|au|jp|ca|global|us-gov)\.")
_DOCUMENTS = {
    "openai": "https://developers.openai.com/api/docs/deprecations",
    "anthropic": "https://platform.claude.com/docs/en/about-claude/model-deprecations",
}

_SOURCE = ("source", "read_in", "date")
"""A source: the provider's page, the package that names it, and when the row was first written as it is now."""

Row = dict[str, Any]


def main(wheel: str) -> None:
    today = datetime.now(UTC).date().isoformat()
    litellm = "litellm " + Path(wheel).name.split("-")[1]
    with zipfile.ZipFile(wheel) as archive:
        table = json.loads(archive.read(_PRICES))
    rows: dict[str, Row] = {}
    for key, listed in table.items():
        dateless = table.get(re.sub(r"-20\d{6}$", "", key), {})
        if (name := _name(key, listed)) and (row := _row({"source": dateless.get("source"), **listed}, litellm)):
            rows.setdefault(name, row)
    for name, ends, package in (*_openai(), *_anthropic()):
        row = rows.setdefault(name, {})
        row |= {"ends": ends, "source": _DOCUMENTS[name.partition("/")[0]], "read_in": package}
    before = _before()
    for name, row in rows.items():
        old = before.get(name, {})
        is_same = bool(old) and _bare(old) == _bare(row)
        row |= {"date": old["date"], "read_in": old["read_in"]} if is_same else {"date": today}
    FILE.write_text(_text(rows))


def _before() -> dict[str, Row]:
    """The rows of the file as it is, each with its source in place."""
    if not FILE.exists():
        return {}
    document = json.loads(FILE.read_text())
    sources = [dict(zip(_SOURCE, source, strict=True)) for source in document["sources"]]
    return {name: {**row, **sources[row["source"]]} for name, row in document["models"].items()}


def _text(rows: Mapping[str, Row]) -> str:
    """The file: a line for each source and for each model, which names its source by its place."""
    sources = sorted({tuple(row[key] for key in _SOURCE) for row in rows.values()})
    places = {source: place for place, source in enumerate(sources)}
    lines = []
    for name in sorted(rows):
        row = {key: value for key, value in sorted(rows[name].items()) if key not in _SOURCE}
        row["source"] = places[tuple(rows[name][key] for key in _SOURCE)]
        lines.append(f"    {json.dumps(name)}: {json.dumps(row)}")
    listed = ",\n".join(f"    {json.dumps(source)}" for source in sources)
    models = ",\n".join(lines)
    return f'{{\n  "sources": [\n{listed}\n  ],\n  "models": {{\n{models}\n  }}\n}}\n'


def _bare(row: Row) -> Row:
    """A row without the version of the package, which says nothing of the model."""
    return {key: value for key, value in row.items() if key not in ("date", "read_in")}


def _name(key: str, listed: Mapping[str, Any]) -> str:
    provider = _PROVIDERS.get(listed.get("litellm_provider", ""))
    if provider is None or listed.get("mode") not in ("chat", "responses"):
        return ""
    name = key.rpartition("/")[2].lower()
    if provider == "bedrock":
        name = _REGION.sub("", name)
    return f"{provider}/{name}" if "/" not in name and not name.startswith("ft:") else ""


def _row(listed: Mapping[str, Any], package: str) -> Row:
    """What a row of LiteLLM says that decides something; without its source it is not used."""
    row: Row = {}
    source = listed.get("deprecation_source") or listed.get("source")
    for field, key in (("max_input_tokens", "context"), ("max_output_tokens", "output")):
        if isinstance(listed.get(field), int):
            row[key] = listed[field]
    if listed.get("supports_vision") is False:
        row["images"] = False
    if listed.get("deprecation_date"):
        row["ends"] = date.fromisoformat(listed["deprecation_date"]).isoformat()
    if listed.get("successor_model") and "ends" in row:
        row["successor"] = listed["successor_model"].rpartition("/")[2]
    if listed["litellm_provider"] == "openai":
        row |= _efforts(listed)
    if listed["litellm_provider"] == "anthropic":
        row |= _claude(listed)
    return {**row, "source": source, "read_in": package} if row and source else {}


def _efforts(listed: Mapping[str, Any]) -> Row:
    """The efforts that a model takes, where the table knows of each: low, medium and high are taken by every reasoner
    whose row says something of the others, but those whose row says otherwise."""
    known = {effort: listed.get(f"supports_{effort}_reasoning_effort") for effort in _EFFORTS}
    if not listed.get("supports_reasoning") or known["none"] is None or known["xhigh"] is None:
        return {}
    common = {"low", "medium", "high"} - {effort for effort in _EFFORTS if known[effort] is False}
    row: Row = {"efforts": [effort for effort in _EFFORTS if known[effort] or effort in common]}
    if listed.get("default_reasoning_effort"):
        row["default_effort"] = listed["default_reasoning_effort"]
    return row


def _claude(listed: Mapping[str, Any]) -> Row:
    said = {
        "prefill": listed.get("supports_assistant_prefill"),
        "sampling": listed.get("supports_sampling_params"),
        "forced_tools": listed.get("supports_forced_tool_use"),
        "always_thinks": listed.get("thinking_always_on"),
    }
    return {key: value for key, value in said.items() if value is not None}


def _openai() -> Iterator[tuple[str, str, str]]:
    """The ends that OpenAI's package announces, in the text below its literal of models."""
    from openai.types.shared import chat_model

    package = f"openai {version('openai')}"
    text = re.sub(r"\s+", " ", Path(chat_model.__file__).read_text())
    for models, ends in re.findall(r'- ((?:"[\w.-]+",? ?)+): Announced shutdown date: (\d{4}-\d\d-\d\d)', text):
        for model in re.findall(r'"([\w.-]+)"', models):
            yield f"openai/{model}", ends, package


def _anthropic() -> Iterator[tuple[str, str, str]]:
    """The ends that Anthropic's package warns of."""
    from anthropic._data import DEPRECATED_MODELS

    package = f"anthropic {version('anthropic')}"
    for model, words in DEPRECATED_MODELS.items():
        found = re.fullmatch(r"(\w+) (\d+)\w\w, (\d{4})", words)
        assert found, f"{model}: {words!r} is no date that is read here"
        ends = date(int(found[3]), list(calendar.month_name).index(found[1]), int(found[2]))
        yield f"anthropic/{model}", ends.isoformat(), package


if __name__ == "__main__":
    main(sys.argv[1])
