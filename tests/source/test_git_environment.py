"""Of git's variables, only those that say how a remote is reached, and where a user's settings are, reach git."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from promptops.source.git.environment import FETCH, KEPT, environment, protocols
from tests.support import factory
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


def test_git_takes_no_folder_for_a_bare_repository_by_itself(tmp_path: Path) -> None:
    factory.git(tmp_path, "init", "--quiet", "--bare", "inside")
    assert "safe.bareRepository" in _run(tmp_path / "inside", "rev-parse", "--git-dir").stderr
    named = _run(tmp_path, f"--git-dir={tmp_path}/inside", "rev-parse", "--git-dir")
    assert named.stdout.strip() == f"{tmp_path}/inside"


def test_a_fetch_deletes_nothing_whatever_the_settings_say(tmp_path: Path) -> None:
    here, there = factory.make_workspace(tmp_path / "here"), factory.make_workspace(tmp_path / "there")
    factory.git(here, "remote", "add", "origin", str(there))
    for name in ("fetch.prune", "fetch.pruneTags", "remote.origin.prune", "remote.origin.pruneTags"):
        factory.git(here, "config", name, "true")
    factory.git(here, "tag", "mine")
    factory.git(there, "tag", "theirs")
    _run(here, "fetch", *FETCH, "origin", "refs/tags/*:refs/tags/*")
    assert factory.git(here, "tag").split() == ["mine", "theirs"]


def _run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["git", *arguments]
    return subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, check=False)


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
