"""The tree drawn in the docstring of core/errors.py is the tree there is."""

from __future__ import annotations

import re

import pytest

from promptops.cli.exit import EXIT_CODES
from promptops.core import errors
from promptops.wire.problem import status_of

_ROW = re.compile(r"^(?P<stem>(?:│   |    )*)[├└]── (?P<name>\w+)(?P<rest>.*)$")
_KIND = re.compile(r"\s+(?P<status>\d{3})\s+exit (?P<exit>\d)\b")


def _drawn() -> dict[str, tuple[str, str]]:
    """Each drawn class: the name it hangs from, and what stands behind it."""
    found: dict[str, tuple[str, str]] = {}
    parents = ["PromptopsError"]
    for line in (errors.__doc__ or "").splitlines():
        if match := _ROW.match(line.removeprefix("    ")):
            depth = len(match["stem"]) // 4 + 1
            parents[depth:] = [match["name"]]
            found[match["name"]] = (parents[depth - 1], match["rest"])
    return found


def _real() -> dict[str, type[errors.PromptopsError]]:
    found: dict[str, type[errors.PromptopsError]] = {}
    waiting = [errors.PromptopsError]
    while waiting:
        for leaf in waiting.pop().__subclasses__():
            if leaf.__module__.startswith("promptops.core."):
                found[leaf.__name__] = leaf
                waiting.append(leaf)
    return found


def test_the_drawn_tree_is_the_real_tree() -> None:
    assert {name: parent for name, (parent, _) in _drawn().items()} == {
        name: leaf.__mro__[1].__name__ for name, leaf in _real().items()
    }


def test_kinds_are_drawn_with_their_status_and_exit_code() -> None:
    drawn = {name: match for name, (_, rest) in _drawn().items() if (match := _KIND.match(rest))}
    assert {name: (int(match["status"]), int(match["exit"])) for name, match in drawn.items()} == {
        leaf.__name__: (status_of(leaf), EXIT_CODES[leaf.kind]) for leaf in errors.PromptopsError.__subclasses__()
    }


@pytest.mark.parametrize("leaf", _real().values(), ids=lambda leaf: leaf.__name__)
def test_every_error_says_in_its_docstring_what_it_means(leaf: type[errors.PromptopsError]) -> None:
    assert leaf.__doc__


def test_codes_are_unique_and_in_kebab_case() -> None:
    codes = [re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower() for name in _real()]
    assert len(set(codes)) == len(codes)
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", code) for code in codes)
