"""`eval --cases calls:CHANNEL`: what users asked, put to a candidate and to live, with nothing of it in evidence."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from promptops.clock import now
from promptops.core.declarations import Capture
from promptops.core.digest import canonical, digest
from promptops.core.evidence.content import case_key
from promptops.core.model import Json
from promptops.core.outcomes.call_outcome import Count
from promptops.core.outcomes.kept_call import Kept, KeptCall
from promptops.core.outcomes.units import Unit
from promptops.core.token import Scope
from promptops.operations.outcomes import Document, report_key, take
from promptops.store import Registry
from tests.cli.commands.test_eval import PROMPT, answering, loaded
from tests.cli.conftest import Promptops
from tests.gateway.serving import mint, serving
from tests.support import factory
from tests.support.model_server import ModelServer, model_server, spoken
from tests.support.reports import assignment, call_id, report

SECRET = "Zanzibar"
"""A word that a user wrote."""
GREETS = PROMPT + "  - name: greets\n    string: {startsWith: Hello}\n"
CALLS = ("eval", "bot@0.1.1", "--cases", "calls:dev")


@pytest.fixture
def store(workspace: Path) -> Iterator[Registry]:
    """The workspace's registry: 0.1.0 of `bot` is live on dev, 0.1.1 is a candidate, and variables are captured."""
    registry = Registry.open(f"sqlite:///{workspace / '.promptops/registry.db'}")
    yield registry
    registry.close()


@pytest.fixture
def provider(
    workspace: Path, promptops: Promptops, store: Registry, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ModelServer]:
    promptops("channels", "apply")
    for text in (GREETS, GREETS.replace('"Greet', '"Greet kindly:')):
        (workspace / "bot/prompts/greet.prompt.yml").write_text(text)
        promptops("release", "bot", "--allow-dirty")
    promptops("promote", "bot@0.1.0", "--channel", "dev")
    factory.declare(store, capture=Capture.VARIABLES, at=now())
    with model_server(answering) as server:
        monkeypatch.setenv("LOCAL_BASE_URL", server.url)
        yield server


def call(store: Registry, number: int, *, kept: Kept = Kept.SAMPLED, **variables: Json) -> KeptCall:
    """A call of the prompt, five minutes ago."""
    secret, unit = report_key(store).secret, Unit(id=f"{number:016x}", bucket=number)
    name = call_id(store.lineage, secret, place=assignment(channel="dev"), random=number, unit=unit, prompt="greet")
    at = int((now() - timedelta(minutes=5)).timestamp())
    flags = (Count.BAD,) if kept is Kept.BAD else ()
    return KeptCall(call=name, prompt="greet", at=at, kept=kept, version="0.1.0", flags=flags, variables=variables)


def send(store: Registry, *calls: KeptCall, number: int = 1) -> None:
    made = replace(report(store.lineage, number, {}, channel="dev"), calls=calls)
    taken = take(store, [Document(report=made)], now=now() - timedelta(minutes=5))
    assert not taken.left_out


@pytest.fixture
def captured(provider: ModelServer, store: Registry) -> None:
    """Three calls, of which live and the candidate answer one badly."""
    send(store, *(call(store, number, name=name) for number, name in enumerate((SECRET, "Ada", "Grace"))))


def test_calls_are_put_to_the_candidate_and_to_what_is_live(
    captured: None, provider: ModelServer, promptops: Promptops, store: Registry
) -> None:
    answer = promptops(*CALLS, "--json")
    found = loaded(answer)
    assert [(arm["arm"], arm["version"]) for arm in found["arms"]] == [("candidate", "0.1.1"), ("live", "0.1.0")]
    assert [(suite["name"], suite["cases"]) for suite in found["suites"]] == [("calls:dev/greet", 3)]
    [compared] = found["comparisons"]
    assert (compared["prompt"], compared["compared"], compared["lost"]) == ("greet", 3, 0)
    asked = {spoken(body) for body in provider.asked}
    assert asked == {f"Greet{kindly} {name}" for kindly in ("", " kindly:") for name in (SECRET, "Ada", "Grace")}
    assert "left out, since they need what an author expects: names them of greet" in answer.err
    outcomes = sorted((row["arm"], row["outcome"]) for row in found["rows"])
    assert outcomes == [(arm, way) for arm in ("candidate", "live") for way in ("failed", "passed", "passed")]
    with store.read() as reader:
        [evidence] = reader.evidence(app="bot")
    assert (evidence.id, evidence.complete) == (found["evidence"], True)


def test_nothing_of_what_users_wrote_is_in_the_run_or_its_evidence(
    captured: None, promptops: Promptops, store: Registry, workspace: Path
) -> None:
    found = loaded(promptops(*CALLS, "--json"))
    variables: dict[str, Json] = {"name": SECRET}
    with store.read() as reader:
        [run], [evidence] = reader.runs("bot"), reader.evidence(app="bot", tables=True)
    kept = repr(run) + zlib.decompress(run.plan).decode() + repr(evidence) + zlib.decompress(evidence.table).decode()
    assert SECRET not in kept
    guessed = [case_key(variables), digest(canonical(variables))]
    lines = (workspace / found["folder"] / "answers.jsonl").read_text()
    requests = {part.split('"')[0] for part in lines.split("sha256:")[1:]}
    assert requests, "the journal knows its requests, on this machine alone"
    for each in (*guessed, *requests):
        assert each.removeprefix("sha256:")[:12] not in kept
    assert all(len(case.id) == 32 and case.cluster for case in run.cases)
    again = loaded(promptops(*CALLS, "--json"))
    with store.read() as reader:
        other = reader.run(again["run"])
    assert [case.id for case in other.cases] == [case.id for case in run.cases], "the same call is the same case"


def test_a_run_that_goes_on_asks_the_same_calls_though_others_came(
    captured: None, provider: ModelServer, promptops: Promptops, store: Registry
) -> None:
    found = loaded(promptops(*CALLS, "--last", "3", "--json"))
    made = replace(report(store.lineage, 2, {}, channel="dev"), calls=(call(store, 9, name="Later"),))
    take(store, [Document(report=made)], now=now() + timedelta(minutes=1))
    count = len(provider.asked)
    again = loaded(promptops("eval", "--continue", found["run"][:8], "--json"))
    assert again["evidence"] == found["evidence"] and len(provider.asked) == count


def test_bad_calls_are_for_looking_and_never_evidence(
    captured: None, provider: ModelServer, promptops: Promptops, store: Registry
) -> None:
    send(store, call(store, 7, kept=Kept.BAD, name="Grace Hopper"), number=2)
    answer = promptops(*CALLS, "--bad", "--json")
    found = loaded(answer)
    assert {spoken(body) for body in provider.asked} == {"Greet Grace Hopper", "Greet kindly: Grace Hopper"}
    assert "bad calls are for looking" in answer.err and found["evidence"] is None
    with store.read() as reader:
        assert reader.runs("bot") == ()


def test_the_files_here_are_a_candidate_too_and_one_prompt_may_be_named(
    captured: None, provider: ModelServer, promptops: Promptops
) -> None:
    found = loaded(promptops("eval", "bot/greet", "--cases", "calls:dev", "--last", "1", "--local", "--json"))
    assert len(provider.asked) == 2 and found["evidence"] is None
    assert [arm["version"] for arm in found["arms"]] == ["", "0.1.0"]


def test_calls_that_do_not_fit_every_release_are_left_out(
    captured: None, provider: ModelServer, promptops: Promptops, store: Registry
) -> None:
    send(store, call(store, 8, other="x"), call(store, 9, name="private:0123456789abcdef"), number=2)
    answer = promptops(*CALLS, "--json")
    assert loaded(answer)["suites"][0]["cases"] == 3
    assert "left out: 1 call whose variables do not fit the prompt in every release" in answer.err
    assert "left out: 1 call with a private variable" in answer.err
    (Path("bot/prompts/greet.prompt.yml")).write_text(GREETS.replace("{{name}}", "{{name}} in {{language}}"))
    refused = promptops("eval", "bot", "--cases", "calls:dev", "--local", exits=2).err
    assert "no captured call of bot on dev fits the prompts of every release" in refused


@pytest.mark.parametrize(("capture", "hint"), [(Capture.OFF, True), (Capture.VARIABLES, False)])
def test_without_a_captured_call_it_says_what_to_do(
    capture: Capture, hint: bool, provider: ModelServer, promptops: Promptops, store: Registry
) -> None:
    factory.declare(store, capture=capture, at=now())
    refused = promptops(*CALLS, exits=2).err
    assert "no call of bot on dev was captured in the last 30 days" in refused
    assert ("Write `capture: variables` in app.yml, and release." in refused) is hint
    assert "no bad call of bot on dev" in promptops(*CALLS, "--bad", exits=2).err
    assert provider.asked == []


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--cases", "prod"), "'prod' is nothing that cases come from"),
        (("--cases", "calls:"), "'calls:' is nothing that cases come from"),
        (("--bad",), "Say which: --cases calls:CHANNEL"),
        (("--last", "5"), "Say which: --cases calls:CHANNEL"),
        (("--cases", "calls:dev", "--suite", "greet"), "--suite says nothing of them"),
        (("--cases", "calls:dev", "--tag", "short"), "--tag says nothing of them"),
        (("--cases", "calls:dev", "--record", "answers"), "a recording would keep what users wrote"),
        (("--cases", "calls:nowhere", "--against", "0.1.0"), "there is no channel 'nowhere'"),
    ],
)
def test_a_wrong_question_is_refused_before_anything_is_asked(
    words: tuple[str, ...], says: str, provider: ModelServer, promptops: Promptops
) -> None:
    assert says in promptops("eval", "bot@0.1.1", *words, exits=3 if "nowhere" in says else 2).err
    assert provider.asked == []


def test_through_a_server_it_takes_the_scope_content(
    captured: None, workspace: Path, promptops: Promptops, store: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads, may = (mint(store, name, *scopes) for name, scopes in (
        ("reads", (Scope.READ, Scope.EVIDENCE)), ("may", (Scope.READ, Scope.EVIDENCE, Scope.CONTENT))
    ))  # fmt: skip
    with serving(f"sqlite:///{workspace / '.promptops/registry.db'}") as url:
        monkeypatch.setenv("PROMPTOPS_REGISTRY", url)
        monkeypatch.setenv("PROMPTOPS_TOKEN", reads.secret)
        assert "it lacks the scope 'content'" in promptops(*CALLS, exits=5).err
        monkeypatch.setenv("PROMPTOPS_TOKEN", may.secret)
        found = loaded(promptops(*CALLS, "--json"))
    assert found["suites"][0]["cases"] == 3 and found["evidence"]
