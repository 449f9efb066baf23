"""Who wrote what: the people of the commits that touched a folder.

Names and addresses are given as the commits have them, and as ``.mailmap`` maps them where that differs: a mapping adds
an address and cannot hide one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from promptops.core.errors import GitUnavailable
from promptops.core.person import Marks, marks_of
from promptops.source.git.process import Begin

MOST: Final = 500
"""People of one release that are kept, those of the newest commits first: a first release may have a long history."""

_LONGEST: Final = 300
"""Characters of a name with its address."""

_FORMAT: Final = "--format=%an <%ae>%x00%aN <%aE>%x00%cn <%ce>%x00%cN <%cE>%x00%B"
_FIELDS: Final = 5
_CO_AUTHOR: Final = re.compile(
    r"^[ \t]*co-(?:authored|developed)-by[ \t]*:[ \t]*(\S.*(?:\n[ \t]+\S.*)*)$", re.IGNORECASE | re.MULTILINE
)
"""A trailer that names a co-author, as GitHub and GitLab know it and as Linux does; git folds long ones."""
_COMMIT: Final = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")


def authors(begin: Begin, sha: str, *paths: str, since: str = "") -> tuple[str, ...]:
    """Returns the authors, committers and co-authors of the commits up to ``sha`` that touched one of these folders.

    Those are the commits that ``since`` does not lead to; all of them where it is no commit of this repository. Each
    person is ``Name <mail>``, once.

    Raises:
        GitUnavailable: git cannot list them.
    """
    walk = ("log", "-z", "--full-history", _FORMAT, sha)
    below = ("--", *(path or "." for path in paths))
    result = begin(*walk, f"^{since}", *below).answer() if _COMMIT.fullmatch(since) else None
    if result is None or result.code:
        result = begin(*walk, *below).answer()
    if result.code:
        raise GitUnavailable(f"git log failed: {result.err or f'exit code {result.code}'}")
    fields = result.out.decode("utf-8", "replace").rstrip("\0").split("\0")
    commits = [fields[start : start + _FIELDS] for start in range(0, len(fields) - _FIELDS + 1, _FIELDS)]
    return tuple(_each_once(_people(begin, commits)))[:MOST]


def _people(begin: Begin, commits: Iterable[list[str]]) -> Iterator[str]:
    beside: dict[str, None] = {}
    for *named, message in commits:
        yield from named
        beside.update(dict.fromkeys(" ".join(found.split()) for found in _CO_AUTHOR.findall(message)))
    yield from beside
    yield from _mapped(begin, [person for person in beside if person.endswith(">") and "<" in person])


def _mapped(begin: Begin, people: list[str]) -> Iterator[str]:
    """People of trailers, which git does not map by itself, as ``.mailmap`` has them."""
    if people:
        result = begin("check-mailmap", "--stdin").answer("".join(f"{person}\n" for person in people).encode())
        yield from result.out.decode("utf-8", "replace").splitlines() if not result.code else ()


def _each_once(people: Iterable[str]) -> Iterator[str]:
    seen: Marks = frozenset()
    for person in (" ".join(each.split())[:_LONGEST] for each in people):
        marks = marks_of(person)
        if not marks <= seen and person != "<>":
            seen |= marks
            yield person
