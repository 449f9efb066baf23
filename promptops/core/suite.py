"""A prompt's own suite: the cases and evaluators of its file, stored beside the release and not in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from promptops.core.model import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One case of a suite: values for the variables, and the expected answer, if any."""

    variables: Mapping[str, Json]
    expected: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluator:
    """How an answer is judged: ``kind`` is ``string``, ``llm``, ``uses`` or ``unknown``; ``settings`` as in the
    file.
    """

    name: str
    kind: str
    settings: Mapping[str, Json]


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """The cases and evaluators of a prompt file (``testData``, ``evaluators``). Not part of the digest."""

    cases: tuple[Case, ...] = ()
    evaluators: tuple[Evaluator, ...] = ()
