"""An error  <->  ``application/problem+json`` (RFC 9457, https://www.rfc-editor.org/rfc/rfc9457).

::

    {"type": "about:blank", "title": "Conflict", "status": 409, "detail": "support-bot:prod is at revision 8, …",
     "code": "concurrent-deployment", "kind": "Conflict", "hint": "Look first: read the history of support-bot on prod",
     "facts": {"expected": 7, …}, "advice": [{"text": "read the history of support-bot on prod", "action": "history",
     "arguments": {"app": "support-bot", "channel": "prod"}, "method": "GET", "path": "/v1/channels/prod/…"}]}

``code`` names the class; a reader raises that class again, with the same message, hint and facts. An unknown code
becomes the error of its kind. Invisible characters in its texts are escaped.

``hint`` is plain words. ``advice``, where there is any, names the parts of it that are an action, so that each face can
word them: ``text`` is the part of the hint, ``method`` and ``path`` are its route, if it has one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from promptops.core import errors, kinds
from promptops.core.advice import Action, Advice, Argument, Sentence
from promptops.core.errors import PromptopsError
from promptops.core.escape import visible
from promptops.core.model import Json

MEDIA_TYPE = "application/problem+json"

_MOST = 5_000
"""Characters of a text of a server that are shown; messages of promptops are shorter."""

_ACTIONS = frozenset(action.value for action in Action)
_OWN = frozenset({"message", "hint", "findings", "verdicts"})


_STATUS: Final[Mapping[type[PromptopsError], int]] = {
    errors.Invalid: 422,
    errors.RequestTooLarge: 413,
    errors.MediaTypeNotTaken: 415,
    errors.HostNotServed: 421,
    errors.NotFound: 404,
    errors.MethodNotAllowed: 405,
    errors.Conflict: 409,
    errors.Refused: 403,
    errors.NotAuthenticated: 401,
    errors.Unavailable: 503,
    errors.TooManyRequests: 429,
    PromptopsError: 500,
}
"""The status of each kind of error, and of a few that HTTP has a status of its own for (RFC 9110)."""


def status_of(kind: type[PromptopsError]) -> int:
    """Returns the HTTP status of a class of errors."""
    return next(_STATUS[base] for base in kind.__mro__ if base in _STATUS)


def _unlinked(advice: Advice) -> Mapping[str, Json]:
    return {}


def to_problem(error: PromptopsError, link: Callable[[Advice], Mapping[str, Json]] = _unlinked) -> dict[str, Json]:
    """Returns the document of an error; ``link`` adds the route to each advice."""
    facts = {name: value for name, value in vars(error).items() if name not in _OWN and _is_fact(value)}
    document: dict[str, Json] = {
        "type": "about:blank",
        "title": error.kind,
        "status": status_of(type(error)),
        "detail": error.message,
        "code": error.code,
        "kind": error.kind,
        "hint": error.hint,
        "facts": {name: list(value) if isinstance(value, tuple) else value for name, value in facts.items()},
    }
    advice = [{**advice_to_json(advice), **link(advice)} for advice in error.advice]
    return document | ({"advice": advice} if advice else {})


def advice_to_json(advice: Advice) -> dict[str, Json]:
    """Returns an advice as an answer names it: its words, its action and its arguments."""
    arguments = {name: list(value) if isinstance(value, tuple) else value for name, value in advice.arguments.items()}
    return {"text": advice.words, "action": advice.action.value, "arguments": arguments}


def from_problem(document: Mapping[str, Json], *, status: int) -> PromptopsError:
    """Returns the error in a document; for an unknown code, an error of its kind, or of its status."""
    code, kind = document.get("code"), document.get("kind")
    by_name = _BY_CODE.get(code if isinstance(code, str) else "") or _KINDS.get(kind if isinstance(kind, str) else "")
    chosen = by_name or _by_status(status)
    error = chosen.__new__(chosen)
    detail, hint = document.get("detail"), document.get("hint")
    message = detail if isinstance(detail, str) else f"the server answered {status}"
    PromptopsError.__init__(error, _shown(message), hint=read_hint(str(hint or ""), document.get("advice")))
    facts = document.get("facts")
    for name, value in (facts if isinstance(facts, Mapping) else {}).items():
        fact = (
            tuple(_shown(item) if isinstance(item, str) else item for item in value)
            if isinstance(value, list)
            else value
        )
        # Attributes of the class, such as its exit code, are not a server's to set.
        if name.isidentifier() and name[0] != "_" and not hasattr(error, name) and _is_fact(fact):
            setattr(error, name, _shown(fact) if isinstance(fact, str) else fact)
    if isinstance(error, errors.NotFound) and "known" not in vars(error):
        error.known = ()
    return error


def read_hint(text: str, advice: object) -> str:
    """Returns a hint that a server sent, with the advice whose words it contains; other text stays plain."""
    hint = _shown(text)
    parts: list[str | Advice] = []
    for entry in advice if isinstance(advice, list) else []:
        known = _read_advice(entry)
        before, words, after = hint.partition(known.words) if known else (hint, "", "")
        if known and words:
            parts += [before, known]
            hint = after
    return Sentence(*parts, hint) if parts else hint


def _read_advice(entry: object) -> Advice | None:
    if not isinstance(entry, Mapping):
        return None
    words, action, arguments = entry.get("text"), entry.get("action"), entry.get("arguments")
    if not isinstance(words, str) or not isinstance(action, str) or not isinstance(arguments, Mapping):
        return None
    texts = {name: _argument(value) for name, value in arguments.items()}
    if not words or action not in _ACTIONS or not all(texts.values()) or "words" in texts:
        return None
    return Advice(Action(action), words=_shown(words), **texts)


def _argument(value: Json) -> Argument:
    """Returns an argument from a server: a name or several; empty for anything else."""
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return tuple(_shown(str(item)) for item in value)
    return _shown(value) if isinstance(value, str) else ""


def _shown(text: str) -> str:
    """Returns a server's text in one line, since a line break could begin a line that looks like ours."""
    return visible(text) if len(text) <= _MOST else visible(text[:_MOST]) + "…"


def _is_fact(value: object) -> bool:
    return isinstance(value, bool | int | str) or (
        isinstance(value, tuple) and all(isinstance(item, str) for item in value)
    )


def _tree(root: type[PromptopsError]) -> Iterator[type[PromptopsError]]:
    yield root
    for leaf in root.__subclasses__():
        yield from _tree(leaf)


def _code(kind: type[PromptopsError]) -> str:
    return PromptopsError.code.fget(kind.__new__(kind))  # type: ignore[attr-defined, no-any-return]


_KINDS = {kind.__name__: kind for kind in PromptopsError.__subclasses__() if kind.__module__ == kinds.__name__}
_BY_CODE = {
    _code(found): found
    for kind in _KINDS.values()
    for found in _tree(kind)
    if found in (kind, vars(errors).get(found.__name__)) and found is not errors.SourceInvalid
}


def _by_status(status: int) -> type[PromptopsError]:
    by_status = {401: errors.NotAuthenticated, 429: errors.TooManyRequests}
    known = {status_of(kind): kind for kind in _KINDS.values()}
    return by_status.get(status) or known.get(status) or (errors.Invalid if status < 500 else errors.Unavailable)
