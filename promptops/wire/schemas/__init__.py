"""JSON Schemas (2020-12) of everything that promptops writes for others to read.

The formats of files, snapshots, events, heartbeats, outcomes and errors are written by hand, in the files beside this
module. The schemas of the documents of :mod:`promptops.wire.documents` follow from their classes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import is_dataclass
from functools import cache
from importlib import import_module
from importlib.resources import files
from typing import Any, Final

from promptops.wire.codec import schema_of

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

_MODULES: Final = (
    "approvals",
    "audit",
    "channels",
    "ci",
    "commands",
    "deployments",
    "evidence",
    "gates",
    "measured",
    "models",
    "outcome_reports",
    "outcomes",
    "registry",
    "releases",
    "tokens",
    "why",
)


@cache
def schemas() -> Mapping[str, Mapping[str, Any]]:
    """Returns every schema by its name: ``snapshot-1``, ``deployed``."""
    return dict(sorted([*_of_formats(), *_of_documents()]))


def _of_formats() -> Iterator[tuple[str, Mapping[str, Any]]]:
    for file in files(__name__).iterdir():
        if file.name.endswith(".json"):
            yield file.name.removesuffix(".json"), json.loads(file.read_text("utf-8"))


def _of_documents() -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name in _MODULES:
        module = import_module(f"promptops.wire.documents.{name}")
        for kind in vars(module).values():
            if is_dataclass(kind) and isinstance(kind, type) and kind.__module__ == module.__name__:
                noun = _slug(kind.__name__.removesuffix("Document"))
                description = " ".join((kind.__doc__ or "").split())
                yield (
                    noun,
                    {
                        "$schema": DIALECT,
                        "$id": f"urn:promptops:{noun}",
                        "description": description,
                        **schema_of(kind),
                    },
                )


def _slug(name: str) -> str:
    """``LoadFailure`` -> ``load-failure``."""
    return "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("-")
