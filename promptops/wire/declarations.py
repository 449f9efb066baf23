"""What an app declares of its calls  <->  JSON in ``extensions`` of its entry in a snapshot.

::

    {"outcomes": {"names": ["ticket_resolved"], "tags": {"language": ["de", "en"]},
                  "scores": {"helpful": {"pass_at": 0.5}, "tone": {}}, "capture": "variables"}}

What is not declared is left out. Reading is lenient, as of every extension: a part that a reader does not understand is
as if it were not declared, since no declaration may keep a client from a release.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, TypeVar

from promptops.core.declarations import NOTHING, WHOLE, Capture, Declarations, DeclaredScore, Tag
from promptops.core.errors import Invalid
from promptops.core.model import Json

DECLARED: Final = "outcomes"
T = TypeVar("T")


def declarations_to_json(declared: Declarations) -> dict[str, Json]:
    """Returns what clients have to know, without what is not declared; empty if nothing is."""
    if declared is NOTHING:
        return {}
    parts: dict[str, Json] = {
        "names": list(declared.outcomes),
        "tags": {tag.name: list(tag.values) for tag in declared.tags},
        "scores": {score.name: _score_to_json(score) for score in declared.scores},
        "capture": "" if declared.capture is Capture.OFF else declared.capture.value,
    }
    return {name: part for name, part in parts.items() if part}


def _score_to_json(score: DeclaredScore) -> Json:
    if score.passes_from is None:
        return {}
    return {"pass_at": 1 if score.passes_from == WHOLE else score.passes_from / WHOLE}


def declarations_from_json(extensions: Json) -> Declarations:
    """Returns what the extensions of an app's entry declare; nothing where there are none."""
    document = extensions.get(DECLARED) if isinstance(extensions, Mapping) else None
    if not isinstance(document, Mapping):
        return NOTHING
    names, tags, scores = document.get("names"), document.get("tags"), document.get("scores")
    no_names: tuple[str, ...] = ()
    no_tags: tuple[Tag, ...] = ()
    no_scores: tuple[DeclaredScore, ...] = ()
    return _understood(
        lambda: Declarations(
            outcomes=_understood(lambda: tuple(sorted(_texts(names))), no_names),
            tags=_understood(lambda: tuple(_tag(name, each) for name, each in _sorted(tags)), no_tags),
            scores=_understood(lambda: tuple(_score(name, each) for name, each in _sorted(scores)), no_scores),
            capture=Capture.VARIABLES if document.get("capture") == Capture.VARIABLES.value else Capture.OFF,
        ),
        NOTHING,
    )


def _understood(read: Callable[[], T], otherwise: T) -> T:
    try:
        return read()
    except (Invalid, TypeError, ValueError, OverflowError):
        return otherwise


def _sorted(value: Json) -> list[tuple[str, Json]]:
    if value is not None and not isinstance(value, Mapping):
        raise TypeError("not an object")
    return sorted((value or {}).items(), key=lambda item: item[0])


def _texts(value: Json) -> list[str]:
    if not isinstance(value, list):
        raise TypeError("not a list")
    return [text for text in value if isinstance(text, str)]


def _tag(name: str, values: Json) -> Tag:
    return Tag(name=name, values=tuple(sorted(_texts(values))))


def _score(name: str, value: Json) -> DeclaredScore:
    least = value.get("pass_at") if isinstance(value, Mapping) else None
    if least is None:
        return DeclaredScore(name=name)
    if isinstance(least, bool) or not isinstance(least, int | float):
        raise TypeError("not a number")
    return DeclaredScore(name=name, passes_from=round(least * WHOLE))
