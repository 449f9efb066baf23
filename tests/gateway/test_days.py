"""`days: 2`: `eval` asks the half of the cases that is due, and the gate opens after both; a database, and a server."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from promptops.core.evidence.evidence import table_of
from promptops.core.token import Scope
from promptops.operations.runs import CloseRequest, OpenRequest, ReportRequest, close, open_run, report
from promptops.store import Registry
from tests.cli.conftest import Answer, Promptops
from tests.gateway.serving import Serve, mint, work_with
from tests.gateway.test_reuse import CASES, MUST, WORKSPACE, loaded, provider, written
from tests.support import factory
from tests.support.model_server import ModelServer, spoken

__all__ = ["provider"]

SPREAD = WORKSPACE.replace("not_worse: {margin: 20%}", "not_worse: {margin: 20%}\n      days: 2")


@pytest.fixture
def root(tmp_path: Path, promptops: Promptops, monkeypatch: pytest.MonkeyPatch, provider: ModelServer) -> Path:
    files = {"promptops.yml": WORKSPACE, "bot/evals/must.suite.yml": MUST, "bot/prompts/.keep": ""}
    made = factory.make_workspace(tmp_path / "prompts", files)
    monkeypatch.chdir(made)
    return made


def begun(root: Path, promptops: Promptops) -> None:
    """0.1.0 is live on prod, whose gate wants the cases on two days from then on; 0.1.1 changes one prompt."""
    (root / "promptops.yml").write_text(WORKSPACE)
    promptops("channels", "apply")
    written(root, greet="Greet", part="Part from")
    promptops("release", "bot", "--allow-dirty")
    promptops("eval", "bot@0.1.0", "--channel", "prod")
    promptops("promote", "bot@0.1.0", "--channel", "prod")
    (root / "promptops.yml").write_text(SPREAD)
    promptops("channels", "apply")
    written(root, part="Take leave of")
    promptops("release", "bot", "--allow-dirty")


def half_of_yesterday(root: Path, tmp_path: Path, promptops: Promptops, registry: Registry, monkeypatch: Any) -> int:
    """Records the run that `eval` makes of the first half as one of a day ago; returns how many cases it had."""
    with monkeypatch.context() as elsewhere:
        url = f"sqlite:///{tmp_path / 'elsewhere.db'}"
        elsewhere.setenv("PROMPTOPS_REGISTRY", url)
        elsewhere.setenv("PROMPTOPS_SYNC", "off")
        elsewhere.delenv("PROMPTOPS_TOKEN", raising=False)
        (root / "promptops.yml").write_text(WORKSPACE)
        promptops("init")
        begun(root, promptops)
        promptops("eval", "bot@0.1.1", "--channel", "prod")
        with closing(Registry.open(url)) as other, other.read() as reader:
            run = reader.runs("bot")[-1]
            [evidence] = reader.evidence(run=run.id, tables=True)
    at, rows = run.at - timedelta(days=1), table_of(evidence, run).rows
    open_run(registry, OpenRequest.of(run, key="open"), actor="ci", now=at)
    report(registry, ReportRequest(run=run.id, rows=rows, key="rows"), now=at)
    close(registry, CloseRequest(run=run.id, key="close"), actor="ci", now=at)
    return sum(case.suite == "part" for case in run.cases)


@pytest.fixture(params=["database", "server"])
def place(
    request: pytest.FixtureRequest, registry: Registry, registry_url: str, serve: Serve, root: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:  # fmt: skip
    work_with(request.param, registry_url, mint(registry, "ops", Scope.ADMIN).secret, serve, monkeypatch)
    return root


def not_worse(answer: Answer) -> Any:
    [check] = [each for each in loaded(answer)["checks"] if each["name"] == "not_worse"]
    return check


def test_half_is_asked_today_and_the_other_one_has_to_wait(
    place: Path, provider: ModelServer, promptops: Promptops
) -> None:
    begun(place, promptops)
    provider.asked.clear()
    shown = promptops("eval", "bot@0.1.1", "--channel", "prod")
    assert "of part for part: the cases of day 1 of 2" in shown.err
    asked = [spoken(body) for body in provider.asked]
    few = sum(" n" in one for one in asked)
    assert few % 2 == 0 and 0 < few < 2 * CASES, "a part of the cases, of both releases"
    assert "Ada" in " ".join(asked), "the required suite is asked whole"
    check = not_worse(promptops("gate", "bot@0.1.1", "--channel", "prod", "--json", exits=5))
    assert check["outcome"] == "inconclusive" and "one half of its cases was asked" in check["reason"]
    said = promptops("gate", "bot@0.1.1", "--channel", "prod", exits=5).out
    assert "00:00 UTC: promptops eval run bot@0.1.1 --channel prod with --rebase" in " ".join(said.split())
    provider.asked.clear()
    for words in ((), ("--fresh",), ("--rebase",), ("--dry-run",)):
        refused = promptops("eval", "bot@0.1.1", "--channel", "prod", *words, exits=4)
        assert "today's cases were asked; the others are due from" in refused.err and "00:00 UTC" in refused.err
    assert provider.asked == []
    promptops("eval", "bot@0.1.1", "--channel", "prod", "--suite", "must")
    assert not [body for body in provider.asked if " n" in spoken(body)]


def test_on_the_next_day_the_other_half_is_asked_and_the_gate_opens(
    place: Path, tmp_path: Path, provider: ModelServer, promptops: Promptops, registry: Registry,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    begun(place, promptops)
    first = half_of_yesterday(place, tmp_path, promptops, registry, monkeypatch)
    said = promptops("gate", "bot@0.1.1", "--channel", "prod", exits=5).out
    assert "The rest is due: promptops eval run bot@0.1.1 --channel prod with --rebase" in " ".join(said.split())
    provider.asked.clear()
    shown = promptops("eval", "bot@0.1.1", "--channel", "prod", "--rebase")
    assert "of part for part: the cases of day 2 of 2" in shown.err
    assert len(provider.asked) == 2 * (CASES - first), "the other half, of both releases, and nothing else"
    assert "the gate of prod: ✓ it opens" in shown.out
    check = not_worse(promptops("gate", "bot@0.1.1", "--channel", "prod", "--json"))
    assert check["got"] == f"0 of {CASES} cases lost, 0 gained" and len(check["evidence"]) == 2
    promptops("promote", "bot@0.1.1", "--channel", "prod")


def test_a_run_of_a_half_goes_on_with_the_same_half(
    place: Path, provider: ModelServer, promptops: Promptops, registry: Registry
) -> None:
    begun(place, promptops)
    report = loaded(promptops("eval", "bot@0.1.1", "--channel", "prod", "--json"))
    again = loaded(promptops("eval", "--continue", report["run"][:8], "--json"))
    assert again["evidence"] == report["evidence"] and len(again["cases"]) == len(report["cases"])
