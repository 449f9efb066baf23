"""Reads a judge: an ``llm`` evaluator with its choices, or ``uses: github/…``. Says what will go wrong with it.

The model is the ``modelId``: a name of ``judges:`` in app.yml, or ``provider/model``. For ``github/…`` it may also be
the judge named ``github`` there. There is never a default.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from promptops.core.floating_models import is_floating
from promptops.core.model import Json
from promptops.core.suite.github import NAMES, PREFIX, VARIABLES, github_judge
from promptops.core.suite.judge import Choice, Judge, ambiguities
from promptops.core.template.simple import TagKind, each_tag
from promptops.source.app_file import FLOATING_HINT, Pin
from promptops.source.text.fields import Fields
from promptops.source.text.findings import Near, short

GITHUB = "github"
"""The judge of ``judges:`` that is the model of ``uses: github/…``."""

LLM_KEYS = ("modelId", "systemPrompt", "prompt", "choices")

MAX_CHOICES = 50
"""Choices of one judge: each is compared with each other, and no model tells more of them apart."""


def llm_problem(value: Json) -> str:
    """Returns why an ``llm`` evaluator cannot be run; empty if it can."""
    if not isinstance(value, Mapping):
        return "'llm' must be a mapping"
    missing = [key for key in ("modelId", "prompt") if not isinstance(value.get(key), str)]
    if missing:
        return f"'llm' needs '{missing[0]}' as text"
    choices = value.get("choices")
    if not (isinstance(choices, list) and choices and all(_is_choice(choice) for choice in choices)):
        return "'choices' must be a list of {choice, score}"
    if len(choices) > MAX_CHOICES:
        return f"a judge has at most {MAX_CHOICES} choices"
    return "" if all(0 <= choice["score"] <= 1 for choice in choices) else "a score must be from 0 to 1"


def read_llm(fields: Fields, judges: Mapping[str, Pin], *, has_pass_at: bool) -> Judge:
    """Returns the judge of an ``llm`` evaluator that :func:`llm_problem` has nothing to say about."""
    model, parameters = _model(fields, str(fields.value["modelId"]), judges)
    choices = tuple(Choice(text=_choice(item), score=item.value["score"]) for item in fields.each("choices"))  # type: ignore[arg-type]
    if reasons := list(ambiguities(choices)):
        message = f"an answer of the judge may name two choices: {'; '.join(reasons[:3])}{'; …' if reasons[3:] else ''}"
        hint = "Let each choice be a word of its own, and none a word of another one."
        fields.add("ambiguous-choices", "choices", message, hint)
    if len({choice.score for choice in choices}) > 2 and not has_pass_at:
        message = "more than two scores, and no `passAt` says which of them pass: those from 0.5 on do"
        fields.add("pass-at-missing", "choices", message, "passAt: 0.5 beside `llm`, or the score that you mean.")
    return Judge(
        model=model,
        parameters=parameters,
        system_prompt=fields.written("systemPrompt") or "",
        prompt=str(fields.value["prompt"]),
        choices=choices,
    )


def read_github(fields: Fields, name: str, judges: Mapping[str, Pin]) -> Judge | None:
    """Returns the judge of ``uses: github/…``; None if the evaluator does not exist or has no model."""
    if name not in NAMES:
        fields.add("github-unknown", "uses", f"there is no evaluator '{name[:80]}'", Near(name, NAMES, "There are"))
        return None
    given = fields.text("modelId")
    if given is None and GITHUB not in judges:
        hint = f"`judges: {{{GITHUB}: provider/model-and-date}}` in app.yml, or `modelId` beside `uses`."
        fields.add("judge-missing", "uses", f"no model judges '{short(name)}', so it cannot be run", hint)
        return None
    model, parameters = _model(fields, given or GITHUB, judges)
    return github_judge(name, model, parameters)


def unknown_variables(fields: Fields, known: Collection[str]) -> None:
    """Reports each tag of a judge's prompt that no case has a value for: the judge would read it as it stands."""
    inner = fields.value.get("llm")
    prompt = inner.get("prompt") if isinstance(inner, Mapping) else None
    names: tuple[str, ...] = ()
    for tag in each_tag(prompt) if isinstance(prompt, str) else ():
        name = tag.name.partition(".")[0]
        if tag.kind is not TagKind.VARIABLE or name in known or name in VARIABLES:
            continue
        if fields.report.has_room("judge-variable"):
            names = names or (*sorted(known), *VARIABLES)
            offset = fields.document.inside((*fields.path, "llm", "prompt"), tag.start)
            hint = Near(name, names, "There are")
            fields.report.add("judge-variable", offset, f"no case has a value for '{short(name)}'", hint)


def is_github(name: str) -> bool:
    """Returns whether ``uses`` names one of GitHub's evaluators, or tries to."""
    return name.lower().startswith(PREFIX)


def _model(fields: Fields, name: str, judges: Mapping[str, Pin]) -> tuple[str, Mapping[str, Json]]:
    if name in judges:
        return judges[name].model, judges[name].parameters
    if is_floating(name):
        hint = Near(name, judges, otherwise=FLOATING_HINT) if "/" not in name else FLOATING_HINT
        message = f"the judge '{name[:80]}' is a floating alias: its scores change when the provider moves it"
        fields.add("floating-model", "modelId", message, hint)
    return name, {}


def _is_choice(value: Json) -> bool:
    if not isinstance(value, Mapping):
        return False
    return isinstance(value.get("choice"), str | int | float) and type(value.get("score")) in (int, float)


def _choice(item: Fields) -> str:
    return item.written("choice") or ""
