"""Searches with users' regular expressions through RE2, in time that grows only with the text, for every pattern.

A ``pattern`` of JSON Schema has the syntax of ECMAScript and may match anywhere in the text. RE2 supports nearly all of
it; patterns that have no linear time (lookaround, backreferences) are not evaluated:
https://github.com/google/re2/wiki/Syntax. re2 is imported for the first pattern only, because most schemas have none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final, TypeAlias

from promptops.core.errors import ExtraMissing
from promptops.core.limits import PATTERN
from promptops.core.model import Json

MEMORY: Final = 256 << 10
"""Bytes of one compiled pattern: enough for patterns that people write, and 100 of a release stay below 26 MB."""

Search: TypeAlias = Callable[[str], bool]
"""Returns whether a text contains the pattern."""

_ESCAPE = re.compile(r"\\(?:u\{([0-9A-Fa-f]{1,6})\}|u([0-9A-Fa-f]{4})|.)", re.DOTALL)
_BROKEN = ("missing ", "unexpected )", "trailing \\", "no argument for repetition operator")
_NAMES = {
    "(?=": "a lookahead `(?=`",
    "(?!": "a lookahead `(?!`",
    "(?<": "a lookbehind `(?<`",
    "(?P": "a backreference `(?P=`",
    "(?>": "an atomic group `(?>`",
    "(?(": "a condition `(?(`",
}
_LOOKBEHINDS = {"(?<=": "a lookbehind `(?<=`", "(?<!": "a lookbehind `(?<!`"}


def search_of(pattern: str) -> Search | None:
    """Compiles a pattern into a search; None if RE2 does not support it.

    Raises:
        ExtraMissing: google-re2 is not installed.
    """
    return _compile(pattern)[0]


def refusal(pattern: str) -> str:
    """Names the construct of a pattern that RE2 does not support; empty if it supports the pattern.

    Raises:
        ExtraMissing: google-re2 is not installed.
    """
    return _compile(pattern)[1]


def broken(pattern: str) -> str:
    """Returns the problem of a text that is not a regular expression in any dialect; empty for all others.

    Raises:
        ExtraMissing: google-re2 is not installed.
    """
    problem = refusal(pattern)
    return problem if problem.startswith(_BROKEN) else ""


def is_mixed(schema: Json) -> bool:
    """Returns whether a schema has both keywords: jsonschema evaluates one with patterns of the other."""
    return all(has_keyword(schema, frozenset({name})) for name in ("unevaluatedProperties", "patternProperties"))


def has_keyword(schema: Json, names: frozenset[str]) -> bool:
    """Returns whether one of the names is a key anywhere in the schema."""
    pending = [schema]
    while pending:
        item = pending.pop()
        if isinstance(item, Mapping):
            if not names.isdisjoint(item):
                return True
            pending += item.values()
        elif isinstance(item, list | tuple):
            pending += item
    return False


@lru_cache(maxsize=256)
def _compile(pattern: str) -> tuple[Search | None, str]:
    try:
        import re2
    except ImportError as error:
        raise ExtraMissing("a schema with a `pattern` needs google-re2", hint="pip install google-re2") from error
    if len(pattern) > PATTERN:
        return None, f"more than {PATTERN:,} characters"
    options = re2.Options()
    options.log_errors = False
    options.max_mem = MEMORY
    try:
        compiled = re2.compile(_as_re2(pattern), options)
    except (re2.error, UnicodeEncodeError) as error:
        return None, _construct(error)

    def search(text: str) -> bool:
        try:
            return compiled.search(text) is not None
        except UnicodeEncodeError:  # a pattern cannot match half of a surrogate pair
            return False

    return search, ""


def _as_re2(pattern: str) -> str:
    r"""The pattern with ECMAScript's ``\u00e9`` written as RE2 does: ``\x{00e9}``."""
    if "\\u" not in pattern:
        return pattern
    return _ESCAPE.sub(lambda match: f"\\x{{{match[1] or match[2]}}}" if match[1] or match[2] else match[0], pattern)


def _construct(error: Exception) -> str:
    message = error.args[0] if error.args else ""
    text = message.decode("utf-8", "replace") if isinstance(message, bytes) else str(message)
    kind, _, what = text.partition(": ")
    if kind.startswith("pattern too large"):
        return f"more than {MEMORY >> 10} KiB once it is compiled"
    if kind == "invalid escape sequence" and what[1:2].isdigit():
        return f"a backreference `{what[:20]}`"
    return _LOOKBEHINDS.get(what[:4]) or _NAMES.get(what[:3]) or f"{kind} `{what[:40]}`"
