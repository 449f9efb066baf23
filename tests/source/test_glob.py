"""Globs of `apps:`: what they match, and that stars cost nothing."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptops.source.glob import matches


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("apps/*", ["apps/bot"], ["apps", "apps/a/b", "other/bot"]),
        ("*", ["bot"], ["a/b"]),
        ("**", ["a", "a/b/c"], []),
        ("apps/**", ["apps/a", "apps/a/b"], ["apps"]),
        ("**/bot", ["a/bot", "a/b/bot"], ["bot", "a/bots"]),
        ("a/**/b/**/c", ["a/x/b/y/c", "a/x/y/b/z/c", "a/b/b/b/c"], ["a/b/c", "a/x/b/c"]),
        ("?ot", ["bot"], ["ot", "boot"]),
        ("b*t", ["bt", "boat"], ["boats"]),
        ("*a*b*", ["ab", "xaxbx"], ["ba"]),
        ("*ab*ab", ["abab", "xabxab"], ["ab", "xab"]),
        ("*?a", ["ba", "aa"], ["a"]),
        ("a.b", ["a.b"], ["axb"]),
    ],
)
def test_a_glob_matches_whole_folders(pattern: str, yes: list[str], no: list[str]) -> None:
    assert [path for path in yes + no if matches(pattern, path)] == yes


@given(st.text("ab*?/", max_size=12), st.text("ab/", min_size=1, max_size=12))
def test_a_glob_matches_what_trying_everything_matches(pattern: str, path: str) -> None:
    assert matches(pattern, path) == _slowly(pattern.split("/"), path.split("/"))


@pytest.mark.parametrize("pattern", ["*a" * 100 + "b", "*" * 100_000 + "b", "**/" * 50_000 + "b", "?*" * 100 + "b"])
def test_stars_take_no_time(pattern: str) -> None:
    began = time.process_time()
    assert not matches(pattern, "a" * 200)
    assert not matches(pattern, "/".join("a" * 100))
    assert time.process_time() - began < 5  # without a bound it is for ever


def _slowly(steps: list[str], names: list[str]) -> bool:
    if not steps or not names:
        return not steps and not names
    if steps[0] == "**":
        return any(_slowly(steps[1:], names[count:]) for count in range(1, len(names) + 1))
    return _slow_step(steps[0], names[0]) and _slowly(steps[1:], names[1:])


def _slow_step(step: str, name: str) -> bool:
    if step[:1] == "*":
        return any(_slow_step(step[1:], name[count:]) for count in range(len(name) + 1))
    if not step or not name:
        return not step and not name
    return step[0] in ("?", name[0]) and _slow_step(step[1:], name[1:])
