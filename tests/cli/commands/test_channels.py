"""`promptops channels apply`: what changes is shown; another workspace and a looser policy need to be said."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from promptops.core.token import Scope
from promptops.store import Registry
from tests.cli.conftest import Promptops
from tests.gateway.serving import mint, rows, serving
from tests.support import factory

STRICT = "registry: test\napps: [bot]\nchannels:\n  dev: {}\n  prod: {promote_from: dev, protected: true}\n"
LOOSE = "registry: test\napps: [bot]\nchannels:\n  dev: {}\n  prod: {}\n"


def workspace(root: Path, text: str, remote: str) -> Path:
    factory.make_workspace(root, {"promptops.yml": text, "bot/prompts/greet.prompt.yml": factory.PROMPT})
    factory.git(root, "remote", "add", "origin", remote)
    return root


@pytest.fixture
def ours(tmp_path: Path) -> Path:
    return workspace(tmp_path / "ours", STRICT, "git@h.example:acme/prompts.git")


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    return workspace(tmp_path / "theirs", LOOSE, "https://h.example/acme/bots")


@pytest.fixture
def applied(registry: Registry, ours: Path, promptops: Promptops) -> Registry:
    """A registry whose `prod` takes only what was live on `dev`, by our workspace."""
    promptops("-C", str(ours), "channels", "apply")
    return registry


def head(registry: Registry) -> int:
    with registry.read() as reader:
        return reader.audit_head()[0]


def test_a_change_shows_what_was_before(registry: Registry, ours: Path, promptops: Promptops) -> None:
    assert promptops("-C", str(ours), "channels", "apply").out == (
        "  dev   as it was            any release\n"
        "  prod  changed (version 2)  what was live on dev, exact model snapshots only\n"
        "\n"
        "  prod promote_from: any channel → dev, protected: false → true\n"
    )
    [prod, dev] = rows(promptops("channels", "list", "--json"), "channels")
    assert (prod["origin"]["repository"], prod["origin"]["path"]) == ("git@h.example:acme/prompts.git", "")
    assert (dev["origin"], dev["reason"]) == (None, "")


def test_another_workspace_is_refused_until_it_takes_over(
    applied: Registry, theirs: Path, promptops: Promptops
) -> None:
    before = head(applied)
    refused = promptops("-C", str(theirs), "channels", "apply", exits=5).err
    assert refused == (
        "error: policies belong to the workspace that applied them before, and this is h.example/acme/bots, path .:"
        " prod (promote_from: dev → any channel, protected: true → false) belongs to h.example/acme/prompts, path .;"
        " nothing was applied\n"
        "hint: If its owners agree that this workspace declares them from now on:"
        " promptops channels apply --take-over --reason …\n"
    )
    take_over = ("-C", str(theirs), "channels", "apply", "--take-over", "--reason", "the bots team owns prod")
    assert promptops(*take_over, exits=5).err == (
        "error: channels would take releases that they refuse now: prod (promote_from: dev → any channel,"
        " protected: true → false); nothing was applied\n"
        "hint: If that is meant: --loosen.\n"
    )
    assert head(applied) == before
    assert promptops(*take_over, "--loosen").out.endswith(
        "! prod promote_from: dev → any channel, protected: true → false: it takes more than before\n"
        "! prod belonged to h.example/acme/prompts, path .\n"
    )
    [prod] = [c for c in rows(promptops("channels", "list", "--json"), "channels") if c["name"] == "prod"]
    assert (prod["version"], prod["reason"]) == (3, "the bots team owns prod")
    assert prod["origin"]["repository"] == "https://h.example/acme/bots"
    assert "the bots team owns prod" in promptops("audit", "--channel", "prod").out


def test_a_dry_run_shows_it_without_doing_it(applied: Registry, theirs: Path, promptops: Promptops) -> None:
    before = head(applied)
    planned = promptops("-C", str(theirs), "channels", "apply", "--dry-run")
    assert planned.out == (
        "  dev   as it was                     any release\n"
        "  prod  would be changed (version 3)  any release\n"
        "\n"
        "! prod promote_from: dev → any channel, protected: true → false: it would take more than before\n"
        "! prod belongs to h.example/acme/prompts, path .\n"
        "\n"
        'Next: do it  promptops channels apply --take-over --reason "…" --loosen\n'
    )
    [change] = [
        change
        for change in rows(promptops("-C", str(theirs), "channels", "apply", "-n", "--json"), "channels")
        if change["name"] == "prod"
    ]
    assert change["change"] == "changed"
    assert change["before"] == {
        "promote_from": ["dev"],
        "allow_dirty": False,
        "protected": True,
        "gate": None,
        "rollout": None,
    }
    assert change["loosens"] == ["promote_from", "protected"]
    assert change["owner"]["repository"] == "git@h.example:acme/prompts.git"
    assert head(applied) == before


def test_a_take_over_needs_a_reason_and_a_repository(
    applied: Registry, theirs: Path, promptops: Promptops, tmp_path: Path
) -> None:
    assert promptops("-C", str(theirs), "channels", "apply", "--take-over", exits=2).err == (
        "error: taking over needs a reason\nhint: --reason TEXT.\n"
    )
    factory.write(outside := tmp_path / "outside", {"promptops.yml": STRICT})
    take_over = ("-C", str(outside), "channels", "apply", "--take-over", "--reason", "x")
    assert "this one is in none" in promptops(*take_over, exits=2).err
    promptops("-C", str(outside), "channels", "apply")  # it declares what is so
    factory.write(outside, {"promptops.yml": LOOSE})
    assert "names no workspace of a git repository" in promptops("-C", str(outside), "channels", "apply", exits=5).err


def test_a_new_registry_belongs_to_its_workspace(
    ours: Path, theirs: Path, promptops: Promptops, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'new.db'}"
    promptops("-C", str(ours), "--registry", url, "init")
    assert "belongs to h.example" in promptops("-C", str(theirs), "--registry", url, "channels", "apply", exits=5).err


@pytest.mark.slow
@pytest.mark.parametrize(("typed", "code"), [("y", 0), ("n", 5), ("", 5)])
def test_at_a_terminal_it_asks_before_it_loosens(
    applied: Registry, ours: Path, tmp_path: Path, typed: str, code: int
) -> None:
    factory.write(ours, {"promptops.yml": LOOSE})
    controller, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "promptops", "-C", str(ours), "channels", "apply"],
        stdin=terminal, stdout=terminal, stderr=terminal, env={**os.environ, "NO_COLOR": "1", "PROMPTOPS_SYNC": "off"},
    )  # fmt: skip
    os.close(terminal)
    shown = b""
    while b"more than before? [y/N]" not in shown:
        shown += os.read(controller, 4096)
    assert "promote_from: dev → any channel".encode() in shown
    os.write(controller, f"{typed}\n".encode())
    try:
        while more := os.read(controller, 4096):
            shown += more
    except OSError:  # the program has closed its end
        pass
    os.close(controller)
    assert process.wait(timeout=30) == code, shown
    with applied.read() as reader:
        assert reader.channel("prod").version == (3 if code == 0 else 2)


def test_a_server_refuses_the_same_and_names_no_hidden_channel(
    applied: Registry, theirs: Path, promptops: Promptops, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    everything = mint(applied, "everything", Scope.POLICY)
    narrow = mint(applied, "narrow", Scope.POLICY, channels=("prod",))
    only_prod = workspace(tmp_path / "prod", LOOSE.replace("  dev: {}\n", ""), "https://h.example/acme/bots")
    with serving(f"sqlite:///{tmp_path / 'registry.db'}") as url:
        monkeypatch.setenv("PROMPTOPS_REGISTRY", url)
        monkeypatch.setenv("PROMPTOPS_TOKEN", narrow.secret)
        hidden = promptops("-C", str(only_prod), "channels", "apply", exits=5).err
        assert "prod (promote_from: … → any channel, protected: true → false) belongs to" in hidden
        [prod] = rows(promptops("-C", str(only_prod), "channels", "apply", "-n", "--json"), "channels")
        assert prod["before"]["promote_from"] == []
        monkeypatch.setenv("PROMPTOPS_TOKEN", everything.secret)
        refused = promptops("-C", str(theirs), "channels", "apply", exits=5).err
        assert "promote_from: dev → any channel" in refused
        assert "promptops channels apply --take-over --reason …" in refused
        take_over = ("--take-over", "--reason", "ours", "--loosen")
        assert "takes more than before" in promptops("-C", str(theirs), "channels", "apply", *take_over).out


GATED = STRICT.replace("protected: true", "gate: {not_worse: {margin: 3%}, approvals: {count: 2}}")


def test_a_gate_is_kept_shown_and_loosened_only_where_that_is_said(
    registry: Registry, tmp_path: Path, promptops: Promptops
) -> None:
    root = workspace(tmp_path / "ours", GATED, "git@h.example:acme/prompts.git")
    applied = promptops("-C", str(root), "channels", "apply").out
    assert "what was live on dev, with a gate" in applied
    assert "gate: none → {not_worse: {margin: 3%}, approvals: {count: 2}}" in applied
    [prod, _] = rows(promptops("channels", "list", "--json"), "channels")
    assert prod["policy"]["gate"] == {"not_worse": {"margin": "3%"}, "approvals": {"count": 2}}

    looser = GATED.replace("3%", "5%").replace(", approvals: {count: 2}", "")
    factory.write(root, {"promptops.yml": looser})
    refused = promptops("-C", str(root), "channels", "apply", exits=5).err
    assert "prod (gate.approvals.count: 2 → none, gate.not_worse.margin: 3% → 5%)" in refused
    [change] = [
        change
        for change in rows(promptops("-C", str(root), "channels", "apply", "-n", "--json"), "channels")
        if change["name"] == "prod"
    ]
    assert change["loosens"] == ["gate.not_worse.margin", "gate.approvals"]
    assert change["before"]["gate"]["approvals"] == {"count": 2}
    promptops("-C", str(root), "channels", "apply", "--loosen")
    factory.write(root, {"promptops.yml": STRICT})
    assert "gate: {not_worse: {margin: 5%}} → none" in promptops("-C", str(root), "channels", "apply", exits=5).err


def test_a_gate_that_cannot_be_read_is_named_with_its_place(
    registry: Registry, tmp_path: Path, promptops: Promptops
) -> None:
    root = workspace(tmp_path / "ours", GATED.replace("margin: 3%", "margins: 3%"), "git@h.example:acme/prompts.git")
    refused = promptops("-C", str(root), "channels", "apply", exits=2).err
    assert refused.startswith("error: promptops.yml:5:47: gate.not_worse ")
    factory.write(root, {"promptops.yml": GATED.replace("3%", "99%")})
    assert "5:56   error  gate.not_worse.margin is '99%'" in promptops("-C", str(root), "check", exits=2).out


STEPPED = STRICT.replace(
    "protected: true",
    "rollout: {steps: [{percent: 5, bake: 4h}, {percent: 25, bake: 1d}], on: {no_data: abort}}",
)


def test_a_rollout_is_kept_shown_and_loosened_only_where_that_is_said(
    registry: Registry, tmp_path: Path, promptops: Promptops
) -> None:
    root = workspace(tmp_path / "ours", STEPPED, "git@h.example:acme/prompts.git")
    assert (
        "what was live on dev, first as a canary for 5 % and 25 %"
        in promptops("-C", str(root), "channels", "apply").out
    )
    [prod, _] = rows(promptops("channels", "list", "--json"), "channels")
    steps = [{"percent": 5, "bake": "4h"}, {"percent": 25, "bake": "1d"}]
    assert prod["policy"]["rollout"] == {"steps": steps, "on": {"no_data": "abort"}}
    assert "first as a canary for 5 % and 25 %" in promptops("channels", "list").out

    factory.write(root, {"promptops.yml": STEPPED.replace("4h", "2h")})
    refused = promptops("-C", str(root), "channels", "apply", exits=5).err
    assert "prod (rollout.steps: [{bake: 4h, percent: 5}, {bake: 1d, percent: 25}] → [{bake: 2h, percent: 5}" in refused
    [change] = [
        change
        for change in rows(promptops("-C", str(root), "channels", "apply", "-n", "--json"), "channels")
        if change["name"] == "prod"
    ]
    assert change["loosens"] == ["rollout.steps"]
    promptops("-C", str(root), "channels", "apply", "--loosen")
    factory.write(root, {"promptops.yml": STRICT})
    assert "rollout: {on: {no_data: abort}, steps: " in promptops("-C", str(root), "channels", "apply", exits=5).err


def test_a_rollout_that_cannot_be_is_named_with_its_place(
    registry: Registry, tmp_path: Path, promptops: Promptops
) -> None:
    root = workspace(tmp_path / "ours", STEPPED.replace("25,", "100,"), "git@h.example:acme/prompts.git")
    refused = promptops("-C", str(root), "channels", "apply", exits=2).err
    assert "rollout.steps.2.percent is 100, which is no step of a canary" in refused
    found = promptops("-C", str(root), "check", exits=2).out
    place = STEPPED.splitlines()[4].index("25,") + 1
    assert f"5:{place}" in found and "rollout.steps.2.percent is 100" in found
