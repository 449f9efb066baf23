"""What we hand out for other platforms is what they take."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.support.checkout import ROOT


def run(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    ("schema", "file"),
    [
        ("vendor.github-actions", "action.yml"),
        ("vendor.github-workflows", "docs/ci/github-workflow.yml"),
        ("vendor.github-workflows", "docs/ci/github-evals.yml"),
        ("vendor.gitlab-ci", "docs/ci/gitlab-ci.yml"),
    ],
)
def test_a_platform_takes_its_file(schema: str, file: str) -> None:
    done = run("check_jsonschema", "--builtin-schema", schema, file)
    assert done.returncode == 0, done.stdout


def test_a_broken_action_would_be_refused(tmp_path: Path) -> None:
    action = yaml.safe_load((ROOT / "action.yml").read_text())
    del action["runs"]["using"]
    (tmp_path / "action.yml").write_text(yaml.safe_dump(action))
    assert run("check_jsonschema", "--builtin-schema", "vendor.github-actions", str(tmp_path / "action.yml")).returncode


def test_pre_commit_takes_our_hooks() -> None:
    done = run("pre_commit", "validate-manifest", ".pre-commit-hooks.yaml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_input_of_an_action_is_part_of_a_script() -> None:
    """An expression within a script is put in as text, and a branch may be called ``$(…)``."""
    steps = yaml.safe_load((ROOT / "action.yml").read_text())["runs"]["steps"]
    assert [step["name"] for step in steps if "${{" in step.get("run", "")] == []
