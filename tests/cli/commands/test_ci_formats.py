"""Five pull requests in every format: each output is taken by a reader that knows the format, and fits its platform."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from junitparser import JUnitXml
from sarif_pydantic import Sarif  # type: ignore[import-untyped]

from tests.cli.commands.test_ci import change, gated, place, prompt, suite  # noqa: F401 fixtures
from tests.cli.conftest import Promptops
from tests.support import factory
from tests.support.checkout import ROOT

FILES = ("summary", "comment", "sarif", "junit", "code-quality")


def wording(place: Path) -> None:  # noqa: F811
    change(place, "prompts/answer.prompt.yml", prompt("Good day {{name}}"))


def model_pin(place: Path) -> None:  # noqa: F811
    change(place, "prompts/answer.prompt.yml", prompt(model="openai/gpt-4.1-2025-04-14"))


def weaker_suite(place: Path) -> None:  # noqa: F811
    change(place, "evals/golden.suite.yml", suite("ada", kind="sample", expected="Hello"))


def findings(place: Path) -> None:  # noqa: F811
    for number in range(30):
        lines = "\n".join(f'- role: user\n  content: "x \\u202e y" # {n}' for n in range(20))
        path = place / f"texts/apps/bot/prompts/p{number}.prompt.yml"
        path.write_text(f"model: openai/gpt-4o\nmessages:\n{lines}\n")
    factory.commit(place, {})


@pytest.mark.parametrize(
    ("pull_request", "options", "code", "what"),
    [
        (wording, (), 0, "patch"),
        (model_pin, (), 0, "minor"),
        (weaker_suite, (), 0, "is not required any more"),
        (wording, ("--channel", "prod", "--run"), 5, "no key for openai"),
        (findings, (), 2, "new findings"),
    ],
    ids=["wording", "model pin", "weaker suite", "fork without keys", "600 findings"],
)
def test_a_pull_request_in_every_format(
    pull_request: object,
    options: tuple[str, ...],
    code: int,
    what: str,
    gated: str,  # noqa: F811
    place: Path,  # noqa: F811
    promptops: Promptops,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    assert callable(pull_request)
    pull_request(place)
    words = [word for name in FILES for word in (f"--{name}", f"../{name}.out")]
    out = promptops("ci", *options, "--format", "github", *words, exits=code).out
    report = promptops("ci", *options, "--json", exits=code).out
    texts = {name: (place / f"{name}.out").read_text() for name in FILES}
    fits(texts, out)
    assert what in texts["summary"] and what in texts["comment"]
    (place / "ci.json").write_text(report)
    schema = ROOT / "docs/schemas/ci.json"
    checked = [sys.executable, "-m", "check_jsonschema", "--schemafile", str(schema), str(place / "ci.json")]
    done = subprocess.run(checked, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout


def fits(texts: Mapping[str, str], out: str) -> None:
    """Asserts that GitHub and GitLab take what was written.

    GitHub: a summary of 1,024 KiB, a comment of 65,536 characters, ten annotations of a kind, SARIF of 10 MB with
    25,000 results, of which 5,000 are shown, with paths relative to the repository.
    """
    assert len(texts["summary"].encode()) <= 1024 * 1024 and len(texts["comment"]) <= 65_536
    (run,) = Sarif.model_validate_json(texts["sarif"]).runs
    assert len(run.results) <= 5_000 and len(texts["sarif"].encode()) < 10_000_000
    places = [each.locations[0].physical_location.artifact_location for each in run.results]
    assert all(each.uri.startswith("texts/") and each.uri_base_id == "%SRCROOT%" for each in places)
    quality = json.loads(texts["code-quality"])
    keys = {"description", "check_name", "fingerprint", "severity", "location"}
    assert all(each.keys() == keys and each["location"]["path"].startswith("texts/") for each in quality)
    assert len({each["fingerprint"] for each in quality}) == len(quality) == len(run.results)
    assert sum(suite.tests for suite in JUnitXml.fromstring(texts["junit"].encode())) > 0
    for kind in ("error", "warning", "notice"):
        assert sum(line.startswith(f"::{kind} ") for line in out.splitlines()) <= 10
