"""The command line of 0.3.0 with a server of now: it works on where that is safe, and loosens nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from promptops.core.token import Scope
from promptops.store import Registry
from tests.cli.conftest import Promptops, promptops, registry
from tests.gateway.serving import mint, serving
from tests.support import factory
from tests.support.old import REFS, Old

__all__ = ["promptops", "registry"]

DECLARED = "registry: test\napps: [bot]\nchannels:\n  dev: {}\n  prod: {promote_from: dev, protected: true}\n"
PROMPT = "bot/prompts/greet.prompt.yml"


@pytest.mark.slow
def test_an_old_command_line_releases_and_declares_but_loosens_nothing(
    registry: Registry, promptops: Promptops, tmp_path: Path
) -> None:
    old = Old.unpack(REFS, tmp_path / "old")
    root = factory.make_workspace(tmp_path / "prompts", {"promptops.yml": DECLARED, PROMPT: factory.PROMPT})
    ops = mint(registry, "ops", Scope.ADMIN)
    with serving(f"sqlite:///{tmp_path / 'registry.db'}") as url:
        ways = {"PROMPTOPS_REGISTRY": url, "PROMPTOPS_ACTOR": factory.ACTOR, "PROMPTOPS_TOKEN": ops.secret}

        def typed(command: str) -> None:
            old.type_in(f"promptops -C {root} {command}".removeprefix("promptops "), **ways)

        typed("release")  # of it only the folder's name is known
        typed("channels apply")
        factory.commit(root, {PROMPT: factory.PROMPT.replace("hello", "hi")})
        promptops("-C", str(root), "release")  # it says the first commit
        factory.commit(root, {PROMPT: factory.PROMPT.replace("hello", "hey")})
        typed("release")
        factory.write(root, {"promptops.yml": DECLARED.replace("true", "false")})
        with pytest.raises(AssertionError):
            typed("channels apply")
        factory.write(root, {"promptops.yml": DECLARED})
        promptops("-C", str(root), "channels", "apply", "--take-over", "--reason", "known from now on")
        typed("channels apply")
    with registry.read() as reader:
        assert [release.version for release in reader.releases("bot")] == ["0.1.2", "0.1.1", "0.1.0"]
        assert reader.channel("prod").policy.protected
