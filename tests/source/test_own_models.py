"""What a workspace says of a model counts in `check`, and a release carries it with its reason."""

from __future__ import annotations

from datetime import date

import pytest

from promptops.core.floating_models import floating_models
from promptops.core.release_bytes import content_from_bytes, encode
from promptops.source.lint.lint import check
from promptops.source.load import load
from tests.source.memory import WORKSPACE, checked, workspace

ASK = "messages: [{role: user, content: hi}]\n"
NEW = "anthropic/claude-opus-9-9"
AZURE = "azure/prod-2024"


def files(models: str, prompt: str, **more: str) -> dict[str, str | bytes]:
    return {"/promptops.yml": f"{WORKSPACE}models:\n{models}", "a.prompt.yml": f"{ASK}{prompt}", **more}


def found(models: str, prompt: str, today: date | None = None) -> list[tuple[str, str, int]]:
    findings = check(workspace(files(models, prompt)), today=today).findings
    return [(item.code, item.path, item.line) for item in findings]


@pytest.mark.parametrize(
    ("prompt", "models", "without"),
    [
        (f"model: {AZURE}\n", f"  {AZURE}: {{reason: r, pinned: true}}\n", "floating-model"),
        (
            f"model: {NEW}\nmodelParameters: {{maxTokens: 9, temperature: 0.5}}\n",
            f"  {NEW}: {{reason: r, takes: [temperature]}}\n",
            "parameter-not-taken",
        ),
        (
            "model: openai/o3-2025-04-16\nmodelParameters: {temperature: 0.5}\n",
            "  openai/o3-2025-04-16: {reason: Our gateway takes it., takes: [temperature]}\n",
            "request-refused",
        ),
        (
            "model: openai/gpt-4o-2024-08-06\nmodelParameters: {maxTokens: 20000}\n",
            "  openai/gpt-4o-2024-08-06: {reason: r, output: 32000}\n",
            "request-refused",
        ),
    ],
)
def test_what_is_said_of_a_model_counts_instead_of_the_table(prompt: str, models: str, without: str) -> None:
    assert found(models, prompt) == []
    assert [item.code for item in checked({"a.prompt.yml": f"{ASK}{prompt}"}).findings] == [without]


@pytest.mark.parametrize(
    ("facts", "prompt", "problem"),
    [
        ("pinned: false", "", "floating"),
        ("refuses: [seed]", "modelParameters: {seed: 1}\n", "refuses 'seed'"),
        ("refuses_while_reasoning: [seed]", "modelParameters: {seed: 1, reasoningEffort: low}\n", "while it reasons"),
        ("bounds: {temperature: {min: 0.1, max: 1}}", "modelParameters: {temperature: 0}\n", "takes 0.1 to 1"),
        ("bounds: {seed: {max: 2000000}}", "modelParameters: {seed: 30000000}\n", "is 30,000,000, and"),
        ("bounds: {temperature: {max: 1}}", "modelParameters: {temperature: 1.5}\n", "takes at most 1"),
        ("bounds: {topLogprobs: {min: 1}}", "modelParameters: {topLogprobs: 0}\n", "takes at least 1"),
        ("output: 100", "modelParameters: {maxTokens: 101}\n", "100 tokens at most"),
        ("efforts: [low]", "modelParameters: {reasoningEffort: high}\n", "refuses 'reasoningEffort: high'"),
    ],
)
def test_what_a_model_refuses_is_found_with_the_reason_or_the_page(facts: str, prompt: str, problem: str) -> None:
    model = "local/llama@4f2a91c"
    for source, shown in (
        ("", "`models` of promptops.yml: our tests"),
        (", source: https://e.org/m", "https://e.org/m"),
    ):
        models = f"  {model}: {{reason: our tests, {facts}{source}}}\n"
        [item] = checked(files(models, f"model: {model}\n{prompt}")).findings
        assert item.code == ("floating-model" if "pinned" in facts else "request-refused")
        assert problem in item.message
        assert shown in item.hint or "pinned" in facts


def test_roles_and_a_prefill_are_facts_too() -> None:
    model = "local/llama@4f2a91c"
    text = f"model: {model}\nmessages: [{{role: developer, content: hi}}]\n"
    tree = {"/promptops.yml": f"{WORKSPACE}models: {{{model}: {{reason: r, roles: [system, user]}}}}\n"}
    [item] = checked({**tree, "a.prompt.yml": text}).findings
    assert item.message == "local has no role 'developer'"


def test_an_end_is_the_one_that_is_said() -> None:
    gpt = "openai/gpt-4o-2024-08-06"
    today = date(2026, 12, 1)
    assert [code for code, *_ in found(f"  {gpt}: {{reason: r, output: 9999}}\n", f"model: {gpt}\n", today)] == [
        "model-ends"
    ]
    assert found(f"  {gpt}: {{reason: Our contract., ends: never}}\n", f"model: {gpt}\n", today) == []
    models = f"  {AZURE}: {{reason: r, pinned: true, ends: 2026-12-24, successor: prod-2027}}\n"
    [item] = check(workspace(files(models, f"model: {AZURE}\n")), today=today).findings
    assert item.message == f"{AZURE} ends on 2026-12-24, in 23 days; its provider proposes prod-2027"


@pytest.mark.parametrize(
    ("models", "code", "line", "words"),
    [
        (f"  {NEW}: {{pinned: true}}\n", "missing-key", 4, "has no `reason`"),
        (f"  {NEW}: {{reason: r}}\n", "missing-key", 4, "nothing is said"),
        (f"  {NEW}: {{reason: '', pinned: true}}\n", "wrong-value", 4, "in one line"),
        (f"  {NEW}:\n    reason: r\n    pined: true\n    output: 9\n", "unknown-setting", 6, "Did you mean 'pinned'?"),
        (f"  {NEW}:\n    reason: r\n    takes: [temprature]\n", "unknown-setting", 6, "Did you mean 'temperature'?"),
        (f"  {NEW}:\n    reason: r\n    bounds: {{topp: {{max: 1}}}}\n", "unknown-setting", 6, "Did you mean 'topP'?"),
        (f"  {NEW}:\n    reason: r\n    takes: [seed]\n", "wrong-value", 6, "extra"),
        (f"  {NEW}:\n    reason: r\n    ends: soon\n", "wrong-value", 6, "2027-06-30"),
        (f"  {NEW}:\n    reason: r\n    ends: 2027-02-30\n", "wrong-value", 6, "2027-06-30"),
        (f"  {NEW}:\n    reason: r\n    bounds: {{topP: {{max: 1, min: 2}}}}\n", "wrong-value", 6, "the least"),
        (
            f"  {NEW}:\n    reason: r\n    bounds: {{topP: {{mn: 1}}}}\n",
            "unknown-setting",
            6,
            "Did you mean 'min'?",
        ),
        (f"  {NEW}:\n    reason: r\n    bounds: {{topP: 1}}\n", "wrong-value", 6, "the least"),
        (f"  {NEW}:\n    reason: r\n    pinned: sure\n", "wrong-value", 6, "true or false"),
        (f"  {NEW}:\n    reason: r\n    output: 0\n", "wrong-value", 6, "a number of tokens"),
        (f"  {NEW}:\n    reason: r\n    roles: [boss]\n", "wrong-value", 6, "developer"),
        (f"  {NEW}:\n    reason: r\n    source: my head\n", "wrong-value", 6, "https://"),
        ("  openai/gpt-4o-latest:\n    reason: r\n    pinned: true\n", "wrong-value", 6, "floats by its name"),
        ("  writer: {reason: r, pinned: true}\n", "name-invalid", 4, "app.yml"),
        (f"  {NEW}: pinned\n", "wrong-type", 4, "a mapping"),
    ],
)
def test_what_is_wrong_is_reported_where_it_is(models: str, code: str, line: int, words: str) -> None:
    found = [item for item in checked(files(models, "")).findings if item.path == "promptops.yml"]
    at = next(item for item in found if item.code == code)
    assert at.line == line
    assert words in at.message + at.hint


def test_a_model_that_nobody_names_is_reported_with_the_one_that_is_meant() -> None:
    [item] = checked(files("  azure/prod-2042: {reason: r, pinned: true}\n", f"model: {AZURE}\n")).findings[:1]
    assert (item.code, item.path, item.line) == ("floating-model", "bot/a.prompt.yml", 2)
    [unused] = [
        item
        for item in checked(files("  azure/prod-2042: {reason: r, pinned: true}\n", f"model: {AZURE}\n")).findings
        if item.code == "unused-model"
    ]
    assert (unused.line, unused.hint) == (4, f"Did you mean '{AZURE}'?")


def test_a_pin_and_a_judge_that_an_app_names_are_used() -> None:
    app = f"models: {{writer: {AZURE}}}\njudges: {{strict: openai/gpt-4o}}\n"
    models = f"  {AZURE}: {{reason: r, pinned: true}}\n  openai/gpt-4o: {{reason: r, pinned: true}}\n"
    assert checked(files(models, "model: writer\n", **{"app.yml": app})).findings == ()


def test_a_release_carries_what_is_said_of_its_models_and_of_no_other() -> None:
    other = "  openai/gpt-4o: {reason: r, pinned: true}\n"
    models = f"  {AZURE}: {{reason: Frozen by the platform team., pinned: true}}\n{other}"
    [app] = load(workspace(files(models, f"model: {AZURE}\n"))).apps
    assert app.content is not None
    [said] = app.content.models
    assert (said.model, said.reason) == (AZURE, "Frozen by the platform team.")
    assert app.content.requires == ("models",)
    data = encode(app.content)
    assert content_from_bytes(data) == app.content
    assert floating_models(app.content) == ()


def test_an_app_whose_models_are_not_named_has_the_same_release() -> None:
    gpt = "openai/gpt-4o-2024-08-06"
    [app] = load(workspace(files(f"  {AZURE}: {{reason: r, pinned: true}}\n", f"model: {gpt}\n"))).apps
    [without] = load(workspace({"a.prompt.yml": f"{ASK}model: {gpt}\n"})).apps
    assert app.content is not None and without.content is not None
    assert encode(app.content) == encode(without.content)
