"""`check` is handed the day, and warns of models that end within 60 days where they are named."""

from __future__ import annotations

from datetime import date

import pytest

from promptops.core.finding import Severity
from promptops.source.lint.lint import check
from tests.source.memory import checked, workspace

ASK = "messages: [{role: user, content: hi}]\n"
GPT = "openai/gpt-4o-2024-08-06"  # ends on 2027-01-14
TODAY = date(2026, 11, 30)


def found(files: dict[str, str | bytes], today: date = TODAY) -> list[tuple[str, str, int, Severity]]:
    findings = check(workspace(files), today=today).findings
    return [(item.code, item.path, item.line, item.severity) for item in findings]


def test_a_model_that_a_prompt_names_is_reported_there() -> None:
    files: dict[str, str | bytes] = {"a.prompt.yml": f"{ASK}model: {GPT}\n"}
    assert found(files) == [("model-ends", "bot/a.prompt.yml", 2, Severity.WARNING)]
    assert found(files, date(2026, 11, 14)) == []
    [item] = check(workspace(files), today=TODAY).findings
    assert item.message == f"{GPT} ends on 2027-01-14, in 45 days; its provider proposes gpt-6-luna"
    assert "https://developers.openai.com/api/docs/deprecations" in item.hint


def test_a_pin_is_reported_once_where_it_is_declared() -> None:
    models = f"models:\n  writer: {GPT}\n  sorter: openai/gpt-5.2-2025-12-11\n"
    app = f"{models}judges: {{strict: anthropic/claude-opus-4-5-20251101}}\n"
    files: dict[str, str | bytes] = {
        "app.yml": app,
        "a.prompt.yml": f"{ASK}model: writer\n",
        "b.prompt.yml": f"{ASK}model: writer\n",
        "c.prompt.yml": f"{ASK}model: sorter\n",
    }
    assert [(code, line) for code, path, line, _ in found(files) if path == "bot/app.yml"] == [
        ("model-ends", 2),
        ("model-ends", 4),
    ]


def test_a_model_that_ended_stays_a_warning() -> None:
    assert found({"a.prompt.yml": f"{ASK}model: {GPT}\n"}, date(2031, 1, 1))[0][3] is Severity.WARNING


def test_it_is_suppressed_with_a_reason() -> None:
    text = f"{ASK}# promptops: ignore[model-ends] it moves with issue 12\nmodel: {GPT}\n"
    assert found({"a.prompt.yml": text}) == []


@pytest.mark.parametrize("model", [GPT, "openai/o3-mini-2025-01-31"])
def test_without_the_day_nothing_is_said_of_ends(model: str) -> None:
    assert checked({"a.prompt.yml": f"{ASK}model: {model}\n"}).findings == ()
