"""docs/teams.md works: what it types is typed here, line by line, with two repositories and one registry."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from promptops.store import Registry
from tests.cli.conftest import Promptops, promptops, registry
from tests.support import factory
from tests.support.checkout import ROOT

__all__ = ["promptops", "registry"]

GUIDE = (ROOT / "docs" / "teams.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```sh\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
TYPED = [line for block in BLOCKS for line in block.splitlines()]


def workspace(root: Path, remote: str, channels: str, **texts: str) -> None:
    """A repository with these apps, whose prompts greet in these words."""
    files = {"promptops.yml": f"registry: test\napps: [apps/*]\nchannels:\n  dev: {{}}\n  prod: {channels}\n"}
    for app, text in texts.items():
        name = f"apps/{app.replace('_', '-')}/prompts/greet.prompt.yml"
        files[name] = factory.PROMPT.replace("hello", text)
    factory.make_workspace(root, files)
    factory.git(root, "remote", "add", "origin", remote)


def test_what_the_page_types_does_what_it_says(
    registry: Registry, promptops: Promptops, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace(
        tmp_path / "shop", "git@git.example:acme/shop.git", "{promote_from: dev, protected: true}", support_bot="hello"
    )
    shop = ("-C", str(tmp_path / "shop"))
    promptops(*shop, "channels", "apply")
    workspace(tmp_path / "bots", "https://git.example/acme/bots", "{}", support_bot="good day", faq_bot="hello")
    assert len(TYPED) >= 10
    for line in TYPED:
        words = shlex.split(line, comments=True)
        if words[0] == "cd":
            monkeypatch.chdir(words[1])
            continue
        said = re.search(r"# exit code (\d)(?:: (.*))?$", line)
        answer = promptops(*words[1:], exits=int(said[1]) if said else 0)
        if said and said[2]:
            assert said[2].split()[-1] in answer.err, line
    assert factory.live_version(registry, "support-bot", "dev") == "0.1.1"
    with registry.read() as reader:
        assert reader.channel("prod").reason == "bots own the channels from now on, see OPS-43"
    monkeypatch.chdir(tmp_path / "shop")
    assert "the bots team has it now, see OPS-42" in promptops("audit", "--app", "support-bot").out
