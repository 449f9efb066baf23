"""What is known of a model, by its pin: one table, read from two files of data beside this module when first asked.

``listed.json`` has a row for each model: its end, limits, efforts, and what it refuses. ``make models`` builds it from
what well-kept packages publish. ``families.json`` is our own, for what these lack: rules of whole families, each with
its source and the date when it was read. What neither knows is unknown, and is never guessed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from promptops.core.own_facts import OwnFacts

_LISTED: Final = "https://github.com/BerriAI/litellm/blob/main/model_prices_and_context_window.json"
_HERE: Final = Path(__file__).parent
_PROVIDERS: Final = {
    "azure": "openai",
    "azure-openai": "openai",
    "azure_openai": "openai",
    "gemini": "google",
    "mistral-ai": "mistral",
    "mistralai": "mistral",
    "x-ai": "xai",
    "aws": "bedrock",
    "amazon": "bedrock",
}
"""Other names of a provider -> the one in the table."""
_DEPLOYMENTS: Final = frozenset({"azure", "azure-openai", "azure_openai"})
"""Providers whose names are a customer's: they say which family a model is of at most, and nothing of its end."""
_REGION: Final = re.compile(r"(?:us|eu|apac|au|jp|ca|global|us-gov)\.")
_CLAUDE_ELSEWHERE: Final = frozenset({"bedrock", "vertex", "vertex_ai"})
_CLAUDE: Final = re.compile(r"(?:anthropic[./])?(claude-.+?)(?:-v\d+(?::\d+)?)?")
_FACTS: Final = (
    "context", "output", "successor", "default_effort", "always_thinks", "forced_tools", "sampling", "images",
)  # fmt: skip
_FLAGS: Final = (
    "adaptive_thinking", "one_sampler", "prefill", "thinking_budget", "always_reasons_by_default", "tools_in_chat",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known of a model; None and empty where it is not.

    ``context`` and ``output`` are the most tokens, ``ends`` is the first day on which it is not there any more, and
    ``successor`` what the provider proposes then. ``refuses`` are parameters that its API refuses, and
    ``refuses_while_reasoning`` those that it refuses unless its effort is ``none``. ``efforts`` are those it takes, and
    ``bounds`` the least and the most of parameters. ``tools_in_chat`` is whether chat completions take functions of a
    model that reasons, and ``images`` whether it takes any.
    ``sources`` has the address of each fact, by its name.
    """

    context: int | None = None
    output: int | None = None
    ends: date | None = None
    successor: str = ""
    efforts: tuple[str, ...] = ()
    default_effort: str | None = None
    always_reasons_by_default: bool | None = None
    refuses: frozenset[str] = frozenset()
    refuses_while_reasoning: frozenset[str] = frozenset()
    sampling: bool | None = None
    one_sampler: bool | None = None
    prefill: bool | None = None
    thinking_budget: bool | None = None
    adaptive_thinking: bool | None = None
    always_thinks: bool | None = None
    forced_tools: bool | None = None
    tools_in_chat: bool | None = None
    images: bool | None = None
    roles: tuple[str, ...] = ()
    bounds: Mapping[str, tuple[float | None, float | None]] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)

    def source(self, fact: str) -> str:
        """Returns where a fact is from; empty if it is not known."""
        return self.sources.get(fact, "")


NOTHING: Final = Facts()


def facts_of(model: str, own: OwnFacts | None = None) -> Facts:
    """Returns what is known of ``provider/model``; of an unknown model, and of one without a provider, nothing.

    ``own`` is what the workspace says of it, which counts instead.
    """
    facts = _known(model)
    return facts if own is None else _with_own(facts, own)


def _with_own(facts: Facts, own: OwnFacts) -> Facts:
    stated: dict[str, Any] = dict(own.facts)
    said: dict[str, Any] = {key: stated[key] for key in (*_FACTS, *_FLAGS) if key in stated}
    said |= {key: tuple(stated[key]) for key in ("efforts", "roles") if key in stated}
    for key in ("refuses", "refuses_while_reasoning"):
        said[key] = (getattr(facts, key) - own.names("takes")) | own.names(key)
    said["bounds"] = {name: (each.get("min"), each.get("max")) for name, each in stated.get("bounds", {}).items()}
    if "ends" in stated:
        said["ends"] = own.ends
    named = [f"{key}.{name}" for key in ("refuses", "refuses_while_reasoning") for name in own.names(key)]
    return replace(facts, **said, sources={**facts.sources, **dict.fromkeys((*stated, *named), own.source)})


@lru_cache(maxsize=1024)
def _known(model: str) -> Facts:
    provider, slash, name = model.lower().partition("/")
    if not slash or len(model) > 300:
        return NOTHING
    is_deployment = provider in _DEPLOYMENTS
    provider = _PROVIDERS.get(provider, provider)
    facts = NOTHING
    maker, bare = ("anthropic", claude) if (claude := claude_elsewhere(provider, name)) else (provider, name)
    for family in _families():
        if maker in family["providers"] and family["pattern"].fullmatch(bare):
            facts = _with_family(facts, family)
    row = None if is_deployment else _row(provider, name)
    return facts if row is None else _with_row(facts, row)


def claude_elsewhere(provider: str, name: str) -> str:
    """Returns what Anthropic calls a model of Bedrock or Vertex AI; empty for any other model."""
    if provider not in _CLAUDE_ELSEWHERE:
        return ""
    found = _CLAUDE.fullmatch(_REGION.sub("", name, count=1).replace("@", "-"))
    return found[1] if found else ""


def _row(provider: str, name: str) -> Mapping[str, Any] | None:
    if provider == "bedrock":
        name = _REGION.sub("", name, count=1)
    if provider == "openai" and name.startswith("ft:"):  # a tuned model ends with the one that it is made of
        name = name.split(":")[1]
    return _listed().get(f"{provider}/{name}")


def _with_family(facts: Facts, family: Mapping[str, Any]) -> Facts:
    said = {key: family[key] for key in _FLAGS if key in family}
    sources = dict.fromkeys(said, family["source"])
    for key in ("refuses", "refuses_while_reasoning"):
        names = family.get(key, ())
        sources |= {f"{key}.{name}": family["source"] for name in names}
        said[key] = getattr(facts, key) | frozenset(names)
    if "roles" in family:
        said["roles"], sources["roles"] = tuple(family["roles"]), family["source"]
    return replace(facts, **said, sources={**facts.sources, **sources})


def _with_row(facts: Facts, row: Mapping[str, Any]) -> Facts:
    said = {key: row[key] for key in (*_FACTS, *_FLAGS) if key in row}
    if "ends" in row:
        said["ends"] = date.fromisoformat(row["ends"])
    if "efforts" in row:
        said["efforts"] = tuple(row["efforts"])
    sources = {**facts.sources, **dict.fromkeys(said, row["address"])}
    if "images" in said:  # of which the provider's page that the row names need not say anything
        sources["images"] = _LISTED
    return replace(facts, **said, sources=sources)


@lru_cache(maxsize=1)
def _families() -> tuple[Mapping[str, Any], ...]:
    document = json.loads((_HERE / "families.json").read_text(encoding="utf-8"))
    return tuple({**family, "pattern": re.compile(family["models"])} for family in document["families"])


@lru_cache(maxsize=1)
def _listed() -> Mapping[str, Mapping[str, Any]]:
    document = json.loads((_HERE / "listed.json").read_text(encoding="utf-8"))
    addresses = [source[0] for source in document["sources"]]
    return {name: {**row, "address": addresses[row["source"]]} for name, row in document["models"].items()}
