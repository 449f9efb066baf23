"""Of git's variables, only those that say how a remote is reached, and where a user's settings are, reach git."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from promptops.source.git.environment import KEPT, environment, protocols
from tests.support.checkout import ROOT


def test_only_what_is_listed_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*KEPT, "GIT_DIR", "GIT_ANYTHING", "HTTPS_PROXY", "SSH_ASKPASS"):
        monkeypatch.setenv(name, "theirs")
    given = environment()
    theirs = {name for name, value in given.items() if value == "theirs"}
    assert theirs == {*KEPT, "HTTPS_PROXY", "SSH_ASKPASS"}


def test_settings_of_the_environment_come_before_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CONFIG_COUNT", "2")
    for number, (key, value) in enumerate([("http.proxy", "http://proxy"), ("core.hooksPath", "theirs")]):
        monkeypatch.setenv(f"GIT_CONFIG_KEY_{number}", key)
        monkeypatch.setenv(f"GIT_CONFIG_VALUE_{number}", value)
    given = environment({"remote.a=b.url": "x", "filter.lfs.clean": "x", "hook.a.b.command": "x"})
    pairs = [
        (given[f"GIT_CONFIG_KEY_{number}"], given[f"GIT_CONFIG_VALUE_{number}"])
        for number in range(int(given["GIT_CONFIG_COUNT"]))
    ]
    assert pairs[:2] == [("http.proxy", "http://proxy"), ("core.hooksPath", "theirs")]
    last = dict(pairs)
    assert last["core.hooksPath"] == "/dev/null"
    assert (last["filter.lfs.clean"], last["hook.a.b.enabled"], last["remote.a=b.mirror"]) == ("", "false", "false")


@pytest.mark.parametrize("count", ["", "x", "-1", "99999999", "٣"])
def test_a_count_that_is_none_counts_nothing(monkeypatch: pytest.MonkeyPatch, count: str) -> None:
    without = environment()["GIT_CONFIG_COUNT"]
    monkeypatch.setenv("GIT_CONFIG_COUNT", count)
    assert environment()["GIT_CONFIG_COUNT"] == without


def test_commands_of_remotes_are_never_among_the_protocols(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "ext" not in protocols()
    monkeypatch.setenv("GIT_ALLOW_PROTOCOL", "https:ext::codecommit")
    assert protocols() == ("https", "codecommit")


def test_the_pages_list_what_reaches_git() -> None:
    text = Path(ROOT / "docs/operations.md").read_text(encoding="utf-8")
    section = text.partition("### What reaches git")[2].partition("\n## ")[0]
    listed = re.findall(r"GIT_\w+\*?", section)
    shown = [name for name in KEPT if not any(re.fullmatch(each.replace("*", r"\w*"), name) for each in listed)]
    assert shown == []
