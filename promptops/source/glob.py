"""Globs of ``apps:``: ``*`` and ``?`` stay in one step of a path, ``**`` is one or more steps.

The text between two stars is matched at the first place where it fits, which is right for a star: no place is tried
twice, so the time is that of comparing the texts, however many stars there are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TypeVar

_GLOB = re.compile(r"[*?]")
_T = TypeVar("_T")


def is_glob(pattern: str) -> bool:
    """Returns whether a pattern has wildcards."""
    return _GLOB.search(pattern) is not None


def matches(pattern: str, path: str) -> bool:
    """Returns whether the glob matches the whole path."""
    steps = pattern.split("/")
    names = path.split("/")
    if len(steps) > len(names):
        return False
    groups: list[list[str]] = [[]]
    for step in steps:
        if step == "**":
            groups.append([])
        else:
            groups[-1].append(step)
    # A `**` takes one step at least: it is a star between groups, and one step that anything fits.
    return _fits([groups[0], *(["*", *group] for group in groups[1:])], names, _fits_step)


def _fits_step(step: str, name: str) -> bool:
    if "*" not in step and "?" not in step:
        return step == name
    if len(step) - step.count("*") > len(name):
        return False
    return _fits(step.split("*"), name, lambda char, other: char in ("?", other))


def _fits(groups: Sequence[Sequence[_T]], whole: Sequence[_T], same: Callable[[_T, _T], bool]) -> bool:
    """True where the groups stand in this order in the whole, the first at its begin and the last at its end."""
    first, last = groups[0], groups[-1]
    if len(groups) == 1:
        return len(first) == len(whole) and _stands(first, whole, 0, same)
    end = len(whole) - len(last)
    if end < len(first) or not _stands(first, whole, 0, same) or not _stands(last, whole, end, same):
        return False
    position = len(first)
    for group in groups[1:-1]:
        while position + len(group) <= end and not _stands(group, whole, position, same):
            position += 1
        position += len(group)
        if position > end:
            return False
    return True


def _stands(group: Sequence[_T], whole: Sequence[_T], position: int, same: Callable[[_T, _T], bool]) -> bool:
    return all(same(one, whole[position + index]) for index, one in enumerate(group))
