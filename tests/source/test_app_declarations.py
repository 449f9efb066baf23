"""What app.yml declares of the app's calls: read as written, and each mistake found where it stands."""

from __future__ import annotations

import pytest

from promptops.core.declarations import Capture, Declarations, DeclaredScore, Limit, Plan, Tag
from promptops.core.release_bytes import encode
from promptops.source.load import Loaded
from tests.source.memory import checked

PROMPT = "model: openai/gpt-4o-2024-08-06\nmessages: [{role: user, content: '{{x}}'}]\n"
WHOLE = """\
outcomes: [ticket_resolved, escalated]
tags:
  language: [en, de, de]
  tier: free
scores:
  helpful: {passAt: 0.7}
  tone:
capture: variables
plan:
  calls_a_day: 20000
  monthly_usd: 1500.5
  limits:
    openai: {calls_a_minute: 500}
    openai/gpt-4o-2024-08-06: {tokens_a_minute: 200000}
"""


def app(text: str) -> Loaded:
    return checked({"app.yml": text, "a.prompt.yml": PROMPT})


def found(loaded: Loaded) -> list[tuple[str, int, int]]:
    return [(each.code, each.line, each.column) for each in loaded.findings if each.path == "bot/app.yml"]


def test_everything_is_read_in_order() -> None:
    declared = app(WHOLE).app("bot").declared
    assert declared == Declarations(
        outcomes=("escalated", "ticket_resolved"),
        tags=(Tag(name="language", values=("de", "en")), Tag(name="tier", values=("free",))),
        scores=(DeclaredScore(name="helpful", passes_from=7000), DeclaredScore(name="tone")),
        capture=Capture.VARIABLES,
        plan=Plan(
            calls_a_day=20_000,
            monthly_cents=150_050,
            limits=(
                Limit(of="openai", calls_a_minute=500),
                Limit(of="openai/gpt-4o-2024-08-06", tokens_a_minute=200_000),
            ),
        ),
    )
    assert [score.pass_at for score in declared.scores] == [0.7, None]
    assert declared.reported.plan is None and declared.reported.tags == declared.tags


def test_no_declaration_changes_the_digest_of_a_release() -> None:
    with_them, without = app(WHOLE).app("bot").content, app("owner: me\n").app("bot").content
    assert with_them is not None and without is not None
    assert encode(with_them) == encode(without)


def test_what_is_not_declared_is_nothing() -> None:
    for text in ("owner: me\n", "outcomes: []\ntags: {}\nscores:\ncapture: off\n"):
        assert app(text).app("bot").declared == Declarations()


@pytest.mark.parametrize(
    ("text", "code", "line", "column"),
    [
        ("outcomes: [good, 'not good']\n", "name-invalid", 1, 18),
        ("outcomes: [good, undeclared]\n", "name-invalid", 1, 18),
        ("outcomes: not good\n", "name-invalid", 1, 11),
        ("outcomes: [good, good]\n", "name-taken", 1, 18),
        ("outcomes: [1]\n", "wrong-type", 1, 12),
        ("outcomes: {good: 1}\n", "wrong-type", 1, 11),
        (f"outcomes: [{', '.join(f'w{n}' for n in range(51))}]\n", "wrong-value", 1, 11),
        ("tags: [language]\n", "wrong-type", 1, 7),
        ("tags: {language: [de, '']}\n", "wrong-value", 1, 18),
        ("tags: {language: []}\n", "wrong-value", 1, 18),
        ("tags: {language: }\n", "missing-key", 1, 18),
        ("tags:\n  a b: [x]\n", "name-invalid", 2, 3),
        (f"tags: {{a: ['{'x' * 65}']}}\n", "wrong-value", 1, 11),
        (f"tags: {{a: [{', '.join(f'w{n}' for n in range(21))}]}}\n", "wrong-value", 1, 11),
        ("tags: {a: [x], b: [x], c: [x], d: [x]}\n", "wrong-value", 1, 7),
        ("scores: {helpful: {passat: 0.5}}\n", "unknown-setting", 1, 20),
        ("scores: {helpful: {passAt: 0}}\n", "wrong-value", 1, 28),
        ("scores: {helpful: {passAt: 1.5}}\n", "wrong-value", 1, 28),
        ("scores: {helpful: {passAt: 0.12345}}\n", "wrong-value", 1, 28),
        ("scores: {helpful: {passAt: '0.5'}}\n", "wrong-value", 1, 28),
        ("scores: {helpful: {passAt: true}}\n", "wrong-value", 1, 28),
        ("scores: {helpful: 0.5}\n", "wrong-type", 1, 19),
        ("scores: {un sure: {}}\n", "name-invalid", 1, 10),
        ("capture: everything\n", "wrong-value", 1, 10),
        ("capture: true\n", "wrong-type", 1, 10),
        ("plan: 20000\n", "wrong-type", 1, 7),
        ("plan: {calls_per_day: 5}\n", "unknown-setting", 1, 8),
        ("plan: {calls_a_day: 0}\n", "wrong-value", 1, 21),
        ("plan: {calls_a_day: 1.5}\n", "wrong-value", 1, 21),
        ("plan: {calls_a_day: many}\n", "wrong-value", 1, 21),
        ("plan: {monthly_usd: -5}\n", "wrong-value", 1, 21),
        ("plan: {monthly_usd: 0.001}\n", "wrong-value", 1, 21),
        ("plan: {limits: {openai: {}}}\n", "missing-key", 1, 25),
        ("plan: {limits: {openai: {rpm: 5}}}\n", "unknown-setting", 1, 26),
        ("plan: {limits: {openai: {calls_a_minute: 0.5}}}\n", "wrong-value", 1, 42),
    ],
)
def test_a_mistake_is_found_where_it_stands_and_stops_the_release(text: str, code: str, line: int, column: int) -> None:
    loaded = app(text)
    assert (code, line, column) in found(loaded)
    assert loaded.app("bot").content is None


def test_all_mistakes_are_found_in_one_run() -> None:
    text = "outcomes: ['a b']\ntags: {x: []}\nscores: {y: {passAt: 2}}\ncapture: no\nplan: {calls_a_day: -1}\n"
    wanted = [("name-invalid", 1), *(("wrong-value", line) for line in range(2, 6))]
    assert [(code, line) for code, line, _ in found(app(text))] == wanted
